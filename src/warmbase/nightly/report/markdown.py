"""A night's report in GitHub's Markdown, as a step summary and a merge request show it. Pure."""

import html
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from warmbase.nightly.model import Night, Status, VariantResult
from warmbase.nightly.report.lastnights import last_nights
from warmbase.nightly.report.reading import (
    after_failures,
    error_lines,
    failing,
    first_line,
    headline,
    in_time,
    name_some,
    next_step,
    notable_stages,
    reason_words,
    shared_broken,
    shared_held,
    shared_moves,
    shared_reasons,
    status_word,
    summarize,
    taken,
    waiting,
    why_failed,
    why_left,
)
from warmbase.nightly.report.room import Block, as_block, fit
from warmbase.nightly.report.tables import KIND_WORDS, code, count_moves, fenced, moves_table, plain, table
from warmbase.nightly.report.text import variant_words
from warmbase.oci.sizes import in_bytes

_MOST_ROWS = 100
_MOST_BYTES = 12_000  # of a table
_MOST_DETAILS = 20
_MOST_HELD = 30
_MOST_PLANNED, _MOST_PLANNED_BYTES = 600, 30_000
_SECTION, _DETAIL = 1, 2  # what has room first
_LEGEND = "🟥 something failed, 🟨 something left, 🟦 refreshed, ⬜ nothing to do, or not recorded"
_SQUARES: tuple[tuple[Status, str], ...] = (
    ("failed", "🟥"), ("waiting", "🟥"), ("left", "🟨"), ("refreshed", "🟦"), ("held", "⬜"), ("fresh", "⬜"),
)  # fmt: skip


def night_to_markdown(night: Night) -> str:
    """The whole report, as far as it has room."""
    head = [f"# {_title(night)}", "", f"**{plain(headline(night))}.** {_in_numbers(night)}", ""]
    blocks = [as_block(head), as_block(_notes(night))]
    for section in (_failed, _messages, _broken, _taken, _planned, _refreshed, _moved, _held, _waiting, _left):
        blocks += section(night)
    return fit([*blocks, as_block(_numbers(night))])


def _notes(night: Night) -> Iterator[str]:
    for note in night.notes[:_MOST_DETAILS]:
        yield from (f"> {plain(first_line(note))}", "")
    if len(night.notes) > _MOST_DETAILS:
        yield from (f"> … and {len(night.notes) - _MOST_DETAILS} notes more: report.json has all.", "")


def _title(night: Night) -> str:
    what = {"publish": "Nightly report", "commit": "Nightly locks", "plan": "Nightly plan"}[night.mode]
    return f"{what}, {night.began[:10]}"


def _in_numbers(night: Night) -> str:
    summary = summarize(night)
    is_sent = night.mode == "publish" and night.results
    sent = f", {in_bytes(summary.sent)} sent to {plain(night.place)}" if is_sent else ""
    return f"It took {in_time(summary.seconds)}{sent}."


def _failed(night: Night) -> Iterator[Block]:
    rows = [
        (
            code(result.variant),
            plain(why_failed(result)),
            _since(result),
            plain(result.failure.retry[:10]) if result.failure and result.failure.retry else "next night",
            plain(next_step(result)),
        )
        for result in failing(night)
    ]
    told = (after_failures(night), "") if rows else ()
    yield from _section("Failed", ("variant", "why", "since", "tried again", "next step"), rows, told=told)


def _messages(night: Night) -> Iterator[Block]:
    """What failed tonight, in full or nearly so."""
    for result in night.of("failed")[:_MOST_DETAILS]:
        lines = error_lines(result.error)
        if len(lines) > 1:
            head = f"<details><summary>{_code_html(result.variant)}</summary>"
            yield as_block((head, "", *fenced(lines), "", "</details>", ""), _DETAIL)


def _broken(night: Night) -> Iterator[Block]:
    rows = [
        (
            plain(f"{one.item.package} {one.item.version}"),
            plain(one.item.why),
            one.item.since[:10],
            plain(name_some(one.variants, len(night.results))),
        )
        for one in shared_broken(night.results)
    ]
    told = ("These versions fail the verification; the rest was taken.", "")
    yield from _section("Left out", ("version", "what it breaks", "since", "variants"), rows, told=told)


def _taken(night: Night) -> Iterator[Block]:
    rows = [
        (
            "**security**" if one.item.axis == "security" else one.item.axis,
            plain(reason_words(one.item)),
            plain(name_some(one.variants, len(night.results))),
        )
        for one in shared_reasons(taken(night))
    ]
    title = f"{'Stale' if night.mode == 'plan' else 'Refreshed'}: why"
    yield from _section(title, ("from", "what moved", "variants"), rows)


