"""Reading a Dockerfile so that it can be changed in one place and stay the same, byte for byte, everywhere else.

The syntax is that of the Dockerfile reference, in its corners as BuildKit's parser has it: parser directives, comments
and empty lines within continued lines, another escape character, here-documents. Libraries that read Dockerfiles give
the instructions without the text that they came from; here an instruction knows its lines, and its `text` is exactly
what the file has there. Nothing is executed, and only FROM is expanded: what a build argument says at build time is
not known.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from warmbase.errors import ProjectError

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_WITH_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
_HEREDOC = re.compile(r"(?<![<\w])\d*<<(-?)(['\"]?)([A-Za-z_][A-Za-z0-9_.-]*)\2(?=\s|$|[;&|>)])")
_FLAG = re.compile(r"--([a-z-]+)(?:=((?:\"[^\"]*\"|'[^']*'|\S)*))?(?:\s+|$)")
_VARIABLE = re.compile(
    r"\\(?P<escaped>\$)|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<how>:?[-+])(?P<word>[^{}]*(?:\{[^}]*\}[^{}]*)*))?\})"
)
_PAIR = re.compile(r"(?P<key>[^\s=]+)=(?P<value>(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|\\.|[^\s\"'\\])*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Heredoc:
    """A here-document of an instruction: its name, and its lines as they stand there."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruction:
    """An instruction. `keyword` is in capitals, `line` the number of its first line, from 1, `end` that of its last.

    `text` is what the file has there, comments and here-documents within included. `arguments` is what follows keyword
    and flags, as one line, comments taken out; `flags` are `--name=value`, a name perhaps more than once.
    """

    keyword: str
    line: int
    end: int
    text: str = field(repr=False)
    arguments: str
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = field(default=(), repr=False)

    @property
    def exec_form(self) -> tuple[str, ...] | None:
        """The words of the exec form, `["a", "b"]`; None where the arguments are in the shell form."""
        try:
            words = json.loads(self.arguments)
        except ValueError:
            return None
        return tuple(words) if isinstance(words, list) and all(isinstance(word, str) for word in words) else None

    @property
    def words(self) -> tuple[str, ...]:
        """The exec form's words, or the arguments split at white space."""
        listed = self.exec_form
        return tuple(self.arguments.split()) if listed is None else listed

    @property
    def mounts(self) -> tuple[Mapping[str, str], ...]:
        """The options of each `RUN --mount`, e.g. type, target (by whichever of its names), from, source."""
        return tuple(_mount(value) for name, value in self.flags if name == "mount")

    @property
    def pairs(self) -> Mapping[str, str]:
        """What ENV, ARG or LABEL set, quotes taken off, nothing expanded; an ARG without a value is ""."""
        if self.keyword == "ARG":
            found = {name: "" for name in self.arguments.split() if "=" not in name}
            return found | _pairs(self.arguments)
        first = self.arguments.split(maxsplit=1)
        if first and "=" not in first[0]:  # the old form: ENV NAME the rest is the value
            return {first[0]: first[1] if len(first) > 1 else ""}
        return _pairs(self.arguments)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A stage: FROM and what follows. `name` is after AS, in lower case, "" for none. `image` is what it stands on,
    expanded; it is "" where that is a stage, whose number is then `parent`. `is_sure` says that no build argument that
    has no value here decides it."""

    number: int
    name: str
    image: str
    parent: int | None
    instructions: tuple[Instruction, ...] = field(repr=False)
    is_sure: bool = True

    @property
    def start(self) -> Instruction:
        """Its FROM."""
        return self.instructions[0]

    @property
    def platform(self) -> str:
        """The platform that its FROM names; "" where it names none, or a variable's."""
        told = dict(self.start.flags).get("platform", "")
        return "" if "$" in told else told


