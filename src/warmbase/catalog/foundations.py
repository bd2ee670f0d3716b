"""Foundations and platforms as the catalog names them."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from warmbase.catalog.document import FoundationEntry
from warmbase.catalog.model import DebianFoundation
from warmbase.catalog.problems import DocumentPath, Report, quote, suggest_nearest

# The version of the package `python3` in each release. A release keeps its Python for good; forky, which
# is not released, had 3.14 in November 2026.
DEBIAN_PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}

# Architectures by Go's names, as OCI image indexes have them (image specification, image-index.md), for
# which Debian has ports.
ARCHITECTURES = ("386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x")
_OTHER_NAMES = {"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm/v7"}
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8"}  # containerd leaves these out of a normal name

LONGEST_NAME = 64
_LOOKS_LIKE_A_TAG_SUFFIX = re.compile(r".*-([0-9]{8}(\.[0-9]+)?|[0-9a-f]{12})")


def resolve_foundations(entries: Mapping[str, FoundationEntry], report: Report) -> dict[str, DebianFoundation]:
    """Return the foundations that can be used, by name; report what is wrong with the others."""
    found = {}
    for name, entry in entries.items():
        path: DocumentPath = ("foundations", name)
        _check_name(name, path, report)
        for key in ("mirror", "snapshot"):
            _check_address(getattr(entry, key), (*path, key), report)
        python = _find_python(entry, path, report)
        if python is not None:
            found[name] = DebianFoundation(
                name=name,
                suite=entry.debian,
                python=python,
                packages=entry.packages,
                mirror=entry.mirror,
                snapshot=entry.snapshot,
            )
    return found


def resolve_platforms(platforms: Sequence[str], report: Report) -> tuple[str, ...]:
    """Return the platforms under their normal names; report unknown and repeated ones."""
    found: dict[str, None] = {}
    for index, platform in enumerate(platforms):
        path: DocumentPath = ("platforms", index)
        system, architecture, *variant = platform.split("/")
        if architecture not in ARCHITECTURES:
            other = _OTHER_NAMES.get(architecture)
            advice = f"did you mean 'linux/{other}'?" if other else suggest_nearest(architecture, ARCHITECTURES)
            report.add(path, f"there is no architecture {quote(architecture)}", advice)
            continue
        if variant == [_DEFAULT_VARIANTS.get(architecture)]:
            variant = []
        normal = "/".join([system, architecture, *variant])
        if normal in found:
            report.add(path, f"{quote(platform)} is the same as {quote(normal)}", "keep one of the two")
        found[normal] = None
    if not platforms:
        report.add(("platforms",), "no platform is listed", "write at least one, e.g. [linux/amd64]")
    return tuple(found)


def _check_name(name: str, path: DocumentPath, report: Report) -> None:
    if len(name) > LONGEST_NAME:
        message, advice = (
            f"the name has {len(name)} characters",
            f"use at most {LONGEST_NAME}: it is part of tags",
        )
        report.add(path, message, advice, key=True)
    if _LOOKS_LIKE_A_TAG_SUFFIX.fullmatch(name):
        message = f"{quote(name)} ends like a dated or a content tag"
        report.add(path, message, "choose another name, or tags could not be told apart", key=True)


def _find_python(entry: FoundationEntry, path: DocumentPath, report: Report) -> str | None:
    known = DEBIAN_PYTHONS.get(entry.debian)
    if known is None and entry.python is None:
        nearest = suggest_nearest(entry.debian, DEBIAN_PYTHONS)
        advice = nearest if nearest.startswith("did") else 'add `python: "3.…"`, the version of its python3'
        report.add((*path, "debian"), f"the Python of the suite {quote(entry.debian)} is not known", advice)
    elif known is not None and entry.python not in (None, known):
        message = f"Debian {entry.debian} offers Python {known}, not {entry.python}"
        report.add((*path, "python"), message, "delete the key: the version follows from the suite")
        return known
    return entry.python or known


def _check_address(address: str | None, path: DocumentPath, report: Report) -> None:
    if address is None:
        return
    try:
        parts = urlsplit(address)
        secret = parts.username is not None or parts.password is not None
        incomplete = parts.scheme != "file" and not parts.hostname
    except ValueError as error:
        report.add(path, f"{quote(address)} is not an address: {error}", "mend it")
        return
    if secret:
        report.add(path, "an address with a user or a password would end up in images", "take them out")
    if incomplete:
        report.add(path, f"{quote(address)} names no host", "write https://host/path")
