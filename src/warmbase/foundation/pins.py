"""What pins a foundation, and how pins are written as JSON.

Pins are committed (`bases/foundations/<name>.json`), so their bytes are canonical. A Debian foundation has one for each
platform: which packages at which versions make the system, and the state of the archives that said so; no host is
named. A foundation that is an image has one for each platform and Python version: the image's name as the catalog has
it, never a mirror's, its digests, and what a lock has to know of it. One that a Dockerfile makes has the same but for
the name: the hash of what went in, and the digest of what came out. Where the Python is managed there is one for each
platform and version too: the Python's, and in it, as `base`, that of the system that it is put on.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from warmbase.errors import FoundationError
from warmbase.oci.digests import hex_of

FORMAT = 1

_COMMIT = re.compile(r"sha1:[0-9a-f]{40}")

PinKey = tuple[str, str]
"""A platform and a Python minor version; "" is the one Python that a Debian system has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveState:
    """One suite's signed Release file as it was found: its Date (RFC 3339, UTC) and its SHA-256."""

    suite: str
    date: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianPin:
    """The exact packages of a Debian foundation on one platform.

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

    @property
    def libc(self) -> tuple[str, str]:
        """The C library and its version: libc6 2.41-12 is glibc 2.41. Raises FoundationError."""
        version = dict(self.packages).get("libc6", "")
        if not version:
            remedy = "run `warmbase lock --upgrade-foundation`"
            raise FoundationError(f"the pin of {self.suite} names no libc6", next_step=remedy)
        return "glibc", upstream_of(version)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePin:
    """An exact image for one platform, and the Python in it that is meant.

    `reference` is the image's name, or its path, as the catalog has it; `index` the digest of what that names, and
    `manifest` of the platform's manifest, which is the same where there is one platform only. `created` is RFC 3339
    text, `python` a full version, `interpreter` its path, `libc` the C library and its version.
    """

    reference: str
    platform: str
    index: str
    manifest: str
    created: str
    python: str
    interpreter: str
    libc: tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerfilePin:
    """What a Dockerfile made for one platform, and the Python in it that is meant, "" where none is.

    `inputs` is the hash of what was put in, `bases` are the images that it stands on, (name, digest) as they were in
    their registries, and what its steps added from other addresses; the digest of a git repository is "sha1:" and the
    commit. `image` is the digest of the result's config, which names the content of all layers however they
    are compressed. `created` is RFC 3339 text: the SOURCE_DATE_EPOCH that it was built with.
    """

    inputs: str
    platform: str
    bases: tuple[tuple[str, str], ...]
    image: str
    created: str
    python: str
    interpreter: str
    libc: tuple[str, str]


SystemPin = DebianPin | ImagePin | DockerfilePin


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedPin:
    """A CPython that uv manages, on a system that `base` pins and whose own Python, if it has one, does not count.

    `python` is its full version, `archive` the name and `sha256` the hash of what uv downloads.
    """

    base: SystemPin
    python: str
    archive: str
    sha256: str

    @property
    def platform(self) -> str:
        """The platform of the system."""
        return self.base.platform

    @property
    def created(self) -> str:
        """The system's time: a Python that is put on it has none that would count."""
        return self.base.created

    @property
    def libc(self) -> tuple[str, str]:
        """The system's C library and its version, for which the archive is."""
        return self.base.libc


FoundationPin = SystemPin | ManagedPin


def system_of(pin: FoundationPin) -> SystemPin:
    """What pins the system below a managed Python; of all others the pin itself."""
    return pin.base if isinstance(pin, ManagedPin) else pin


def python_of(pin: FoundationPin, minor: str) -> str:
    """The full version of Python `minor` in what `pin` pins; `minor` itself where a Debian system does not have it."""
    if not isinstance(pin, DebianPin):
        return pin.python
    version = dict(pin.packages).get(f"python{minor}-minimal", "")
    return python_version(version) if version else minor


def python_version(version: str) -> str:
    """What Python calls itself in a Debian package with this version."""
    return upstream_of(version).replace("~", "")  # "3.14.0~rc2" sorts before the release in Debian, "3.14.0rc2" for pip


