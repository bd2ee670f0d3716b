"""Sending blobs: once, in parallel, and ending when it has to."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.publish.memory import MemoryRegistry

from warmbase.effects.registry.model import Progress, PushOutcome, ignore_progress
from warmbase.errors import RegistryError
from warmbase.oci.manifest import TAR, Descriptor, describe
from warmbase.publish.push import Blob, Pusher


def blob(text: str, origin: str = "") -> Blob:
    return Blob(descriptor=describe(text.encode(), TAR), source=text.encode(), origin=origin)


class EndlessRegistry(MemoryRegistry):
    """A registry to which every blob is on its way until somebody stops it."""

    def __init__(self) -> None:
        super().__init__()
        self.sending = threading.Event()

    def push_blob(
        self,
        repository: str,
        blob: Descriptor,
        source: Path | bytes,
        *,
        mount_from: str = "",
        is_new: bool = False,
        progress: Progress = ignore_progress,
    ) -> PushOutcome:
        while True:
            progress(1)
            self.sending.set()


def test_transfers_under_way_end_when_they_are_stopped() -> None:
    registry = EndlessRegistry()
    with Pusher(registry, transfers=1) as pusher, ThreadPoolExecutor(1) as executor:
        pushing = executor.submit(pusher.push, "data", [blob("one"), blob("two")])
        assert registry.sending.wait(10)
        pusher.stop()
        with pytest.raises(RegistryError, match="was stopped"):
            pushing.result(10)


def test_what_two_repositories_need_at_once_is_sent_once() -> None:
    registry = MemoryRegistry()
    blobs = [blob(str(number)) for number in range(20)]
    with Pusher(registry, transfers=4) as pusher, ThreadPoolExecutor(3) as executor:
        counts = list(executor.map(lambda name: pusher.push(name, blobs), ["a", "a", "b"]))
    assert registry.asked["send"] == registry.asked["mount"] == 20
    assert sum((count for count in counts), start=counts[0] - counts[0]) == {"sent": 20, "present": 20, "mounted": 20}


def test_a_blob_that_could_not_be_sent_to_one_repository_is_sent_to_the_other() -> None:
    registry = MemoryRegistry()

    def refuse(what: str, where: str) -> None:
        if where.startswith("a@"):
            raise RegistryError("denied")

    registry.before = refuse
    with Pusher(registry) as pusher:
        with pytest.raises(RegistryError):
            pusher.push("a", [blob("one")])
        assert pusher.push("b", [blob("one")]) == {"sent": 1}


def test_a_blob_is_mounted_from_where_it_is_said_to_come_from() -> None:
    registry = MemoryRegistry()
    with Pusher(registry) as pusher:
        pusher.push("python", [blob("base")])
    with Pusher(registry) as pusher:
        assert pusher.push("data", [blob("base", origin="python"), blob("own", origin="python")]) == {
            "mounted": 1,
            "sent": 1,
        }


def test_progress_counts_blobs() -> None:
    told: list[tuple[int, int]] = []
    with Pusher(MemoryRegistry()) as pusher:
        pusher.push("data", [blob("one"), blob("two")], lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)
