"""How a Dockerfile has uv run on a base: what it sets, mounts and puts in front. Pure.

All stages that stand on the base are read in their order, as one: what a lower one sets holds above, and what costs
something in one beside costs it too. Only what the text says is known: what a program that it runs does, or `docker
build --build-arg`, is not.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from warmbase.downstream.adopt.programs import INSTALLER, requested, settle, uses_cache
from warmbase.downstream.adopt.stages import is_uv_alone, made_environment
from warmbase.downstream.commands import ShellCommand, read_commands, unfold
from warmbase.downstream.dockerfile import Dockerfile, Instruction, Stage, expand
from warmbase.downstream.doctor.model import Mount, Option, Place, Program, Request, Surroundings
from warmbase.downstream.doctor.options import read_variables, read_words
from warmbase.image.promises import CACHE, ENVIRONMENT, UV, VENV

_UV_VERSION = re.compile(r"[/:]v?(\d+\.\d+\.\d+)")
_HOME = "/root"
_PINNED_UV = re.compile(r"uv(?:==([0-9][\w.]*))?(?:[<>!~].*)?")
OF_THE_BASE = Place(file="the base image")


def read_building(dockerfile: Dockerfile, stages: Sequence[Stage], configuration: Iterable[Option]) -> Surroundings:
    """How uv is run in `stages`, which stand on the base, in their order. `configuration` is what files say."""
    reading = _Reading(dockerfile)
    for stage in stages:
        for instruction in stage.instructions[1:]:
            reading.take(instruction)
    promised = read_variables(ENVIRONMENT, OF_THE_BASE)
    return Surroundings(
        options=(*configuration, *promised, *reading.variables, *reading.flags),
        mounts=tuple(reading.mounts),
        programs=tuple(reading.in_front()),
        project=reading.folder,
        requests=tuple(reading.requests),
        carried=frozenset(_carried(dockerfile, stages)),
    )


def _carried(dockerfile: Dockerfile, stages: Sequence[Stage]) -> Iterator[str]:
    """What is copied from the stages on the base onto other images."""
    for stage in dockerfile.stages:
        for instruction in stage.instructions if stage not in stages else ():
            if instruction.keyword == "COPY" and dockerfile.find_stage(origin_of(instruction)) in stages:
                yield from (word.rstrip("/") for word in instruction.words[:-1])


class _Reading:
    """What the instructions have come to so far."""

    def __init__(self, dockerfile: Dockerfile) -> None:
        self._file = dockerfile
        self._values: dict[str, str] = {**dockerfile.arguments, "HOME": _HOME, **ENVIRONMENT}
        self._installers: set[str] = set()
        self._emptied: Option | None = None
        self.folder = "/"
        self.variables: list[Option] = []
        self.flags: list[Option] = []
        self.mounts: list[Mount] = []
        self.programs: list[Program] = []
        self.requests: list[Request] = []

    def in_front(self) -> Iterator[Program]:
        """Each uv that is searched before the image's own, or lies in its place, in their order."""
        path = [folder.rstrip("/") for folder in self._values["PATH"].split(":")]
        own = posixpath.dirname(UV)
        first = path[: path.index(own) + 1] if own in path else path
        return (each for each in self.programs if posixpath.dirname(each.path) in first)

    def take(self, instruction: Instruction) -> None:
        """Go one instruction further."""
        place = Place(file=self._file.path, line=instruction.line)
        match instruction.keyword:
            case "WORKDIR":
                self.folder = posixpath.join(self.folder, expand(instruction.arguments, self._values)[0])
            case "ENV" | "ARG":
                self._set(instruction, place)
            case "COPY" | "ADD":
                self.programs += self._copied(instruction, place)
                if INSTALLER.search(instruction.arguments):
                    self._installers |= set(instruction.words)
            case "RUN" | "CMD" | "ENTRYPOINT":
                self._run(instruction)

    def _set(self, instruction: Instruction, place: Place) -> None:
        given = instruction.pairs
        if instruction.keyword == "ARG":
            given = {name: value for name, value in given.items() if f"{name}=" in instruction.arguments}
        values = {name: expand(value, self._values)[0] for name, value in given.items()}
        self._values |= values
        for name, value in values.items():
            line = _line_in(instruction, name) or place.line
            here = Place(file=place.file, line=line)
            self.variables += read_variables({name: value}, here, f"{instruction.keyword} ")

    def _run(self, instruction: Instruction) -> None:
        installs = False
        shell = read_commands(instruction, self._file.escape)
        commands = [each for outer in shell for each in unfold(outer)]
        assigned = dict(_assignments(word for each in commands for word in each.texts[: each.offset]))
        for command in commands:
            place = Place(file=self._file.path, line=line_at(instruction, command.start))
            program = settle(command.program)
            if program[:1] == ("export",):
                self.flags += read_variables(dict(_assignments(program[1:])), place, "export ")
            self._fetch(command, place, self._values | assigned)
            self._empty(program, place)
            if not uses_cache(program):
                continue
            installs = True
            self.flags += [self._emptied] if self._emptied else []
            self.flags += read_variables(dict(_assignments(command.texts[: command.offset])), place)
            self.flags += read_words(program, place)
            self.flags += _made_venv(command, place)
            self.flags += _exact_sync(program, place)
            self.programs += _installed_uv(program, place)
            self._ask(program, place)
        if installs:
            self.mounts += self._mounted(instruction)
            self.programs += self._brought(instruction)

    def _ask(self, program: Sequence[str], place: Place) -> None:
        names, files = requested(program)
        self.requests += [Request(text=name, place=place) for name in names]
        folder = self.folder
        self.requests += [Request(text=name, place=place, is_file=True, folder=folder) for name in files]

    def _empty(self, program: Sequence[str], place: Place) -> None:
        """What empties the base's cache, for what is installed after it."""
        paths = {word.rstrip("/") for word in program[1:]} if program[:1] == ("rm",) else set()
        names = [word for word in program[3:] if not word.startswith("-")]
        if paths & {f"/{CACHE}", posixpath.dirname(f"/{CACHE}")} or (program[1:3] == ("cache", "clean") and not names):
            self._emptied = Option(name="emptied", value="true", said=" ".join(program), place=place)

    def _fetch(self, command: ShellCommand, place: Place, values: Mapping[str, str]) -> None:
        """A uv that uv's own installer fetches."""
        words = command.texts
        told = [*(word for word in words if INSTALLER.search(word)), *(self._installers & set(words))]
        urls = [word for word in (*told, *self._installers) if "astral.sh/uv" in word]
        if told and urls and command.program[:1] != ("rm",):
            found = _UV_VERSION.search(urls[0])
            folder = values.get("UV_INSTALL_DIR") or values.get("UV_UNMANAGED_INSTALL") or f"{_HOME}/.local/bin"
            path = posixpath.join(folder, "uv")
            self.programs.append(Program(path=path, version=found[1] if found else "", place=place))

    def _copied(self, instruction: Instruction, place: Place) -> Iterator[Program]:
        """A uv that COPY puts somewhere."""
        words = list(instruction.words)
        if len(words) < 2 or not any(word.rsplit("/", 1)[-1] == "uv" for word in words[:-1]):
            return
        target = words[-1]
        is_folder = target.endswith("/") or len(words) > 2
        folder = target.rstrip("/") if is_folder else target.removesuffix("/uv")
        yield Program(path=f"{folder}/uv", version=_version(self._image(origin_of(instruction))), place=place)

    def _brought(self, instruction: Instruction) -> Iterator[Program]:
        """A uv that a mount has in place for one step."""
        for mount in instruction.mounts:
            image, source = self._image(mount.get("from", "")), mount.get("source", "")
            if mount.get("from") and (is_uv_alone(image) or source.rsplit("/", 1)[-1] == "uv"):
                target = expand(mount.get("target", ""), self._values)[0].rstrip("/")
                path = target if target.endswith("/uv") else f"{target}/uv"
                line = _line_in(instruction, "--mount") or instruction.line
                yield Program(path=path, version=_version(image), place=Place(file=self._file.path, line=line))

    def _image(self, name: str) -> str:
        stage = self._file.find_stage(name) if name else None
        return stage.image if stage else expand(name, self._values)[0]

    def _mounted(self, instruction: Instruction) -> Iterator[Mount]:
        for options in instruction.mounts:
            if options.get("type") not in ("cache", "bind", "tmpfs"):
                continue
            target, source = options.get("target", ""), options.get("source", "")
            spelled = f"--mount={','.join(f'{key}={value}' for key, value in options.items())}"
            yield Mount(
                target=expand(target, self._values)[0].rstrip("/"),
                source=spelled,
                place=Place(file=self._file.path, line=_line_in(instruction, "--mount") or instruction.line),
                is_seeded=bool(options.get("from")) and source.strip("/") == CACHE,
            )


