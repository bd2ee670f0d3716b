"""The client and a real registry, with skopeo as the judge of both."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.faults import Action, Change, Respond, Seen, fault_proxy
from tests.registries import (
    RunningRegistry,
    client_of,
    copy_with_skopeo,
    inspect_with_skopeo,
    running_registry,
    small_image,
)

from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.registries import open_registries
from warmbase.errors import RegistryError
from warmbase.oci.manifest import INDEX, MANIFEST, Descriptor, Index, Platform, describe
from warmbase.oci.reference import Reference

NOTHING = "sha256:" + "0" * 64


def test_skopeo_copies_a_pushed_image_under_the_same_digest(
    registry: RunningRegistry, client: RegistryClient, repository: str
) -> None:
    image = small_image()

    assert image.push(client, repository, "v1") == image.digest

    copy_with_skopeo(f"docker://{registry.host}/{repository}:v1", f"docker://{registry.host}/{repository}/copy:v1")
    assert inspect_with_skopeo(f"{registry.host}/{repository}/copy:v1")["Digest"] == image.digest
    assert client.find_manifest(f"{repository}/copy", "v1") == describe(image.manifest, MANIFEST)


def test_an_image_that_skopeo_pushed_is_read_back_whole(
    tmp_path: Path, registry: RunningRegistry, client: RegistryClient, repository: str
) -> None:
    image = small_image()
    image.push(client, f"{repository}/source", "v1")
    copy_with_skopeo(f"docker://{registry.host}/{repository}/source:v1", f"oci:{tmp_path / 'layout'}:v1")
    copy_with_skopeo(f"oci:{tmp_path / 'layout'}:v1", f"docker://{registry.host}/{repository}:v1")

    document = client.read_manifest(repository, "v1")
    assert document
    assert document.content == image.manifest
    (layer, content), (config, config_content) = image.blobs
    client.pull_blob(repository, layer, tmp_path / "layer")
    assert (tmp_path / "layer").read_bytes() == content
    assert client.read_blob(repository, config) == config_content


def test_skopeo_reads_an_index_of_platforms(registry: RunningRegistry, client: RegistryClient, repository: str) -> None:
    images = {"amd64": small_image(1), "arm64": small_image(2)}
    entries = []
    for architecture, image in images.items():
        image.push(client, repository, image.digest)
        entries.append(describe(image.manifest, MANIFEST, Platform(architecture=architecture)))
    client.write_manifest(repository, "v1", Index(manifests=tuple(entries)).to_bytes(), INDEX)

    layers = inspect_with_skopeo(f"{registry.host}/{repository}:v1", "--override-arch", "arm64")["Layers"]

    assert layers == [images["arm64"].blobs[0][0].digest]


def test_a_blob_is_sent_once_and_mounted_into_other_repositories(client: RegistryClient, repository: str) -> None:
    blob, content = small_image().blobs[0]

    outcomes = [
        client.push_blob(repository, blob, content),
        client.push_blob(repository, blob, content),
        client.push_blob(f"{repository}/other", blob, content, mount_from=repository),
    ]

    assert outcomes == ["sent", "present", "mounted"]
    assert client.traffic.sent == len(content)


def test_a_blob_that_is_said_to_be_new_is_sent_wherever_it_is(client: RegistryClient, repository: str) -> None:
    blob, content = small_image(7).blobs[0]

    assert [client.push_blob(repository, blob, content, is_new=True) for _ in range(2)] == ["sent", "sent"]
    assert client.read_blob(repository, blob) == content
    assert client.push_blob(repository, blob, content) == "present"


def test_a_blob_is_mounted_without_its_bytes_where_that_is_possible(client: RegistryClient, repository: str) -> None:
    blob, content = small_image(seed=11).blobs[0]
    client.push_blob(repository, blob, content)

    assert client.mount_blob(f"{repository}/other", blob, repository)
    assert client.mount_blob(f"{repository}/other", blob, "nowhere")  # it is there already
    assert not client.mount_blob(f"{repository}/third", blob, "nowhere")
    assert not client.has_blob(f"{repository}/third", blob.digest)


def test_what_is_not_there_is_no_error(client: RegistryClient, repository: str) -> None:
    assert client.find_manifest(repository, "v1") is None
    assert client.read_manifest(repository, "v1") is None
    assert not client.has_blob(repository, NOTHING)
    assert client.tags(repository) == ()
    assert client.referrers(repository, NOTHING) == ()
    assert client.delete_manifest(repository, NOTHING)


def test_a_blob_that_is_not_there_leaves_no_file(tmp_path: Path, client: RegistryClient, repository: str) -> None:
    small_image().push(client, repository, "v1")
    missing = Descriptor(media_type="text/plain", digest=NOTHING, size=3)

    with pytest.raises(RegistryError, match=r"answers 404: BLOB_UNKNOWN"):
        client.pull_blob(repository, missing, tmp_path / "blob")

    assert not (tmp_path / "blob").exists()


def test_progress_adds_up_to_the_bytes_that_moved(tmp_path: Path, client: RegistryClient, repository: str) -> None:
    blob, content = small_image(size=3_000_000).blobs[0]
    sent: list[int] = []
    received: list[int] = []

    client.push_blob(repository, blob, content, progress=sent.append)
    client.pull_blob(repository, blob, tmp_path / "blob", progress=received.append)

    assert sum(sent) == sum(received) == blob.size
    assert len(sent) > 2


def test_who_is_told_of_progress_may_stop_a_transfer(tmp_path: Path, client: RegistryClient, repository: str) -> None:
    blob, content = small_image(size=3_000_000).blobs[0]

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.push_blob(repository, blob, content, progress=stop)
    assert client.push_blob(repository, blob, content) == "sent"

    with pytest.raises(KeyboardInterrupt):
        client.pull_blob(repository, blob, tmp_path / "blob", progress=stop)
    assert not (tmp_path / "blob").exists()
    assert client.read_blob(repository, blob) == content


@pytest.mark.parametrize("origin", ["", "http://{host}"], ids=["relative", "absolute"])
def test_long_lists_of_tags_come_in_pages(
    registry: RunningRegistry, client: RegistryClient, repository: str, origin: str
) -> None:
    image = small_image()
    names = [f"v{number}" for number in range(7)]
    for name in names:
        image.push(client, repository, name)

    def pages_of_three(seen: Seen) -> Change:
        """What this registry does not do by itself: up to three tags after the one that `last` names."""
        last = parse_qs(seen.path.partition("?")[2]).get("last", [""])[0]
        page = [name for name in names if name > last][:3]
        following = f"{origin.format(host=proxy.host)}{seen.path.partition('?')[0]}?n=3&last={page[-1]}"
        link = {} if names[-1] in page else {"Link": f'<{following}>; rel="next"'}
        return Change(
            headers=lambda headers: {**headers, **link},
            body=lambda body: json.dumps({**json.loads(body), "tags": page}).encode(),
        )

    with fault_proxy(registry.host, pages_of_three) as proxy:
        assert list(client_of(proxy.host).tags(repository)) == names
        assert len(proxy.seen) == 3


def test_referrers_are_kept_under_a_tag_where_the_registry_has_no_api(client: RegistryClient, repository: str) -> None:
    image = small_image()
    image.push(client, repository, "v1")
    subject = describe(image.manifest, MANIFEST)
    first, second = (small_image(seed, subject=subject) for seed in (1, 2))
    for note in (first, second, first):
        note.push(client, repository, note.digest)

    found = client.referrers(repository, image.digest)
    assert [each.digest for each in found] == [first.digest, second.digest]
    assert {each.artifact_type for each in found} == {"application/vnd.example.note"}
    assert client.referrers(repository, image.digest, "application/vnd.example.other") == ()

    assert client.delete_manifest(repository, first.digest)
    assert [each.digest for each in client.referrers(repository, image.digest)] == [second.digest]


def test_a_registry_that_lists_referrers_itself_is_asked_page_by_page(
    registry: RunningRegistry, client: RegistryClient, repository: str
) -> None:
    """Played by the proxy: Debian's registry has no such API."""
    image = small_image()
    image.push(client, repository, "v1")
    notes = [small_image(seed, subject=describe(image.manifest, MANIFEST)) for seed in range(3)]
    listed = [
        replace(describe(note.manifest, MANIFEST), artifact_type="application/vnd.example.note") for note in notes
    ]

    def list_referrers(seen: Seen) -> Action | None:
        if "/referrers/" in seen.path:
            page = 2 if "page=2" in seen.path else 1
            entries = listed[:2] if page == 1 else listed[2:]
            link = {"Link": f'<{seen.path}?page=2>; rel="next"'} if page == 1 else {}
            return Respond(200, {"Content-Type": INDEX, **link}, Index(manifests=tuple(entries)).to_bytes())
        if seen.method == "PUT" and "/manifests/" in seen.path:
            return Change(headers=lambda headers: {**headers, "OCI-Subject": image.digest})
        return None

    with fault_proxy(registry.host, list_referrers) as proxy:
        knowing = client_of(proxy.host)
        for note in notes:
            note.push(knowing, repository, note.digest)
        found = knowing.referrers(repository, image.digest)

    assert [each.digest for each in found] == [note.digest for note in notes]
    assert client.tags(repository) == ("v1",)  # no tag stands in for the list


