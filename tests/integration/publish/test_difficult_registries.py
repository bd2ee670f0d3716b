"""Registries and proxies that are busy, broken or peculiar: a publication gets through, or nothing has changed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate

import pytest
from tests.faults import Action, Change, Cut, Fault, Respond, Seen, Slow, fault_proxy, first
from tests.integration.publish.attempts import Old, check_finished, check_interrupted, publish
from tests.publishing import Clock, Shelf, attest, check_whole
from tests.registries import RunningRegistry, client_of

from warmbase.publish.model import Place
from warmbase.publish.stage import publish_variants

UPLOADS, MANIFESTS, BLOBS = "/blobs/uploads/", "/manifests/", "/blobs/sha256"


def each(*faults: Fault) -> Fault:
    """All of these faults: of several that meet a request, the first one."""
    return lambda seen: next((action for fault in faults if (action := fault(seen))), None)


def always(action: Action, method: str, path: str) -> Fault:
    """Meet every request with a method and a part of the path."""
    return lambda seen: action if seen.method == method and path in seen.path else None


def corrupt(body: bytes) -> bytes:
    """The same number of bytes, one of them another."""
    return body[:-1] + bytes([body[-1] ^ 1]) if body else body


def halve(body: bytes) -> bytes:
    return body[: len(body) // 2]


def relative(headers: dict[str, str]) -> Mapping[str, str]:
    """Locations as paths."""
    location = headers.get("Location", "")
    return {**headers, "Location": "/" + location.split("/", 3)[3]} if location.startswith("http") else headers


def elsewhere(upstream: str) -> Callable[[dict[str, str]], Mapping[str, str]]:
    """Locations at another host, which takes uploads too."""

    def change(headers: dict[str, str]) -> Mapping[str, str]:
        location = relative(headers).get("Location", "")
        return {**headers, "Location": f"http://{upstream}{location}"} if location else headers

    return change


def redirect(upstream: str) -> Fault:
    """Everything that is read is at another host."""

    def fault(seen: Seen) -> Action | None:
        return Respond(307, {"Location": f"http://{upstream}{seen.path}"}) if seen.method == "GET" else None

    return fault


def resume(seen: Seen) -> Action | None:
    """A registry that knows no parts of blobs."""
    return Respond(416) if "range" in seen.headers else None


PASSING: dict[str, Callable[[str], Fault]] = {
    "a burst of 500": lambda _: first(4, Respond(500)),
    "503 on uploads": lambda _: first(4, Respond(503), "PUT", UPLOADS),
    "502 on a rolling tag": lambda _: first(4, Respond(502), "PUT", f"{MANIFESTS}py3.13"),
    "relative locations": lambda _: lambda seen: Change(headers=relative),
    "locations at another host": lambda upstream: lambda seen: Change(headers=elsewhere(upstream)),
    "416 for an upload": lambda _: first(3, Respond(416), "PUT", UPLOADS),
    "416 for a part of an upload": lambda _: each(first(2, Cut(), "PUT", UPLOADS), first(1, Respond(416), "PATCH")),
    "416 for the rest of a blob": lambda _: each(resume, first(2, Cut("answer body", 20), "GET", BLOBS)),
    "blobs that are cut short": lambda _: first(2, Change(body=halve), "GET", BLOBS),
    "answers that break off": lambda _: first(4, Cut("answer body", 20), "GET"),
    "requests that break off": lambda _: first(4, Cut("request body", 3), "PUT"),
    "a redirect to another host": redirect,
    "slow bodies": lambda _: lambda seen: Slow(200, 0.002),
}
"""What a publication gets through, by the host of the registry."""

LASTING: dict[str, Fault] = {
    "429": always(Respond(429), "PUT", MANIFESTS),
    "500 on tags": always(Respond(500), "PUT", f"{MANIFESTS}py3.13"),
    "500 on the journal": always(Respond(500), "PUT", f"/warmbase-journal{MANIFESTS}"),
    "416": always(Respond(416), "PUT", UPLOADS),
    "manifests that are cut short": always(Change(body=halve), "GET", MANIFESTS),
    "blobs that are cut short": always(Change(body=halve), "GET", BLOBS),
    "corrupted manifests": always(Change(body=corrupt), "GET", MANIFESTS),
    "corrupted blobs": always(Change(body=corrupt), "GET", BLOBS),
    "a list of tags that is cut short": always(Change(body=halve), "GET", "/tags/list"),
    "a redirect to nowhere": always(Respond(307, {"Location": "http://127.0.0.1:9/"}), "GET", BLOBS),
}
"""What no publication gets through as long as it lasts."""


@pytest.mark.parametrize("name", PASSING)
def test_a_publication_gets_through_and_a_second_one_has_nothing_to_do(old: Old, name: str) -> None:
    place = old.copy()
    with fault_proxy(old.registry.host, PASSING[name](old.registry.host)) as proxy:
        through = replace(place, registry=client_of(proxy.host))
        new = publish(through, old.shelf, "shared", "new")
        assert new.error is None
        check_finished(place, old.publication, new)
        assert publish(through, old.shelf, "shared", "new").status == "up to date"
    check_finished(place, old.publication, new)


@pytest.mark.parametrize("name", LASTING)
def test_as_long_as_a_registry_is_broken_the_old_state_stays_and_afterwards_a_run_finishes(old: Old, name: str) -> None:
    place = old.copy()
    with fault_proxy(old.registry.host, LASTING[name]) as proxy:
        through = replace(place, registry=client_of(proxy.host))
        assert publish(through, old.shelf, "shared", "new").error
        check_interrupted(place, old.publication)
    check_finished(place, old.publication, publish(place, old.shelf, "shared", "new"))


@pytest.mark.parametrize("name", ["blobs that are cut short", "corrupted blobs", "a redirect to nowhere"])
def test_what_this_version_published_needs_no_blobs_to_be_published_over(place: Place, shelf: Shelf, name: str) -> None:
    """The manifest of a journal's entry has the entry itself."""
    old = publish(place, shelf, "shared", "old")
    with fault_proxy(place.registry.host, LASTING[name]) as proxy:
        new = publish(replace(place, registry=client_of(proxy.host)), shelf, "shared", "new")
    assert new.error is None
    check_finished(place, old, new)


