"""Whatever happens to a publisher or its connection, consumers see the old state or the new one, and a run finishes."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue

import pytest
from tests.faults import Action, Cut, Fault, Respond, Seen, at, fault_proxy, first
from tests.publishing import Clock, Shelf, attest, check_whole, tags_of
from tests.registries import RunningRegistry, client_of

from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.registries import open_registries
from warmbase.effects.registry.retries import Backoff
from warmbase.publish.journal import Journal
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.stage import Publication, publish_variants

ROOT = Path(__file__).parents[3]
NAME = "data:py3.13-trixie"
ROLLING = ("py3.13-trixie", "py3.13")


def publish(place: Place, shelf: Shelf, *layers: str) -> Publication:
    (done,) = publish_variants([shelf.variant(layers=layers)], place, blobs=shelf, clock=Clock(), attest=attest)
    return done


def check_interrupted(place: Place, old: Publication) -> None:
    """What consumers see is whole; until the journal says otherwise, it is the old state."""
    repository = place.repository("data")
    check_whole(place.registry, repository)
    tags = tags_of(place.registry, repository)
    assert tags["py3.13-trixie-20261121"] == old.digest
    if len(Ledger(place, NAME).read().entries) == 1:
        assert {tags[tag] for tag in ROLLING} == {old.digest}


def check_finished(place: Place, *published: Publication) -> None:
    """The journal has these, in this order, and all tags name what it says."""
    entries = check_tags(place).entries
    assert [entry.digest for entry in entries] == [publication.digest for publication in published]


def check_tags(place: Place) -> Journal:
    """The tags name what the journal says. A registry takes no manifest before it has all that it names."""
    tags = tags_of(place.registry, place.repository("data"))
    journal = Ledger(place, NAME).read()
    assert journal.newest
    assert {tags.pop(tag) for tag in ROLLING} == {journal.newest.digest}
    assert tags == {tag: entry.digest for entry in journal.entries for tag in (entry.dated, entry.content)}
    return journal


@dataclass(frozen=True, kw_only=True, slots=True)
class Old:
    """What was published before everything that goes wrong: copied to a new prefix for each attempt."""

    registry: RunningRegistry
    client: RegistryClient
    prefix: str
    shelf: Shelf
    publication: Publication

    def copy(self, number: int) -> Place:
        repositories = self.registry.storage / "docker/registry/v2/repositories" / self.prefix
        shutil.copytree(repositories / "old", repositories / str(number))
        return Place(registry=self.client, prefix=f"{self.prefix}/{number}")


@pytest.fixture
def old(registry: RunningRegistry, prefix: str, shelf: Shelf) -> Old:
    client = client_of(registry.host)
    done = publish(Place(registry=client, prefix=f"{prefix}/old"), shelf, "shared", "old")
    return Old(registry=registry, client=client, prefix=prefix, shelf=shelf, publication=done)


def cut_at(number: int) -> Cut:
    """Before the request arrives, or before its answer does."""
    return Cut("answer" if number % 2 else "request")


class Gone:
    """From the write with this number on the connection is cut; `strike` is called first."""

    def __init__(self, number: int, strike: Callable[[], object] = lambda: None) -> None:
        self._number = number
        self._strike = strike
        self._writes = 0
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Action | None:
        with self._lock:
            self._writes += seen.method in ("POST", "PUT", "PATCH")
            if self._writes <= self._number:
                return None
            self._strike()
            self._strike = lambda: None
        return cut_at(self._number)


def test_a_connection_that_breaks_at_any_request_is_made_up_for(old: Old) -> None:
    """A single cut, at each request in turn."""
    with fault_proxy(old.registry.host) as proxy:
        client = client_of(proxy.host)
        for number in itertools.count():
            proxy.seen.clear()
            proxy.fault = at(number, cut_at(number))
            place = old.copy(number)
            new = publish(replace(place, registry=client), old.shelf, "shared", "new")
            assert new.error is None, f"{number}: {new.error}"
            check_finished(place, old.publication, new)
            if number >= len(proxy.seen) - 1:  # no request was left to be cut
                break
    assert number > 25


def test_a_registry_that_goes_away_at_any_step_keeps_the_old_state_and_the_next_run_finishes(old: Old) -> None:
    for number in itertools.count():
        place = old.copy(number)
        with fault_proxy(old.registry.host, Gone(number)) as proxy:
            cut = publish(replace(place, registry=client_of(proxy.host)), old.shelf, "shared", "new")
        if cut.error is None:
            break
        check_interrupted(place, old.publication)
        check_finished(place, old.publication, publish(place, old.shelf, "shared", "new"))
    assert number > 10


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("429", first(4, Respond(429, {"Retry-After": "3"}))),
        ("500", first(4, Respond(500))),
        ("blob uploads", first(4, Respond(503), "PUT", "/blobs/uploads/")),
        ("tags", first(4, Respond(500), "PUT", "/manifests/py3.13")),
        ("half answers", first(4, Cut("answer body", 20), "GET", "/manifests/")),
    ],
)
def test_a_registry_in_trouble_is_asked_again(old: Old, name: str, fault: Fault) -> None:
    place = old.copy(0)
    with fault_proxy(old.registry.host, fault) as proxy:
        new = publish(replace(place, registry=client_of(proxy.host)), old.shelf, "shared", "new")
    assert new.error is None
    check_finished(place, old.publication, new)


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


@pytest.fixture
def publisher(shelf: Shelf) -> Iterator[Publisher]:
    command = [sys.executable, "-m", "tests.integration.publish.publisher", str(shelf.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Publisher(process=process)
        finally:
            assert process.stdin
            process.stdin.close()


def test_a_publisher_that_is_killed_at_any_step_leaves_the_old_state_and_the_next_run_finishes(
    old: Old, publisher: Publisher
) -> None:
    def kill() -> None:
        os.kill(publisher.running.get(), signal.SIGKILL)

    for number in itertools.count():
        place = old.copy(number)
        with fault_proxy(old.registry.host, Gone(number, kill)) as proxy:
            status = publisher.publish(proxy.host, place.prefix, ["shared", "new"])
        if status == 0:
            break
        assert status == signal.SIGKILL
        check_interrupted(place, old.publication)
        check_finished(place, old.publication, publish(place, old.shelf, "shared", "new"))
    assert number > 10


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
