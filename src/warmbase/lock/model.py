"""The lock of a variant: its exact resolution, committed beside the catalog.

Two files hold it, side by side in `bases/<image>/`. `<tag>.txt` is a plain requirements file with hashes: what
is installed, readable by pip and uv, whatever index they use. `<tag>.json` adds what the warm cache has to say
about those packages: every file that the index offers for the locked version, the metadata that a resolver reads,
and the packages that only other platforms need, so that a lock made offline in a child is a universal one.
Neither says where an index is. Times in it are facts about files, never the time of locking, so locking twice writes
the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFile:
    """One file that the index offers: `path` is where it lies below the index's root (see `lock.index`), `size` is in
    bytes (0: the index did not say), `time` the upload time as RFC 3339 text ("" where unknown)."""

    name: str
    sha256: str
    path: str
    size: int = 0
    time: str = ""

    @property
    def is_wheel(self) -> bool:
        """Whether the file is a wheel, and not a source distribution."""
        return self.name.endswith(".whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPackage:
    """One package at one version.

    `use` is "venv" (installed, and in the cache), "warm" (in the cache only) or "index" (only its index page and
    metadata: other platforms need it). `wheels` names, per platform, the file that is installed there; `group` is the
    package set that brings it, "" the image itself.

    Where that file is no wheel, a wheel is compiled from it. `source` is the address of a package that comes from no
    index, as in PEP 508 and without credentials: a file, or a repository of git with its full commit, which then stands
    in `wheels`. `asked` is that address as the catalog has it. `index` is the catalog's name of the package's index, ""
    uv's own: where that is asked is no lock's business.
    """

    name: str
    version: str
    use: str
    requires_dist: tuple[str, ...]
    requires_python: str
    extras: tuple[str, ...]
    files: tuple[LockedFile, ...]
    wheels: tuple[tuple[str, str], ...] = ()
    group: str = ""
    source: str = ""
    asked: str = ""
    index: str = ""

    def wheel(self, platform: str) -> LockedFile | None:
        """The wheel that is installed on `platform`, None where the package is not needed there, or compiled."""
        file = self.file(platform)
        return file if file and file.is_wheel else None

    def file(self, platform: str) -> LockedFile | None:
        """The file that is installed or compiled on `platform`, None for none, or for a repository."""
        name = dict(self.wheels).get(platform)
        return next((file for file in self.files if file.name == name), None)

    def is_needed(self, platform: str) -> bool:
        """Whether the image has the package on `platform`."""
        return platform in dict(self.wheels)

    def is_compiled(self, platform: str) -> bool:
        """Whether the package has no wheel on `platform`, but is made into one."""
        return self.is_needed(platform) and self.wheel(platform) is None

    def identity(self, platform: str) -> str:
        """What tells the package from all others on `platform`: the SHA-256 of its file, or of its repository's address
        with the commit."""
        file = self.file(platform)
        return file.sha256 if file else hashlib.sha256(self.source.encode()).hexdigest()

    def metadata(self) -> str:
        """The package's core metadata, as far as a resolver reads it (PEP 566, PEP 643)."""
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        lines += [f"Requires-Dist: {requirement}" for requirement in self.requires_dist]
        lines += [f"Provides-Extra: {extra}" for extra in self.extras]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """The resolution of one variant. `inputs` is the hash of what the catalog asked for: when the catalog asks for
    something else, the lock no longer fits. `uv` names the uv wheel of each platform."""

    variant: str
    python: str
    inputs: str
    uv: LockedPackage
    packages: tuple[LockedPackage, ...]

    def versions(self) -> dict[str, str]:
        """The version of each package of the image, by name."""
        return {package.name: package.version for package in self.packages if package.use != "index"}

    def installed(self, platform: str) -> tuple[LockedPackage, ...]:
        """The packages that are in the image on `platform`, in the venv or in the cache alone."""
        return tuple(p for p in self.packages if p.use != "index" and p.is_needed(platform))

    def compiled(self, platform: str) -> tuple[LockedPackage, ...]:
        """Those of `installed` that are compiled."""
        return tuple(package for package in self.installed(platform) if package.is_compiled(platform))

    def wheels(self, platform: str) -> Iterator[tuple[LockedPackage, LockedFile]]:
        """Each package of `installed` that has a wheel, with it."""
        for package in self.installed(platform):
            wheel = package.wheel(platform)
            if wheel:
                yield package, wheel

    def newest(self) -> str:
        """The newest upload time of any installed wheel: the time that the image states as its own."""
        times = [
            file.time
            for package in (*self.packages, self.uv)
            for file in package.files
            if file.name in {name for _, name in package.wheels}
        ]
        return max(times, default="")


