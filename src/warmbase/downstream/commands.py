"""The commands in a Dockerfile's RUN, CMD, ENTRYPOINT or HEALTHCHECK, each word with its place in the text.

That is as much of the shell's grammar (POSIX, "Shell Command Language", 2.3) as it takes to see which programs are
started with which words, and to take a word or a command out without touching the rest: quotes, operators, nested
`$(…)`. Nothing is expanded.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from warmbase.downstream.dockerfile import Instruction

_START = re.compile(r"\s*[A-Za-z]+")
_OPERATOR = re.compile(r"&&|\|\||;;|[;|&()\n]")
_BINDING = frozenset({"|", "||", "&", "(", ")"})
_RESERVED = frozenset({"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "{", "}", "!", "time"})
"""Reserved words that stand before a command, or end a compound one ("Shell Command Language", 2.4)."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_STARTERS: Mapping[str, tuple[int, frozenset[str]]] = {
    "exec": (0, frozenset({"-a"})),
    "command": (0, frozenset()),
    "nohup": (0, frozenset()),
    "env": (0, frozenset({"-u", "--unset", "-C", "--chdir"})),
    "sudo": (0, frozenset({"-u", "--user", "-g", "--group"})),
    "nice": (0, frozenset({"-n", "--adjustment"})),
    "timeout": (1, frozenset({"-s", "--signal", "-k", "--kill-after"})),
    "gosu": (1, frozenset()),
    "su-exec": (1, frozenset()),
    "tini": (0, frozenset()),
    "dumb-init": (0, frozenset()),
}
"""Programs that start the one in their words: how many of these are their own, and their options that take one."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_JSON_WORD = re.compile(r'"(?:\\.|[^"\\])*"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word without its quotes, and where it stands in the instruction's text, with them."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShellCommand:
    """A program with its words; `operator` is what stands before it, "" for the first, "[" in the exec form."""

    words: tuple[Word, ...]
    operator: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The words' texts."""
        return tuple(word.text for word in self.words)

    @property
    def offset(self) -> int:
        """How many words stand before the program's name: reserved ones, variables, programs that only start it."""
        texts = self.texts
        place = _after_own(texts, 0)
        while place < len(texts) and (starter := _STARTERS.get(_name(texts[place]))):
            own, with_values = starter
            place += 1
            while place < len(texts) and texts[place].startswith("-"):
                place += 2 if texts[place] in with_values else 1
            place = _after_own(texts, place + own)
        if place + 2 < len(texts) and texts[place + 1 : place + 3] == ("-m", "uv"):
            place += 2
        return min(place, len(texts))

    @property
    def program(self) -> tuple[str, ...]:
        """The words from the program's name on, which is without its folder; what stands before it left out."""
        texts = self.texts[self.offset :]
        return (_name(texts[0]), *texts[1:]) if texts else ()

    @property
    def is_part(self) -> bool:
        """Whether a reserved word makes it a part of a compound command, which does without no part."""
        return self.operator != "[" and self.words[0].text in _RESERVED - {"time"}

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.words[0].start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.words[-1].end


def read_commands(instruction: Instruction, escape: str = "\\") -> tuple[ShellCommand, ...]:
    """The commands of an instruction, in their order. Here-documents of RUN are read if a shell runs them."""
    text = instruction.text
    begin = _after_flags(text, escape)
    if instruction.keyword == "HEALTHCHECK" and (found := re.match(r"CMD\s+", text[begin:])):
        begin += found.end()
    if text[begin:].lstrip().startswith("[") and (instruction.exec_form or instruction.keyword == "HEALTHCHECK"):
        words = tuple(
            Word(text=json.loads(found[0]), start=begin + found.start(), end=begin + found.end())
            for found in _JSON_WORD.finditer(text[begin:])
        )
        return (ShellCommand(words=words, operator="["),) if words else ()
    end = len(text)
    if instruction.heredocs:
        end = text.index("\n", _line_of(text, f"<<{instruction.heredocs[0].name}")) + 1
    commands = list(_split(text, begin, end, escape, is_script=False))
    if instruction.heredocs and all(command.texts[0].startswith("<<") for command in commands):
        inside = len("".join(heredoc.text for heredoc in instruction.heredocs[:1]))
        commands = list(_split(text, end, end + inside, escape, is_script=True))
    return tuple(commands)


