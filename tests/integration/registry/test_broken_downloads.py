"""Downloads that break or are damaged: the right bytes arrive, or none and it says why."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults import Change, Cut, Respond, Slow, at, fault_proxy, first, from_on
from tests.registries import RunningRegistry, client_of, small_image

from warmbase.errors import RegistryError

SIZE = 1_000_000


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
