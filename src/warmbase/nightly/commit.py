"""New locks as a change to review: the files of what was verified, a changelog, and a message for the pull request.

A lock is taken over only for a variant that was verified with it. A foundation's pins are a file that several variants
share: its new pins come with the first variant that was verified on them. Where another variant failed on the same
pins, its own lock stays, and the message says so; publishing builds it anew and leaves its tags where they are if it
fails again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from warmbase.catalog.model import Catalog, Variant
from warmbase.effects.files import replace_file
from warmbase.errors import LockError
from warmbase.lock.files import lock_paths, pin_path, read_lock, read_pins, write_lock, write_pins
from warmbase.nightly.model import Axis, Move, Night, Reason, VariantResult
from warmbase.nightly.report.reading import (
    AXES,
    failing,
    first_line,
    headline,
    name_some,
    next_step,
    reason_words,
    shared_broken,
    shared_held,
    shared_moves,
    shared_reasons,
    why_failed,
)
from warmbase.nightly.report.room import as_block, fit
from warmbase.nightly.report.tables import moves_lines, plain, unlinked

CHANGELOG = "changelog.md"
MESSAGE = "message.txt"

_SUBJECT = 72
_MOST_NAMED = 10
_AXIS_WORDS: dict[Axis, str] = {
    "security": "Security",
    "packages": "Packages",
    "foundation": "Foundations",
    "catalog": "The catalog",
    "tool": "Tools",
}


def take_locks(scratch: Catalog, target: Catalog, variants: Sequence[Variant]) -> tuple[Path, ...]:
    """Write the locks of `variants` and the pins they stand on, which `scratch` has, to where `target` keeps its own.

    Both are the same catalog but for its folder of locks. Files are replaced whole, pins of other platforms and Pythons
    stay. Returns the files that changed. Raises LockError, FoundationError.
    """
    changed: dict[Path, None] = {}
    for variant in variants:
        lock = read_lock(scratch, variant)
        if lock is None:
            raise LockError(
                f"{variant.name} has no lock in {lock_paths(scratch, variant)[1].parent}",
                next_step=f"run `warmbase lock {variant.name}`",
            )
        known = read_pins(target, variant.foundation)
        new = read_pins(scratch, variant.foundation)
        own = {key: pin for key, pin in new.items() if key[1] == variant.python}
        if write_pins(target, variant.foundation, {**known, **own}):
            changed[pin_path(target, variant.foundation)] = None
        if write_lock(target, variant, lock):
            changed.update(dict.fromkeys(lock_paths(target, variant)))
    return tuple(changed)


def write_messages(night: Night, folder: Path) -> tuple[Path, Path]:
    """Write the changelog (Markdown) and the message (a subject of at most 72 characters, a blank line, a body) of a
    night into `folder`, which is made; where they are. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    changelog, message = folder / CHANGELOG, folder / MESSAGE
    replace_file(changelog, changelog_text(night).encode())
    replace_file(message, message_text(night).encode())
    return changelog, message


def message_text(night: Night) -> str:
    """The message of a commit, or of a pull request."""
    return "\n".join([_subject(night), "", *_body(night)]).rstrip() + "\n"


def changelog_text(night: Night) -> str:
    """What moved, in Markdown; variants in which the same moved are told of together."""
    refreshed = night.of("refreshed")
    alike: dict[tuple[str, ...], list[Move]] = {}
    for shared in shared_moves(refreshed):
        alike.setdefault(shared.variants, []).extend(shared.item)
    still = tuple(result.variant for result in refreshed if not result.moves)
    blocks = [as_block(("# What moves", "", f"{plain(headline(night))}.", ""))]
    for variants, moves in alike.items():
        title = f"## {plain(name_some(variants, len(refreshed), _MOST_NAMED))}"
        blocks.append(as_block((title, "", *moves_lines(moves, level=3)), 1))
    if still:
        title = f"## {plain(name_some(still, len(refreshed), _MOST_NAMED))}"
        blocks.append(as_block((title, "", "No package moved.", "")))
    return fit(blocks)


def _subject(night: Night) -> str:
    """The most urgent first, as many as fit."""
    count = len(night.of("refreshed"))
    start = f"Refresh {count} base{'' if count == 1 else 's'}"
    names = list(dict.fromkeys(_in_short(shared.item) for shared in shared_reasons(night.of("refreshed"))))
    for told in range(len(names), 0, -1):
        more = f" and {len(names) - told} more" if told < len(names) else ""
        subject = f"{start}: {', '.join(names[:told])}{more}"
        if len(subject) <= _SUBJECT:
            return subject
    return start


def _in_short(reason: Reason) -> str:
    """What moved and to what, without digests."""
    new = "" if "sha256:" in reason.new or len(reason.new) > 30 else reason.new
    urgent = " (security)" if reason.axis == "security" else ""
    return f"{reason.subject} {new}".rstrip() + urgent


def _body(night: Night) -> Iterator[str]:
    yield from (f"{headline(night)}.", "")
    for title, lines in _sections(night):
        if lines:
            yield from (f"{title}:", *(f"- {unlinked(line)}" for line in lines), "")


def _sections(night: Night) -> Iterator[tuple[str, list[str]]]:
    total = len(night.results)

    def named(variants: Sequence[str]) -> str:
        return name_some(variants, total)

    reasons = shared_reasons(night.of("refreshed"))
    for axis in AXES:
        own = [one for one in reasons if one.item.axis == axis]
        yield _AXIS_WORDS[axis], [f"{reason_words(one.item)}: {named(one.variants)}" for one in own]
    yield (
        "Left out, as they break an image",
        [
            f"{b.item.package} {b.item.version}: {first_line(b.item.why)} ({named(b.variants)})"
            for b in shared_broken(night.results)
        ],
    )
    yield "Held back", [f"{h.item} ({named(h.variants)})" for h in shared_held(night.results)]
    yield (
        "Not verified; their locks stay (pins that they share with others may have moved)",
        [f"{result.variant}: {why_failed(result)}{_since(result)}{_advice(result)}" for result in failing(night)],
    )


def _since(result: VariantResult) -> str:
    return f" (since {result.failure.since[:10]})" if result.failure else ""


def _advice(result: VariantResult) -> str:
    step = next_step(result)
    return f"; next: {step}" if step else ""