@dataclass(frozen=True, kw_only=True, slots=True)
class Dockerfile:
    """A Dockerfile as it was read; `arguments` are the values that ARGs before the first FROM have."""

    path: str
    text: str = field(repr=False)
    escape: str
    directives: Mapping[str, str] = field(hash=False)
    instructions: tuple[Instruction, ...]
    arguments: Mapping[str, str] = field(hash=False)
    stages: tuple[Stage, ...]

    def replaced(self, changes: Mapping[int, str]) -> str:
        """The file's text with other texts for the instructions that begin in the given lines; "" takes one out."""
        lines = _lines(self.text)
        for instruction in reversed(self.instructions):
            if instruction.line in changes:
                lines[instruction.line - 1 : instruction.end] = [changes[instruction.line]]
        return "".join(lines)

    def find_stage(self, name: str) -> Stage | None:
        """The stage that `COPY --from` or `target` mean by a name or a number; None for an image."""
        for stage in reversed(self.stages):
            if name.lower() == stage.name or name == str(stage.number):
                return stage
        return None

    def ancestry(self, stage: Stage) -> tuple[Stage, ...]:
        """A stage and those that it stands on, the lowest first."""
        found = [stage]
        while (parent := found[0].parent) is not None:
            found.insert(0, self.stages[parent])
        return tuple(found)


