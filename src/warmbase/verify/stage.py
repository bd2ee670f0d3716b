"""The verify stage: look at an image, run it, run real children of it, and remember what came of it."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from warmbase.effects.platforms import runs_by
from warmbase.effects.runner import Bind, Root, Runner
from warmbase.errors import VerificationError
from warmbase.image.assemble import BuiltImage
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.model import Lock
from warmbase.oci.digests import digest_of_file
from warmbase.oci.layout import Layout
from warmbase.oci.manifest import Manifest
from warmbase.verify import inside
from warmbase.verify.children import children_of, run_child, skipped_backends, skipped_children
from warmbase.verify.fitness import check_fitness
from warmbase.verify.model import (
    VERIFIER_REVISION,
    Finding,
    Verification,
    VerifiedImage,
    accept_image,
    name_runner,
)
from warmbase.verify.record import hash_smokes, read_record, write_record
from warmbase.verify.running import check_running, smokes_of
from warmbase.verify.sandboxes import ClosableRunner
from warmbase.verify.static import ImageFiles, SearchedLayers, check_image, environment_of, traces_of
from warmbase.verify.subject import INSIDE, Subject


def verify_image(
    image: BuiltImage,
    lock: Lock,
    *,
    store: LayerStore,
    unpacked: UnpackedLayers,
    runner: Runner,
    records: Path,
    environment: Mapping[str, str] = os.environ,
    paths: Iterable[Path] = (),
    addresses: Iterable[str] = (),
    jobs: int = 2,
    layout: Layout | None = None,
    runs: Callable[[str], str] = runs_by,
    searched: SearchedLayers | None = None,
) -> VerifiedImage:
    """Verify `image`, or find the record that it was verified, and keep the record in `records`.

    An image of `layout` is verified anew, and its blobs are read there. The checks of its variant run in it, those of
    what it is from first; the secrets in `environment`, warmbase's own, and in `addresses` must not be in the image,
    nor must `paths` of this machine, and layers that were `searched` for them are not read again; `jobs` children run
    at once. `runs` says what executes a platform's programs here: an image of a foreign one is looked at more closely,
    and where nothing executes it that is all, and the result says so. Raises VerificationError that names each failed
    check, or if `layout` has another image in its place, StoreError for a damaged layer, RunnerError where no sandbox
    opens.
    """
    hash_ = hash_smokes(image.variant.smokes)
    if layout:
        _check_digest(image, layout)
    how = runs(image.platform)
    known = None if layout else read_record(records, image.digest, name_runner(runner.name, how))
    if known and known.smoke == hash_ and known.has_passed:
        return accept_image(image, known)
    root = unpacked.root(image.layers)
    files = ImageFiles(listings=unpacked.listings(image.layers), folders=root.folders)
    subject = Subject(image=image, lock=lock, environment=environment_of(image))
    traces = traces_of(environment, (store.root, records, unpacked.folder, *paths), addresses)
    with _start_threads(runner, jobs) as (executor, closable):
        # The longest come first, so that none of them is left alone at the end.
        children = _start_children(executor, subject, closable, root) if how else []
        running = executor.submit(_run_image, subject, closable, root) if how else None
        findings = [_check_blobs(image, layout)] if layout else []  # else unpacking them has just proven it
        findings += check_image(image, lock, files, traces, searched)
        findings += check_fitness(image, lock, files.tree) if how != "native" else ()
        findings += running.result() if running else _not_run(subject)
        findings += [child.result() for child in children]
    findings += (*skipped_children(subject), *skipped_backends(subject)) if how else ()
    verification = Verification(
        digest=image.digest,
        platform=image.platform,
        revision=VERIFIER_REVISION,
        runner=name_runner(runner.name, how),
        smoke=hash_,
        findings=tuple(findings),
    )
    write_record(records, verification)
    return accept_image(image, verification)


@contextmanager
def _start_threads(runner: Runner, jobs: int) -> Iterator[tuple[ThreadPoolExecutor, Runner]]:
    """Threads and the runner for them. When the verification is interrupted, what has begun is ended, the rest left."""
    closable = ClosableRunner(runner)
    with ThreadPoolExecutor(max_workers=max(jobs, 1), thread_name_prefix="verify") as executor:
        try:
            yield executor, closable
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            closable.close()
            raise


def _check_digest(image: BuiltImage, layout: Layout) -> None:
    builds = layout.builds(image.variant.name)
    held = next((build.digest for build in builds if str(build.platform) == image.platform), "no image")
    if held != image.digest:
        raise VerificationError(
            f"{layout.path} holds {held} as {image.variant.name} on {image.platform}, not {image.digest}, which is what"
            " its lock gives",
            next_step=f"remove {layout.path} and run `warmbase build {image.variant.name}`",
        )


def _check_blobs(image: BuiltImage, layout: Layout) -> Finding:
    """Every blob is in the layout and has the digest that names it."""
    config = Manifest.from_bytes(image.documents[0]).config
    problems = []
    for digest in (image.digest, config.digest, *(layer.digest for layer in image.layers)):
        try:
            if digest_of_file(layout.blob_path(digest)) != digest:
                problems.append(f"{layout.blob_path(digest)} is damaged")
        except OSError as error:
            problems.append(f"{layout.blob_path(digest)}: {error.strerror}")
    return Finding(check="blobs", outcome="failed" if problems else "passed", detail="\n".join(problems))


def _start_children(
    executor: ThreadPoolExecutor, subject: Subject, runner: Runner, root: Root
) -> list[Future[Finding]]:
    return [executor.submit(run_child, child, subject, runner, root) for child in children_of(subject)]


def _run_image(subject: Subject, runner: Runner, root: Root) -> list[Finding]:
    programs = Bind(source=Path(inside.__file__).parent, target=INSIDE, read_only=True)
    checks = smokes_of(subject.image.variant)
    binds = [Bind(source=smoke.file, target=smoke.place, read_only=True) for smoke in checks]
    with runner.open(root, binds=[programs, *binds]) as sandbox:
        return list(check_running(sandbox, subject, checks))


def _not_run(subject: Subject) -> Iterable[Finding]:
    reason = (
        f"this machine cannot execute programs for {subject.image.platform}; with qemu it can:"
        " apt-get install qemu-user-static binfmt-support"
    )
    names = ("the image", *(child.name for child in children_of(subject)))
    return tuple(Finding(check=name, outcome="not run", detail=reason) for name in names)
