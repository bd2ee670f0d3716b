"""Changing an instruction of a Dockerfile in one place: a span of its text gets another text, the rest stays."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from warmbase.downstream.commands import ShellCommand, spans_without
from warmbase.downstream.dockerfile import Instruction

_PAIR = re.compile(
    r"(?P<key>[A-Za-z_]\w*)=(?P<value>(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|\\[^\r\n]|[^\s\"'\\])*)", re.DOTALL
)
_GAP = r"(?:[ \t]|[\\`][ \t]*\r?\n(?:[ \t]*#.*\n)*)*"
"""What may stand between two parts of an instruction, continued lines and their comments included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """A span of an instruction's text, what is there instead, and why."""

    start: int
    end: int
    new: str
    why: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits; one that lies in the span of a longer one is part of that."""
    spans: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if not spans or edit.start >= spans[-1].end:
            spans.append(edit)
    for edit in reversed(spans):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text


def leave_out(instruction: Instruction, why: str) -> Edit:
    """The instruction goes."""
    return Edit(start=0, end=len(instruction.text), new="", why=why)


def drop_commands(
    instruction: Instruction, commands: tuple[ShellCommand, ...], gone: Collection[int], why: str
) -> list[Edit] | None:
    """Commands go, and with the last one the instruction; None where what stays depends on them."""
    if len(gone) == len(commands):
        return [leave_out(instruction, why)]
    spans = spans_without(commands, gone)
    return None if spans is None else [Edit(start=start, end=end, new="", why=why) for start, end in spans]


def drop_words(command: ShellCommand, gone: Collection[int], why: str) -> Iterator[Edit]:
    """Words of a command go, with the space before them, or after where a command begins with them."""
    for number in gone:
        word = command.words[number]
        if number == 0 or (command.operator == "[" and number + 1 < len(command.words)):
            yield Edit(start=word.start, end=command.words[number + 1].start, new="", why=why)
        else:
            yield Edit(start=command.words[number - 1].end, end=word.end, new="", why=why)


def drop_variables(instruction: Instruction, gone: Collection[str], why: str) -> list[Edit]:
    """Variables that an ENV or ARG sets go, and with the last one the instruction."""
    begin = _keyword_end(instruction)
    pairs = list(_PAIR.finditer(instruction.text, begin))
    if not pairs or all(pair["key"] in gone for pair in pairs):
        return [leave_out(instruction, why)] if set(instruction.pairs) & set(gone) else []
    edits = []
    for number, pair in enumerate(pairs):
        if pair["key"] not in gone:
            continue
        if any(later["key"] not in gone for later in pairs[number + 1 :]):
            start, end = pair.start(), pairs[number + 1].start()
        else:
            start, end = [each for each in pairs[:number] if each["key"] not in gone][-1].end(), pair.end()
        edits.append(Edit(start=start, end=end, new="", why=why))
    return edits


def set_value(instruction: Instruction, name: str, value: str, why: str) -> list[Edit]:
    """A variable that an ENV or ARG sets gets another value."""
    pairs = _PAIR.finditer(instruction.text, _keyword_end(instruction))
    return [
        Edit(start=pair.start("value"), end=pair.end("value"), new=value, why=why)
        for pair in pairs
        if pair["key"] == name
    ]


def drop_mounts(instruction: Instruction, goes: Callable[[Mapping[str, str]], bool], why: str) -> Iterator[Edit]:
    """Mounts go whose options say so."""
    places = re.finditer(rf"--mount=\S+{_GAP}", instruction.text)
    for found, options in zip(places, instruction.mounts, strict=False):
        if goes(options):
            yield Edit(start=found.start(), end=found.end(), new="", why=why)


def set_image(instruction: Instruction, image: str, why: str) -> Edit:
    """A FROM gets another image; its flags and its name stay."""
    found = re.match(rf"[\s\ufeff]*FROM{_GAP}(?:--\S+{_GAP})*(\S+)", instruction.text, re.IGNORECASE)
    assert found  # or it would not have been read as a FROM
    return Edit(start=found.start(1), end=found.end(1), new=image, why=why)


def _keyword_end(instruction: Instruction) -> int:
    found = re.match(r"[\s\ufeff]*[A-Za-z]+\s", instruction.text)
    return found.end() if found else 0
