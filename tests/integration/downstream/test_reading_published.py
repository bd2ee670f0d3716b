"""What is published, read over the network: an index.json from a server, and a registry that wants to know who asks."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.listed import list_bases
from tests.offered import NEWEST, PLACE, base
from tests.registries import client_of, running_registry
from tests.tokens import HTPASSWD, WELL_KNOWN_SECRETS, no_secret_in
from tests.wheelhouse import PASSWORD, USER, serve_answers

from warmbase.cli.published import open_published
from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.index_listing import IndexListing, read_address
from warmbase.downstream.kept import FRESH, Keeper, Kept
from warmbase.downstream.listing import Base, Listing
from warmbase.effects import http
from warmbase.effects.registry import registries
from warmbase.errors import ListingError
from warmbase.events import Event, Warned

BASIC = WELL_KNOWN_SECRETS[2]
DATA, WEB = base("data:py3.13-trixie"), base("web:py3.13-trixie", {"fastapi": "1.0"})


class Server:
    """Serves an index.json; `requests` are the paths that were asked for, `unchanged` those of them that were not sent
    again."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.unchanged: list[str] = []
        self.publish(DATA)

    def publish(self, *bases: Base) -> None:
        self.content = render_index(index_to_json(Listing(bases=bases, source=PLACE)))

    def answer(self, path: str) -> tuple[str, bytes] | None:
        return ("application/json", self.content) if path.startswith("/site/index.json") else None


class Reader:
    """Reads an address, and keeps what it reads in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NEWEST
        self.told: list[Event] = []

    def read(self, address: str) -> tuple[Base, ...]:
        def read() -> bytes:
            return read_address(address, self.folder, lambda: self.now, self.told.append)

        return IndexListing(address, read).listing().bases


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Someone with a login for this machine in ~/.netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    return Reader(tmp_path / "published")


def test_an_index_is_fetched_once_and_then_asked_about(reader: Reader) -> None:
    server = Server()
    with serve_answers(
        server.answer, lambda path, _: server.requests.append(path), unchanged=server.unchanged.append
    ) as port:
        address = f"http://127.0.0.1:{port}/site/index.json?token=hidden"
        assert reader.read(address) == (DATA,)
        assert reader.read(address) == (DATA,)
        assert len(server.requests) == 1, "it was just read"
        reader.now += FRESH
        assert reader.read(address) == (DATA,)
        assert (len(server.requests), len(server.unchanged)) == (2, 1)
        server.publish(DATA, WEB)
        reader.now += FRESH
        assert reader.read(address) == (DATA, WEB)
    reader.now += timedelta(days=1)
    assert reader.read(address) == (DATA, WEB)
    [warning] = [event for event in reader.told if isinstance(event, Warned)]
    said = "cannot be read: no connection: Connection refused; what is told was read at 2026-11-20 02:00 UTC"
    assert said in warning.message
    [kept] = reader.folder.iterdir()
    assert "hidden" not in warning.message + kept.read_text()


def test_a_login_is_the_machines_and_stays_there(reader: Reader) -> None:
    server = Server()
    with serve_answers(server.answer, lambda path, _: server.requests.append(path), login=(USER, PASSWORD)) as port:
        assert reader.read(f"http://127.0.0.1:{port}/site/index.json") == (DATA,)
        named = f"http://{USER}:{PASSWORD}@127.0.0.1:{port}/site/index.json"
        assert reader.read(named) == (DATA,)
    assert not [path for path in reader.folder.iterdir() if PASSWORD in path.read_text()]
    reader.now += FRESH
    assert reader.read(named) == (DATA,)
    assert not [event for event in reader.told if PASSWORD in repr(event)]


@pytest.mark.parametrize(("path", "said"), [("none.json", "answers 404"), ("index.json", "no connection")])
def test_an_address_that_does_not_answer_is_an_error_that_says_what_to_check(
    reader: Reader, path: str, said: str
) -> None:
    server = Server()
    with serve_answers(server.answer, lambda path, _: server.requests.append(path)) as port:
        address = f"http://127.0.0.1:{port}/site/{path}"
        if path == "none.json":
            with pytest.raises(ListingError, match=said) as raised:
                reader.read(address)
            assert "address is right" in raised.value.next_step
            return
    with pytest.raises(ListingError, match=said):
        reader.read(address)


def test_a_registry_is_read_with_a_login_that_is_kept_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path / "cache"))
    with running_registry(tmp_path / "registry", htpasswd=HTPASSWD) as registry:
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        with pytest.raises(ListingError, match="401") as raised:
            open_published(f"{registry.host}/bases", tmp_path, told.append).listing()
        assert raised.value.next_step == f"log in with `docker login {registry.host}`"
        (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": BASIC}}}))
        mine = replace(DATA, place=f"{registry.host}/bases")
        list_bases(client_of(registry.host, environment=os.environ), [mine])
        published = open_published(f"{registry.host}/bases", tmp_path, told.append)
        assert published.listing().bases == (mine,)
        assert published.find(mine.reference) == mine
        assert [edition.digest for edition in published.editions(mine.variant)] == [mine.digest]
    assert open_published(f"{registry.host}/bases", tmp_path, told.append).listing().bases == (mine,)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert all(no_secret_in(path.read_text()) for path in kept)
    assert told == []


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that takes every connection and says nothing; nobody has much time."""
    monkeypatch.setattr(http, "READ_SECONDS", 0.1)
    monkeypatch.setattr(registries, "READ_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("form", ["{}/bases", "http://{}/index.json"])
def test_nobody_waits_long_for_a_server_that_says_nothing(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path))
    told: list[Event] = []
    place = form.format(silent)
    with pytest.raises(ListingError, match="no answer in time"):
        open_published(place, tmp_path, told.append).listing()
    content = render_index(index_to_json(Listing(bases=(DATA,), source=place)))
    Keeper(folder=tmp_path / "published", source=place).write(Kept(asked=NEWEST, stamp={}, content=content))
    assert open_published(place, tmp_path, told.append).listing().bases == (DATA,)
    [warning] = [event.message for event in told if isinstance(event, Warned)]
    assert "no answer in time" in warning
    assert "2026-11-20" in warning
