"""Yanking: a record that refers to an image and says why nobody should use it, and what to use instead.

The image and its tags stay, so that what is built on it can still be built. Whoever has a digest, of the index or of
one platform's image, finds the record among its referrers (OCI distribution specification 1.1, "Listing Referrers").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from warmbase import __version__
from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import read_record, write_record
from warmbase.errors import PublishError, RegistryError
from warmbase.oci.manifest import INDEX, Descriptor
from warmbase.oci.records import artifact_type, record_manifest
from warmbase.publish.contents import platforms_of
from warmbase.publish.history import find_entry
from warmbase.publish.journal import Entry, format_time
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.release import Clock

KIND = "yank"
FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Yank:
    """Why an image is not to be used: `digest` is its index, `instead` the name and digest of another ("" none)."""

    variant: str
    digest: str
    reason: str
    instead: str
    time: str

    def __str__(self) -> str:
        return f"{self.reason}; use {self.instead} instead" if self.instead else self.reason


def yank(place: Place, variant: str, wanted: str, *, reason: str, instead: str, clock: Clock) -> tuple[Entry, Yank]:
    """Yank what `wanted` means in the journal of `variant`: a digest, the beginning of one, or a dated or content tag;
    so does `instead`, or is "". Says it again where it was said before, and changes nothing then.

    Raises RegistryError, and PublishError for what the journal does not have.
    """
    journal = Ledger(place, variant).read()
    entry = find_entry(journal, wanted)
    other = find_entry(journal, instead) if instead else None
    if other and other.digest == entry.digest:
        raise PublishError(f"{variant}: {wanted} and {instead} are the same image", next_step="name another one")
    repository = place.repository(entry.image)
    index = place.registry.read_manifest(repository, entry.digest)
    if index is None:
        raise PublishError(f"{place}/{entry.image} no longer has {entry.digest}", next_step="there is nothing to do")
    made = Yank(
        variant=variant,
        digest=entry.digest,
        reason=reason,
        instead=f"{other.image}:{other.dated or other.content}@{other.digest}" if other else "",
        time=format_time(clock()),
    )
    # The index comes last: where it has a record, so have its images.
    subjects = [
        *platforms_of(index.content).values(),
        Descriptor(media_type=INDEX, digest=index.digest, size=len(index.content)),
    ]
    for subject in subjects:
        known = find_yanks(place.registry, repository, subject.digest)
        if not any((each.reason, each.instead) == (made.reason, made.instead) for each in known):
            plain = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
            write_record(place.registry, repository, record_manifest(KIND, _to_json(made), subject=plain))
    return entry, made


def find_yanks(registry: Registry, repository: str, digest: str) -> tuple[Yank, ...]:
    """Why the image with this digest, an index or one of its platforms', is not to be used; the newest reason first.

    Empty for an image that nothing is said against. Raises RegistryError.
    """
    referrers = registry.referrers(repository, digest, artifact_type(KIND))
    documents = (read_record(registry, repository, referrer.digest, KIND) for referrer in referrers)
    found = [_from_json(document, registry, repository) for document in documents if document]
    return tuple(sorted(found, key=lambda each: each.time, reverse=True))


def check_not_yanked(registry: Registry, repository: str, digests: Iterable[str]) -> None:
    """Raise PublishError if any of these images is yanked."""
    for digest in digests:
        for found in find_yanks(registry, repository, digest):
            raise PublishError(
                f"{registry.host}/{repository}@{digest} was yanked on {found.time[:10]}: {found.reason}",
                next_step=f"use {found.instead}" if found.instead else "choose another one",
            )


def _to_json(made: Yank) -> dict[str, str | int]:
    return {
        "format": FORMAT,
        "variant": made.variant,
        "digest": made.digest,
        "reason": made.reason,
        "instead": made.instead,
        "time": made.time,
        "tool": __version__,
    }


def _from_json(document: Mapping[str, Any], registry: Registry, repository: str) -> Yank:
    names = ("variant", "digest", "reason", "instead", "time")
    if document.get("format") != FORMAT or not all(name in document for name in names):
        raise RegistryError(
            f"{registry.host}/{repository} has a yank that cannot be read",
            next_step="use the version of warmbase that wrote it, or a newer one",
        )
    return Yank(**{name: str(document[name]) for name in names})
