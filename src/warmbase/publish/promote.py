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
from warmbase.effects.registry.brake import Brake
from warmbase.effects.registry.model import Document, PushOutcome, Registries, Registry
from warmbase.effects.registry.referrers import subject_of
from warmbase.errors import PublishError, RegistryError
from warmbase.events import Advanced, Ended, Report, Started, ignore
from warmbase.oci.manifest import INDEX, Descriptor, Index, Manifest, is_index
from warmbase.oci.reference import Reference
from warmbase.publish.baseline import carry_origin
from warmbase.publish.contents import check_same_content, images_of, platforms_of, read_from
from warmbase.publish.journal import Entry
from warmbase.publish.ledger import Ledger, find_publication, read_entries
from warmbase.publish.model import Place
from warmbase.publish.push import DEFAULT_TRANSFERS
from warmbase.publish.release import Clock, Release, Released
from warmbase.publish.tags import is_immutable
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
    work: Path | None = None,
) -> Promotion:
    """Give what `source` names to `target`.

    A target without a tag, or with one of the variant's own, gets all rolling tags of the variant; one with another
    tag gets that alone. What has to pass through this machine does so in the folder `work`, the system's one for
    temporary files if it is None. Raises PublishError for a source that was not published by warmbase, was yanked, or
    is older than what the target has, and for a target tag that is somebody else's; RegistryError.
    """
    if target.digest:
        raise PublishError(f"{target} names a digest", next_step="name a repository, or a tag of it")
    index, entry = _find_source(source, registries.at(source.registry))
    place, draft = plan_promotion(source, target, entry, registries)
    if (source.registry, source.repository, entry.rolling) == (target.registry, target.repository, draft.rolling):
        raise PublishError(f"{target} is what {source} is", next_step="promote to another repository or another tag")
    before = Place(registry=registries.at(source.registry), prefix=_prefix(source.repository, entry.image))
    if draft.rolling != entry.rolling:
        _check_tag(target, place, draft, before, entry)
    _check_newer(place, draft, before, entry)
    begun, name = time.monotonic(), draft.variant
    report(Started(subject=name, stage="promote", detail=f"{source} → {place}"))

    def advance(done: int, total: int) -> None:
        report(Advanced(subject=name, stage="promote", done=done, total=total, detail="blobs"))

    copy = _Copy(source=source, target=target, registries=registries, advance=advance, work=work)
    is_new = _check_content_tag(source, target, draft, index, registries)
    counts = copy.run(index, transfers)
    if is_new:
        place.registry.write_manifest(target.repository, draft.content, index.content, index.media_type)
    released = Release(place, index, draft, clock, made_from=carry_origin(before, entry, report)).publish()
    report(Ended(subject=name, stage="promote", seconds=time.monotonic() - begun))
    if released.is_superseded:
        raise _superseded(place, draft, released.newest, step=_rollback(place, draft))
    return Promotion(target=target, released=released, transfers=counts)


def _find_source(source: Reference, origin: Registry) -> tuple[Document, Entry]:
    """The index that `source` names, and what published it. Raises PublishError for what may not be promoted."""
    index = origin.read_manifest(source.repository, source.reference)
    if index is None or index.media_type != INDEX:
        what = "does not exist" if index is None else "is not an index, as warmbase publishes it"
        raise PublishError(f"{source} {what}", next_step="name a tag or a digest that `warmbase history` lists")
    entry = find_publication(origin, source.repository, index.digest)
    images = platforms_of(index.content)
    check_not_yanked(origin, source.repository, (index.digest, *(image.digest for image in images.values())))
    return index, entry


def plan_promotion(source: Reference, target: Reference, entry: Entry, registries: Registries) -> tuple[Place, Entry]:
    """Where a promotion's journal is, and the draft of its entry. `entry` published it at the source."""
    head, _, tail = target.repository.rpartition("/")
    named_alike = target.repository == entry.image or target.repository.endswith(f"/{entry.image}")
    image = entry.image if named_alike else tail
    prefix = _prefix(target.repository, image) if named_alike else head
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


