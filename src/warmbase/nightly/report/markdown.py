"""A night's report in GitHub's Markdown, as a step summary and a merge request show it. Pure."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence

from warmbase.nightly.model import Night, Status, VariantResult
from warmbase.nightly.report.lastnights import last_nights
from warmbase.nightly.report.reading import (
    after_failures,
    failing,
    headline,
    in_time,
    name_some,
    notable_stages,
    reason_words,
    shared_broken,
    shared_held,
    shared_reasons,
    status_word,
    summarize,
    taken,
    waiting,
    why_failed,
)
from warmbase.nightly.report.tables import code, moves_lines, plain, table
from warmbase.nightly.report.text import variant_words
from warmbase.oci.sizes import in_bytes

_MOST_ROWS = 100  # a step summary ends at 1 MiB, and a person before
_MOST_DETAILS = 20
_MOST_HELD = 30
_MOST_PLANNED = 600
_LEGEND = "🟥 something failed, 🟨 time ran out, 🟦 refreshed, ⬜ nothing to do"
_SQUARES: tuple[tuple[Status, str], ...] = (
    ("failed", "🟥"), ("waiting", "🟥"), ("left", "🟨"), ("refreshed", "🟦"), ("held", "⬜"), ("fresh", "⬜"),
)  # fmt: skip


def night_to_markdown(night: Night) -> str:
    """The whole report."""
    sections = (_failed, _broken, _taken, _planned, _details, _held, _waiting, _left, _numbers)
    lines = [f"# {_title(night)}", "", f"**{plain(headline(night))}.** {_in_numbers(night)}", ""]
    lines += [line for note in night.notes for line in (f"> {plain(note)}", "")]
    return "\n".join([*lines, *(line for section in sections for line in section(night))]).rstrip() + "\n"


def _title(night: Night) -> str:
    what = {"publish": "Nightly report", "commit": "Nightly locks", "plan": "Nightly plan"}[night.mode]
    return f"{what}, {night.began[:10]}"


def _in_numbers(night: Night) -> str:
    summary = summarize(night)
    sent = f", {in_bytes(summary.sent)} sent to {plain(night.place)}" if night.mode == "publish" else ""
    return f"It took {in_time(summary.seconds)}{sent}."


def _failed(night: Night) -> Iterator[str]:
    rows = [
        (
            code(result.variant),
            plain(why_failed(result)),
            _since(result),
            plain(result.failure.retry[:10]) if result.failure and result.failure.retry else "next night",
        )
        for result in failing(night)
    ]
    if rows:
        yield from ("## Failed", "", after_failures(night), "")
        yield from _limited(("variant", "why", "since", "tried again"), rows)
        yield from _messages(night)


def _messages(night: Night) -> Iterator[str]:
    """What failed tonight, in full."""
    for result in night.of("failed")[:_MOST_DETAILS]:
        if len(result.error.splitlines()) > 1:
            fence = "```" if "```" not in result.error else "~~~~~~"
            yield from (f"<details><summary>{_code_html(result.variant)}</summary>", "", fence)
            yield from (*result.error.strip().splitlines(), fence, "", "</details>", "")


def _broken(night: Night) -> Iterator[str]:
    total = len(night.results)
    rows = [
        (
            plain(f"{one.item.package} {one.item.version}"),
            plain(one.item.why),
            one.item.since[:10],
            plain(name_some(one.variants, total)),
        )
        for one in shared_broken(night.results)
    ]
    if rows:
        yield from ("## Left out: versions that break an image", "")
        yield from _limited(("version", "what it breaks", "since", "variants"), rows)


def _taken(night: Night) -> Iterator[str]:
    rows = [
        (
            "**security**" if one.item.axis == "security" else one.item.axis,
            plain(reason_words(one.item)),
            plain(name_some(one.variants, len(night.results))),
        )
        for one in shared_reasons(taken(night))
    ]
    if rows:
        yield from (f"## {'Stale' if night.mode == 'plan' else 'Refreshed'}: why", "")
        yield from _limited(("from", "what moved", "variants"), rows)


def _planned(night: Night) -> Iterator[str]:
    """Of a plan, what is to be done about each variant."""
    if night.mode == "plan":
        yield from ("## Variant by variant", "")
        rows = [
            (code(result.variant), status_word(night, result), plain(variant_words(result))) for result in night.results
        ]
        yield from _limited(("variant", "is", "because"), rows, _MOST_PLANNED)


def _details(night: Night) -> Iterator[str]:
    """Each refreshed variant: what it is now, and behind a click all that moved in it."""
    refreshed = night.of("refreshed") if night.mode != "plan" else ()
    if not refreshed:
        return
    yield from (f"## Refreshed: {len(refreshed)} of {len(night.results)}", "")
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
    yield from _limited(("variant", "now", "size", "sent", "took"), rows)
    for result in refreshed[:_MOST_DETAILS]:
        if result.moves:
            yield from (f"<details><summary>What moved in {_code_html(result.variant)}</summary>", "")
            yield from moves_lines(result.moves, level=4)
            yield from ("</details>", "")


def _held(night: Night) -> Iterator[str]:
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
    if rows:
        yield from ("## Held back", "")
        yield from _limited(("what", "stays at", "newer", "because of", "until", "variants"), rows, _MOST_HELD)


def _waiting(night: Night) -> Iterator[str]:
    yield from _listed("Waiting for another image", waiting(night), why_failed)


def _left(night: Night) -> Iterator[str]:
    if night.mode != "plan":
        yield from _listed(
            "Left for the next run: time ran out",
            night.of("left"),
            lambda result: ", ".join(map(reason_words, result.reasons)),
        )


def _listed(title: str, results: Sequence[VariantResult], words: Callable[[VariantResult], str]) -> Iterator[str]:
    if results:
        yield from (f"## {title}", "")
        yield from _limited(("variant", "why"), [(code(result.variant), plain(words(result))) for result in results])


def _numbers(night: Night) -> Iterator[str]:
    stages = " · ".join(f"{plain(stage)} {in_time(seconds)}" for stage, seconds in notable_stages(night).items())
    asked = " · ".join(f"{plain(what)} {count}" for what, count in night.requests.items())
    squares = "".join(_square(summary.counts) for summary in last_nights(night))
    yield from ("## Numbers", "")
    yield from ([f"- Time by stage: {stages}"] if stages else [])
    yield from ([f"- Requests: {asked}"] if asked else [])
    yield f"- The last nights, this one last: {squares} ({_LEGEND})"
    yield ""


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


def _limited(headings: Sequence[str], rows: Sequence[Sequence[str]], most: int = _MOST_ROWS) -> Iterator[str]:
    yield from table(headings, rows[:most])
    yield ""
    if len(rows) > most:
        yield from (f"… and {len(rows) - most} more: report.json has all.", "")


def _code_html(text: str) -> str:
    return f"<code>{html.escape(text)}</code>"
