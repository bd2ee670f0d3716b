"""Foundations and platforms as the catalog names them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from warmbase.catalog.dockerfile import DOCKERFILE_KEYS, resolve_dockerfile
from warmbase.catalog.document import FoundationEntry
from warmbase.catalog.files import find_file
from warmbase.catalog.model import CatalogFoundation, DebianFoundation, ImageFoundation, LayoutFoundation
from warmbase.catalog.problems import DocumentPath, Report, list_words, quote, suggest_nearest
from warmbase.catalog.texts import MANAGED
from warmbase.oci.manifest import DEFAULT_VARIANTS
from warmbase.oci.reference import Reference

# The version of the package `python3` in each release. A release keeps its Python for good; forky, which
# is not released, had 3.14 in November 2026.
DEBIAN_PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}

# The ones that uv installs packages for and that `warmbase.lock.wheels` knows the wheels of.
PLATFORMS = ("linux/amd64", "linux/arm64")
_OTHER_NAMES = {"x86_64": "linux/amd64", "x64": "linux/amd64", "aarch64": "linux/arm64"}

LONGEST_NAME = 64
KEYRING_SUFFIXES = (".asc", ".gpg", ".pgp")
_KINDS = ("debian", "image", "oci", "dockerfile")
_LOOKS_LIKE_A_TAG_SUFFIX = re.compile(r".*-([0-9]{8}(\.[0-9]+)?|[0-9a-f]{12})")


def resolve_foundations(
    entries: Mapping[str, FoundationEntry], folder: Path, report: Report
) -> dict[str, CatalogFoundation]:
    """Return the foundations that can be used, by name; report what is wrong with the others.

    `folder` is the catalog's.
    """
    found = {}
    for name, entry in entries.items():
        path: DocumentPath = ("foundations", name)
        _check_name(name, path, report)
        foundation = _resolve_foundation(name, entry, folder, path, report)
        if foundation is not None:
            found[name] = foundation
    return found


def resolve_platforms(platforms: Sequence[str], report: Report) -> tuple[str, ...]:
    """Return the platforms under their normal names; report repeated ones, and those that nothing is built for."""
    found: dict[str, None] = {}
    for index, platform in enumerate(platforms):
        path: DocumentPath = ("platforms", index)
        system, architecture, *variant = platform.split("/")
        if variant == [DEFAULT_VARIANTS.get(architecture)]:
            variant = []
        normal = "/".join([system, architecture, *variant])
        if normal not in PLATFORMS:
            other = _OTHER_NAMES.get(architecture)
            advice = f"did you mean {quote(other)}?" if other else f"use {list_words(PLATFORMS, conjunction='or')}"
            report.add(path, f"no images are built for {quote(platform)}", advice)
            continue
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


def _resolve_foundation(
    name: str, entry: FoundationEntry, folder: Path, path: DocumentPath, report: Report
) -> CatalogFoundation | None:
    kinds = [kind for kind in _KINDS if getattr(entry, kind) is not None]
    if not kinds:
        message = f"one of the keys {list_words(_KINDS, conjunction='or')} is missing"
        report.add(path, message, "say what the foundation is", key=True)
        return None
    for other in kinds[1:]:
        report.add((*path, other), f"`{kinds[0]}` is there as well", "keep one: a foundation is of one kind", key=True)
    if entry.python == ():
        report.add((*path, "python"), "no Python version is listed", 'write at least one, e.g. ["3.13"]')
        return None
    for key in DOCKERFILE_KEYS if entry.dockerfile is None else ():
        if getattr(entry, key):
            report.add((*path, key), f"`{key}` is for foundations with `dockerfile`", "take it out", key=True)
    if entry.debian is not None:
        return _resolve_debian(name, entry.debian, entry, folder, path, report)
    for key in ("packages", "mirror", "snapshot", "keyring"):
        if getattr(entry, key):
            advice = "take it out: " + (
                "its steps install packages" if entry.dockerfile else "an image is taken as it is"
            )
            report.add((*path, key), f"`{key}` is for Debian foundations", advice, key=True)
    managed, pythons = entry.python == MANAGED, _listed(entry)
    if not pythons and not managed:
        message = f"which Python versions {quote(entry.image or entry.oci or entry.dockerfile)} offers is not known"
        report.add(path, message, 'add `python: ["3.…"]`', key=True)
        return None
    if kinds[0] == "dockerfile":
        return resolve_dockerfile(name, entry, pythons, folder, path, report, managed=managed)
    if entry.image is not None:
        image = ImageFoundation(name=name, image=entry.image, pythons=pythons, managed=managed)
        return _resolve_image(image, path, report)
    layout = LayoutFoundation(name=name, oci=entry.oci or "", folder=folder, pythons=pythons, managed=managed)
    if ".." in layout.oci.split("/"):
        advice = "keep what a catalog needs beside it, or write an absolute path without '..'"
        report.add((*path, "oci"), f"{quote(layout.oci)} leads out of the catalog's folder", advice)
    return layout


def _listed(entry: FoundationEntry) -> tuple[str, ...]:
    """The versions that are written; none where the Python is managed."""
    if entry.python == MANAGED:
        return ()
    return (entry.python,) if isinstance(entry.python, str) else entry.python or ()


def _resolve_image(foundation: ImageFoundation, path: DocumentPath, report: Report) -> ImageFoundation | None:
    for python in foundation.pythons or ("3.13",):
        try:
            Reference.parse(foundation.reference(python))
        except ValueError:
            other = "{" in foundation.reference(python)
            advice = "the one field in it is {python}" if other else "write it as in FROM, e.g. python:{python}-slim"
            report.add((*path, "image"), f"{quote(foundation.image)} is not an image's name", advice)
            return None
    return foundation


def _resolve_debian(
    name: str, suite: str, entry: FoundationEntry, folder: Path, path: DocumentPath, report: Report
) -> DebianFoundation | None:
    for key in ("mirror", "snapshot"):
        _check_address(getattr(entry, key), (*path, key), report)
    keyring = _find_keyring(entry, folder, path, report)
    managed = entry.python == MANAGED
    python = "" if managed else _find_python(suite, _listed(entry), path, report)
    if python is None:
        return None
    return DebianFoundation(
        name=name,
        suite=suite,
        python=python,
        packages=entry.packages,
        mirror=entry.mirror,
        snapshot=entry.snapshot,
        managed=managed,
        keyring=keyring,
    )


def _find_keyring(entry: FoundationEntry, folder: Path, path: DocumentPath, report: Report) -> Path | None:
    if entry.keyring is None:
        return None
    place = (*path, "keyring")
    if entry.mirror is None:
        report.add(place, "`keyring` is for a `mirror`", "name the mirror that is signed with these keys", key=True)
    if Path(entry.keyring).suffix not in KEYRING_SUFFIXES:  # apt-secure(8), "USER CONFIGURATION"
        advice = f"call it {list_words(KEYRING_SUFFIXES, conjunction='or')}, as apt asks: .asc is ASCII-armored"
        report.add(place, f"apt reads no keys from {quote(entry.keyring)}", advice)
    return find_file(folder, entry.keyring, place, report)


def _find_python(suite: str, listed: tuple[str, ...], path: DocumentPath, report: Report) -> str | None:
    known = DEBIAN_PYTHONS.get(suite)
    if known is None and not listed:
        nearest = suggest_nearest(suite, DEBIAN_PYTHONS)
        advice = nearest if nearest.startswith("did") else 'add `python: "3.…"`, the version of its python3'
        report.add((*path, "debian"), f"the Python of the suite {quote(suite)} is not known", advice)
    elif known is not None and listed not in ((), (known,)):
        message = f"Debian {suite} offers Python {known}, not {' and '.join(listed)}"
        report.add(
            (*path, "python"),
            message,
            "delete the key: the version follows from the suite; or write managed, which brings any",
        )
    elif known is None and len(listed) > 1:
        report.add((*path, "python"), "a Debian suite offers one Python", "keep the version of its python3")
    return known or next(iter(listed), None)


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