def _prefix(repository: str, image: str) -> str:
    return repository[: -len(image)].rstrip("/")


def _check_tag(target: Reference, place: Place, draft: Entry, before: Place, entry: Entry) -> None:
    """Raise PublishError unless the tag, which is not one of the variant's own, is free or was promoted to before.

    `entry` is what published at the place `before`.
    """
    (tag,), step = draft.rolling, "promote to another tag, or to the repository without one"
    if is_immutable(tag):
        raise PublishError(f"{target} has the form of a dated or content tag, and these never move", next_step=step)
    theirs = [known for known in read_entries(place).values() if known.image == draft.image]
    ours = [known for known in read_entries(before).values() if known.image == entry.image]
    for known in (*theirs, *ours):
        if tag in known.rolling and (known.action == "publish" or known.rolling != draft.rolling):
            raise PublishError(f"{target} is a rolling tag of {known.variant}", next_step=step)
    is_known = any(known.variant == draft.variant for known in theirs)
    if not is_known and place.registry.find_manifest(target.repository, tag):
        raise PublishError(f"{target} exists, and no journal knows it: a person may need it", next_step=step)


def _check_newer(place: Place, draft: Entry, before: Place, entry: Entry) -> None:
    """Raise PublishError if what the target has came after `entry` at the place `before`, which published that.

    What was rolled back to there came after what it replaced.
    """
    theirs = Ledger(place, draft.variant).read()
    newest = theirs.newest
    if newest is None or newest.digest == entry.digest:
        return
    last = {known.digest: number for number, known in enumerate(Ledger(before, entry.variant).read().entries)}
    named = max(last.get(digest, -1) for digest in (newest.digest, newest.source.partition("@")[2]))
    if named > last.get(entry.digest, named):
        is_known = theirs.find(entry.digest)
        step = _rollback(place, draft) if is_known else f"{_rollback(before, entry)}, then promote it"
        raise _superseded(place, draft, newest, step=step)


def _superseded(place: Place, draft: Entry, newest: Entry, *, step: str) -> PublishError:
    return PublishError(
        f"{place} has something newer ({newest.digest}) than {draft.source}; rolling tags do not move back",
        next_step=step,
    )


def _rollback(place: Place, entry: Entry) -> str:
    return f"`warmbase rollback {entry.variant} --to {entry.digest} --registry {place}`"


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
    work: Path | None
    brake: Brake = field(default_factory=Brake)

    def run(self, index: Document, transfers: int) -> Counter[PushOutcome]:
        """Copy everything, what is pointed to before what points to it; what became of how many blobs."""
        if (self.source.registry, self.source.repository) == (self.target.registry, self.target.repository):
            return Counter()
        documents = list(self._closure(index, set()))
        blobs = {
            blob.digest: blob
            for document in documents
            if not is_index(document.media_type)
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
            if not self._has(document):
                target.write_manifest(repository, document.digest, document.content, document.media_type)
        return counts

    def _has(self, document: Document) -> bool:
        """Whether the target has a manifest, and finds it by what it refers to: that is written after it."""
        target, repository = self.registries.at(self.target.registry), self.target.repository
        if not target.find_manifest(repository, document.digest):
            return False
        subject = subject_of(document.content)
        return not subject or any(each.digest == document.digest for each in target.referrers(repository, subject))

    def _closure(self, document: Document, seen: set[str]) -> Iterator[Document]:
        """What a manifest names, the manifest, and what refers to it, each once."""
        if document.digest in seen:
            return
        seen.add(document.digest)
        for child in Index.from_bytes(document.content).manifests if is_index(document.media_type) else ():
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
        with tempfile.TemporaryDirectory(prefix="warmbase-", dir=self.work) as folder:
            path = Path(folder, "blob")
            self._origin.pull_blob(self.source.repository, blob, path, progress=self.brake.check)
            return target.push_blob(repository, blob, path, progress=self.brake.check)

    @property
    def _origin(self) -> Registry:
        return self.registries.at(self.source.registry)


def _blobs(manifest: Manifest) -> tuple[Descriptor, ...]:
    return (manifest.config, *manifest.layers)
