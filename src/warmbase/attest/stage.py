"""Attestations of an image for one platform, in the form that BuildKit gives its own.

They are in-toto statements (attestation framework, statement v1) about the platform's manifest, the layers of one
more manifest of the image's index (moby/buildkit, docs/attestations/attestation-storage.md): CycloneDX and SPDX say
what is in the image, SLSA provenance how it was made. `docker buildx imagetools inspect` reads the last two as `.SBOM`
and `.Provenance`.

All of it follows from the image and its lock: the same image has the same attestations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import warmbase
from warmbase.attest.provenance import provenance
from warmbase.attest.spdx import spdx_document
from warmbase.errors import PublishError
from warmbase.image.last_layer import read_files
from warmbase.image.promises import BILL
from warmbase.oci.digests import Json, canonical_json, digest_of, hex_of
from warmbase.oci.layout import BlobSource
from warmbase.oci.manifest import Descriptor, Manifest, describe
from warmbase.oci.records import UNKNOWN_PLATFORM, plain_image
from warmbase.plan import BuildStep

STATEMENT = "application/vnd.in-toto+json"
CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"
SLSA = "https://slsa.dev/provenance/v1"
PREDICATE_TYPE = "in-toto.io/predicate-type"
"""The annotation by which readers choose a statement."""

_NAMESPACE = "https://warmbase.dev/spdx"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attestation:
    """An attestation manifest, the blobs that go before it, and what names it in the image's index."""

    manifest: bytes = field(repr=False)
    descriptor: Descriptor
    blobs: tuple[tuple[Descriptor, bytes], ...] = field(repr=False)


def attest(step: BuildStep, manifest: bytes, blobs: BlobSource) -> Attestation:
    """Attest the image for one platform whose manifest is `manifest`; `step` made it, `blobs` has its last layer.

    Raises PublishError where that layer is missing, damaged or has no bill of materials.
    """
    described = Manifest.from_bytes(manifest)
    digest = digest_of(manifest)
    bill = read_bill(described, blobs)
    version = warmbase.__version__
    tool, namespace = f"warmbase-{version}", f"{_NAMESPACE}/{hex_of(digest)}"
    predicates: dict[str, Json] = {
        CYCLONEDX: bill,
        SPDX: spdx_document(bill, digest, tool=tool, namespace=namespace),
        SLSA: provenance(step, described, version=version),
    }
    layers = [_statement(step.variant.name, digest, kind, predicate) for kind, predicate in predicates.items()]
    made = plain_image(layers)
    annotations = {"vnd.docker.reference.digest": digest, "vnd.docker.reference.type": "attestation-manifest"}
    descriptor = replace(made.descriptor(), platform=UNKNOWN_PLATFORM, annotations=annotations)
    return Attestation(manifest=made.manifest, descriptor=descriptor, blobs=made.blobs)


def read_bill(manifest: Manifest, blobs: BlobSource) -> Mapping[str, Any]:
    """The bill of materials that the image's last layer holds. Raises PublishError where there is none to read."""
    layer = manifest.layers[-1]
    try:
        return _find_bill(blobs.blob_path(layer.digest).read_bytes(), layer)
    except (OSError, ValueError) as error:
        raise PublishError(
            f"the image's last layer, {layer.digest}, cannot be read: {error}",
            next_step="run `warmbase build`, which makes it again",
        ) from error


def _find_bill(blob: bytes, layer: Descriptor) -> Mapping[str, Any]:
    content = read_files(blob, layer, [BILL]).get(BILL)
    bill = None if content is None else json.loads(content)
    if isinstance(bill, dict) and {"metadata", "components"} <= bill.keys():
        return bill
    raise ValueError(f"it has no bill of materials at {BILL}")


def _statement(name: str, digest: str, kind: str, predicate: Json) -> tuple[Descriptor, bytes]:
    content = canonical_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {"sha256": hex_of(digest)}}],
            "predicateType": kind,
            "predicate": predicate,
        }
    )
    return replace(describe(content, STATEMENT), annotations={PREDICATE_TYPE: kind}), content
