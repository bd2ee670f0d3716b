"""The bill of materials: everything in an image that somebody else made, as a CycloneDX 1.6 document (ECMA-424).

It is written from the lock and from what the foundation says of itself, and it names no time but the image's own: the
same image has the same bill. `warmbase.verify.bill` holds it against the layers, `warmbase.attest` publishes it.

A package is named by its package URL (purl-spec, types pypi, deb, apk and generic).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from warmbase.foundation.model import Foundation, Package
from warmbase.lock.model import Lock
from warmbase.oci.digests import Json

_PYTHON_LICENCE = "PSF-2.0"
NO_INDEXES: Mapping[str, str] = {}

# Well-known labels of `Project-URL` (core metadata specification, "Well-known Project URLs"), without punctuation and
# in lower case, as types of ECMA-424, "externalReferences".
_LINK_TYPES = {
    "homepage": "website",
    **dict.fromkeys(("source", "repository", "sourcecode", "github", "code"), "vcs"),
    "download": "distribution",
    **dict.fromkeys(("changelog", "changes", "whatsnew", "history", "releasenotes"), "release-notes"),
    **dict.fromkeys(("documentation", "docs"), "documentation"),
    **dict.fromkeys(("issues", "bugs", "issue", "tracker", "issuetracker", "bugtracker"), "issue-tracker"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a wheel says of itself: licences as `Part` has them, and links as (label, address)."""

    licences: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


_SILENCE = Said()


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One package of an image.

    `licences` are SPDX expressions, or the words of whoever made the package, `links` as (label, address) where it says
    that more is to be read. Only what is `needed` is installed, the rest lies ready in the cache. `ref` is its name
    within the bill.
    """

    kind: str
    name: str
    version: str
    purl: str = ""
    sha256: str = ""
    licences: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    cpe: str = ""
    needed: bool = True
    ref: str = ""

    def to_json(self) -> dict[str, Json]:
        """The component (ECMA-424, "components"), without what is empty."""
        fields: dict[str, Json] = {
            "type": self.kind,
            "bom-ref": self.ref or self.purl,
            "name": self.name,
            "version": self.version,
            "scope": "required" if self.needed else "optional",
            "hashes": [{"alg": "SHA-256", "content": self.sha256}] if self.sha256 else [],
            "licenses": _licences_json(self.licences),
            "externalReferences": [_link_json(label, address) for label, address in self.links],
            "cpe": self.cpe,
            "purl": self.purl,
        }
        return {name: value for name, value in fields.items() if value}


def write_bill(name: str, recipe: str, created: str, parts: Iterable[Part]) -> str:
    """The bill of the image `name` as JSON text; `created` is the image's own time."""
    document: Json = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "lifecycles": [{"phase": "build"}],
            "component": {"type": "container", "bom-ref": name, "name": name, "version": recipe[:12]},
        },
        "components": [part.to_json() for part in parts],
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def image_parts(
    lock: Lock,
    platform: str,
    foundation: Foundation,
    said: Mapping[str, Said],
    indexes: Mapping[str, str] = NO_INDEXES,
) -> Iterator[Part]:
    """Every part of an image: system, its packages, Python, uv, the wheels. `said` is by the wheel's identity,
    `indexes` are the addresses of the catalog's, by name."""
    release = dict(foundation.os_release)
    system, version = release.get("ID", "linux"), release.get("VERSION_ID", release.get("VERSION_CODENAME", ""))
    yield Part(kind="operating-system", name=system, version=version, ref=f"{system}-{version}")
    yield from (_system_part(package, system, version) for package in foundation.packages)
    archive = foundation.archive
    file = f"?checksum=sha256:{archive.sha256}&file_name={_quoted(archive.name)}" if archive else ""
    yield Part(
        kind="platform",
        name="python",
        version=foundation.python,
        purl=f"pkg:generic/python@{foundation.python}{file}",
        sha256=archive.sha256 if archive else "",
        licences=(_PYTHON_LICENCE,),
        cpe=f"cpe:2.3:a:python:python:{foundation.python}:*:*:*:*:*:*:*",
    )
    uv = lock.uv.wheel(platform)
    if uv:
        yield Part(
            kind="application",
            name="uv",
            version=lock.uv.version,
            purl=pypi_url("uv", lock.uv.version),
            sha256=uv.sha256,
            licences=said.get(uv.sha256, _SILENCE).licences,
            links=said.get(uv.sha256, _SILENCE).links,
            ref="uv",  # the venv may have a package uv too
        )
    for package in lock.installed(platform):
        origin = package.file(platform)
        own = said.get(package.identity(platform), _SILENCE)
        yield Part(
            kind="library",
            name=package.name,
            version=package.version,
            purl=pypi_url(package.name, package.version, package.source, indexes.get(package.index, "")),
            sha256=origin.sha256 if origin else "",
            licences=own.licences,
            links=own.links,
            needed=package.use == "venv",
        )


def pypi_url(name: str, version: str, source: str = "", index: str = "") -> str:
    """The package URL of a Python package; `name` is normalized, `source` the address of one that no index has, `index`
    that of an index which is not the public one."""
    kind = "repository_url" if index else "vcs_url" if source.startswith("git+") else "download_url"
    address = index or source
    return f"pkg:pypi/{name}@{_quoted(version)}" + (f"?{kind}={_quoted(address)}" if address else "")


def system_url(package: Package, system: str, version: str) -> str:
    """The package URL of a package of the system, e.g. of Debian's libc6; `system` is its ID in os-release(5)."""
    distro = f"&distro={_quoted(system)}-{_quoted(version)}" if version else ""
    path = f"{package.kind}/{_quoted(system)}/{_quoted(package.name)}@{_quoted(package.version)}"
    return f"pkg:{path}?arch={_quoted(package.architecture)}{distro}"


def _system_part(package: Package, system: str, version: str) -> Part:
    purl = system_url(package, system, version)
    return Part(kind="library", name=package.name, version=package.version, purl=purl, licences=package.licences)


def _link_json(label: str, address: str) -> Json:
    """An external reference; the comment is the label as the package has it."""
    known = _LINK_TYPES.get(re.sub(r"[\W_]+", "", label).lower(), "other")
    return {"type": known, "url": address, "comment": label}


def _licences_json(licences: tuple[str, ...]) -> Json:
    """Either one expression, or any number of identifiers and names (ECMA-424, "licenseChoice")."""
    if len(licences) == 1 and _is_expression(licences[0]):
        return [{"expression": licences[0]}]
    return [{"license": {"id" if _is_identifier(one) else "name": one}} for one in licences]


def _is_identifier(licence: str) -> bool:
    """Whether a licence is one of SPDX's list, by its identifier alone."""
    return " " not in licence and not licence.startswith("LicenseRef-") and _is_canonical(licence)


def _is_expression(licence: str) -> bool:
    return " " in licence and _is_canonical(licence)


def _is_canonical(licence: str) -> bool:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(licence) == licence
    except InvalidLicenseExpression:
        return False


def _quoted(text: str) -> str:
    return quote(text, safe=":")