def read_dockerfile(text: str, path: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile's text. Raises ProjectError, with the line, for what is none."""
    lines = _lines(text)
    directives = _read_directives(lines)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise _error(path, 1, f"the escape character is {escape!r}", "write `# escape=\\` or `# escape=\\``")
    instructions = []
    number = 0
    while number < len(lines):
        line = lines[number].strip().removeprefix("\ufeff")
        if not line or line.startswith("#"):
            number += 1
            continue
        instruction = _read_instruction(lines, number, escape, path)
        instructions.append(instruction)
        number = instruction.end
    arguments = _global_arguments(instructions)
    return Dockerfile(
        path=path,
        text=text,
        escape=escape,
        directives=directives,
        instructions=tuple(instructions),
        arguments=arguments,
        stages=_read_stages(instructions, arguments, path),
    )


def expand(text: str, values: Mapping[str, str]) -> tuple[str, bool]:
    """`text` with its variables' values, and whether all of them are known, or have a value of their own there."""
    sure = True

    def value(found: re.Match[str]) -> str:
        nonlocal sure
        if found["escaped"]:
            return "$"
        name, how = found["plain"] or found["name"], found["how"] or ""
        known = values.get(name)
        filled = bool(known) if how.startswith(":") else known is not None
        if how.endswith("+"):
            return expand(found["word"], values)[0] if filled else ""
        if filled:
            return known or ""
        if how.endswith("-"):
            return expand(found["word"], values)[0]
        sure = False
        return ""

    return _VARIABLE.sub(value, text), sure


def _lines(text: str) -> list[str]:
    """The lines with their ends; of all that Python takes for the end of a line a build only knows this one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _read_directives(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        matched = _DIRECTIVE.fullmatch(line.strip().removeprefix("\ufeff"))
        if not matched or matched[1].lower() not in _DIRECTIVES or matched[1].lower() in found:
            break
        found[matched[1].lower()] = matched[2]
    return found


def _read_instruction(lines: Sequence[str], start: int, escape: str, path: str) -> Instruction:
    """The instruction that begins at index `start`: its lines up to the last continued one, then its heredocs."""
    continued = re.compile(rf"(?:(?<!{re.escape(escape)})|^){re.escape(escape)}[ \t]*$")
    logical, end = "", start
    while end < len(lines):
        line = lines[end].rstrip("\r\n")
        end += 1
        within = end - 1 > start
        if within and (not line.strip() or line.lstrip().startswith("#")):
            continue  # the instruction goes on after comments and, with a warning of BuildKit's, empty lines
        ending = continued.search(line)
        logical += line[: ending.start()] if ending else line
        if not ending:
            break
    keyword, _, rest = logical.strip().removeprefix("\ufeff").partition(" ")
    keyword, tab, more = keyword.partition("\t")
    rest = more + " " + rest if tab else rest
    if not re.fullmatch("[A-Za-z]+", keyword):
        raise _error(
            path,
            start + 1,
            f"{keyword[:40]!r} is no instruction",
            "correct the line; `docker build --check` shows more",
        )
    heredocs, end = _read_heredocs(keyword.upper(), rest, lines, end, path)
    flags, arguments = _split_flags(rest.strip())
    return Instruction(
        keyword=keyword.upper(),
        line=start + 1,
        end=end,
        text="".join(lines[start:end]),
        arguments=arguments,
        flags=flags,
        heredocs=heredocs,
    )


def _read_heredocs(
    keyword: str, rest: str, lines: Sequence[str], end: int, path: str
) -> tuple[tuple[Heredoc, ...], int]:
    """The here-documents that begin at index `end`, and the index after them."""
    found = []
    if keyword == "ONBUILD":
        keyword, _, rest = rest.strip().partition(" ")
    if keyword.upper() in _WITH_HEREDOCS and not rest.lstrip().startswith("["):
        for dash, _, name in _HEREDOC.findall(rest):
            first = end
            while end < len(lines):
                line = lines[end].rstrip("\r\n")
                if (line.lstrip("\t") if dash else line) == name:
                    break
                end += 1
            else:
                raise _error(path, first, f"the here-document {name} has no end", f"end it with a line {name}")
            found.append(Heredoc(name=name, text="".join(lines[first:end])))
            end += 1
    return tuple(found), end


def _split_flags(rest: str) -> tuple[tuple[tuple[str, str], ...], str]:
    flags = []
    while matched := _FLAG.match(rest):
        flags.append((matched[1], _unquote(matched[2] or "")))
        rest = rest[matched.end() :]
    return tuple(flags), rest


def _global_arguments(instructions: Sequence[Instruction]) -> dict[str, str]:
    found: dict[str, str] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM":
            break
        if instruction.keyword == "ARG":
            given = {key: value for key, value in instruction.pairs.items() if f"{key}=" in instruction.arguments}
            found |= {key: expand(value, found)[0] for key, value in given.items()}
    return found


def _read_stages(instructions: Sequence[Instruction], arguments: Mapping[str, str], path: str) -> tuple[Stage, ...]:
    starts = [number for number, instruction in enumerate(instructions) if instruction.keyword == "FROM"]
    if not starts:
        raise _error(path, 1, "there is no FROM", "begin with a FROM line, or take the file away to have one written")
    for instruction in instructions[: starts[0]]:
        if instruction.keyword != "ARG":
            what = f"{instruction.keyword} comes before the first FROM"
            raise _error(path, instruction.line, what, "only ARG may; move it below")
    stages: list[Stage] = []
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(instructions)], strict=True)):
        words = instructions[start].arguments.split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            wanted = "write it as `FROM image` or `FROM image AS name`"
            raise _error(path, instructions[start].line, f"FROM {instructions[start].arguments}", wanted)
        image, sure = expand(words[0].strip("\"'"), arguments)
        parent = next((stage.number for stage in reversed(stages) if stage.name == image.lower()), None)
        stages.append(
            Stage(
                number=number,
                name=words[2].lower() if len(words) == 3 else "",
                image="" if parent is not None else image,
                parent=parent,
                instructions=tuple(instructions[start:stop]),
                is_sure=sure,
            )
        )
    return tuple(stages)


def _mount(text: str) -> Mapping[str, str]:
    options = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        options[{"dst": "target", "destination": "target", "src": "source"}.get(key, key)] = value
    return {"type": "bind"} | options


def _pairs(text: str) -> dict[str, str]:
    return {matched["key"]: _unquote(matched["value"]) for matched in _PAIR.finditer(text)}


def _unquote(value: str) -> str:
    pieces = re.findall(r"\"((?:\\.|[^\"\\])*)\"|'([^']*)'|\\(.)|([^\"'\\]+)", value, re.DOTALL)
    return "".join(
        re.sub(r"\\([\"\\])", r"\1", double) or single or escaped or plain for double, single, escaped, plain in pieces
    )


def _error(path: str, line: int, what: str, next_step: str) -> ProjectError:
    return ProjectError(f"{path}:{line}: {what}", next_step=next_step)