def test_a_deleted_tag_leaves_its_manifest_and_other_tags(client: RegistryClient, repository: str) -> None:
    image = small_image()
    image.push(client, repository, "old")
    image.push(client, repository, "new")

    assert client.delete_tag(repository, "old")

    assert client.tags(repository) == ("new",)
    assert client.find_manifest(repository, image.digest)


def test_a_deleted_manifest_takes_its_tags_along(client: RegistryClient, repository: str) -> None:
    image = small_image()
    image.push(client, repository, "v1")

    assert client.delete_manifest(repository, image.digest)

    assert client.find_manifest(repository, image.digest) is None
    assert client.tags(repository) == ()


def test_a_registry_that_cannot_delete_says_so_and_keeps_everything(tmp_path: Path) -> None:
    image = small_image()
    with running_registry(tmp_path, delete=False) as registry:
        client = client_of(registry.host)
        image.push(client, "data", "v1")

        assert not client.delete_manifest("data", image.digest)
        assert not client.delete_tag("data", "v1")

        assert client.tags("data") == ("v1",)
        found = client.find_manifest("data", "v1")
        assert found
        assert found.digest == image.digest


def test_a_mirror_stands_in_for_a_registry(registry: RunningRegistry, client: RegistryClient) -> None:
    image = small_image()
    image.push(client, "hub/library/python", "3.13-slim")

    registries = open_registries({}, mirrors={"docker.io": f"{registry.host}/hub"})
    reference = Reference.parse("python:3.13-slim")
    mirror = registries.at(reference.registry)

    found = mirror.find_manifest(reference.repository, reference.tag)
    assert found
    assert found.digest == image.digest
    assert mirror.host == "docker.io"
    assert str(registries.locate(reference)) == f"{registry.host}/hub/library/python:3.13-slim"
    assert registries.traffic[registry.host].requests == {"HEAD": 1}


