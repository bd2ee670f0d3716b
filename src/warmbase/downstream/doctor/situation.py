"""Where uv installs, and whether it can use the base's cache: what all packages have in common. Pure."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from warmbase.downstream.doctor.model import CachedWheel, Holdings, Installed, Option, Place, Severity, Surroundings
from warmbase.downstream.doctor.options import is_on, packages_of
from warmbase.downstream.projects.model import Kind
from warmbase.image.promises import CACHE, VENV
from warmbase.packages.uvcache import is_known

BASE_VENV, BASE_CACHE = f"/{VENV}", f"/{CACHE}"
_BUCKET = re.compile(r"-v\d+$")
SYNCED: frozenset[Kind] = frozenset({"uv.lock", "pyproject.toml"})
"""The kinds of projects that `uv sync` installs; the others are `uv pip`'s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacle:
    """Why uv does not get at the base's cache. `idle` is what it weighs where no package is concerned: an error where
    uv does not even start, and a note where a Dockerfile says so, which installs nothing else."""

    code: str
    why: str
    fix: str
    place: Place
    idle: Severity = "warning"


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What all packages of a project have in common. `venv` is where they are installed, and `chosen` what says so,
    where that is not the base's; `installed` is what is there. `obstacles` stand before the cache, `cached` is what uv
    gets from it in spite of them. `ranks` are the places of wheels' tags that fit, the best first."""

    holdings: Holdings
    surroundings: Surroundings
    kind: Kind
    venv: str
    chosen: Option | None
    installed: Mapping[str, Installed] = field(hash=False)
    cached: Mapping[str, tuple[CachedWheel, ...]] = field(hash=False)
    ranks: Mapping[str, int] = field(hash=False, repr=False)
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_in_place(self) -> bool:
        """Whether uv installs into the base's own venv."""
        return self.venv == BASE_VENV

    @property
    def is_refused(self) -> bool:
        """Whether uv is to install into the system's Python, which is EXTERNALLY-MANAGED in every base."""
        to_system = self.chosen is not None and self.chosen.name == "system"
        return to_system and not is_on(self.surroundings.last("break-system-packages"))

    @property
    def link_mode(self) -> Option | None:
        """How uv was told to link."""
        return self.surroundings.last("link-mode")

    def is_chosen(self, option: str, package: str) -> bool:
        """Whether an option, such as "refresh", was said for everything or for a package."""
        switched = any(is_on(one) for one in self.surroundings.all(option))
        return switched or package in packages_of(self.surroundings.all(f"{option}-package"))


def assess(holdings: Holdings, surroundings: Surroundings, kind: Kind) -> Situation:
    """What holds for all packages of a project of a kind."""
    venv, chosen = _find_venv(holdings, surroundings, kind)
    obstacles = tuple(_obstacles(surroundings, holdings))
    if surroundings.is_container and _is_filled(holdings):  # whatever it is, it serves as the base's own
        obstacles = tuple(one for one in obstacles if one.code not in ("mount", "cache-dir"))
    hidden = {"no-cache", "other-uv"} | (set() if surroundings.is_container else {"mount", "cache-dir", "buckets"})
    is_hidden = any(obstacle.code in hidden for obstacle in obstacles)
    return Situation(
        holdings=holdings,
        surroundings=surroundings,
        kind=kind,
        venv=venv,
        chosen=chosen,
        installed=holdings.venvs.get(venv, {}),
        cached={} if is_hidden else holdings.cached,
        ranks={tag: place for place, tag in enumerate(holdings.tags)},
        obstacles=obstacles,
    )


def _is_filled(holdings: Holdings) -> bool:
    """Whether the cache that is used has all that the base's venv has from indexes."""
    packages = [one for one in holdings.venvs.get(BASE_VENV, {}).values() if not one.origin]
    return bool(packages) and all(
        any(wheel.is_whole and wheel.version == one.version for wheel in holdings.cached.get(one.name, ()))
        for one in packages
    )


def _find_venv(holdings: Holdings, surroundings: Surroundings, kind: Kind) -> tuple[str, Option | None]:
    """Where uv installs, and what says so if that is not the base's venv (uv documentation, "Using environments")."""
    project = surroundings.project
    active = surroundings.last("virtual-env")
    nothing = Option(name="environment", value="", said="UV_PROJECT_ENVIRONMENT is not set", place=Place())
    if kind in SYNCED:
        told = surroundings.last("environment") or nothing
        if active is not None and is_on(surroundings.last("active")):
            told = active
        venv = posixpath.normpath(posixpath.join(project, told.value or ".venv"))
        return venv, told if venv != BASE_VENV else None
    target = surroundings.last("target")
    if target is not None:
        return posixpath.normpath(posixpath.join(project, target.value)), target
    system = surroundings.last("system")
    if is_on(system):
        return "the system's Python", system
    named = active or surroundings.last("made-venv")
    if named is not None and named.value:
        venv = posixpath.normpath(posixpath.join(project, named.value))
        return venv, named if venv != BASE_VENV else None
    own = posixpath.join(project, ".venv")
    if own in holdings.venvs:
        return own, Option(name="environment", value=own, said=f"there is {own}", place=Place())
    return BASE_VENV, None


