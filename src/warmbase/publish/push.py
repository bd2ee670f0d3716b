"""Sending blobs to a registry: each once, in parallel with a limit, and from there on mounted where it is needed."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from warmbase.effects.registry.brake import Brake
from warmbase.effects.registry.model import PushOutcome, Registry
from warmbase.oci.manifest import Descriptor

DEFAULT_TRANSFERS = 6
"""How many blobs are on their way at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A blob to push: what it is, where its bytes are, and a repository of the registry that may have it ("": none)."""

    descriptor: Descriptor
    source: Path | bytes
    origin: str = ""

    @property
    def digest(self) -> str:
        """The blob's digest."""
        return self.descriptor.digest


class Pusher:
    """Pushes blobs to one registry, for several repositories and threads at once.

    What one repository has got is mounted into the next; a blob that two ask for is sent once, the other one waits.
    `placed` says which repository got a blob first, by its digest: given to one pusher after the other, they mount what
    those before them have sent.
    """

    def __init__(
        self, registry: Registry, *, transfers: int = DEFAULT_TRANSFERS, placed: dict[str, str] | None = None
    ) -> None:
        self._registry = registry
        self._executor = ThreadPoolExecutor(max_workers=transfers, thread_name_prefix="transfer")
        self._lock = threading.Lock()
        self._begun: dict[tuple[str, str], Future[PushOutcome]] = {}
        self._first: dict[str, str] = {} if placed is None else placed
        self._brake = Brake()

    def __enter__(self) -> "Pusher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """End what is under way, in every thread, with an error."""
        self._brake.pull()

    def know(self, repository: str, digests: Iterable[str]) -> None:
        """Remember that a repository has blobs, so that others mount them from there."""
        with self._lock:
            for digest in digests:
                self._first.setdefault(digest, repository)

    def push(
        self, repository: str, blobs: Iterable[Blob], advance: Callable[[int, int], object] = lambda *_: None
    ) -> Counter[PushOutcome]:
        """See that a repository has all of `blobs`; what became of how many. `advance` gets the done and all of them.

        Raises the first error once no transfer for this repository is under way any more.
        """
        wanted = {blob.digest: blob for blob in blobs}
        futures = [self._executor.submit(self._push, repository, blob) for blob in wanted.values()]
        counts: Counter[PushOutcome] = Counter()
        pending = set(futures)
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_EXCEPTION, timeout=0.2)
                counts.update(future.result() for future in done)
                advance(counts.total(), len(futures))
        except BaseException:
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        return counts

    def _push(self, repository: str, blob: Blob) -> PushOutcome:
        with self._lock:
            others = self._begun.get((repository, blob.digest))
            own: Future[PushOutcome] = Future()
            if others is None:
                self._begun[repository, blob.digest] = own
            first = self._first.setdefault(blob.digest, repository)
            before = self._begun.get((first, blob.digest)) if first != repository else None
        if others is not None:
            others.result()
            return "present"
        # Only what is running already is waited for, so that waiting ends.
        origin = first if first != repository else blob.origin
        if before is not None and before.exception() is not None:
            origin = blob.origin
        try:
            self._brake.check()
            outcome = self._registry.push_blob(
                repository, blob.descriptor, blob.source, mount_from=origin, progress=self._brake.check
            )
        except BaseException as error:
            own.set_exception(error)
            raise
        own.set_result(outcome)
        return outcome
