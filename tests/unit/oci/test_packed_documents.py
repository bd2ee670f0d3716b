"""Packed documents of records: the same content makes the same bytes, and nothing else is unpacked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import MANIFEST
from warmbase.oci.records import (
    document_layer,
    pack,
    packed_layers,
    packed_type,
    parse_document,
    record_manifest,
    unpack,
)

TOO_LARGE = b"\x28\xb5\x2f\xfd\xa0" + (257 << 20).to_bytes(4, "little")
"""A frame's magic number and a header that announces so many bytes (RFC 8878, section 3.1.1.1)."""


@given(st.binary())
def test_a_document_is_unpacked_as_it_was_packed_and_packed_the_same_again(content: bytes) -> None:
    layer, packed = pack("lock", content)
    assert unpack(packed) == content
    assert (layer.digest, layer.size, layer.media_type) == (digest_of(packed), len(packed), packed_type("lock"))
    assert pack("lock", content) == (layer, packed)


def test_a_record_has_its_packed_documents_beside_its_own() -> None:
    record = record_manifest("journal", {"is": "first"}, more=[pack("lock", b"{}"), pack("pins", b"[]")])
    assert record.descriptor().media_type == MANIFEST
    contents = {layer.digest: content for layer, content in record.blobs}
    assert parse_document(contents[document_layer("journal", record.manifest).digest]) == {"is": "first"}
    found = packed_layers(record.manifest)
    assert {kind: unpack(contents[layer.digest]) for kind, layer in found.items()} == {
        packed_type("lock"): b"{}",
        packed_type("pins"): b"[]",
    }


@pytest.mark.parametrize(
    "content",
    [b"", b"plain", pack("lock", b"content")[1][:-3], TOO_LARGE],
    ids=["empty", "plain", "cut off", "too large"],
)
def test_what_is_no_packed_document_or_too_large_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="a packed document"):
        unpack(content)


@pytest.mark.parametrize("manifest", [b"{}", b"[]", b"no JSON"])
def test_what_is_no_manifest_has_no_layers(manifest: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        packed_layers(manifest)
