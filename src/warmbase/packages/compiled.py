"""Packages without a wheel: each is compiled into one, once, in a container of the variant's own foundation.

The container has what the catalog's `build_packages` name, the pinned uv and the foundation's interpreter; uv fetches
the source there, checks its hash or commit, and gets what its build asks for from the same indexes. What it needs to
be let in reaches it as secrets: no argument, no layer and no history holds any. All packages of a step are compiled in
one bake, side by side.

What a compiler writes may differ from machine to machine, whatever is done against it (SOURCE_DATE_EPOCH, no debug
information). The recipe names what was compiled and where; the layer that is first stored under it is the one that all
others take.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from warmbase.effects.docker.bake import Target
from warmbase.effects.docker.builder import Builder
from warmbase.effects.process import mask_secrets
from warmbase.effects.uv import Uv
from warmbase.errors import BuilderError, PackagesError
from warmbase.layers.elf import read_needed
from warmbase.lock.model import LockedPackage, requirement_of
from warmbase.oci.tar import MTIME
from warmbase.packages import inside, uvcache
from warmbase.packages.agreement import Surroundings, check_agreement
from warmbase.packages.logins import SECRETS, Login, is_from_git, is_over_ssh, open_logins

_LIBRARIES = "libraries.txt"
_MOUNTS = "--mount=type=bind,target=/run/warmbase"

_TIMED = re.compile(r"\d+\.\d+ (.*)")
_ENDED = re.compile(r"did not complete successfully: exit code: (\d+)$")  # BuildKit's, of a RUN step

_NEXT_STEPS = {  # by how system.sh and compile.sh end
    20: "correct `build_packages` in the catalog, or see that the builder reaches the mirrors of its system",
    21: "where it cannot be reached, see that the builder gets there; where it is refused, give the login in"
    " netrc, to git or in UV_INDEX_<NAME>_PASSWORD, and for ssh have the key in the agent and the host in known_hosts;"
    " where its hash differs, it is not what was locked: ask why before `warmbase lock --upgrade-package` takes it",
    22: "if a compiler, a header or a library is missing, add the package that has it to `build_packages` in the"
    " catalog (Python.h is in Debian's python3-dev); or require a version that has a wheel",
}
_FAILED = {
    20: "what compiles {names} cannot be installed for {platform}",
    21: "the source of {names} cannot be had as it was locked, for {platform}",
}

_INSTALL = f"{_MOUNTS} --mount=type=secret,id=warmbase-ca sh /run/warmbase/system.sh"

_DOCKERFILE = f"""\
FROM foundation AS compiled
USER 0:0
ARG WARMBASE_SYSTEM
RUN {_INSTALL} $WARMBASE_SYSTEM
ARG WARMBASE_FETCHERS
RUN {_INSTALL} $WARMBASE_FETCHERS
ARG WARMBASE_INTERPRETER
ARG WARMBASE_NAME
ARG WARMBASE_REQUIREMENT
ARG SOURCE_DATE_EPOCH
RUN {_MOUNTS} --mount=type=ssh {" ".join(f"--mount=type=secret,id={name}" for name in SECRETS)} \\
    sh /run/warmbase/compile.sh "$WARMBASE_INTERPRETER" "$WARMBASE_NAME" "$WARMBASE_REQUIREMENT"
