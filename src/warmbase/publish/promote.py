"""Promoting: what one registry, repository or tag has is given to another, byte for byte and by digest.

The index, its images and attestations, and whatever refers to them; then tags and journal as for a publication.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from warmbase import __version__
from warmbase.effects.registry.model import Document, PushOutcome, Registries, Registry
from warmbase.errors import PublishError, RegistryError
from warmbase.events import Advanced, Ended, Report, Started, ignore
from warmbase.oci.manifest import INDEX, Descriptor, Index, Manifest
from warmbase.oci.reference import Reference
from warmbase.publish.contents import check_same_content, images_of, platforms_of, read_from
from warmbase.publish.journal import Entry
from warmbase.publish.ledger import find_publication
from warmbase.publish.model import Place
from warmbase.publish.push import DEFAULT_TRANSFERS, Brake
from warmbase.publish.release import Clock, Release, Released
from warmbase.publish.yank import check_not_yanked


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """What came of a promotion: the release at the target, and what became of how many blobs."""

    target: Reference
    released: Released
    transfers: Counter[PushOutcome]


def promote(
    source: Reference,
    target: Reference,
    registries: Registries,
    *,
    clock: Clock,
    report: Report = ignore,
    transfers: int = DEFAULT_TRANSFERS,
) -> Promotion:
    """Give what `source` names to `target`.

    A target without a tag, or with one of the variant's own, gets all rolling tags of the variant; one with another
    tag gets that alone. Raises PublishError for a source that was not published by warmbase, was yanked, or is older
    than what the target has; RegistryError.
    """
    if target.digest:
        raise PublishError(f"{target} names a digest", next_step="name a repository, or a tag of it")
    origin = registries.at(source.registry)
    index = origin.read_manifest(source.repository, source.reference)
    if index is None or index.media_type != INDEX:
        what = "does not exist" if index is None else "is not an index, as warmbase publishes it"
        raise PublishError(f"{source} {what}", next_step="name a tag or a digest that `warmbase history` lists")
    entry = find_publication(origin, source.repository, index.digest)
    images = platforms_of(index.content)
    check_not_yanked(origin, source.repository, (index.digest, *(image.digest for image in images.values())))
    place, draft = plan_promotion(source, target, entry, registries)
    if (source.registry, source.repository, entry.rolling) == (target.registry, target.repository, draft.rolling):
        raise PublishError(f"{target} is what {source} is", next_step="promote to another repository or another tag")
    begun, name = time.monotonic(), draft.variant
    report(Started(subject=name, stage="promote", detail=f"{source} → {place}"))

    def advance(done: int, total: int) -> None:
        report(Advanced(subject=name, stage="promote", done=done, total=total, detail="blobs"))

    copy = _Copy(source=source, target=target, registries=registries, advance=advance)
    is_new = _check_content_tag(source, target, draft, index, registries)
    counts = copy.run(index, transfers)
    if is_new:
        place.registry.write_manifest(target.repository, draft.content, index.content, index.media_type)
    released = Release(place, index, draft, clock).publish()
    report(Ended(subject=name, stage="promote", seconds=time.monotonic() - begun))
    if released.is_superseded:
        raise PublishError(
            f"{place} had {source} before, and has something newer now ({released.newest.digest}); rolling tags do not"
            " move back",
            next_step=f"`warmbase rollback {draft.variant} --to {index.digest} --registry {place}`",
        )
    return Promotion(target=target, released=released, transfers=counts)


def plan_promotion(source: Reference, target: Reference, entry: Entry, registries: Registries) -> tuple[Place, Entry]:
    """Where a promotion's journal is, and the draft of its entry. `entry` published it at the source."""
    head, _, tail = target.repository.rpartition("/")
    named_alike = target.repository == entry.image or target.repository.endswith(f"/{entry.image}")
    image = entry.image if named_alike else tail
    prefix = target.repository[: -len(image)].rstrip("/") if named_alike else head
    is_own = target.tag in ("", *entry.rolling)
    rolling = entry.rolling if is_own else (target.tag,)
    draft = replace(
        entry,
        variant=f"{image}:{rolling[0]}",
        action="promote",
        rolling=rolling,
        content=f"{rolling[0]}-{entry.content.rpartition('-')[2]}",
        dated="",
        tool=__version__,
        source=str(source.at(digest=entry.digest)),
    )
    return Place(registry=registries.at(target.registry), prefix=prefix), draft


