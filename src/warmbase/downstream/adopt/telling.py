"""An adoption in words and as JSON: the diff of what will be written, why, and what is left to people. Pure."""

import difflib
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from warmbase.downstream.adopt.adopting import Prepared
from warmbase.downstream.adopt.locking import LOCK
from warmbase.downstream.adopt.model import Change, Note
from warmbase.downstream.difference import compare_bases, difference_to_json
from warmbase.downstream.listing import Base
from warmbase.downstream.words import count, join_words
from warmbase.nightly.changes import package_moves
from warmbase.nightly.model import Move
from warmbase.oci.sizes import in_bytes

_MOST_MOVES = 12


def diff_of(change: Change) -> str:
    """The change as a unified diff, as `git apply` and `patch` read it."""
    old, new = (change.old or "").splitlines(keepends=True), change.new.splitlines(keepends=True)
    before = f"a/{change.path}" if change.old is not None else "/dev/null"
    lines = difflib.unified_diff(old, new, before, f"b/{change.path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def tell_changes(changes: Sequence[Change], *, whole: bool) -> Iterator[str]:
    """The diffs of the changes; of a lock only what moves, unless it is to be `whole`."""
    for change in changes:
        if change.path == LOCK and not whole:
            yield f"{LOCK}: {_tell_lock(change)}"
        else:
            yield diff_of(change).rstrip("\n")


def tell_notes(prepared: Prepared) -> Iterator[str]:
    """Why lines change, what people have to see to themselves, and what a build will then find."""
    for change in prepared.adoption.changes:
        yield from (f"{change.path}: {reason}" for reason in change.reasons)
    for note in prepared.adoption.notes:
        yield from _tell_note(note)
    for command in prepared.adoption.commands:
        yield f"then run `{shlex.join(command.words)}`: {command.why}"
    yield f"not adopted yet: {count(len(prepared.left), 'thing')} to do" if prepared.left else tell_match(prepared)


def tell_match(prepared: Prepared) -> str:
    """What a build will then find, in a sentence."""
    found = prepared.match
    total = len(found.hits) + len(found.misses)
    said = f"{found.base.name} has {len(found.hits)} of {count(total, 'package')}"
    if not found.misses:
        return f"{said}: 0 B to download, about {in_bytes(found.layer)} more in the image"
    missing = join_words([f"{miss.need.name} ({miss.why})" for miss in found.misses], most=_MOST_MOVES)
    left = f"{in_bytes(found.left)} to download" if found.left else "to be downloaded"
    return f"{said}; {left}: {missing}"


def tell_moves(moves: Sequence[Move]) -> str:
    """Packages that move, in a sentence."""
    words = [f"{move.name} {move.old or '(new)'} → {move.new or '(gone)'}" for move in moves]
    return join_words(words, most=_MOST_MOVES)


def describe_adoption(prepared: Prepared, *, applied: bool, old: Base | None = None) -> dict[str, Any]:
    """The adoption as JSON; `old` is the base that the project stood on, where that is known."""
    found = prepared.match
    moved = old is not None and old.digest != found.base.digest
    return {
        "base": found.base.name,
        "reference": found.base.reference,
        "project": prepared.project.path.as_posix(),
        "applied": applied,
        "adopted": not prepared.left and (applied or not prepared.adoption.changes),
        "changes": [
            {
                "path": change.path,
                "new": change.old is None,
                "reasons": list(change.reasons),
                "diff": diff_of(change),
            }
            for change in prepared.adoption.changes
        ],
        "notes": [
            {
                "path": note.path,
                "line": note.number,
                "text": note.text,
                "write": note.line,
                "blocking": note.is_blocking,
            }
            for note in prepared.adoption.notes
        ],
        "commands": [list(command.words) for command in prepared.adoption.commands],
        "hits": len(found.hits),
        "misses": [{"name": miss.need.name, "why": miss.why, "size": miss.size} for miss in found.misses],
        "saved": found.saved,
        "left": found.left,
        "layer": found.layer,
        "changelog": difference_to_json(compare_bases(old, found.base)) if old and moved else None,
    }


def _tell_lock(change: Change) -> str:
    old, new = _versions(change.old or ""), _versions(change.new)
    moves = package_moves(old, new)
    if not change.old:
        return f"new, {count(len(new), 'package')}"
    return tell_moves(moves) if moves else "the same packages, with the constraints"


def _versions(lock: str) -> Mapping[str, str]:
    found: dict[str, list[str]] = {}
    for package in tomllib.loads(lock).get("package", []):
        found.setdefault(str(package["name"]), []).append(str(package.get("version", "")))
    return {name: ", ".join(versions) for name, versions in found.items()}


def _tell_note(note: Note) -> Iterator[str]:
    place = f"{note.path}:{note.number}" if note.number else note.path
    mark = "to do" if note.is_blocking else "note"
    yield f"{mark}: {f'{place}: ' if place else ''}{note.text}{':' if note.line else ''}"
    yield from (f"    {line}" for line in note.line.splitlines())
