"""How a Dockerfile has uv run on a base: what it sets, mounts and puts in front. Pure.

All stages that stand on the base are read in their order, as one: what a lower one sets holds above, and what costs
something in one beside costs it too. Only what the text says is known: what a program that it runs does, or `docker
build --build-arg`, is not.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from warmbase.downstream.commands import ShellCommand, read_commands
from warmbase.downstream.dockerfile import Dockerfile, Instruction, Stage, expand
from warmbase.downstream.doctor.model import Mount, Option, Place, Program, Surroundings
from warmbase.downstream.doctor.options import read_variables, read_words
from warmbase.image.promises import CACHE, ENVIRONMENT, FIRST_FOLDERS, VENV

_INSTALLING = {"uv": ("sync", "run", "add", "pip", "lock", "venv"), "pip": ("install",), "pip3": ("install",)}
_UV_IMAGE = re.compile(r"[/:]v?(\d+\.\d+\.\d+)")
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
        programs=tuple(reading.programs),
        project=reading.folder,
    )


class _Reading:
    """What the instructions have come to so far."""

    def __init__(self, dockerfile: Dockerfile) -> None:
        self._file = dockerfile
        self._values: dict[str, str] = {**dockerfile.arguments, **ENVIRONMENT}
        self.folder = "/"
        self.variables: list[Option] = []
        self.flags: list[Option] = []
        self.mounts: list[Mount] = []
        self.programs: list[Program] = []

    def take(self, instruction: Instruction) -> None:
        """Go one instruction further."""
        place = Place(file=self._file.path, line=instruction.line)
        match instruction.keyword:
            case "WORKDIR":
                self.folder = posixpath.join(self.folder, expand(instruction.arguments, self._values)[0])
            case "ENV" | "ARG":
                self._set(instruction, place)
            case "COPY" | "ADD":
                self.programs += _copied(instruction, place)
                self.flags += _copied_venv(instruction, place)
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
        for command in read_commands(instruction, self._file.escape):
            place = Place(file=self._file.path, line=_line_at(instruction, command.start))
            if command.program[:1] == ("export",):
                self.flags += read_variables(dict(_assignments(command.program[1:])), place, "export ")
            if not _is_installing(command):
                continue
            installs = True
            self.flags += read_variables(dict(_assignments(command.texts)), place)
            self.flags += read_words(command.program, place)
            self.flags += _made_venv(command.program, place)
            self.flags += _exact_sync(command.program, place)
            self.programs += _installed_uv(command.program, place)
        if installs:
            self.mounts += self._mounted(instruction)

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


def _is_installing(command: ShellCommand) -> bool:
    program = [word for word in command.program if not word.startswith("-")]
    if program[:1] == ["python"] and "pip" in program[1:2]:
        return True
    return len(program) > 1 and program[1] in _INSTALLING.get(program[0], ())


def _assignments(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not re.fullmatch(r"[A-Za-z_]\w*", name):
            return
        yield name, value


def _made_venv(program: Sequence[str], place: Place) -> Iterator[Option]:
    """`uv pip` takes the venv that `uv venv` has made beside it."""
    if tuple(program[:2]) == ("uv", "venv"):
        paths = [word for word in program[2:] if not word.startswith("-")]
        path = paths[0] if paths else ".venv"
        if path.strip("/") != VENV:
            yield Option(name="made-venv", value=path, said=" ".join(program), place=place)


def _exact_sync(program: Sequence[str], place: Place) -> Iterator[Option]:
    """`uv sync` takes out what the project does not need, unless it is told not to."""
    if tuple(program[:2]) == ("uv", "sync") and "--inexact" not in program:
        yield Option(name="exact", value="true", said=" ".join(program), place=place)


def _copied(instruction: Instruction, place: Place) -> Iterator[Program]:
    """A uv that COPY puts into a folder that is searched before, or that has, the image's own."""
    words = list(instruction.words)
    origin = next((value for name, value in instruction.flags if name == "from"), "")
    if len(words) < 2 or not any(word.rsplit("/", 1)[-1] == "uv" for word in words[:-1]):
        return
    target = words[-1]
    folder = target.rstrip("/") if target.endswith("/") or len(words) > 2 else target.removesuffix("/uv")
    if folder in FIRST_FOLDERS.split(":"):
        found = _UV_IMAGE.search(origin)
        yield Program(path=f"{folder}/uv", version=found[1] if found else "", place=place)


def _copied_venv(instruction: Instruction, place: Place) -> Iterator[Option]:
    """A venv of another stage: it has the base's packages once more."""
    origin = next((value for name, value in instruction.flags if name == "from"), "")
    words = instruction.words
    if origin and len(words) > 1 and words[-1].rstrip("/") != f"/{VENV}":
        for word in words[:-1]:
            if word.rstrip("/").rsplit("/", 1)[-1] in (".venv", "venv"):
                said = f"{instruction.keyword} --from={origin} {' '.join(words)}"
                yield Option(name="copied-venv", value=words[-1], said=said, place=place)


def _installed_uv(program: Sequence[str], place: Place) -> Iterator[Program]:
    """A uv that is installed into the base's venv, which is searched first."""
    words = list(program)
    if "install" in words:
        for word in words[words.index("install") + 1 :]:
            if found := _PINNED_UV.fullmatch(word):
                yield Program(path=f"/{VENV}/bin/uv", version=found[1] or "", place=place)


def _line_at(instruction: Instruction, position: int) -> int:
    return instruction.line + instruction.text.count("\n", 0, position)


def _line_in(instruction: Instruction, text: str) -> int:
    found = instruction.text.find(text)
    return _line_at(instruction, found) if found >= 0 else 0