def _check_content_tag(source: Reference, target: Reference, draft: Entry, index: Document, at: Registries) -> bool:
    """Whether the content tag is to be given: it is not if it names the same layers. Raises PublishError for others."""
    registry = at.at(target.registry)
    found = registry.read_manifest(target.repository, draft.content)
    if found is None:
        return True
    if found.digest != index.digest:
        ours = images_of(index.content, read_from(at.at(source.registry), source.repository))
        name = str(target.at(tag=draft.content))
        check_same_content(name, ours, found.content, read_from(registry, target.repository))
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Copy:
    """Copies an index with all that it needs and all that refers to it."""

    source: Reference
    target: Reference
    registries: Registries
    advance: Callable[[int, int], object]
    brake: Brake = field(default_factory=Brake)

    def run(self, index: Document, transfers: int) -> Counter[PushOutcome]:
        """Copy everything, what is pointed to before what points to it; what became of how many blobs."""
        if (self.source.registry, self.source.repository) == (self.target.registry, self.target.repository):
            return Counter()
        documents = list(self._closure(index, set()))
        blobs = {
            blob.digest: blob
            for document in documents
            if not _is_index(document)
            for blob in _blobs(Manifest.from_bytes(document.content))
        }
        counts: Counter[PushOutcome] = Counter()
        with ThreadPoolExecutor(max_workers=transfers, thread_name_prefix="transfer") as executor:
            try:
                for outcome in executor.map(self._carry, blobs.values()):
                    counts[outcome] += 1
                    self.advance(counts.total(), len(blobs))
            except BaseException:
                self.brake.pull()
                executor.shutdown(wait=False, cancel_futures=True)
                raise
        target, repository = self.registries.at(self.target.registry), self.target.repository
        for document in documents:
            if not target.find_manifest(repository, document.digest):
                target.write_manifest(repository, document.digest, document.content, document.media_type)
        return counts

    def _closure(self, document: Document, seen: set[str]) -> Iterator[Document]:
        """What a manifest names, the manifest, and what refers to it, each once."""
        if document.digest in seen:
            return
        seen.add(document.digest)
        for child in Index.from_bytes(document.content).manifests if _is_index(document) else ():
            yield from self._closure(self._read(child), seen)
        yield document
        for referrer in self._origin.referrers(self.source.repository, document.digest):
            yield from self._closure(self._read(referrer), seen)

    def _read(self, wanted: Descriptor) -> Document:
        found = self._origin.read_manifest(self.source.repository, wanted.digest)
        if found is None:
            raise RegistryError(
                f"{self.source.registry}/{self.source.repository} lacks {wanted.digest}, which {self.source} needs",
                next_step="publish it there again, then promote it",
            )
        return found

    def _carry(self, blob: Descriptor) -> PushOutcome:
        """See that the target has a blob; its bytes pass through a file of this machine only if nothing else does."""
        target, repository = self.registries.at(self.target.registry), self.target.repository
        if target.has_blob(repository, blob.digest):
            return "present"
        if self.source.registry == self.target.registry and target.mount_blob(repository, blob, self.source.repository):
            return "mounted"
        with tempfile.TemporaryDirectory(prefix="warmbase-") as folder:
            path = Path(folder, "blob")
            self._origin.pull_blob(self.source.repository, blob, path, progress=self.brake.check)
            return target.push_blob(repository, blob, path, progress=self.brake.check)

    @property
    def _origin(self) -> Registry:
        return self.registries.at(self.source.registry)


def _is_index(document: Document) -> bool:
    return "manifest.list" in document.media_type or "image.index" in document.media_type


def _blobs(manifest: Manifest) -> tuple[Descriptor, ...]:
    return (manifest.config, *manifest.layers)
