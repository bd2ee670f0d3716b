"""A night's report for a terminal: variant by variant, and nothing to click. Pure."""

from collections.abc import Iterator

from warmbase.nightly.model import Night, VariantResult
from warmbase.nightly.report.reading import (
    error_lines,
    failing,
    headline,
    in_time,
    name_some,
    next_step,
    reason_words,
    shared_broken,
    shared_held,
    status_word,
    summarize,
    why_failed,
)
from warmbase.oci.sizes import in_bytes

_MOST_REASONS = 6
_MOST_ERRORS = 20


def night_to_text(night: Night) -> str:
    """The whole report. A plan has every variant, what was done only those that are not just fresh."""
    return "\n".join(_lines(night)).rstrip() + "\n"


def variant_words(result: VariantResult) -> str:
    """Why a variant is as it is, in one line."""
    if result.status in ("failed", "waiting"):
        since = f", since {result.failure.since[:10]}" if result.failure else ""
        again = f", tried again on {result.failure.retry[:10]}" if result.failure and result.failure.retry else ""
        return f"{why_failed(result)}{since}{again}"
    said = [str(held) for held in result.held] if result.status == "held" else [*map(reason_words, result.reasons)]
    more = [f"{len(said) - _MOST_REASONS} more"] if len(said) > _MOST_REASONS else []
    left = [why_failed(result)] if result.status == "left" and result.error else []
    return ", ".join([*said[:_MOST_REASONS], *more, *left])


def _lines(night: Night) -> Iterator[str]:
    yield from _rows(night)
    yield from _section("left out", _broken(night))
    yield from _section("held back", _held(night))
    yield from _section("what failed", _errors(night))
    yield from _section("notes", night.notes)
    summary = summarize(night)
    sent = f", {in_bytes(summary.sent)} sent to {night.place}" if night.mode == "publish" else ""
    yield f"{headline(night)}; {in_time(summary.seconds)}{sent}"
    bases = [f"FROM {result.base}" for result in night.of("refreshed") if result.base]
    yield from ("", *bases) if bases else ()


def _rows(night: Night) -> Iterator[str]:
    shown = [result for result in night.results if night.mode == "plan" or result.status != "fresh"]
    rows = [(result.variant, status_word(night, result), variant_words(result)) for result in shown]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for variant, status, why in rows:
        yield f"{variant.ljust(widths[0])}  {status.ljust(widths[1])}  {why}".rstrip()
    yield from [""] if rows else []


def _section(title: str, lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from (f"{title}:", *(f"  {line}".rstrip() for line in found), "")


def _broken(night: Night) -> Iterator[str]:
    for one in shared_broken(night.results):
        broken = one.item
        named = name_some(one.variants, len(night.results))
        yield f"{broken.package} {broken.version}: {broken.why}, since {broken.since[:10]} ({named})"


def _held(night: Night) -> Iterator[str]:
    for one in shared_held(night.results):
        yield f"{one.item} ({name_some(one.variants, len(night.results))})"


def _errors(night: Night) -> Iterator[str]:
    """What failed, in full or nearly so; of a plan, and of what failed before, only what to do about it."""
    tonight = [result for result in failing(night) if result.status == "failed" and night.mode != "plan"]
    for result in tonight[:_MOST_ERRORS]:
        yield from error_lines(result.error)
    if len(tonight) > _MOST_ERRORS:
        yield f"… and {len(tonight) - _MOST_ERRORS} more"
    steps: dict[str, list[str]] = {}
    for result in failing(night):
        if result not in tonight and next_step(result):
            steps.setdefault(next_step(result), []).append(result.variant)
    for step, variants in steps.items():
        yield from (f"{name_some(variants)}:", f"  next: {step}")
