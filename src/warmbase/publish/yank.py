"""Yanking: a record that refers to an image and says why nobody should use it, and what to use instead.

The image and its tags stay, so that what is built on it can still be built. Whoever has a digest, of the index or of
one platform's image, finds the record among its referrers (OCI distribution specification 1.1, "Listing Referrers").
Where that list is itself a tag, two who yank at once may lose a line of it. So each record has a tag of its own too,
which never moves:

    sha256-<64 digits of the image's digest>.yank-<12 digits of the record's digest>
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import read_record, write_record
from warmbase.effects.registry.referrers import referrers_tag
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

_DIGITS = 12


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
    so does `instead`, or is "". What was said before is not said twice, but completed where it was interrupted.

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
    known = read_yanks(place.registry, repository, [subject.digest for subject in subjects])
    said = (each for found in known.values() for each in found if (each.reason, each.instead) == (reason, made.instead))
    made = next(said, made)
    for subject in subjects:
        plain = Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size)
        record = record_manifest(KIND, _to_json(made), subject=plain)
        tag = f"{_tag_prefix(subject.digest)}{record.digest[7:][:_DIGITS]}"
        write_record(place.registry, repository, record, tag)
    return entry, made


def find_yanks(registry: Registry, repository: str, digest: str) -> tuple[Yank, ...]:
    """Why the image with this digest, an index or one of its platforms', is not to be used; the newest reason first.

    Empty for an image that nothing is said against. Raises RegistryError.
    """
    return read_yanks(registry, repository, [digest])[digest]


def read_yanks(registry: Registry, repository: str, digests: Iterable[str]) -> dict[str, tuple[Yank, ...]]:
    """`find_yanks` for each of several images of a repository. Raises RegistryError."""
    tags = registry.tags(repository)

    def find(digest: str) -> tuple[Yank, ...]:
        referrers = [each.digest for each in registry.referrers(repository, digest, artifact_type(KIND))]
        listed = {each[7:][:_DIGITS] for each in referrers}
        prefix = _tag_prefix(digest)
        dropped = [tag for tag in tags if tag.startswith(prefix) and tag.removeprefix(prefix) not in listed]
        documents = (read_record(registry, repository, reference, KIND) for reference in (*referrers, *dropped))
        found = {_from_json(document, registry, repository) for document in documents if document}
        return tuple(sorted(found, key=lambda each: (each.time, each.reason), reverse=True))

    return {digest: find(digest) for digest in digests}


def read_tagged_yanks(registry: Registry, repository: str, digests: Iterable[str]) -> dict[str, Yank]:
    """The newest yank of each of these images that has one, by the tags of the records alone: that is one listing for
    all images of a repository. Raises RegistryError."""
    wanted = {_tag_prefix(digest): digest for digest in digests}
    found: dict[str, list[Yank]] = {}
    for tag in registry.tags(repository):
        digest = wanted.get(tag[:-_DIGITS])
        document = read_record(registry, repository, tag, KIND) if digest else None
        if digest and document:
            found.setdefault(digest, []).append(_from_json(document, registry, repository))
    return {digest: max(yanks, key=lambda each: (each.time, each.reason)) for digest, yanks in found.items()}


def check_not_yanked(registry: Registry, repository: str, digests: Iterable[str]) -> None:
    """Raise PublishError if any of these images is yanked."""
    for digest, yanks in read_yanks(registry, repository, digests).items():
        for found in yanks:
            raise PublishError(
                f"{registry.host}/{repository}@{digest} was yanked on {found.time[:10]}: {found.reason}",
                next_step=f"use {found.instead}" if found.instead else "choose another one",
            )


def _tag_prefix(digest: str) -> str:
    """How the tags of an image's yanks begin."""
    return f"{referrers_tag(digest)}.yank-"


def _to_json(made: Yank) -> dict[str, str | int]:
    from warmbase import __version__  # its look-up takes longer than reading what is kept of a registry

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