def hash_inputs(inputs: Mapping[str, Any]) -> str:
    """The hash under which a lock remembers what it was made from: any JSON value → hex SHA-256."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def requirements_text(lock: Lock) -> str:
    """The lock as a requirements file: pinned, with the hashes of the files of all platforms, sorted by name."""
    lines = [f"# {lock.variant}: made by `warmbase lock`, do not edit"]
    for package in lock.packages:
        if package.use != "venv":
            continue
        names = {name for _, name in package.wheels}
        hashes = sorted(file.sha256 for file in package.files if file.name in names)
        lines.append(" \\\n".join([requirement_of(package), *(f"    --hash=sha256:{h}" for h in hashes)]))
    return "\n".join(lines) + "\n"


def requirement_of(package: LockedPackage) -> str:
    """The requirement that admits a locked package alone (PEP 508)."""
    return f"{package.name} @ {package.source}" if package.source else f"{package.name}=={package.version}"


def parse_requirements(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Read `requirements_text` back: name → (version, or address, SHA-256 hex digests)."""
    pins: dict[str, tuple[str, frozenset[str]]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        head, *hashes = line.split("--hash=sha256:")
        requirement = Requirement(head.strip())
        version = requirement.url or str(requirement.specifier).removeprefix("==")
        pins[requirement.name] = (version, frozenset(h.strip() for h in hashes))
    return pins


def lock_to_json(lock: Lock) -> str:
    """The lock's facts as canonical JSON text: sorted keys, a final newline."""
    document = {
        "format": FORMAT,
        "variant": lock.variant,
        "python": lock.python,
        "inputs": lock.inputs,
        "uv": _package_to_json(lock.uv),
        "packages": [_package_to_json(package) for package in lock.packages],
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def lock_from_json(text: str) -> Lock:
    """Read `lock_to_json` back. Raises ValueError or KeyError with what is missing or of another format."""
    document = json.loads(text)
    if document.get("format") != FORMAT:
        raise ValueError(f"format {document.get('format')!r} instead of {FORMAT}")
    return Lock(
        variant=document["variant"],
        python=document["python"],
        inputs=document["inputs"],
        uv=_package_from_json(document["uv"]),
        packages=tuple(_package_from_json(package) for package in document["packages"]),
    )


def _package_to_json(package: LockedPackage) -> dict[str, Any]:
    """A file is written as one compact string: a lock of 100 packages has thousands of them."""
    return {
        "name": package.name,
        "version": package.version,
        "use": package.use,
        "group": package.group,
        "requires_dist": list(package.requires_dist),
        "requires_python": package.requires_python,
        "extras": list(package.extras),
        "files": [" ".join((f.sha256, str(f.size), f.time or "-", f.path, f.name)) for f in package.files],
        "wheels": dict(package.wheels),
        **{
            key: value
            for key, value in (("source", package.source), ("asked", package.asked), ("index", package.index))
            if value
        },
    }


def _package_from_json(document: Mapping[str, Any]) -> LockedPackage:
    return LockedPackage(
        name=document["name"],
        version=document["version"],
        use=document["use"],
        group=document["group"],
        requires_dist=tuple(document["requires_dist"]),
        requires_python=document["requires_python"],
        extras=tuple(document["extras"]),
        files=tuple(_file_from_text(text) for text in document["files"]),
        wheels=tuple(sorted(document["wheels"].items())),
        source=document.get("source", ""),
        asked=document.get("asked", ""),
        index=document.get("index", ""),
    )


def _file_from_text(text: str) -> LockedFile:
    sha256, size, time, path, name = text.split(" ")
    return LockedFile(name=name, sha256=sha256, size=int(size), time="" if time == "-" else time, path=path)