def unfold(command: ShellCommand) -> Iterator[ShellCommand]:
    """A command, and those that it hands to a shell as one word, `bash -c "…"`; they all stand where that word does."""
    yield command
    program = command.program
    if program[:1] and program[0] in _SHELLS and len(program) > 2:
        options = [number for number, word in enumerate(program[:-1]) if re.fullmatch(r"-[a-z]*c", word)]
        if options:
            holder = command.words[command.offset + options[0] + 1]
            for inner in _split(holder.text, 0, len(holder.text), "\\", is_script=True):
                words = tuple(replace(word, start=holder.start, end=holder.end) for word in inner.words)
                yield from unfold(ShellCommand(words=words, operator=inner.operator))


def spans_without(commands: Sequence[ShellCommand], gone: Collection[int]) -> tuple[tuple[int, int], ...] | None:
    """The spans of the text that go when commands go, with what joins them to their neighbours.

    None where one is fed by, feeds or decides about a command that stays, or where no command would be left.
    """
    spans = []
    runs = [number for number in sorted(gone) if number - 1 not in gone]
    for first in runs:
        last = first
        while last + 1 in gone:
            last += 1
        following = commands[last + 1] if last + 1 < len(commands) else None
        if commands[first].operator in _BINDING or (following and following.operator in _BINDING):
            return None
        if any(command.is_part for command in commands[first : last + 1]):
            return None
        if following:
            spans.append((commands[first].start, following.start))
        elif first:
            spans.append((commands[first - 1].end, commands[last].end))
        else:
            return None
    return tuple(spans)


def _after_own(texts: Sequence[str], place: int) -> int:
    """The place behind reserved words and variables that are set."""
    while place < len(texts) and (texts[place] in _RESERVED or _ASSIGNMENT.match(texts[place])):
        place += 1
    return place


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _after_flags(text: str, escape: str) -> int:
    gap = rf"(?:\s|{re.escape(escape)}[ \t]*\r?\n(?:[ \t]*#.*\n)*)+"
    found = re.match(rf"[\s\ufeff]*[A-Za-z]+(?:{gap}--[a-z-]+(?:=(?:\"[^\"]*\"|'[^']*'|\S)*)?)*(?:{gap})?", text)
    return found.end() if found else 0


def _line_of(text: str, mark: str) -> int:
    found = re.search(re.escape(mark).replace("<<", r"<<-?['\"]?", 1), text)
    return found.start() if found else 0


def _split(text: str, start: int, end: int, escape: str, *, is_script: bool) -> Iterator[ShellCommand]:
    """The commands between two places; in a script a line's end is one's end, else it only is where it is continued."""
    words: list[Word] = []
    operator, place = "", start
    skipped = re.compile(rf"{re.escape(escape)}[ \t]*\r?\n(?:[ \t]*(?:#.*)?\r?\n)*|[ \t\r]+")
    while place < end:
        if found := skipped.match(text, place, end):
            place = found.end()
        elif text[place] == "#" and (is_script or text[text.rfind("\n", 0, place) + 1 : place].strip() == ""):
            place = text.find("\n", place, end) if "\n" in text[place:end] else end
        elif found := _OPERATOR.match(text, place, end):
            if words:
                yield ShellCommand(words=tuple(words), operator=operator)
                words, operator = [], ""
            if found[0] != "\n" or not operator:
                operator = found[0]
            place = found.end()
        else:
            stop = max(_word_end(text, place, end, escape), place + 1)
            words.append(Word(text=_plain(text[place:stop]), start=place, end=stop))
            place = stop
    if words:
        yield ShellCommand(words=tuple(words), operator=operator)


def _word_end(text: str, place: int, end: int, escape: str) -> int:
    depth, quote = 0, ""
    while place < end:
        letter = text[place]
        if letter == "\\" and quote != "'":
            if not quote and not depth and text[place:end].lstrip("\\ \t")[:1] in ("\n", "\r", ""):
                break
            place += 2
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(" and (depth or text[place - 1] == "$"):
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif not depth and (letter in " \t\r\n;|&()" or (letter == escape and text[place + 1] == "\n")):
            break
        place += 1
    return min(place, end)


def _plain(word: str) -> str:
    """A word without its quotes."""
    pieces = re.findall(r"\"((?:\\.|[^\"\\])*)\"|'([^']*)'|\\(.)|([^\"'\\]+)", word, re.DOTALL)
    return "".join(double or single or escaped or plain for double, single, escaped, plain in pieces)
