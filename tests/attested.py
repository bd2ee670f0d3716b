"""Published variants with bills of materials attested, for what reads them from a registry."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.publishing import Attested

from warmbase.attest.stage import CYCLONEDX, PREDICATE_TYPE, STATEMENT
from warmbase.oci.digests import canonical_json, digest_of
from warmbase.oci.manifest import Manifest, Platform, describe
from warmbase.oci.records import plain_image
from warmbase.plan import BuildStep


def part(kind: str, name: str, version: str, **links: str) -> dict[str, Any]:
    """A component of a bill: a package of the kind "pypi" or "deb"."""
    references = [{"type": "release-notes", "url": url, "comment": label} for label, url in links.items()]
    purl = f"pkg:{kind}/{name}@{version}"
    return {"type": "library", "name": name, "version": version, "purl": purl, "externalReferences": references}


def attest_parts(*parts: dict[str, Any], kind: str = CYCLONEDX) -> Callable[[BuildStep, bytes, object], Attested]:
    """What attests a bill with these parts of every image, as a statement of a kind."""
    statement = canonical_json({"predicateType": kind, "predicate": {"metadata": {}, "components": list(parts)}})

    def attest(step: BuildStep, manifest: bytes, blobs: object) -> Attested:
        layer = replace(describe(statement, STATEMENT), annotations={PREDICATE_TYPE: kind})
        made = plain_image([(layer, statement)])
        assert Manifest.from_bytes(made.manifest).layers == (layer,)
        unknown = Platform(os="unknown", architecture="unknown")
        annotations = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": digest_of(manifest),
        }
        descriptor = replace(made.descriptor(), platform=unknown, annotations=annotations)
        return Attested(manifest=made.manifest, descriptor=descriptor, blobs=made.blobs)

    return attest
