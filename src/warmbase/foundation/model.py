"""What a foundation is, and how it is written as JSON beside its layers in the store."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from warmbase.errors import FoundationError
from warmbase.oci.digests import Json
from warmbase.oci.manifest import History


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package that the system's package manager installed; `kind` is "deb" or "apk", as package URLs have it.

    `licences` are SPDX expressions, or the words of its copyright file.
    """

    name: str
    version: str
    architecture: str
    licences: tuple[str, ...] = ()
    kind: str = "deb"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """A package whose version is not the pinned one; "" stands for not pinned, or not installed."""

    package: str
    pinned: str
    got: str

    def __str__(self) -> str:
        return f"{self.package}: {self.pinned or 'not pinned'} -> {self.got or 'not installed'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """The image that a foundation is, its layers taken as they are.

    `name` is the image's, with its registry, "" for one that came from no registry; `digest` is the manifest's of the
    platform, `layers` are the layers' digests. They came from `repository` of `registry`, which
    are empty for an image that came from no registry.
    """

    name: str
    digest: str
    layers: tuple[str, ...]
    registry: str = ""
    repository: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """What a managed Python was installed from: the file's name and its SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Foundation:
    """A root filesystem with an interpreter.

    `interpreter` is the path of Python in it, `stdlib` of its standard library, `python` its full version, `libc` its
    name and version, `os_release` what its os-release(5) file says, `packages` those of the system's package manager,
    `created` RFC 3339 text. Of an image, `run` is what its containers start as (config.md, "config"), `history` says
    how its layers came to be, and `base` which image it is. `archive` is what a managed Python was installed from; of
    the system below such a one there is no interpreter ("").
    """

    name: str
    platform: str
    interpreter: str
    stdlib: str
    python: str
    libc: tuple[str, str]
    os_release: tuple[tuple[str, str], ...]
    packages: tuple[Package, ...]
    created: str
    drift: tuple[Drift, ...] = ()
    run: Mapping[str, Json] = field(default_factory=dict, hash=False)
    history: tuple[History, ...] = ()
    base: Base | None = None
    archive: Archive | None = None


def find_drift(pinned: Iterable[tuple[str, str]], installed: Iterable[tuple[str, str]]) -> tuple[Drift, ...]:
    """Compare (name, version) of the pin with what was installed; empty if they are the same."""
    wanted, got = dict(pinned), dict(installed)
    return tuple(
        Drift(package=name, pinned=wanted.get(name, ""), got=got.get(name, ""))
        for name in sorted(wanted.keys() | got.keys())
        if wanted.get(name) != got.get(name)
    )


def foundation_to_json(foundation: Foundation) -> str:
    """Write what is known about a foundation as canonical JSON text."""
    return json.dumps(asdict(foundation), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def foundation_from_json(text: str) -> Foundation:
    """Read `foundation_to_json` back. Raises FoundationError."""
    try:
        document = json.loads(text)
        texts = ("name", "platform", "interpreter", "stdlib", "python", "created")
        return Foundation(
            **{key: document[key] for key in texts},
            libc=(document["libc"][0], document["libc"][1]),
            os_release=tuple((name, value) for name, value in document["os_release"]),
            packages=tuple(_package(package) for package in document["packages"]),
            drift=tuple(Drift(**drift) for drift in document["drift"]),
            run=document["run"],
            history=tuple(History(**step) for step in document["history"]),
            base=_base(document["base"]) if document["base"] else None,
            archive=Archive(**archive) if (archive := document.get("archive")) else None,
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise FoundationError(
            f"the record of a foundation is damaged: {error!r}", next_step="build it again"
        ) from error


def _package(value: Mapping[str, Any]) -> Package:
    return Package(**{**value, "licences": tuple(value["licences"])})


def _base(value: Mapping[str, Any]) -> Base:
    return Base(**{**value, "layers": tuple(value["layers"])})