def _planned(night: Night) -> Iterator[Block]:
    """Of a plan, what is to be done about each variant; those of which nothing is come last."""
    if night.mode == "plan":
        ordered = sorted(night.results, key=lambda result: result.status == "fresh")
        rows = [(code(result.variant), status_word(night, result), plain(variant_words(result))) for result in ordered]
        limits = _MOST_PLANNED, _MOST_PLANNED_BYTES
        yield from _section("Variant by variant", ("variant", "is", "because"), rows, *limits)


def _refreshed(night: Night) -> Iterator[Block]:
    """What each refreshed variant is now."""
    if night.mode == "plan":
        return
    refreshed = night.of("refreshed")
    rows = [
        (
            code(result.variant),
            code(result.dated) or plain(result.digest[:19]),
            _size(result),
            in_bytes(result.sent),
            in_time(result.seconds),
        )
        for result in refreshed
    ]
    title = f"Refreshed: {len(refreshed)} of {len(night.results)}"
    yield from _section(title, ("variant", "now", "size", "sent", "took"), rows)


def _moved(night: Night) -> Iterator[Block]:
    """What moved in the refreshed variants, behind a click for all in which the same did."""
    refreshed = night.of("refreshed") if night.mode != "plan" else ()
    for one in shared_moves(refreshed):
        where = html.escape(name_some(one.variants, len(refreshed)))
        words = f"{KIND_WORDS[one.item[0].kind]}: {count_moves(one.item)}"
        lines = moves_table(one.item)
        yield as_block((f"<details><summary>{words}, in {where}</summary>", "", *lines, "", "</details>", ""), _DETAIL)


def _held(night: Night) -> Iterator[Block]:
    rows = [
        (
            plain(one.item.subject),
            plain(one.item.current),
            plain(one.item.offered),
            one.item.by + (f": {plain(one.item.detail)}" if one.item.detail else ""),
            one.item.until[:10] or "-",
            plain(name_some(one.variants, len(night.results))),
        )
        for one in shared_held(night.results)
    ]
    headings = ("what", "stays at", "newer", "because of", "until", "variants")
    yield from _section("Held back", headings, rows, _MOST_HELD)


def _waiting(night: Night) -> Iterator[Block]:
    rows = [(code(result.variant), plain(why_failed(result))) for result in waiting(night)]
    yield from _section("Waiting for another image", ("variant", "why"), rows)


def _left(night: Night) -> Iterator[Block]:
    left = night.of("left") if night.mode != "plan" else ()
    rows = [(code(result.variant), plain(why_left(result))) for result in left]
    yield from _section("Left for the next run", ("variant", "why it is stale"), rows)


def _numbers(night: Night) -> Iterator[str]:
    if not night.results:  # it could not begin, and knows of no other
        return
    stages = " · ".join(f"{plain(stage)} {in_time(seconds)}" for stage, seconds in notable_stages(night).items())
    asked = " · ".join(f"{plain(what)} {count}" for what, count in night.requests.items())
    squares = "".join(_square(summary.counts) for summary in last_nights(night))
    yield from ("## Numbers", "")
    yield from ([f"- Time by stage: {stages}"] if stages else [])
    yield from ([f"- Requests: {asked}"] if asked else [])
    yield from ([f"- Received from registries: {in_bytes(night.received)}"] if night.received else [])
    yield f"- The last nights, this one last: {squares} ({_LEGEND})"


def _square(counts: Mapping[str, int]) -> str:
    return next((square for status, square in _SQUARES if counts.get(status)), "⬜")


def _since(result: VariantResult) -> str:
    failure = result.failure
    if failure is None:
        return "tonight"
    return f"{failure.since[:10]}, {failure.count} times" if failure.count > 1 else failure.since[:10]


def _size(result: VariantResult) -> str:
    if not result.size or not result.size_before:
        return in_bytes(result.size) if result.size else ""
    delta = result.size - result.size_before
    return f"{in_bytes(result.size)} ({'+' if delta >= 0 else '-'}{in_bytes(abs(delta))})"


def _section(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    most: int = _MOST_ROWS,
    most_bytes: int = _MOST_BYTES,
    told: Sequence[str] = (),
) -> Iterator[Block]:
    """A table of as many rows as are read, under a title; nothing without rows."""
    if not rows:
        return
    sizes = accumulate(len(" | ".join(row).encode()) for row in rows[:most])
    shown = sum(size <= most_bytes for size in sizes)
    more = (f"… and {len(rows) - shown} more: report.json has all.", "") if len(rows) > shown else ()
    yield as_block((f"## {title}", "", *told, *table(headings, rows[:shown]), "", *more), _SECTION)


def _code_html(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"