def _obstacles(surroundings: Surroundings, holdings: Holdings) -> list[Obstacle]:
    found: list[Obstacle] = []
    idle: Severity = "warning" if surroundings.is_container else "note"
    no_cache, folder = surroundings.last("no-cache"), surroundings.last("cache-dir")
    if is_on(no_cache) and no_cache:
        fix = f"take out `{no_cache.said}`"
        found.append(
            Obstacle(
                code="no-cache", why=f"`{no_cache.said}` has uv use no cache", fix=fix, place=no_cache.place, idle=idle
            )
        )
    elif folder is None or posixpath.normpath(folder.value) != BASE_CACHE:
        said = f"`{folder.said}`" if folder else "UV_CACHE_DIR is not set, which"
        fix = f"take out {said}" if folder else f"UV_CACHE_DIR={BASE_CACHE}"
        why = f"{said} has uv use another cache than the base's, {BASE_CACHE}"
        place = folder.place if folder else Place()
        found.append(Obstacle(code="cache-dir", why=why, fix=fix, place=place, idle=idle))
    else:
        found += [replace(one, idle=idle) for one in _covering(surroundings)] or _lacking(holdings)
        found += [replace(one, idle=idle) for one in _emptied(surroundings)]
    return [*found, *_closed(surroundings, holdings.cache), *_other_uv(surroundings, holdings.uv)]


def _covering(surroundings: Surroundings) -> list[Obstacle]:
    """Mounts that hide the base's cache."""
    covering = [
        mount
        for mount in surroundings.mounts
        if not mount.is_seeded and f"{BASE_CACHE}/".startswith(f"{mount.target}/") and mount.target
    ]
    if surroundings.is_container:
        fix = f"start the container without a mount at {covering[-1].target}" if covering else ""
    else:
        seeded = f"--mount=type=cache,from={surroundings.base},source={BASE_CACHE},target={BASE_CACHE}"
        fix = f"take it out, or have it begin with the base's: `{seeded}`"
    return [
        Obstacle(code="mount", why=f"`{mount.source}` lies over the base's cache", fix=fix, place=mount.place)
        for mount in covering[-1:]
    ]


def _lacking(holdings: Holdings) -> list[Obstacle]:
    """Buckets that uv looks into and that are gone, or of another version of uv."""
    if not holdings.lacking:
        return []
    why = f"{holdings.cache} has no {', '.join(holdings.lacking)}, where uv {holdings.uv} looks"
    fix = "take out what removes them: `uv cache clean`, or a step that copies another cache over it"
    return [Obstacle(code="buckets", why=why, fix=fix, place=Place(file=holdings.cache))]


def _emptied(surroundings: Surroundings) -> list[Obstacle]:
    """A step that empties the cache before another one installs."""
    emptied = surroundings.last("emptied")
    if emptied is None:
        return []
    why, fix = f"`{emptied.said}` empties the base's cache before packages are installed", f"take out `{emptied.said}`"
    return [Obstacle(code="buckets", why=why, fix=fix, place=emptied.place)]


def _closed(surroundings: Surroundings, cache: str) -> list[Obstacle]:
    """What uv writes in the cache: some of it also where it finds all that it needs, or it fails."""
    closed = [one for one in surroundings.closed if f"{one.path}/".startswith(f"{cache}/")]
    vital = [one for one in closed if one.path.endswith(("/.lock", "/.git")) or not _BUCKET.search(one.path)]
    if not closed:
        return []
    first = (vital or closed)[0]
    more = f", nor to {len(closed) - 1} more" if len(closed) > 1 else ""
    end = "as uv has to" if vital else "as uv has to for what is not installed"
    why = f"uid:gid {surroundings.user} may not write to {first.path} (mode {first.mode}){more}, {end}"
    fix = f"RUN chmod a+rwX {' '.join(one.path for one in closed)}"
    idle: Severity = "error" if vital else "warning"
    return [Obstacle(code="permissions", why=why, fix=fix, place=Place(file=first.path), idle=idle)]


def _other_uv(surroundings: Surroundings, promised: str) -> list[Obstacle]:
    """Another uv in front of the image's own, or in its place, unless its cache is the same."""
    if not surroundings.programs:
        return []
    first = surroundings.programs[0]
    version = first.version
    if version == promised or (version and is_known(version) and is_known(promised)):
        return []
    spelled = f"uv {version}" if version else "a uv of unknown version"
    reads = "reads other buckets of the cache" if version else "may read other buckets of the cache"
    why = f"{spelled} at {first.path} runs in place of the base's uv {promised}, and {reads}"
    fix = f"take it out: the base has uv {promised}; or pin {promised}"
    return [Obstacle(code="other-uv", why=why, fix=fix, place=first.place)]
