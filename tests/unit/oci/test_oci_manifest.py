"""The documents of an image: canonical, complete, and the same after reading them back."""

import json

import pytest

from warmbase.oci.digests import canonical_json, digest_of, hex_of
from warmbase.oci.manifest import (
    CONFIG,
    MANIFEST,
    TAR_ZSTD,
    Config,
    Descriptor,
    History,
    Index,
    Manifest,
    Platform,
    describe,
)

LAYER = Descriptor(media_type=TAR_ZSTD, digest="sha256:" + "1" * 64, size=7)


def test_canonical_json_has_sorted_keys_no_spaces_and_plain_utf8() -> None:
    assert canonical_json({"b": [1, None, True], "a": "ü"}) == '{"a":"ü","b":[1,null,true]}'.encode()


def test_canonical_json_refuses_what_json_does_not_have() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(float("nan"))


@pytest.mark.parametrize("text", ["sha256:../../etc", "sha512:" + "0" * 128, "0" * 64, "sha256:" + "A" * 64])
def test_only_a_sha256_digest_becomes_a_file_name(text: str) -> None:
    with pytest.raises(ValueError, match="not a sha256 digest"):
        hex_of(text)


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64", "linux/arm/v7"])
def test_platforms_are_written_as_they_are_read(text: str) -> None:
    assert str(Platform.parse(text)) == text


@pytest.mark.parametrize("text", ["linux", "linux/", "/amd64", "a/b/c/d", ""])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like linux/amd64"):
        Platform.parse(text)


def test_documents_survive_being_read_back() -> None:
    config = Config(
        platform=Platform(architecture="arm64", variant="v8"),
        created="2026-11-21T00:00:00Z",
        diff_ids=("sha256:" + "2" * 64,),
        run={"Env": ["PATH=/opt/venv/bin"], "Labels": {"a": "b"}, "StopSignal": "SIGINT"},
        history=(
            History(created_by="a", empty_layer=True),
            History(created="2026-11-21T00:00:00Z", comment="c"),
        ),
    )
    manifest = Manifest(
        config=describe(config.to_bytes(), CONFIG),
        layers=(LAYER,),
        annotations={"k": "v"},
        subject=LAYER,
        artifact_type="application/x.y",
    )
    index = Index(manifests=(describe(manifest.to_bytes(), MANIFEST, config.platform),), annotations={"x": "y"})
    assert Config.from_bytes(config.to_bytes()) == config
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert Index.from_bytes(index.to_bytes()) == index


def test_a_manifest_has_the_fields_of_the_specification_and_no_empty_ones() -> None:
    document = json.loads(Manifest(config=LAYER, layers=(LAYER,)).to_bytes())
    layer = {"mediaType": TAR_ZSTD, "digest": LAYER.digest, "size": 7}
    assert document == {"schemaVersion": 2, "mediaType": MANIFEST, "config": layer, "layers": [layer]}


def test_a_history_that_does_not_fit_the_layers_is_refused() -> None:
    config = Config(platform=Platform(), created="", diff_ids=("a", "b"), history=(History(),))
    with pytest.raises(ValueError, match="the history names 1 layers, the image has 2"):
        config.to_bytes()


def test_a_descriptor_is_that_of_the_bytes() -> None:
    descriptor = describe(b"{}", MANIFEST)
    assert (descriptor.digest, descriptor.size) == (digest_of(b"{}"), 2)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"not json"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Manifest.from_bytes(content)


@pytest.mark.parametrize(
    "changed",
    [{"config": [1]}, {"created": 1}, {"history": ["step"]}, {"rootfs": {"diff_ids": [1]}}, {"rootfs": []}],
    ids=repr,
)
def test_what_is_no_config_is_refused(changed: dict[str, object]) -> None:
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}
    assert Config.from_bytes(json.dumps(config).encode()).run == {}
    with pytest.raises((KeyError, TypeError, ValueError)):
        Config.from_bytes(json.dumps(config | changed).encode())


@pytest.mark.parametrize("entry", ["text", {"mediaType": MANIFEST, "digest": 1, "size": 1}], ids=repr)
def test_what_is_no_index_is_refused(entry: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Index.from_bytes(json.dumps({"manifests": [entry]}).encode())
