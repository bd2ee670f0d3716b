"""What a foundation is, what pins it, and how both are written as JSON.

A pin is committed (`bases/foundations/<name>.json`, one entry per platform), so its bytes are canonical and
name no host. It says which packages at which versions make the system, and the state of the archives that
said so. A foundation is what was really built; where it differs from its pin, `drift` says how.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warmbase.errors import FoundationError

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveState:
    """One suite's signed Release file as it was found: its Date (RFC 3339, UTC) and its SHA-256."""

    suite: str
    date: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationPin:
    """The exact packages of a foundation on one platform.

    `epoch` is the SOURCE_DATE_EPOCH of the build: the newest of the archives' dates in seconds.
    `packages` are (name, version) in order of their names.
    """

    suite: str
    platform: str
    epoch: int
    archives: tuple[ArchiveState, ...]
    packages: tuple[tuple[str, str], ...]

    @property
    def created(self) -> str:
        """The newest archive's time as RFC 3339 text: what images state as the foundation's time."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """An installed Debian package. `licences` are SPDX expressions, or the words of its copyright file."""

    name: str
    version: str
    architecture: str
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """A package whose version is not the pinned one; "" stands for not pinned, or not installed."""

    package: str
    pinned: str
    got: str

    def __str__(self) -> str:
        return f"{self.package}: {self.pinned or 'not pinned'} -> {self.got or 'not installed'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Foundation:
    """A root filesystem with an interpreter.

    `rootfs` is the tar that it was built as (read it with `foundation_entries`), `interpreter` the path of
    Python in it, `python` its full version, `libc` its name and version, `os_release` what its os-release(5)
    file says, `sources` what apt's sources in the image say, `created` RFC 3339 text.
    """

    name: str
    platform: str
    rootfs: Path
    interpreter: str
    python: str
    libc: tuple[str, str]
    os_release: tuple[tuple[str, str], ...]
    packages: tuple[Package, ...]
    sources: str
    created: str
    epoch: int
    drift: tuple[Drift, ...] = ()


def find_drift(pinned: Iterable[tuple[str, str]], installed: Iterable[tuple[str, str]]) -> tuple[Drift, ...]:
    """Compare (name, version) of the pin with what was installed; empty if they are the same."""
    wanted, got = dict(pinned), dict(installed)
    return tuple(
        Drift(package=name, pinned=wanted.get(name, ""), got=got.get(name, ""))
        for name in sorted(wanted.keys() | got.keys())
        if wanted.get(name) != got.get(name)
    )


def pins_to_json(pins: Mapping[str, FoundationPin]) -> str:
    """Write the pins of a foundation, by platform, as canonical JSON text: sorted, with a final newline."""
    document = {
        "format": FORMAT,
        "platforms": {
            platform: {
                "suite": pin.suite,
                "epoch": pin.epoch,
                "archives": [asdict(archive) for archive in pin.archives],
                "packages": dict(pin.packages),
            }
            for platform, pin in pins.items()
        },
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def pins_from_json(text: str, *, source: str) -> dict[str, FoundationPin]:
    """Read `pins_to_json` back; `source` names the text in messages. Raises FoundationError."""
    remedy = f"remove {source}, and run `warmbase lock`"
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            message = f"{source} has format {document['format']!r}, not {FORMAT}"
            raise FoundationError(message, next_step=remedy)
        return {platform: _pin_of(platform, entry) for platform, entry in document["platforms"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FoundationError(f"{source} is not a foundation's pin: {error!r}", next_step=remedy) from error


def _pin_of(platform: str, entry: Mapping[str, Any]) -> FoundationPin:
    return FoundationPin(
        suite=str(entry["suite"]),
        platform=platform,
        epoch=int(entry["epoch"]),
        archives=tuple(ArchiveState(**archive) for archive in entry["archives"]),
        packages=tuple(sorted((str(name), str(version)) for name, version in entry["packages"].items())),
    )


def foundation_to_json(foundation: Foundation) -> str:
    """Write what is known about a foundation, all but its `rootfs`, as canonical JSON text."""
    document = {name: value for name, value in asdict(foundation).items() if name != "rootfs"}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def foundation_from_json(text: str, *, rootfs: Path) -> Foundation:
    """Read `foundation_to_json` back. Raises FoundationError."""
    try:
        document = json.loads(text)
        return Foundation(
            name=document["name"],
            platform=document["platform"],
            rootfs=rootfs,
            interpreter=document["interpreter"],
            python=document["python"],
            libc=(document["libc"][0], document["libc"][1]),
            os_release=tuple((name, value) for name, value in document["os_release"]),
            packages=tuple(
                Package(**{**package, "licences": tuple(package["licences"])}) for package in document["packages"]
            ),
            sources=document["sources"],
            created=document["created"],
            epoch=document["epoch"],
            drift=tuple(Drift(**drift) for drift in document["drift"]),
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise FoundationError(
            f"the record of a foundation is damaged: {error!r}", next_step="build it again"
        ) from error
