"""Writing records to a registry and reading them; `warmbase.oci.records` has their form."""

from collections.abc import Iterable, Mapping
from typing import Any

from warmbase.effects.registry.model import Registry
from warmbase.errors import RegistryError
from warmbase.oci.manifest import MANIFEST, Descriptor
from warmbase.oci.records import Layers, Record, document_layer, packed_layers, packed_type, parse_document


def write_record(registry: Registry, repository: str, record: Record, tag: str = "") -> str:
    """Put a record under a tag, or under its digest alone, and return its digest. Raises RegistryError."""
    for blob, content in record.blobs:
        registry.push_blob(repository, blob, content)
    return registry.write_manifest(repository, tag or record.digest, record.manifest, MANIFEST)


def read_layer(registry: Registry, repository: str, layer: Descriptor) -> bytes:
    """The content of a record's layer: what came along in the manifest, or else the blob. Raises RegistryError."""
    embedded = layer.embedded
    return registry.read_blob(repository, layer) if embedded is None else embedded


def read_record(registry: Registry, repository: str, reference: str, kind: str) -> Mapping[str, Any] | None:
    """The document of a record, None where there is none. Raises RegistryError, also for what is no such record."""
    manifest = registry.read_manifest(repository, reference)
    if manifest is None:
        return None
    try:
        return parse_document(read_layer(registry, repository, document_layer(kind, manifest.content)))
    except ValueError as error:
        raise RegistryError(
            f"{registry.host}/{repository}:{reference} is not what it should be: {error}",
            next_step="see who else writes to that repository; it is warmbase's own",
        ) from error


def read_packed(registry: Registry, repository: str, reference: str, kinds: Iterable[str]) -> Layers:
    """The packed documents of these kinds in a record, as they are; without those that it does not have, and empty
    where there is no record. Raises RegistryError, and ValueError for what is no record."""
    manifest = registry.read_manifest(repository, reference)
    layers = packed_layers(manifest.content) if manifest else {}
    found = [layers[packed_type(kind)] for kind in kinds if packed_type(kind) in layers]
    return tuple((layer, read_layer(registry, repository, layer)) for layer in found)