FROM scratch
COPY --from=compiled /warmbase/wheels/ /
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Yard:
    """Where packages for the Python in `place` are compiled.

    `foundation` is the builder's name for the foundation (see `foundation.export`), `interpreter` the path of its
    Python, `libraries` the names of the shared libraries that it has. `tool` is the uv of that platform, `uv` this
    machine's, whose indexes count. `system` are the catalog's build packages. `folder` is scratch space.
    """

    builder: Callable[[], Builder]
    foundation: str
    interpreter: str
    libraries: frozenset[str]
    place: Surroundings
    system: tuple[str, ...]
    uv: Uv
    tool: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @property
    def platform(self) -> str:
        """The platform that is compiled for."""
        return self.place.platform

    def compile(self, packages: Sequence[LockedPackage]) -> Mapping[str, Path]:
        """Compile `packages`: their wheels' files by name.

        Raises PackagesError where there is nothing to compile with, where it fails, and where a wheel is not what the
        lock says, or needs a library that the foundation does not have.
        """
        tools = self.folder / "tools"
        tools.mkdir(parents=True)
        shutil.copy2(self.tool, tools / "uv")
        for script in ("system.sh", "compile.sh"):
            shutil.copy(Path(inside.__file__).with_name(script), tools / script)
        by_target = {f"package-{number}": package for number, package in enumerate(packages)}
        with open_logins(packages, self.uv, self.environment) as login:
            self._bake(
                [self._target(name, package, tools, login) for name, package in by_target.items()], by_target, login
            )
        wheels = {}
        for target, package in by_target.items():
            made = self.folder / target
            wheel = wheels[package.name] = _find_wheel(made, package, self.platform)
            check_agreement(wheel, package, self.place, complete=uvcache.is_known(self.uv.version))
            missing = _find_missing(wheel, self.libraries, made / _LIBRARIES)
            if missing:
                raise _lacks_libraries(package, missing)
        return wheels

    def _target(self, name: str, package: LockedPackage, tools: Path, login: Login) -> Target:
        fetchers = [":git"] if is_from_git(package) else []
        fetchers += [":ssh"] if is_over_ssh(package) else []
        file = package.file(self.platform)
        return Target(
            name=name,
            context=str(tools),
            output={"type": "local", "dest": str(self.folder / name)},
            inline=_DOCKERFILE,
            args={
                "WARMBASE_SYSTEM": " ".join(sorted(self.system)),
                "WARMBASE_FETCHERS": " ".join(fetchers),
                "WARMBASE_INTERPRETER": self.interpreter,
                "WARMBASE_NAME": package.name,
                "WARMBASE_REQUIREMENT": requirement_of(package) + (f" --hash=sha256:{file.sha256}" if file else ""),
                "SOURCE_DATE_EPOCH": str(MTIME),
            },
            contexts={"foundation": self.foundation},
            secrets=login.secrets(package.index),
            ssh=login.ssh if is_over_ssh(package) else (),
            platforms=(self.platform,),
        )

    def _bake(self, targets: Sequence[Target], packages: Mapping[str, LockedPackage], login: Login) -> None:
        try:
            builder = self.builder()
        except BuilderError as error:
            raise self._no_builder(packages.values(), error.message) from None
        if self.platform not in builder.platforms:
            others = ", ".join(sorted(builder.platforms)) or "no platform"
            raise self._no_builder(packages.values(), f"the builder {builder.name} builds for {others}")
        work = self.folder / "bake"
        work.mkdir()
        try:
            builder.bake(targets, work)
        except BuilderError as error:
            failed = [packages[error.target]] if error.target in packages else packages.values()
            raise _explain_failure(error, failed, self.platform, login) from None

    def _no_builder(self, packages: Iterable[LockedPackage], reason: str) -> PackagesError:
        return PackagesError(
            f"{_names(packages)} has no wheel for {self.platform} and is to be compiled, but {reason}",
            next_step=f"install Docker with Buildx, or name a builder for {self.platform} with `--builder NAME` or the"
            " catalog's `builder`; or require a version that has a wheel, or leave the package out there with a marker",
        )


def _explain_failure(
    error: BuilderError, failed: Iterable[LockedPackage], platform: str, login: Login
) -> PackagesError:
    """What a container says, and what to do about it, by which of its steps came to nothing."""
    ended = _ENDED.search(error.message.partition("\n")[0])
    code = int(ended[1]) if ended else 0
    failure = _FAILED.get(code, "{names} cannot be compiled for {platform}")
    said = mask_secrets(_said_inside(error.message), login.values)
    return PackagesError(
        f"{failure.format(names=_names(failed), platform=platform)}\n{said}",
        next_step=_NEXT_STEPS.get(code, _NEXT_STEPS[22]),
    )


def _said_inside(message: str) -> str:
    """What was said in the container, each line of which has a time in seconds before it; else all of a message."""
    lines = [match[1] for line in message.splitlines() if (match := _TIMED.match(line))]
    return "\n".join(lines) or message


def _names(packages: Iterable[LockedPackage]) -> str:
    return ", ".join(f"{package.name} {package.version}" for package in packages)


def _find_wheel(folder: Path, package: LockedPackage, platform: str) -> Path:
    """The package's own wheel among those that were made: what its build needed may have had none either."""
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if name == package.name and version == Version(package.version):
            return path
    made = ", ".join(path.name for path in sorted(folder.glob("*.whl"))) or "nothing"
    raise PackagesError(
        f"{package.name} {package.version} was compiled for {platform}, and {made} came out",
        next_step="run `warmbase lock`, or report it with the package's name",
    )


def _find_missing(wheel: Path, present: Collection[str], owners: Path) -> Mapping[str, tuple[str, str]]:
    """The libraries that a wheel's programs need and that were in the container alone: library → the file that needs
    it, and the package of the system that has it. `owners` says so of every library there, if it is known.

    What neither knows may come with another wheel; whether it does, an import shows.
    """
    known = dict(_read_owners(owners))
    needed: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        own = {PurePosixPath(name).name for name in archive.namelist()}
        for name in archive.namelist():
            if ".so" in name:
                needed |= dict.fromkeys(read_needed(archive.read(name)), PurePosixPath(name).name)
    lacking = needed.keys() - own - set(present)
    return {library: (needed[library], known[library]) for library in sorted(lacking) if library in known}


def _read_owners(path: Path) -> Iterator[tuple[str, str]]:
    """Library → package, from lines like those of dpkg's lists: "…/info/libpq5:amd64.list:/usr/lib/…/libpq.so.5"."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        listed, _, file = line.partition(".list:")
        yield PurePosixPath(file).name, PurePosixPath(listed).name.partition(":")[0]


def _lacks_libraries(package: LockedPackage, missing: Mapping[str, tuple[str, str]]) -> PackagesError:
    lines = [f"\n  {file} needs {library}" for library, (file, _) in missing.items()]
    owners = ", ".join(dict.fromkeys(owner for _, owner in missing.values()))
    return PackagesError(
        f"{package.name} {package.version} was compiled, but needs libraries that the foundation does not have:"
        + "".join(lines),
        next_step=f"add {owners} to the foundation: to its `packages`, or to the image that it is",
    )