def _assignments(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, sign, value = word.partition("=")
        if sign and re.fullmatch(r"[A-Za-z_]\w*", name):
            yield name, value


def _made_venv(command: ShellCommand, place: Place) -> Iterator[Option]:
    """`uv pip` takes the venv that `uv venv` has made beside it."""
    path = made_environment(command)
    if path and path.strip("/") != VENV:
        yield Option(name="made-venv", value=path, said=" ".join(command.program), place=place)


def _exact_sync(program: Sequence[str], place: Place) -> Iterator[Option]:
    """`uv sync` takes out what the project does not need, unless it is told not to."""
    if tuple(program[:2]) == ("uv", "sync") and "--inexact" not in program:
        yield Option(name="exact", value="true", said=" ".join(program), place=place)


def _version(text: str) -> str:
    found = _UV_VERSION.search(text)
    return found[1] if found else ""


def origin_of(instruction: Instruction) -> str:
    """The stage or the image that COPY takes from, "" for the project's folder."""
    return dict(instruction.flags).get("from", "")


def _installed_uv(program: Sequence[str], place: Place) -> Iterator[Program]:
    """A uv that is installed into the base's venv, which is searched first."""
    words = list(program)
    if "install" in words:
        for word in words[words.index("install") + 1 :]:
            if found := _PINNED_UV.fullmatch(word):
                yield Program(path=f"/{VENV}/bin/uv", version=found[1] or "", place=place)


def line_at(instruction: Instruction, position: int) -> int:
    """The file's line of a position in an instruction's text."""
    return instruction.line + instruction.text.count("\n", 0, position)


def _line_in(instruction: Instruction, text: str) -> int:
    found = instruction.text.find(text)
    return line_at(instruction, found) if found >= 0 else 0
