"""The publish stage: verified variants become tags.

For each variant: blobs, manifests by digest, attestations, one index under the content tag; then dated tag, journal and
rolling tags (see `release`). Where the content tag is there, so is all that comes before it; what somebody deleted of
it is pushed again. A variant that fails keeps its tags and stops no other; the next run goes on where it ended.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

from warmbase import __version__
from warmbase.effects.registry.model import Document, PushOutcome
from warmbase.errors import PublishError, RegistryError, StoreError, WarmbaseError
from warmbase.events import Advanced, Ended, Report, Started, Warned, ignore
from warmbase.image.assemble import LOCK_LABEL, Image
from warmbase.oci.digests import digest_of
from warmbase.oci.layout import BlobSource
from warmbase.oci.manifest import INDEX, MANIFEST, Config, Descriptor, Index, Manifest
from warmbase.oci.records import Layers
from warmbase.oci.reference import Reference
from warmbase.plan import BuildStep
from warmbase.publish.baseline import describe_origin
from warmbase.publish.contents import attestations_of, check_same_content, diff_ids_of, platforms_of, read_from
from warmbase.publish.journal import Entry, PublishedPlatform
from warmbase.publish.model import Attestation, Place, PublishableVariant
from warmbase.publish.offer_document import pack_offer
from warmbase.publish.offering import offer_variant
from warmbase.publish.push import DEFAULT_TRANSFERS, Blob, Pusher
from warmbase.publish.release import Clock, Release
from warmbase.publish.yank import Yank, find_yanks
from warmbase.verify.model import VerifiedImage

Attest = Callable[[BuildStep, bytes, BlobSource], Attestation]
"""Attests a platform's image: the step that built it, its manifest, and where its blobs lie."""

Share = Callable[[PublishableVariant], object]
"""Gives other machines what a variant was made of."""

Status = Literal["published", "up to date", "superseded", "failed"]

_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_REQUESTS_AT_ONCE = 16
_VARIANTS_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """What became of a variant. `digest` is its index, `entry` what the journal says of it (None: not asked).

    `newest` is what the rolling tags name where it is something newer; `transfers` counts blobs by what became of them;
    `is_adopted` says that the registry had the same layers under another digest, which counts; `yanks` say why what was
    there before is not to be used (of what is up to date it is not asked).
    """

    variant: PublishableVariant
    status: Status
    digest: str = ""
    entry: Entry | None = None
    newest: Entry | None = None
    transfers: Counter[PushOutcome] = field(default_factory=Counter, hash=False)
    is_adopted: bool = False
    yanks: tuple[Yank, ...] = ()
    seconds: float = 0.0
    error: WarmbaseError | None = None


def publish_variants(
    variants: Sequence[PublishableVariant],
    place: Place,
    *,
    blobs: BlobSource,
    clock: Clock,
    attest: Attest | None = None,
    share: Share | None = None,
    report: Report = ignore,
    transfers: int = DEFAULT_TRANSFERS,
    placed: dict[str, str] | None = None,
) -> tuple[Publication, ...]:
    """Publish `variants`, whose blobs are in `blobs`; what became of each, in their order.

    `share` hears of each variant whose blobs are there, before any tag moves. `placed` is as for `Pusher`."""
    if not variants:
        return ()
    current = _find_current(variants, place)
    with (
        Pusher(place.registry, transfers=transfers, placed=placed) as pusher,
        ThreadPoolExecutor(max_workers=_VARIANTS_AT_ONCE, thread_name_prefix="publish") as executor,
    ):
        publisher = _Publisher(
            place=place, blobs=blobs, clock=clock, attest=attest, share=share, report=report, pusher=pusher
        )
        for variant, state in zip(variants, current, strict=True):
            if isinstance(state, str) and state:
                pusher.know(place.repository(variant.variant.image), _digests(variant))
        try:
            return tuple(executor.map(publisher.attempt, variants, current))
        except BaseException:  # Ctrl-C
            pusher.stop()
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _find_current(variants: Sequence[PublishableVariant], place: Place) -> list[str | WarmbaseError]:
    """The digest of each variant whose content is there and named by all of its tags, else ""; HEAD requests only.

    The content tag stands for the recipe, and the manifests for the bytes.
    """
    wanted = [(place.repository(v.variant.image), reference) for v in variants for reference in _references(v)]

    def find(asked: tuple[str, str]) -> str | WarmbaseError:
        try:
            found = place.registry.find_manifest(*asked)
        except WarmbaseError as error:
            return error
        return found.digest if found else ""

    with ThreadPoolExecutor(max_workers=_REQUESTS_AT_ONCE, thread_name_prefix="look") as executor:
        found = dict(zip(wanted, executor.map(find, wanted), strict=True))
    return [_current(v, [found[place.repository(v.variant.image), r] for r in _references(v)]) for v in variants]


def _references(variant: PublishableVariant) -> tuple[str, ...]:
    images = (image.image.digest for _, image in variant.images)
    return (variant.content_tag, *variant.variant.tags, *images)


