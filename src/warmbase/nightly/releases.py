"""Images as a registry has them: their sizes and their attested bills of materials."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from warmbase.attest.stage import CYCLONEDX, PREDICATE_TYPE
from warmbase.errors import RegistryError
from warmbase.nightly.changes import Bill, moves
from warmbase.nightly.model import Move
from warmbase.oci.manifest import Descriptor, Manifest
from warmbase.publish.contents import attestations_of, platforms_of, read_from
from warmbase.publish.model import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A published index. `layers` is the size of each compressed layer by its digest, for each platform; `bills` lacks
    the platforms for which none is attested."""

    digest: str
    layers: Mapping[str, Mapping[str, int]] = field(hash=False)
    bills: Mapping[str, Bill] = field(hash=False, repr=False)

    @property
    def size(self) -> int:
        """The bytes of all layers, those that platforms share counted once."""
        return sum({digest: size for each in self.layers.values() for digest, size in each.items()}.values())

    def pulled_after(self, other: "Release") -> int:
        """The bytes that whoever has `other` pulls, on the platform on which they are most."""
        return max(
            (
                sum(size for digest, size in each.items() if digest not in other.layers.get(platform, {}))
                for platform, each in self.layers.items()
            ),
            default=0,
        )


def read_release(place: Place, image: str, digest: str) -> Release:
    """The published index `digest` of an image ("data"). Raises RegistryError, also for what is no image of ours."""
    repository = place.repository(image)
    read = read_from(place.registry, repository)
    try:
        index = _read_index(place, repository, digest)
        manifests = {platform: (found, read(found)) for platform, found in platforms_of(index).items()}
        attested = attestations_of(index)
        bills = {
            platform: _read_bill(place, repository, attested[found.digest])
            for platform, (found, _) in manifests.items()
            if found.digest in attested
        }
        layers = {
            platform: {layer.digest: layer.size for layer in Manifest.from_bytes(content).layers}
            for platform, (_, content) in manifests.items()
        }
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{place.registry.host}/{repository}@{digest} is not an image that warmbase published: {error!r}",
            next_step="see who else writes to that repository; `warmbase history` lists what was published",
        ) from error
    return Release(digest=digest, layers=layers, bills={name: bill for name, bill in bills.items() if bill})


def release_moves(old: Release, new: Release) -> tuple[Move, ...]:
    """What moved from one to the other, as far as their bills say."""
    return moves(old.bills, new.bills)


def _read_index(place: Place, repository: str, digest: str) -> bytes:
    document = place.registry.read_manifest(repository, digest)
    if document is None:
        raise RegistryError(
            f"{place.registry.host}/{repository} has no {digest} any more",
            next_step="compare what it still has: `warmbase history` lists it",
        )
    return document.content


def _read_bill(place: Place, repository: str, digest: str) -> Bill | None:
    """The bill of materials of an attestation, None without one (in-toto attestation framework, "Statement")."""
    attestation = place.registry.read_manifest(repository, digest)
    if attestation is None:
        return None
    for layer in Manifest.from_bytes(attestation.content).layers:
        if _predicate_of(layer) == CYCLONEDX:
            statement = json.loads(place.registry.read_blob(repository, layer))
            bill: Bill = statement["predicate"]
            return bill
    return None


def _predicate_of(layer: Descriptor) -> str:
    return layer.annotations.get(PREDICATE_TYPE, "")