def upstream_of(version: str) -> str:
    """The upstream part of a Debian version: [epoch:]upstream[-revision] (deb-version(7))."""
    without_epoch = re.sub(r"^\d+:", "", version)
    return without_epoch.rpartition("-")[0] or without_epoch


def pins_to_json(pins: Mapping[PinKey, FoundationPin]) -> str:
    """Write the pins of one foundation as canonical JSON text: sorted, with a final newline."""
    platforms: dict[str, dict[str, Any]] = {}
    for (platform, python), pin in pins.items():
        if isinstance(pin, DebianPin):
            platforms[platform] = _pin_to_json(pin)
        else:
            platforms.setdefault(platform, {})[python] = _pin_to_json(pin)
    document = {"format": FORMAT, "platforms": platforms}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _pin_to_json(pin: FoundationPin) -> dict[str, Any]:
    entry = {name: value for name, value in asdict(pin).items() if name != "platform"}
    match pin:
        case DebianPin():
            return entry | {"packages": dict(pin.packages)}
        case DockerfilePin():
            return entry | {"bases": dict(pin.bases)}
        case ManagedPin():
            return entry | {"base": _pin_to_json(pin.base)}
    return entry


def pins_from_json(text: str, *, source: str) -> dict[PinKey, FoundationPin]:
    """Read `pins_to_json` back; `source` names the text in messages. Raises FoundationError."""
    remedy = f"remove {source}, and run `warmbase lock`"
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            message = f"{source} has format {document['format']!r}, not {FORMAT}"
            raise FoundationError(message, next_step=remedy)
        pins: dict[PinKey, FoundationPin] = {}
        for platform, entry in document["platforms"].items():
            pins |= _pins_of(platform, entry)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FoundationError(f"{source} is not a foundation's pin: {error!r}", next_step=remedy) from error
    return pins


def _pins_of(platform: str, entry: Mapping[str, Any]) -> dict[PinKey, FoundationPin]:
    if not entry:
        raise ValueError(f"nothing is pinned for {platform}")
    if "suite" in entry:
        return {(platform, ""): _debian_pin(platform, entry)}
    return {(platform, python): _pin_from_json(platform, one) for python, one in entry.items()}


def _pin_from_json(platform: str, entry: Mapping[str, Any]) -> FoundationPin:
    if "base" not in entry:
        return _system_pin(platform, entry)
    hex_of(f"sha256:{entry['sha256']}")
    texts = {key: str(entry[key]) for key in ("python", "archive", "sha256")}
    return ManagedPin(base=_system_pin(platform, entry["base"]), **texts)


def _system_pin(platform: str, entry: Mapping[str, Any]) -> SystemPin:
    if "suite" in entry:
        return _debian_pin(platform, entry)
    return _dockerfile_pin(platform, entry) if "inputs" in entry else _image_pin(platform, entry)


def _debian_pin(platform: str, entry: Mapping[str, Any]) -> DebianPin:
    return DebianPin(
        suite=str(entry["suite"]),
        platform=platform,
        epoch=int(entry["epoch"]),
        archives=tuple(ArchiveState(**archive) for archive in entry["archives"]),
        packages=tuple(sorted((str(name), str(version)) for name, version in entry["packages"].items())),
    )


def _image_pin(platform: str, entry: Mapping[str, Any]) -> ImagePin:
    for key in ("index", "manifest"):
        hex_of(entry[key])
    kind, version = entry["libc"]
    texts = {key: str(entry[key]) for key in ("reference", "index", "manifest", "created", "python", "interpreter")}
    return ImagePin(platform=platform, libc=(str(kind), str(version)), **texts)


def _dockerfile_pin(platform: str, entry: Mapping[str, Any]) -> DockerfilePin:
    for digest in (entry["image"], f"sha256:{entry['inputs']}", *entry["bases"].values()):
        if not _COMMIT.fullmatch(digest):
            hex_of(digest)
    kind, version = entry["libc"]
    texts = {key: str(entry[key]) for key in ("inputs", "image", "created", "python", "interpreter")}
    bases = tuple(sorted((str(name), str(digest)) for name, digest in entry["bases"].items()))
    return DockerfilePin(platform=platform, bases=bases, libc=(str(kind), str(version)), **texts)
