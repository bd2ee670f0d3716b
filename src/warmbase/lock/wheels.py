"""Which wheel of a package is installed on a platform: its tags decide (PEP 425, PEP 600, PEP 656)."""

from collections.abc import Iterable, Iterator, Mapping

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from warmbase.errors import LockError

ARCHITECTURES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
"""OCI platforms and the names that wheels give them."""

Libc = tuple[str, str]
"""A C library, "glibc" or "musl", and its version, e.g. ("glibc", "2.41")."""

_GLIBCS = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
"""The minor versions of glibc 2 in the names that uv 0.13's `--python-platform` takes."""
_MUSL = 2
"""The minor version of musl 1 that uv means by its one name for it."""

_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}


def uv_platform(platform: str, libc: Libc) -> str:
    """What uv's `--python-platform` calls an OCI `platform`: with the newest C library it knows that `libc` can stand
    for. Raises LockError where there is none."""
    name, minor = _installable(libc)
    architecture = ARCHITECTURES[platform]
    return f"{architecture}-manylinux_2_{minor}" if name == "glibc" else f"{architecture}-unknown-linux-musl"


def _installable(libc: Libc) -> tuple[str, int]:
    """The C library, and the minor version, for which uv can install what runs with `libc`."""
    name, version = libc
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        major, minor = 0, 0
    known = {("glibc", 2): _GLIBCS, ("musl", 1): (_MUSL,)}.get((name, major), ())
    fitting = [one for one in known if one <= minor]
    if not fitting:
        raise LockError(
            f"uv installs no wheels for {name} {version}",
            next_step="choose a foundation with glibc 2.17 or newer, or musl 1.2",
        )
    return name, max(fitting)


def platform_tags(platform: str, libc: Libc) -> list[str]:
    """The platform tags of wheels that an OCI `platform` with `libc` accepts and uv installs there, best first."""
    architecture = ARCHITECTURES[platform]
    name, newest = _installable(libc)
    if name == "musl":
        return [*(f"musllinux_1_{minor}_{architecture}" for minor in range(newest, 0, -1)), f"linux_{architecture}"]
    tags = []
    for minor in range(newest, _OLDEST_GLIBC[architecture] - 1, -1):
        tags.append(f"manylinux_2_{minor}_{architecture}")
        if minor in _LEGACY:
            tags.append(f"{_LEGACY[minor]}_{architecture}")
    return [*tags, f"linux_{architecture}"]


def supported_tags(python: str, platform: str, libc: Libc) -> list[Tag]:
    """All tags that CPython `python` ("3.13") on `platform` with `libc` accepts, best first."""
    major, minor = (int(part) for part in python.split("."))
    platforms = platform_tags(platform, libc)
    interpreter = f"cp{major}{minor}"
    tags: Iterator[Tag] = cpython_tags((major, minor), abis=[interpreter], platforms=platforms)
    return [*tags, *compatible_tags((major, minor), interpreter=interpreter, platforms=platforms)]


def choose_wheel(names: Iterable[str], tags: Iterable[Tag]) -> str | None:
    """The file name among `names` that fits best, None where none fits. `tags` are ordered, best first."""
    rank = {tag: place for place, tag in enumerate(tags)}
    best: tuple[int, tuple[int, str], str] | None = None
    for name in sorted(names):
        try:
            _, _, build, offered = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue
        places = [rank[tag] for tag in offered if tag in rank]
        if places:
            number, rest = build if build else (-1, "")
            candidate = (min(places), (-number, rest), name)
            best = min(best, candidate) if best else candidate
    return best[2] if best else None


def choose_wheels(names: Iterable[str], platforms: Iterable[str], tags: Mapping[str, Iterable[Tag]]) -> dict[str, str]:
    """The file name that fits best on each of `platforms`; those where none fits are left out."""
    names = tuple(names)
    chosen = {platform: choose_wheel(names, tags[platform]) for platform in platforms}
    return {platform: name for platform, name in chosen.items() if name}


def package_of_file(name: str) -> str:
    """The normalized name of the package that a file of an index is of; "" where its name does not say."""
    try:
        return str(parse_wheel_filename(name)[0] if name.endswith(".whl") else parse_sdist_filename(name)[0])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return ""


def runs_on_python(name: str, python: str) -> bool:
    """Whether a wheel's tags admit CPython `python` on any platform; true for anything that is not a wheel."""
    if not name.endswith(".whl"):
        return True
    major, minor = (int(part) for part in python.split("."))
    try:
        offered = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return False
    return any(_admits(tag, major, minor) for tag in offered)


def _admits(tag: Tag, major: int, minor: int) -> bool:
    kind, digits = tag.interpreter[:2], tag.interpreter[2:]
    if kind not in ("cp", "py") or not digits.isdigit() or int(digits[0]) != major:
        return False
    own = int(digits[1:] or 0)
    if kind == "py":
        return own <= minor
    return (own == minor and tag.abi in (f"cp{digits}", "none", "abi3")) or (own < minor and tag.abi == "abi3")
