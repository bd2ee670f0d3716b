"""What the client does when the network or the registry fails it: the right bytes arrive, or it says why not."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import cast

import pytest
from tests.faults import Action, Cut, Place, Respond, Seen, Slow, at, fault_proxy, first, from_on
from tests.registries import RunningRegistry, client_of, small_image

from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.registries import open_registries
from warmbase.effects.registry.retries import Backoff
from warmbase.errors import RegistryError
from warmbase.oci.manifest import MANIFEST, describe

SIZE = 1_000_000


PART = 200_000


NOON = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())


RETRY_AFTER = pytest.mark.parametrize(
    "form",
    [str, lambda after: formatdate(NOON + after, usegmt=True), lambda after: str(NOON + after)],
    ids=["seconds", "date", "epoch"],
)


def patient_client(host: str, pauses: list[float]) -> RegistryClient:
    """A client for which it is always noon."""
    return open_registries({}, backoff=Backoff(sleep=pauses.append, now=lambda: NOON)).at(host)


@RETRY_AFTER
def test_a_registry_that_wants_a_pause_gets_it(registry: RunningRegistry, form: Callable[[int], str]) -> None:
    pauses: list[float] = []
    with fault_proxy(registry.host, first(2, Respond(429, {"Retry-After": form(90)}))) as proxy:
        assert patient_client(proxy.host, pauses).tags("nothing") == ()

    assert len(pauses) == 2
    assert all(90 <= pause <= 90.5 for pause in pauses)


@RETRY_AFTER
def test_a_registry_that_wants_a_long_pause_is_asked_nothing_more(
    registry: RunningRegistry, form: Callable[[int], str]
) -> None:
    pauses: list[float] = []
    with fault_proxy(registry.host, from_on(0, Respond(429, {"Retry-After": form(5400)}))) as proxy:
        with pytest.raises(RegistryError, match="asks for a pause of 5400 s") as caught:
            patient_client(proxy.host, pauses).tags("nothing")
        assert len(proxy.seen) == 1

    assert "after 2026-11-21 13:31 UTC" in caught.value.next_step
    assert pauses == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_burst_of_failures_is_survived_with_growing_pauses(
    registry: RunningRegistry, repository: str, status: int
) -> None:
    pauses: list[float] = []
    image = small_image()
    with fault_proxy(registry.host, first(3, Respond(status))) as proxy:
        image.push(client_of(proxy.host, pauses=pauses), repository, "v1")

    assert len(pauses) == 3
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0 <= pauses[2] <= 2.0


def test_a_registry_that_stays_broken_is_given_up_with_its_name(registry: RunningRegistry) -> None:
    pauses: list[float] = []
    out_of_order = from_on(0, Respond(503))
    with fault_proxy(registry.host, out_of_order) as proxy, pytest.raises(RegistryError) as caught:
        client_of(proxy.host, pauses=pauses).find_manifest("data", "v1")

    assert f"{proxy.host} answers 503; tried 6 times" in caught.value.message
    assert caught.value.status == 503
    assert len(pauses) == 5


def test_a_refusal_is_not_asked_again(registry: RunningRegistry) -> None:
    body = b'{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}'
    with fault_proxy(registry.host, from_on(0, Respond(403, body=body))) as proxy:
        with pytest.raises(RegistryError, match="answers 403: DENIED requested access") as caught:
            client_of(proxy.host).tags("data")
        assert len(proxy.seen) == 1

    assert caught.value.status == 403


@pytest.mark.parametrize("where", ["request", "request body", "answer", "answer body"])
def test_every_request_of_a_push_may_break_once(
    registry: RunningRegistry, client: RegistryClient, repository: str, where: Place
) -> None:
    """Count the requests of an undisturbed push, then break each of them in turn."""
    with fault_proxy(registry.host) as proxy:
        small_image().push(client_of(proxy.host), f"{repository}/whole", "v1")
        requests = len(proxy.seen)

    for number in range(requests):
        image = small_image(seed=number)
        with fault_proxy(registry.host, at(number, Cut(where))) as proxy:
            image.push(client_of(proxy.host), f"{repository}/{number}", "v1")

        found = client.find_manifest(f"{repository}/{number}", "v1")
        assert found
        assert found.digest == image.digest
        assert all(client.read_blob(f"{repository}/{number}", blob) == content for blob, content in image.blobs)


def lead_a_life(client: RegistryClient, repository: str, folder: Path) -> tuple[object, ...]:
    """Mount, push, refer, list, read, pull and delete; everything that was seen on the way."""
    image = small_image()
    note = small_image(1, subject=describe(image.manifest, MANIFEST))
    layer, content = image.blobs[0]
    client.push_blob(f"{repository}/base", layer, content)
    client.push_blob(repository, layer, content, mount_from=f"{repository}/base")
    image.push(client, repository, "v1")
    note.push(client, repository, note.digest)
    client.pull_blob(repository, layer, folder / "layer")
    seen = (
        client.tags(repository),
        client.read_manifest(repository, "v1"),
        client.referrers(repository, image.digest),
        (folder / "layer").read_bytes() == content,
    )
    assert client.delete_manifest(repository, note.digest)
    return (*seen, client.referrers(repository, image.digest))


@pytest.mark.parametrize(
    "name",
    ["request", "request body", "answer", "answer body", "429", "500", "redirect", "slow"],
)
def test_whatever_happens_to_requests_the_client_ends_as_if_nothing_had(
    registry: RunningRegistry, repository: str, tmp_path: Path, name: str
) -> None:
    """To all of them, the first time that each is made."""
    actions: dict[str, Action] = {
        "429": Respond(429, {"Retry-After": "3"}),
        "500": Respond(500),
        "slow": Slow(200, 0.0005),
    }
    met: set[tuple[str, str]] = set()

    def happen(seen: Seen) -> Action | None:
        request = seen.method, seen.path.partition("?")[0]
        if request in met:
            return None
        met.add(request)
        away = Respond(307, {"Location": f"http://{registry.host}{seen.path}"})
        return away if name == "redirect" else actions.get(name) or Cut(cast(Place, name))

    expected = lead_a_life(client_of(registry.host), f"{repository}/whole", tmp_path)
    with fault_proxy(registry.host, happen) as proxy:
        assert lead_a_life(client_of(proxy.host), f"{repository}/other", tmp_path) == expected
        assert len(met) > 15


def test_a_blob_that_another_client_sends_at_this_moment_is_waited_for(
    registry: RunningRegistry, client: RegistryClient, repository: str
) -> None:
    """The registry says then that it does not know it."""
    unknown = b'{"errors": [{"code": "DIGEST_INVALID"}, {"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]}'
    image = small_image()
    with fault_proxy(registry.host, first(2, Respond(400, body=unknown), "PUT", "/manifests/")) as proxy:
        image.push(client_of(proxy.host), repository, "v1")

    found = client.find_manifest(repository, "v1")
    assert found
    assert found.digest == image.digest


def test_a_registry_that_wants_no_blob_is_quoted(registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    refusal = Respond(400, body=b'{"errors": [{"code": "SIZE_INVALID", "message": "too much"}]}')
    refused = pytest.raises(RegistryError, match=r"does not accept what arrived \(SIZE_INVALID\); tried 6 times")
    with fault_proxy(registry.host, first(99, refusal, "PUT")) as proxy, refused:
        client_of(proxy.host).push_blob(repository, blob, content)


def test_a_host_without_a_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"127.0.0.1:1/.*: no connection: Connection refused; tried 6 times"):
        client_of("127.0.0.1:1").tags("data")


def test_a_redirect_without_tls_is_not_followed(registry: RunningRegistry) -> None:
    away = Respond(307, {"Location": "http://storage.example/blob"})
    refused = pytest.raises(RegistryError, match="points to an address that is not https")
    with fault_proxy(registry.host, from_on(0, away)) as proxy, refused:
        client_of(proxy.host).tags("data")
