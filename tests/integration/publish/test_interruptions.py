"""Whatever happens to a publisher or its connection, consumers see the old state or the new one, and a run finishes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue

import pytest
from tests.faults import Action, Cut, Seen, fault_proxy
from tests.integration.publish.attempts import Old, check_finished, check_interrupted, check_tags, publish
from tests.publishing import Shelf, check_whole
from tests.registries import RunningRegistry, client_of

from warmbase.effects.registry.registries import open_registries
from warmbase.effects.registry.retries import Backoff
from warmbase.publish.model import Place

ROOT = Path(__file__).parents[3]
AT_ONCE = 3
WRITING = ("POST", "PUT", "PATCH")


class EachOnce:
    """Meets every request with `action` the first time that it is made, as far as its path tells; sessions of uploads
    have none of their own, and every other one is met."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self.requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Action | None:
        path = re.sub(r"/blobs/uploads/[0-9a-f-]+", "/blobs/uploads/ID", seen.path)
        key = f"{seen.method} {re.sub('_state=[^&]*', '', path)}"
        with self._lock:
            self.requests[key] += 1
            is_met = self.requests[key] == 1 or (seen.method == "POST" and self.requests[key] % 2 == 1)
        return self._action if is_met else None


class Gone:
    """From the write with this number on no request arrives; `strike` is called at the first of them.

    A request whose answer is lost leaves the registry as one that arrives before the next one that does not.
    """

    def __init__(self, number: int, strike: Callable[[], object] = lambda: None) -> None:
        self._number = number
        self._strike = strike
        self._writes = 0
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Action | None:
        with self._lock:
            self._writes += seen.method in WRITING
            if self._writes <= self._number:
                return None
            self._strike()
            self._strike = lambda: None
        return Cut("request")


@pytest.mark.parametrize("cut", [Cut("request"), Cut("answer"), Cut("answer body", 20)], ids=lambda cut: cut.where)
def test_a_connection_that_breaks_once_at_every_request_is_made_up_for(old: Old, cut: Cut) -> None:
    place, fault = old.copy(), EachOnce(cut)
    with fault_proxy(old.registry.host, fault) as proxy:
        new = publish(replace(place, registry=client_of(proxy.host)), old.shelf, "shared", "new", transfers=1)
    assert len(fault.requests) > 30
    assert new.error is None
    check_finished(place, old.publication, new)


def test_a_registry_that_goes_away_at_any_step_keeps_the_old_state_and_the_next_run_finishes(old: Old) -> None:
    def attempt(number: int) -> None:
        place = old.copy()
        with fault_proxy(old.registry.host, Gone(number)) as proxy:
            cut = publish(replace(place, registry=client_of(proxy.host)), old.shelf, "shared", "new")
        assert cut.error, number
        check_interrupted(place, old.publication)
        check_finished(place, old.publication, publish(place, old.shelf, "shared", "new"))

    with ThreadPoolExecutor(AT_ONCE) as executor:
        list(executor.map(attempt, range(count_writes(old))))


def count_writes(old: Old) -> int:
    """How many requests of a publication write."""
    with fault_proxy(old.registry.host) as proxy:
        through = replace(old.copy(), registry=client_of(proxy.host))
        assert publish(through, old.shelf, "shared", "new").error is None
        count = sum(seen.method in WRITING for seen in proxy.seen)
    assert count > 10
    return count


@dataclass
class Publisher:
    """A process whose children publish; `running` gives the id of the one at work."""

    process: subprocess.Popen[str]
    running: "Queue[int]" = field(default_factory=Queue)

    def publish(self, host: str, prefix: str, layers: Sequence[str]) -> int:
        """Let a child publish; its status."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([host, prefix, list(layers)]) + "\n")
        self.process.stdin.flush()
        self.running.put(int(self.process.stdout.readline()))
        status = int(self.process.stdout.readline())
        while not self.running.empty():
            self.running.get()
        return status


@contextmanager
def running_publisher(shelf: Shelf) -> Iterator[Publisher]:
    command = [sys.executable, "-m", "tests.integration.publish.publisher", str(shelf.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Publisher(process=process)
        finally:
            assert process.stdin
            process.stdin.close()


def test_a_publisher_that_is_killed_at_any_step_leaves_the_old_state_and_the_next_run_finishes(old: Old) -> None:
    def attempt(publisher: Publisher, number: int) -> None:
        place = old.copy()
        kill = Gone(number, lambda: os.kill(publisher.running.get(), signal.SIGKILL))
        with fault_proxy(old.registry.host, kill) as proxy:
            assert publisher.publish(proxy.host, place.prefix, ["shared", "new"]) == signal.SIGKILL, number
        check_interrupted(place, old.publication)
        check_finished(place, old.publication, publish(place, old.shelf, "shared", "new"))

    def attempt_all(numbers: Sequence[int]) -> None:
        with running_publisher(old.shelf) as publisher:
            for number in numbers:
                attempt(publisher, number)

    count = count_writes(old)
    with ThreadPoolExecutor(AT_ONCE) as executor:
        list(executor.map(attempt_all, [range(first, count, AT_ONCE) for first in range(AT_ONCE)]))


def test_publishers_at_once_end_in_one_consistent_state(registry: RunningRegistry, prefix: str, shelf: Shelf) -> None:
    """Four publishers, two of them of the same content, several times over."""
    # What two write at the same moment, this registry cannot read for a moment: retries have to wait a little.
    backoff = Backoff(sleep=lambda seconds: time.sleep(seconds / 10))
    clients = [open_registries({}, backoff=backoff).at(registry.host) for _ in range(4)]
    contents = ["one", "two", "three", "three"]
    for turn in range(3):
        places = [Place(registry=client, prefix=f"{prefix}/{turn}") for client in clients]
        with ThreadPoolExecutor(len(contents)) as executor:
            done = list(executor.map(lambda place, content: publish(place, shelf, content), places, contents))
        assert [publication.error for publication in done] == [None] * 4
        check_whole(places[0].registry, places[0].repository("data"))
        assert {entry.digest for entry in check_tags(places[0]).entries} == {publication.digest for publication in done}
