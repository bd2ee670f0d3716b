"""Uploads that break, are refused or get stuck: the registry ends with the right bytes, or it says why not."""

import pytest
from tests.faults import Action, Change, Cut, Respond, Seen, fault_proxy, first
from tests.registries import RunningRegistry, client_of, small_image

from warmbase.errors import RegistryError
from warmbase.oci.manifest import describe

SIZE = 1_000_000
PART = 200_000


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads in parts of PART bytes."""
    monkeypatch.setattr("warmbase.effects.registry.upload.PART", PART)


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