def _current(variant: PublishableVariant, found: Sequence[str | WarmbaseError]) -> str | WarmbaseError:
    error = next((each for each in found if isinstance(each, WarmbaseError)), None)
    if error:
        return error
    tags, images = found[: 1 + len(variant.variant.tags)], found[1 + len(variant.variant.tags) :]
    return tags[0] if len(set(tags)) == 1 and all(images) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Publisher:
    """Publishes one variant after the other, in any thread."""

    place: Place
    blobs: BlobSource
    clock: Clock
    attest: Attest | None
    share: Share | None
    report: Report
    pusher: Pusher

    def attempt(self, variant: PublishableVariant, current: str | WarmbaseError) -> Publication:
        """Publish a variant. Failures are outcomes too."""
        if isinstance(current, str) and current:
            return Publication(variant=variant, status="up to date", digest=current)
        begun, name = time.monotonic(), variant.variant.name
        self.report(Started(subject=name, stage="publish", detail=str(self.place)))
        try:
            if isinstance(current, WarmbaseError):
                raise current
            done = self._publish(variant)
        except WarmbaseError as error:
            done = Publication(variant=variant, status="failed", error=error)
        except OSError as error:
            told = StoreError(f"{error.filename or 'the layout'}: {error.strerror}", next_step="run `warmbase build`")
            done = Publication(variant=variant, status="failed", error=told)
        seconds = time.monotonic() - begun
        self.report(Ended(subject=name, stage="publish", seconds=seconds, detail=done.status))
        return replace(done, seconds=seconds)

    def _publish(self, variant: PublishableVariant) -> Publication:
        registry, repository = self.place.registry, self.place.repository(variant.variant.image)
        found = registry.read_manifest(repository, variant.content_tag)
        index, transfers = self._complete(variant, found) if found else self._push(variant)
        yanks = find_yanks(registry, repository, index.digest) if found else ()
        origin = (*describe_origin(variant), *self._offer(variant, index))
        released = Release(self.place, index, _draft(variant, index), self.clock, made_from=origin).publish()
        return Publication(
            variant=variant,
            status="superseded" if released.is_superseded else "published",
            digest=released.entry.digest,
            entry=released.entry,
            newest=released.newest if released.is_superseded else None,
            transfers=transfers,
            is_adopted=_is_adopted(variant, released.entry),
            yanks=yanks,
        )

    def _offer(self, variant: PublishableVariant, index: Document) -> Layers:
        """What the variant offers, for its entry. Whoever chooses can read it from the image too: that is slower."""
        remote = read_from(self.place.registry, self.place.repository(variant.variant.image))
        try:
            return (pack_offer(offer_variant(variant, index.content, self.blobs, remote)),)
        except (ValueError, RegistryError, OSError) as error:
            said = f"the new entry of the journal does not say what the image offers: {error}"
            self.report(Warned(subject=variant.variant.name, message=said))
            return ()

    def _complete(self, variant: PublishableVariant, index: Document) -> tuple[Document, Counter[PushOutcome]]:
        """See that what the content tag names has our content, and that nothing of it is missing."""
        self._check_content(variant, index)
        transfers: Counter[PushOutcome] = Counter()
        if self._lacking(variant, index):
            _, transfers = self._push_parts(variant)
            lacking = self._lacking(variant, index)
            if lacking:
                place = f"{self.place}/{variant.variant.image}"
                raise PublishError(
                    f"{place} lacks {', '.join(lacking)}, which {variant.content_tag} names and another version of"
                    " warmbase wrote",
                    next_step=f"delete {place}@{index.digest}, and publish again",
                )
        return index, transfers

    def _lacking(self, variant: PublishableVariant, index: Document) -> list[str]:
        """What an index names that is not there: somebody deleted it."""
        registry, repository = self.place.registry, self.place.repository(variant.variant.image)
        named = [manifest.digest for manifest in Index.from_bytes(index.content).manifests]
        return [digest for digest in named if not registry.find_manifest(repository, digest)]

    def _check_content(self, variant: PublishableVariant, index: Document) -> None:
        registry, repository = self.place.registry, self.place.repository(variant.variant.image)
        name = f"{registry.host}/{repository}:{variant.content_tag}"
        ours = {
            verified.image.platform: (verified.image.digest, digest_of(verified.image.documents[1]))
            for _, verified in variant.images
        }
        try:
            check_same_content(name, ours, index.content, read_from(registry, repository))
        except ValueError as error:
            raise RegistryError(f"{name}: {error}", next_step="see who else writes to that repository") from error

    def _push(self, variant: PublishableVariant) -> tuple[Document, Counter[PushOutcome]]:
        """Everything up to the index, which the content tag names in the end, unless it was given away meanwhile."""
        registry, repository = self.place.registry, self.place.repository(variant.variant.image)
        content, transfers = self._push_parts(variant)
        found = registry.read_manifest(repository, variant.content_tag)
        if found:
            self._check_content(variant, found)
            return found, transfers
        registry.write_manifest(repository, variant.content_tag, content, INDEX)
        return Document(content=content, media_type=INDEX, digest=digest_of(content)), transfers

    def _push_parts(self, variant: PublishableVariant) -> tuple[bytes, Counter[PushOutcome]]:
        """All that the index of a variant names; the index, which is not pushed."""
        repository = self.place.repository(variant.variant.image)
        attestations = [
            self.attest(step, verified.image.documents[0], self.blobs)
            for step, verified in variant.images
            if self.attest
        ]
        blobs = [blob for _, verified in variant.images for blob in self._blobs(verified.image)]
        blobs += [Blob(descriptor=d, source=content) for each in attestations for d, content in each.blobs]

        def advance(done: int, total: int) -> None:
            name = variant.variant.name
            self.report(Advanced(subject=name, stage="publish", done=done, total=total, detail="blobs"))

        transfers = self.pusher.push(repository, blobs, advance)
        if self.share:
            self.share(variant)
        for verified in (verified for _, verified in variant.images):
            self._write_manifest(repository, verified.image.manifest, verified.image.documents[0])
        for attestation in attestations:
            self._write_manifest(repository, attestation.descriptor, attestation.manifest)
        return make_index([verified for _, verified in variant.images], attestations), transfers

    def _write_manifest(self, repository: str, manifest: Descriptor, content: bytes) -> None:
        if not self.place.registry.find_manifest(repository, manifest.digest):
            self.place.registry.write_manifest(repository, manifest.digest, content, MANIFEST)

    def _blobs(self, image: Image) -> Iterator[Blob]:
        manifest = Manifest.from_bytes(image.documents[0])
        origin = _origin(manifest, self.place)
        yield Blob(descriptor=manifest.config, source=image.documents[1])
        for layer in manifest.layers:
            yield Blob(descriptor=layer, source=self.blobs.blob_path(layer.digest), origin=origin)


