"""What the probe has found in a container, or in an image's unpacked files, as facts. Pure.

The probe gives the cache's pointers as they are; here they are read, by the module that knows uv's cache.
"""

import base64
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from warmbase.downstream.doctor.holdings import default_index, sizes_of, tags_of
from warmbase.downstream.doctor.model import (
    CachedWheel,
    Folder,
    Holdings,
    Installed,
    Mount,
    Option,
    Place,
    Program,
    Surroundings,
)
from warmbase.downstream.doctor.options import SWITCHED_ON, read_file, read_variables
from warmbase.downstream.listing import Base
from warmbase.errors import ProjectError
from warmbase.image.promises import BUCKETS, CACHE, IDENTITY, UV, VENV
from warmbase.packages.uvcache import ARCHIVES, WHEELS, UnknownLayoutError, read_pointer

WANTED: Mapping[str, str] = {"venv": f"/{VENV}", "cache": f"/{CACHE}", "identity": f"/{IDENTITY}"}
"""What the probe is told: the places that every image promises."""

Survey = Mapping[str, Any]
"""The probe's answer."""

CONTAINER = Place(file="the container")


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What an image says of itself: the variant, its Python, uv and platform, and the recipe that it was made by."""

    name: str
    python: str
    uv: str
    platform: str
    index: str
    recipe: str


def read_identity(survey: Survey) -> Identity:
    """What the image says of itself. Raises ProjectError where it is none of warmbase's."""
    said = survey.get("identity")
    if not isinstance(said, dict):
        raise ProjectError(
            f"there is no /{IDENTITY} here: this is no container of a base",
            next_step="name a running container with --container, or the base with --base",
        )
    return Identity(**{name: str(said.get(name, "")) for name in Identity.__slots__})


def seen_holdings(survey: Survey, identity: Identity, base: Base | None) -> Holdings:
    """What there is to hit in a container; `base` is the published one, where it is known."""
    venvs = {path: dict(_installed(venv["installed"])) for path, venv in survey["venvs"].items()}
    python = _full_version(survey["venvs"][f"/{VENV}"]["configuration"]) or identity.python
    name, _, version = str(survey.get("libc", "")).partition(" ")
    libc = (name, version) if version else ("musl", "1.2") if name == "musl" else ("glibc", "2.40")
    return Holdings(
        uv=identity.uv,
        cache=survey["cache"],
        python=python,
        tags=tags_of(python, identity.platform, libc),
        venvs={path: packages for path, packages in venvs.items() if packages or path == f"/{VENV}"},
        cached=_cached(survey["caches"][survey["cache"]]),
        default_index=default_index(base) or identity.index,
        sizes=sizes_of(base, identity.platform),
        lacking=tuple(sorted(set(BUCKETS.values()) - set(survey["caches"][survey["cache"]]["buckets"]))),
    )


def seen_surroundings(survey: Survey, configuration: Iterable[Option], *, is_image: bool = False) -> Surroundings:
    """How uv is run in a container. `configuration` is what the project's files say. With `is_image` there are only the
    files of an image, and the variables that every image sets."""
    variables = survey["environment"]
    files = [option for path, text in survey["configuration"].items() for option in read_file(text, path)]
    if "UV_CONFIG_FILE" not in variables:
        files += configuration
    if variables.get("UV_NO_CONFIG", "").lower() in SWITCHED_ON:
        files = []
    looked = [*survey["venvs"].values(), survey["caches"][survey["cache"]]]
    folders = [_folder(found) for place in looked for found in place["folders"]]
    return Surroundings(
        options=(*files, *read_variables(variables, CONTAINER)),
        mounts=tuple(_mounts(survey["mounts"])),
        programs=tuple(_programs(survey["programs"])),
        folders=() if is_image else tuple(folders),
        user=survey["user"],
        project=survey["project"],
        is_container=not is_image,
    )


def _installed(packages: Iterable[Mapping[str, str]]) -> Iterator[tuple[str, Installed]]:
    for package in packages:
        name = str(canonicalize_name(package["name"]))
        yield name, Installed(name=name, version=package["version"], origin=package["origin"])


def _cached(cache: Survey) -> dict[str, tuple[CachedWheel, ...]]:
    found: dict[str, tuple[CachedWheel, ...]] = {}
    if not {ARCHIVES, WHEELS} <= set(cache["buckets"]):  # another uv's, of which nothing is known
        return found
    archives = set(cache["archives"])
    for path, encoded in cache["pointers"]:
        parts = path.split("/")
        if len(parts) > 3 and parts[0] == WHEELS and path.endswith(".http"):
            wheel = _read_wheel(parts[-2], "/".join(parts[1:-2]), encoded, archives)
            found[parts[-2]] = (*found.get(parts[-2], ()), *wheel)
    return found


def _read_wheel(name: str, bucket: str, encoded: str, archives: Set[str]) -> Iterator[CachedWheel]:
    """The wheel that a pointer is of; none where it cannot be read, as uv, too, takes it for what is not there."""
    try:
        pointer = read_pointer(base64.b64decode(encoded))
        version = pointer.filename.split("-")[1].replace("_", "+")
    except (UnknownLayoutError, ValueError, TypeError, LookupError, StopIteration):
        return
    yield CachedWheel(
        name=name,
        version=version,
        file=pointer.filename,
        sha256=pointer.sha256,
        bucket=bucket,
        is_whole=pointer.archive in archives,
    )


def _full_version(configuration: str) -> str:
    """The version in a pyvenv.cfg."""
    for line in configuration.splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version_info", "version"):
            return ".".join(value.strip().split(".")[:3])
    return ""


def _mounts(mounts: Iterable[Mapping[str, str]]) -> Iterator[Mount]:
    for mount in mounts:
        if mount["target"] != "/":
            yield Mount(target=mount["target"], source=f"a mount of {mount['type']}", place=CONTAINER)


def _programs(programs: Iterable[Mapping[str, str]]) -> Iterator[Program]:
    """Each uv on the PATH up to the image's own, and that too where it is another, as far as that is known."""
    for program in programs:
        path, version = posixpath.normpath(program["path"]), program["version"]
        if path != UV or version:
            yield Program(path=path, version=version, place=CONTAINER)
        if path == UV:
            return


def _folder(found: Mapping[str, Any]) -> Folder:
    return Folder(
        path=found["path"],
        is_there=found["is_there"],
        is_writable=found["is_writable"],
        mode=found.get("mode", ""),
    )
