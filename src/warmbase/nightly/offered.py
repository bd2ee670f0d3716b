"""The releases of a package, as the page of an index has them."""

from collections.abc import Iterable
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from warmbase.effects.simple import IndexFile

_SOURCES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A version of a package, and its files."""

    version: Version
    files: tuple[IndexFile, ...]

    @property
    def yanked(self) -> str | None:
        """Why the index has yanked every file of it (PEP 592); None where it has not."""
        reasons = [file.yanked for file in self.files]
        said = [reason for reason in reasons if reason is not None]
        return next(filter(None, said), "") if len(said) == len(reasons) else None

    def usable(self, python: str) -> tuple[IndexFile, ...]:
        """The files for the minor version `python` ("3.13") that are not yanked."""
        return tuple(f for f in self.files if f.yanked is None and _admits(f.requires_python, python))


Releases = tuple[Release, ...]
"""The newest first."""


def read_releases(files: Iterable[IndexFile]) -> Releases:
    """The releases that a page lists; files whose names say no version are left out."""
    by_text: dict[str, list[IndexFile]] = {}
    for file in files:
        by_text.setdefault(_version_text(file.name), []).append(file)
    by_version: dict[Version, list[IndexFile]] = {}
    for text, several in by_text.items():
        try:
            by_version.setdefault(Version(text), []).extend(several)
        except InvalidVersion:
            continue
    ordered = sorted(by_version.items(), reverse=True)
    return tuple(Release(version=version, files=tuple(several)) for version, several in ordered)


def _version_text(name: str) -> str:
    """The version in a file's name: the second part of a wheel's, the last one of a source distribution's."""
    if name.endswith(".whl"):
        return name.split("-", 2)[1] if name.count("-") > 1 else ""
    ending = next((ending for ending in _SOURCES if name.endswith(ending)), "")
    return name.removesuffix(ending).rpartition("-")[2] if ending else ""


def _admits(requires_python: str, python: str) -> bool:
    """Whether any patch release of a minor version is admitted."""
    try:
        wanted = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return True
    return wanted.contains(f"{python}.0") or wanted.contains(f"{python}.99")