def make_index(images: Sequence[VerifiedImage], attestations: Sequence[Attestation]) -> bytes:
    """The index of a variant: its images in platform order, then what is attested of them.

    Annotations that all images share are the index's too: some registries show no others.
    """
    annotations = [Manifest.from_bytes(verified.image.documents[0]).annotations.items() for verified in images]
    shared = {key: value for key, value in annotations[0] if all((key, value) in each for each in annotations)}
    manifests = (*(verified.image.manifest for verified in images), *(each.descriptor for each in attestations))
    return Index(manifests=manifests, annotations=dict(sorted(shared.items()))).to_bytes()


def _draft(variant: PublishableVariant, index: Document) -> Entry:
    """The entry of a variant's index, but for what only the moment of writing says."""
    digests = {platform: manifest.digest for platform, manifest in platforms_of(index.content).items()}
    attestations = attestations_of(index.content)
    step, first = variant.images[0]
    labels = Config.from_bytes(first.image.documents[1]).run.get("Labels")
    return Entry(
        variant=variant.variant.name,
        action="publish",
        time="",
        digest=index.digest,
        rolling=variant.variant.tags,
        content=variant.content_tag,
        platforms={
            verified.image.platform: PublishedPlatform(
                digest=digests[verified.image.platform],
                verified=verified.verification.how,
                recipe=verified.image.recipe,
                foundation=_foundation(verified.image),
                attestation=attestations.get(digests[verified.image.platform], ""),
            )
            for _, verified in variant.images
        },
        lock=str(labels.get(LOCK_LABEL, "")) if isinstance(labels, dict) else "",
        foundation=variant.variant.foundation.name,
        packages={package.name: package.version for package in step.lock.packages if package.use == "venv"},
        layers=tuple(sorted({recipe for step, _ in variant.images for recipe in step.shared})),
        tool=__version__,
        seconds=variant.seconds,
        size=_size(variant),
    )


def _size(variant: PublishableVariant) -> int:
    """The bytes of all layers, each counted once."""
    manifests = (Manifest.from_bytes(verified.image.documents[0]) for _, verified in variant.images)
    return sum({layer.digest: layer.size for manifest in manifests for layer in manifest.layers}.values())


def _foundation(image: Image) -> str:
    """The digest of an image's foundation: what it names as its base, else its lowest layer."""
    named = Manifest.from_bytes(image.documents[0]).annotations.get(_BASE_DIGEST)
    return named or next(iter(diff_ids_of(image.documents[1])), "")


def _is_adopted(variant: PublishableVariant, entry: Entry) -> bool:
    theirs = {platform.digest for platform in entry.platforms.values()}
    return theirs != {verified.image.digest for _, verified in variant.images}


def _digests(variant: PublishableVariant) -> Iterator[str]:
    for _, verified in variant.images:
        yield from (layer.digest for layer in Manifest.from_bytes(verified.image.documents[0]).layers)


def _origin(manifest: Manifest, place: Place) -> str:
    """The repository of the image's base, if it is in the same registry: its layers need not be sent."""
    name = manifest.annotations.get(_BASE_NAME, "")
    if not name or _BASE_DIGEST not in manifest.annotations:
        return ""
    try:
        base = place.locate(Reference.parse(name))
    except ValueError:
        return ""
    return base.repository if base.registry == place.registry.host else ""
