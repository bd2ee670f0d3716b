"""The bill of materials in the other common form, for readers of that: `docker buildx imagetools` is one.

SPDX specification 2.3, JSON. It says what the CycloneDX document in the image says, and is made from that alone.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from warmbase.oci.digests import Json, hex_of

_NOTHING = "NOASSERTION"
_IMAGE = "SPDXRef-Image"
_PURPOSES = {
    "application": "APPLICATION",
    "library": "LIBRARY",
    "operating-system": "OPERATING-SYSTEM",
    "platform": "APPLICATION",
}


def spdx_document(bill: Mapping[str, Any], digest: str, *, tool: str, namespace: str) -> Json:
    """The bill of the image whose platform manifest has `digest`, as an SPDX document made by `tool`.

    `namespace` is an address that no other document has. Raises KeyError or TypeError for what is no bill of ours.
    """
    metadata = bill["metadata"]
    packages = [_package(f"SPDXRef-{number}", part) for number, part in enumerate(bill["components"], start=1)]
    contains = [
        {"spdxElementId": _IMAGE, "relationshipType": "CONTAINS", "relatedSpdxElement": f"SPDXRef-{number}"}
        for number in range(1, len(packages) + 1)
    ]
    image = {
        **_described(_IMAGE, metadata["component"]),
        "primaryPackagePurpose": "CONTAINER",
        "checksums": _checksums(hex_of(digest)),
    }
    named = sorted({name for part in bill["components"] for name in _named(part)})
    return {
        "SPDXID": "SPDXRef-DOCUMENT",
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "name": metadata["component"]["name"],
        "documentNamespace": namespace,
        "creationInfo": {"created": metadata["timestamp"], "creators": [f"Tool: {tool}"]},
        "packages": [image, *packages],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": _IMAGE},
            *contains,
        ],
        "hasExtractedLicensingInfos": [
            {"licenseId": _reference(name), "name": name, "extractedText": name} for name in named
        ],
    }


def _package(identifier: str, part: Mapping[str, Any]) -> dict[str, Json]:
    references = [
        {"referenceCategory": category, "referenceType": kind, "referenceLocator": part[key]}
        for category, kind, key in (("PACKAGE-MANAGER", "purl", "purl"), ("SECURITY", "cpe23Type", "cpe"))
        if key in part
    ]
    home = next((link["url"] for link in part.get("externalReferences", ()) if link["type"] == "website"), "")
    hashes = [entry["content"] for entry in part.get("hashes", ()) if entry["alg"] == "SHA-256"]
    return {
        **_described(identifier, part),
        "primaryPackagePurpose": _PURPOSES[part["type"]],
        **({"homepage": home} if home else {}),
        "licenseDeclared": _declared(part),
        **({"checksums": _checksums(hashes[0])} if hashes else {}),
        **({"externalRefs": references} if references else {}),
    }


def _described(identifier: str, part: Mapping[str, Any]) -> dict[str, Json]:
    """What SPDX asks for of every package."""
    return {
        "SPDXID": identifier,
        "name": part["name"],
        "versionInfo": part["version"],
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "copyrightText": _NOTHING,
    }


def _checksums(sha256: str) -> Json:
    return [{"algorithm": "SHA256", "checksumValue": sha256}]


def _declared(part: Mapping[str, Any]) -> str:
    """One expression: all licences of the part together."""
    terms = []
    for choice in part.get("licenses", ()):
        licence = choice.get("license", {})
        term = choice.get("expression") or licence.get("id") or _reference(licence["name"])
        terms.append(f"({term})" if " OR " in term else term)
    whole = " AND ".join(terms)
    return whole[1:-1] if len(terms) == 1 and whole.startswith("(") else whole or _NOTHING


def _named(part: Mapping[str, Any]) -> Iterator[str]:
    """The licences that SPDX has no identifier for."""
    for choice in part.get("licenses", ()):
        if "name" in choice.get("license", {}):
            yield choice["license"]["name"]


def _reference(name: str) -> str:
    """The name of a licence within the document (SPDX specification 2.3, section 10.1)."""
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
