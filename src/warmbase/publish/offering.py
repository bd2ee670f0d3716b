"""What a published image offers, read out of the image itself (see `offer`).

Its manifest has the layers, the history in its config says which packages lie in which of them, its last layer what it
promises (`base.json`) and its bill of materials. Only the lock knows the files that packages were installed from. The
offer is made when the image is published and stays with the journal's entry; entries of older versions have none, and
then it is read from the registry in the same way, at the cost of the images' last layers.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import read_layer
from warmbase.image.last_layer import read_files
from warmbase.image.promises import BILL, IDENTITY
from warmbase.lock.model import Lock, lock_from_json
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import Config, Descriptor, History, Manifest
from warmbase.oci.records import packed_type, unpack
from warmbase.publish.contents import Read, platforms_of, read_from
from warmbase.publish.journal import Entry
from warmbase.publish.model import Place
from warmbase.publish.offer import Offer, OfferedLayer, OfferedPackage, OfferedPlatform, SystemPackage
from warmbase.publish.offer_document import OFFER, unpack_offer

if TYPE_CHECKING:
    from warmbase.oci.layout import BlobSource
    from warmbase.publish.model import PublishableVariant

_OUR_WORDS = "warmbase: "
_ALL_PACKAGES = "packages"  # how the history calls the one layer of an image whose uv's cache is not known
_DESCRIPTION = "org.opencontainers.image.description"
_CREATED = "org.opencontainers.image.created"
_PARENT = "dev.warmbase.from"
_DEFAULT_INDEX = "default"  # as catalogs call uv's own
_LONGEST_WORDS = 200  # of a foundation's history: whole shell scripts stand there
_MOST_LICENCES = 8

Known = Mapping[str, Any]
"""A JSON object."""


def describe_offer(
    index: bytes, read: Read, *, variant: str, foundation: str, lock: Lock | None, verified: Mapping[str, str]
) -> Offer:
    """The offer of the images in `index`, whose parts `read` gives.

    `foundation` is its name in the catalog, `verified` says how each platform's image was looked at. Without a `lock`
    nothing is known of files. Raises ValueError for what is no image of warmbase's, and what `read` raises.
    """
    try:
        found = [
            _Image(platform, descriptor, read, lock, verified.get(platform, ""))
            for platform, descriptor in sorted(platforms_of(index).items())
        ]
        first = found[0]
        return Offer(
            variant=variant,
            description=first.label(_DESCRIPTION),
            python=".".join(str(first.identity["python"]).split(".")[:2]),
            foundation=foundation,
            uv=str(first.identity["uv"]),
            contract=int(first.identity.get("contract", 0)),
            created=first.label(_CREATED),
            parent=first.label(_PARENT),
            indexes=_indexes(first.identity),
            platforms=tuple(each.describe() for each in found),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not an image that warmbase made: {error!r}") from error


def offer_variant(variant: "PublishableVariant", index: bytes, blobs: "BlobSource", elsewhere: Read) -> Offer:
    """The offer of a variant that is published as `index`. `blobs` has what was built here, `elsewhere` the rest: the
    same layers may be there in another packing.

    Raises as `describe_offer` does, and OSError.
    """
    here = {digest_of(document): document for _, verified in variant.images for document in verified.image.documents}

    def read(wanted: Descriptor) -> bytes:
        if wanted.digest in here:
            return here[wanted.digest]
        path = blobs.blob_path(wanted.digest)
        return path.read_bytes() if path.exists() else elsewhere(wanted)

    return describe_offer(
        index,
        read,
        variant=variant.variant.name,
        foundation=variant.variant.foundation.name,
        lock=variant.images[0][0].lock,
        verified={image.image.platform: image.verification.how for _, image in variant.images},
    )


def read_offer(place: Place, entry: Entry, layers: Mapping[str, Descriptor]) -> Offer:
    """The offer of a journal's entry. `layers` are those of its record, by media type (`oci.records.packed_layers`).

    Raises RegistryError, and ValueError for what cannot be read.
    """
    registry = place.registry
    packed = layers.get(packed_type(OFFER))
    if packed:
        with suppress(ValueError):  # another version's; its images can be read all the same
            return replace(unpack_offer(read_layer(registry, place.journal, packed)), variant=entry.variant)
    repository = place.repository(entry.image)
    index = registry.read_manifest(repository, entry.digest)
    if index is None:
        raise ValueError(f"{registry.host}/{repository} has no {entry.digest} any more")
    return describe_offer(
        index.content,
        read_from(registry, repository),
        variant=entry.variant,
        foundation=entry.foundation,
        lock=_read_lock(registry, place.journal, layers),
        verified={name: platform.verified for name, platform in entry.platforms.items()},
    )


def _read_lock(registry: Registry, journal: str, layers: Mapping[str, Descriptor]) -> Lock | None:
    packed = layers.get(packed_type("lock"))
    try:
        return lock_from_json(unpack(registry.read_blob(journal, packed)).decode()) if packed else None
    except (KeyError, TypeError) as error:
        raise ValueError(f"its lock cannot be read: {error!r}") from error


class _Image:
    """The image of one platform, taken apart."""

    def __init__(self, platform: str, descriptor: Descriptor, read: Read, lock: Lock | None, verified: str) -> None:
        self._platform = platform
        self._digest = descriptor.digest
        self._lock = lock
        self._verified = verified
        self._manifest = Manifest.from_bytes(read(descriptor))
        self._config = Config.from_bytes(read(self._manifest.config))
        last = self._manifest.layers[-1]
        files = read_files(read(last), last, (IDENTITY, BILL))
        self.identity: Known = json.loads(files[IDENTITY])
        self._parts: Sequence[Known] = json.loads(files[BILL])["components"]

    def label(self, name: str) -> str:
        """A label of the image, "" for none."""
        labels = self._config.run.get("Labels")
        return str(labels.get(name, "")) if isinstance(labels, dict) else ""

    def describe(self) -> OfferedPlatform:
        """What it offers."""
        layers = self._layers()
        packages = sorted(self._packages(), key=lambda package: package.name)
        places = {name: number for number, layer in enumerate(layers) for name in layer.words.split(", ")}
        whole = places.get(_ALL_PACKAGES, -1)
        system = next((part for part in self._parts if part["type"] == "operating-system"), None)
        return OfferedPlatform(
            platform=self._platform,
            digest=self._digest,
            python=str(self.identity["python"]),
            system=f"{system['name']} {system['version']}".strip() if system else "",
            layers=tuple(layers),
            packages=tuple(packages),
            places=tuple(places.get(f"{each.name} {each.version}", whole) for each in packages),
            system_packages=tuple(
                SystemPackage(name=part["name"], version=part["version"], licences=_licences(part))
                for part in self._parts
                if _kind(part) in ("deb", "apk")
            ),
            verified=self._verified,
        )

    def _layers(self) -> list[OfferedLayer]:
        steps = [step for step in self._config.history if not step.empty_layer]
        words = [_words(step) for step in steps] if len(steps) == len(self._manifest.layers) else []
        return [
            OfferedLayer(digest=layer.digest, size=layer.size, words=words[number] if words else "")
            for number, layer in enumerate(self._manifest.layers)
        ]

    def _packages(self) -> list[OfferedPackage]:
        parts = {part["name"]: part for part in self._parts if _kind(part) == "pypi"}
        if self._lock is None:
            return [_billed(part) for part in parts.values()]
        found = []
        for package in self._lock.installed(self._platform):
            file = package.file(self._platform)
            found.append(
                OfferedPackage(
                    name=package.name,
                    version=package.version,
                    use=package.use,
                    file=file.name if file else "",
                    sha256=file.sha256 if file else "",
                    size=file.size if file else 0,
                    source=package.source,
                    index=package.index,
                    licences=_licences(parts.get(package.name, {})),
                )
            )
        return found


def _indexes(identity: Known) -> dict[str, tuple[str, ...]]:
    """The addresses that the cache answers for. Those of uv's own index may have mirrors among them."""
    named = {
        "" if name == _DEFAULT_INDEX else name: tuple(map(str, addresses))
        for name, addresses in identity.get("indexes", {}).items()
    }
    own = named.get("", ())
    default = str(identity.get("index", ""))
    return {"": tuple(dict.fromkeys((*([default] if default else []), *own))), **{k: v for k, v in named.items() if k}}


def _billed(part: Known) -> OfferedPackage:
    return OfferedPackage(
        name=part["name"],
        version=part["version"],
        use="venv" if part.get("scope", "required") == "required" else "warm",
        sha256=next((each["content"] for each in part.get("hashes", ()) if each["alg"] == "SHA-256"), ""),
        licences=_licences(part),
    )


def _kind(part: Known) -> str:
    """The type in a part's package URL, but for uv itself, which is no package of the venv or the cache."""
    return str(part.get("purl", "")).removeprefix("pkg:").partition("/")[0] if part["type"] == "library" else ""


def _licences(part: Known) -> tuple[str, ...]:
    """The licences of a part (ECMA-424, "licenseChoice")."""
    said = (
        choice.get("expression") or choice.get("license", {}).get("id") or choice.get("license", {}).get("name", "")
        for choice in islice(part.get("licenses", ()), _MOST_LICENCES)
    )
    return tuple(str(one) for one in said if one)


def _words(step: History) -> str:
    if step.created_by.startswith(_OUR_WORDS):
        return step.created_by.removeprefix(_OUR_WORDS)
    return " ".join((step.comment or step.created_by).split())[:_LONGEST_WORDS]
