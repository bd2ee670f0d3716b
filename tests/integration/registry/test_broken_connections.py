"""What the client does when the network or the registry fails it: the right bytes arrive, or it says why not."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import cast

import pytest
from tests.faults import Action, Change, Cut, Place, Respond, Seen, Slow, at, fault_proxy, first, from_on
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


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads in parts of PART bytes."""
    monkeypatch.setattr("warmbase.effects.registry.upload.PART", PART)


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


def test_a_broken_upload_is_sent_in_parts_and_ends_right(
    registry: RunningRegistry, repository: str, small_parts: None
) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    with fault_proxy(registry.host, first(1, Cut("request body", 300_000), "PUT")) as proxy:
        client = client_of(proxy.host)
        assert client.push_blob(repository, blob, content) == "sent"
        assert len(proxy.asked("PATCH")) == -(-blob.size // PART)

    assert client_of(registry.host).read_blob(repository, blob) == content


def test_the_smallest_blobs_arrive_in_parts_too(registry: RunningRegistry, repository: str) -> None:
    for content in (b"", b"1"):
        blob = describe(content, "text/plain")
        with fault_proxy(registry.host, first(1, Cut(), "PUT")) as proxy:
            assert client_of(proxy.host).push_blob(repository, blob, content) == "sent"

        assert client_of(registry.host).read_blob(repository, blob) == content


def test_an_upload_goes_on_at_the_byte_where_the_registry_is(
    registry: RunningRegistry, repository: str, small_parts: None
) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    patches: list[Seen] = []

    def break_the_first_put_and_the_third_patch(seen: Seen) -> Action | None:
        if seen.method == "PATCH":
            patches.append(seen)
        first_put = seen.method == "PUT" and not patches
        return Cut() if first_put or (seen.method == "PATCH" and len(patches) == 3) else None

    moved: list[int] = []
    with fault_proxy(registry.host, break_the_first_put_and_the_third_patch) as proxy:
        client_of(proxy.host).push_blob(repository, blob, content, progress=moved.append)
        sessions = proxy.asked("POST")

    ranges = [seen.headers["content-range"].partition("-")[0] for seen in patches]
    assert ranges[:4] == ["0", "200000", "400000", "400000"]
    assert len(sessions) == 1
    assert sum(moved) == blob.size
    assert client_of(registry.host).read_blob(repository, blob) == content


def test_a_registry_that_is_at_another_byte_is_asked_where(
    registry: RunningRegistry, repository: str, small_parts: None
) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    faults = [first(1, Cut(), "PUT"), first(1, Respond(416, {"Range": "0-99"}), "PATCH")]

    def both(seen: Seen) -> Action | None:
        return next((action for fault in faults if (action := fault(seen))), None)

    with fault_proxy(registry.host, both) as proxy:
        client_of(proxy.host).push_blob(repository, blob, content)
        assert any("/blobs/uploads/" in path for path in proxy.asked("GET"))

    assert client_of(registry.host).read_blob(repository, blob) == content


def test_a_proxy_that_refuses_long_bodies_gets_short_ones(
    registry: RunningRegistry, repository: str, small_parts: None
) -> None:
    blob, content = small_image(size=SIZE).blobs[0]

    def refuse(seen: Seen) -> Action | None:
        return Respond(413) if int(seen.headers.get("content-length", 0)) > PART else None

    with fault_proxy(registry.host, refuse) as proxy:
        assert client_of(proxy.host).push_blob(repository, blob, content) == "sent"

    assert client_of(registry.host).read_blob(repository, blob) == content


def test_a_proxy_that_takes_only_very_short_bodies_gets_them(registry: RunningRegistry, repository: str) -> None:
    """As nginx does by itself, of one megabyte; the parts of an upload are much longer."""
    blob, content = small_image(size=3_000_000).blobs[0]
    pauses: list[float] = []

    def refuse(seen: Seen) -> Action | None:
        return Respond(413) if int(seen.headers.get("content-length", 0)) > 1 << 20 else None

    moved: list[int] = []
    with fault_proxy(registry.host, refuse) as proxy:
        client_of(proxy.host, pauses=pauses).push_blob(repository, blob, content, progress=moved.append)
        assert len(proxy.asked("POST")) == 2  # the first session ended with the refusal of the whole

    assert len(pauses) == 1
    assert sum(moved) == blob.size
    assert client_of(registry.host).read_blob(repository, blob) == content


def test_a_proxy_that_takes_no_bodies_is_named_with_what_to_do(registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    refused = pytest.raises(RegistryError, match="a proxy before the registry refuses even")
    with fault_proxy(registry.host, _refuse_bodies) as proxy, refused as caught:
        client_of(proxy.host).push_blob(repository, blob, content)

    assert caught.value.status == 413
    assert "client_max_body_size" in caught.value.next_step


def _refuse_bodies(seen: Seen) -> Action | None:
    return Respond(413) if int(seen.headers.get("content-length", 0)) else None


def test_a_registry_that_keeps_nothing_of_a_part_is_given_up(
    registry: RunningRegistry, repository: str, small_parts: None
) -> None:
    """It answers 202, and says each time that it is where it was."""
    blob, content = small_image(size=SIZE).blobs[0]
    stuck = Respond(202, {"Location": "/v2/stuck", "Range": "0-99"})

    def forget(seen: Seen) -> Action | None:
        if seen.method == "GET":
            return Respond(204, {"Location": "/v2/stuck", "Range": "0-99"})
        return stuck if seen.method == "PATCH" else Cut() if seen.method == "PUT" else None

    with fault_proxy(registry.host, forget) as proxy:
        with pytest.raises(RegistryError, match="keeps nothing of a part of the upload; tried 6 times"):
            client_of(proxy.host).push_blob(repository, blob, content)
        assert len(proxy.asked("PATCH")) < 10


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


def test_a_registry_without_parts_gets_the_whole_again(registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    faults = [first(1, Cut(), "PUT"), first(9, Respond(405), "PATCH")]

    def both(seen: Seen) -> Action | None:
        return next((action for fault in faults if (action := fault(seen))), None)

    with fault_proxy(registry.host, both) as proxy:
        assert client_of(proxy.host).push_blob(repository, blob, content) == "sent"

    assert client_of(registry.host).read_blob(repository, blob) == content


def test_a_blob_that_is_damaged_here_is_not_sent_twice(registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    with fault_proxy(registry.host) as proxy:
        with pytest.raises(RegistryError, match="the local copy is damaged"):
            client_of(proxy.host).push_blob(repository, blob, content[:-1] + b"!")
        assert len(proxy.asked("PUT")) == 1


def test_a_registry_that_wants_no_blob_is_quoted(registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    refusal = Respond(400, body=b'{"errors": [{"code": "SIZE_INVALID", "message": "too much"}]}')
    refused = pytest.raises(RegistryError, match=r"does not accept what arrived \(SIZE_INVALID\); tried 6 times")
    with fault_proxy(registry.host, first(99, refusal, "PUT")) as proxy, refused:
        client_of(proxy.host).push_blob(repository, blob, content)


def test_a_mount_that_is_not_possible_goes_on_as_an_upload(registry: RunningRegistry, repository: str) -> None:
    """202 instead of 201: the registry has opened a session, which is used."""
    blob, content = small_image().blobs[0]
    client_of(registry.host).push_blob(f"{repository}/source", blob, content)

    def forget_the_mount(seen: Seen) -> Action | None:
        return Change(path=seen.path.partition("?")[0]) if "mount=" in seen.path else None

    with fault_proxy(registry.host, forget_the_mount) as proxy:
        outcome = client_of(proxy.host).push_blob(repository, blob, content, mount_from=f"{repository}/source")
        assert outcome == "sent"
        assert len(proxy.asked("POST")) == 1


def test_a_registry_that_forbids_mounts_gets_an_upload(registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    with fault_proxy(registry.host, first(1, Respond(405), "POST", "mount=")) as proxy:
        assert client_of(proxy.host).push_blob(repository, blob, content, mount_from="elsewhere") == "sent"


@pytest.mark.parametrize("form", ["relative", "absolute", "absolute path"])
def test_uploads_go_where_the_registry_says(registry: RunningRegistry, repository: str, form: str) -> None:
    blob, content = small_image(seed=len(form)).blobs[0]

    def write_location(headers: dict[str, str]) -> dict[str, str]:
        location = headers.get("Location", "")
        path = location.partition(proxy.host)[2]
        names = {"relative": path.rpartition("/")[2], "absolute": location, "absolute path": path}
        return {**headers, **({"Location": names[form]} if path else {})}

    def change(seen: Seen) -> Action | None:
        return Change(headers=write_location) if seen.method == "POST" else None

    with fault_proxy(registry.host, change) as proxy:
        assert client_of(proxy.host).push_blob(repository, blob, content) == "sent"
        assert "_state=" in proxy.asked("PUT")[0]  # its query is kept


def test_a_download_goes_on_where_it_broke(tmp_path: Path, registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    client_of(registry.host).push_blob(repository, blob, content)
    with fault_proxy(registry.host, first(2, Cut("answer body", 300_000), "GET")) as proxy:
        client_of(proxy.host).pull_blob(repository, blob, tmp_path / "blob")
        ranges = [seen.headers.get("range", "") for seen in proxy.seen]

    assert (tmp_path / "blob").read_bytes() == content
    starts = [int(each.removeprefix("bytes=").rstrip("-") or 0) for each in ranges]
    assert starts[0] == 0 < starts[1] < starts[2]


def test_a_download_that_cannot_go_on_starts_again(tmp_path: Path, registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    client_of(registry.host).push_blob(repository, blob, content)
    for refusal in (Respond(416), Respond(200, body=content)):
        faults = iter([Cut("answer body", 300_000), refusal])
        moved: list[int] = []
        with fault_proxy(registry.host, lambda _, faults=faults: next(faults, None)) as proxy:  # type: ignore[misc]
            client_of(proxy.host).pull_blob(repository, blob, tmp_path / "blob", progress=moved.append)

        assert (tmp_path / "blob").read_bytes() == content
        assert sum(moved) == blob.size


@pytest.mark.parametrize("length_known", [True, False])
def test_a_truncated_answer_is_completed(
    tmp_path: Path, registry: RunningRegistry, repository: str, length_known: bool
) -> None:
    blob, content = small_image(size=SIZE).blobs[0]
    client_of(registry.host).push_blob(repository, blob, content)
    cut_short = Change(body=lambda body: body[:1000], drop_length=not length_known)
    with fault_proxy(registry.host, at(0, cut_short)) as proxy:
        client_of(proxy.host).pull_blob(repository, blob, tmp_path / "blob")
        assert proxy.seen[1].headers["range"] == "bytes=1000-"

    assert (tmp_path / "blob").read_bytes() == content


def _flip(body: bytes) -> bytes:
    return body[:500] + bytes([body[500] ^ 1]) + body[501:]


def test_a_corrupted_blob_is_fetched_again(tmp_path: Path, registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    client_of(registry.host).push_blob(repository, blob, content)
    with fault_proxy(registry.host, at(0, Change(body=_flip))) as proxy:
        client_of(proxy.host).pull_blob(repository, blob, tmp_path / "blob")

    assert (tmp_path / "blob").read_bytes() == content


@pytest.mark.parametrize("damage", [_flip, lambda body: body + b"more"], ids=["another byte", "longer"])
def test_a_blob_that_stays_corrupted_is_refused(
    tmp_path: Path, registry: RunningRegistry, repository: str, damage: Callable[[bytes], bytes]
) -> None:
    blob, content = small_image().blobs[0]
    client_of(registry.host).push_blob(repository, blob, content)
    damaged = from_on(0, Change(body=damage))
    refused = pytest.raises(RegistryError, match=f"is not {blob.digest}")
    with fault_proxy(registry.host, damaged) as proxy, refused:
        client_of(proxy.host).pull_blob(repository, blob, tmp_path / "blob")

    assert list(tmp_path.iterdir()) == []


def test_a_corrupted_manifest_is_refused(registry: RunningRegistry, repository: str) -> None:
    image = small_image()
    image.push(client_of(registry.host), repository, "v1")
    with fault_proxy(registry.host, from_on(0, Change(body=lambda body: body + b" "))) as proxy:
        for reference in ("v1", image.digest):
            with pytest.raises(RegistryError, match=f"has the digest .*, not {image.digest}"):
                client_of(proxy.host).read_manifest(repository, reference)


def test_a_slow_answer_is_waited_for(tmp_path: Path, registry: RunningRegistry, repository: str) -> None:
    blob, content = small_image().blobs[0]
    client_of(registry.host).push_blob(repository, blob, content)
    with fault_proxy(registry.host, at(0, Slow(1000, 0.01))) as proxy:
        client_of(proxy.host).pull_blob(repository, blob, tmp_path / "blob")
        assert len(proxy.seen) == 1

    assert (tmp_path / "blob").read_bytes() == content


def test_a_host_without_a_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"127.0.0.1:1/.*: no connection: Connection refused; tried 6 times"):
        client_of("127.0.0.1:1").tags("data")


def test_a_redirect_without_tls_is_not_followed(registry: RunningRegistry) -> None:
    away = Respond(307, {"Location": "http://storage.example/blob"})
    refused = pytest.raises(RegistryError, match="points to an address that is not https")
    with fault_proxy(registry.host, from_on(0, away)) as proxy, refused:
        client_of(proxy.host).tags("data")