def test_layers_of_a_mirrored_foundation_are_mounted(registry: RunningRegistry, client: RegistryClient) -> None:
    image = small_image(5)
    image.push(client, "hub/library/debian", "trixie")
    registries = open_registries({}, mirrors={"docker.io": f"{registry.host}/hub"})
    source = registries.locate(Reference.parse("debian:trixie"))
    assert source.registry == registry.host

    blob, _ = image.blobs[0]
    outcome = registries.at(registry.host).push_blob(
        "bases/data", blob, Path("never-downloaded"), mount_from=source.repository
    )

    assert outcome == "mounted"


_PUSH_AND_PULL = """
import resource, sys
from pathlib import Path
from warmbase.effects.registry.registries import open_registries
from warmbase.oci.digests import digest_of_file
from warmbase.oci.manifest import TAR, Descriptor

host, folder = sys.argv[1], Path(sys.argv[2])
client = open_registries({}).at(host)
layer = folder / "layer"
blob = Descriptor(media_type=TAR, digest=digest_of_file(layer), size=layer.stat().st_size)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
client.push_blob("large", blob, layer)
client.pull_blob("large", blob, folder / "copy")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_a_layer(tmp_path: Path, registry: RunningRegistry) -> None:
    layer = tmp_path / "layer"
    with layer.open("wb") as file:
        file.truncate(200_000_000)

    done = subprocess.run(
        [sys.executable, "-c", _PUSH_AND_PULL, registry.host, tmp_path], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 40  # MB