FORMS: dict[str, Callable[[float], str]] = {
    "seconds": lambda seconds: f"{seconds:.0f}",
    "a date": lambda seconds: formatdate(time.time() + seconds, usegmt=True),
    "a time since 1970": lambda seconds: f"{time.time() + seconds:.0f}",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_busy_registry_gets_the_pause_that_it_asks_for(old: Old, form: str) -> None:
    place = old.copy()
    pauses: list[float] = []
    with fault_proxy(old.registry.host, first(3, Respond(429, {"Retry-After": FORMS[form](90)}))) as proxy:
        through = replace(place, registry=client_of(proxy.host, pauses=pauses))
        new = publish(through, old.shelf, "shared", "new")
        assert publish(through, old.shelf, "shared", "new").status == "up to date"
    assert new.error is None
    assert len(pauses) == 3
    assert all(80 < pause < 100 for pause in pauses)
    check_finished(place, old.publication, new)


def test_a_registry_that_mounts_nothing_gets_the_bytes(registry: RunningRegistry, prefix: str, shelf: Shelf) -> None:
    variants = [shelf.variant(image, layers=["shared", "own"]) for image in ("data", "web")]

    def forget_the_mount(seen: Seen) -> Action | None:
        return Change(path=seen.path.partition("?")[0]) if "mount=" in seen.path else None

    with fault_proxy(registry.host, forget_the_mount) as proxy:
        through = Place(registry=client_of(proxy.host), prefix=prefix)
        for status in ("published", "up to date"):
            done = publish_variants(variants, through, blobs=shelf, clock=Clock(), attest=attest)
            assert [publication.status for publication in done] == [status] * 2
        assert any("mount=" in path for path in proxy.asked("POST"))
    for image in ("data", "web"):
        check_whole(client_of(registry.host), f"{prefix}/{image}")
