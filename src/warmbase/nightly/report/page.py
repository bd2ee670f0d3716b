"""A night's report as a page for people: one file that needs no script, no network and no wide screen. Pure.

Its policy forbids it to load anything (Content Security Policy Level 3), so it can be kept and sent as it is.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from warmbase.nightly.changes import direction
from warmbase.nightly.model import Move, Night, Reason, VariantResult
from warmbase.nightly.report.lastnights import last_nights
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.nightly.report.picture import draw_nights
from warmbase.nightly.report.reading import (
    Shared,
    after_failures,
    count_statuses,
    error_lines,
    failing,
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
    summarize,
    taken,
    verdict,
    waiting,
    why_failed,
    why_left,
)
from warmbase.nightly.report.tables import KIND_WORDS, count_moves, is_web
from warmbase.oci.sizes import in_bytes
from warmbase.publish.journal import parse_time

STYLE_PATH = Path(__file__).with_name("page.css")

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_MOST_HELD = 15
_TITLES = {"publish": "Nightly report", "commit": "Nightly locks", "plan": "Nightly plan"}


def night_to_page(night: Night) -> str:
    """The whole page."""
    title = f"{_TITLES[night.mode]}, {night.began[:10]}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"{title}: {headline(night)}"),
        tag("style", Markup(STYLE_PATH.read_text(encoding="utf-8"))),
    )
    picture = tag("section", tag("h2", "The last nights"), draw_nights(last_nights(night)), class_="card")
    nights = [picture] if night.results else []  # one that could not begin knows of no other
    sections = (_failed, _broken, _why, _refreshed, _held, _waiting, _left, _numbers)
    main = tag("main", _header(night), *nights, *(one for section in sections for one in section(night)))
    return f"<!doctype html>\n{tag('html', head, tag('body', main), lang='en')}\n"


def _header(night: Night) -> Markup:
    began, ended = parse_time(night.began), parse_time(night.ended)
    summary = summarize(night)
    when = f"{began:%A}, {began.day} {began:%B %Y}, {_clock(began)} to {_clock(ended)} UTC"
    sent = f"{in_bytes(summary.sent)} sent in " if night.mode == "publish" and night.results else ""
    where = f" · {night.place}" if night.place else ""
    return tag(
        "header",
        tag("p", _TITLES[night.mode], class_="kind"),
        tag("h1", verdict(night)),
        tag("p", f"{when} · {sent}{in_time(summary.seconds)}{where}", class_="quiet"),
        *(tag("p", note, class_="note") for note in night.notes),
        tag("ul", *_tiles(night), class_="tiles"),
    )


def _tiles(night: Night) -> Iterator[Markup]:
    for each in count_statuses(night):
        yield tag("li", tag("b", str(each.number)), tag("span", each.word), class_=f"tile tile-{each.status}")


def _failed(night: Night) -> Iterator[Markup]:
    items = [_failure(result) for result in failing(night)]
    if items:
        told = tag("p", after_failures(night), class_="quiet")
        yield tag("section", tag("h2", "Failed"), told, *items, class_="card failed")


def _failure(result: VariantResult) -> Markup:
    failure = result.failure
    since = [f"since {failure.since[:10]}", f"{failure.count} times" if failure.count > 1 else ""] if failure else []
    retry = [f"tried again on {failure.retry[:10]}"] if failure and failure.retry else []
    whole = result.error or (failure.message if failure else "")
    lines = error_lines(whole)
    more = [tag("details", tag("summary", "What it said"), tag("pre", "\n".join(lines)))] if len(lines) > 1 else []
    step = next_step(result)
    advice = [tag("p", tag("b", "Next: "), step)] if step else []
    return tag(
        "div",
        tag("h3", tag("code", result.variant)),
        tag("p", why_failed(result)),
        *advice,
        tag("p", " · ".join(filter(None, [*since, *retry])), class_="quiet"),
        *more,
        class_="failure",
    )


def _broken(night: Night) -> Iterator[Markup]:
    rows = [
        (
            tag("b", f"{one.item.package} {one.item.version}"),
            one.item.why,
            _date(one.item.since),
            name_some(one.variants, len(night.results)),
        )
        for one in shared_broken(night.results)
    ]
    if rows:
        told = "These versions fail the verification. They are left out, and the rest was taken."
        table = _table(("version", "what it breaks", "since", "variants"), rows)
        yield tag("section", tag("h2", "Left out"), tag("p", told, class_="quiet"), table, class_="card")


def _why(night: Night) -> Iterator[Markup]:
    reasons = shared_reasons(taken(night))
    rows = [(_chip(one.item), _moved(one.item), name_some(one.variants, len(night.results))) for one in reasons]
    if rows:
        title = "Why they are stale" if night.mode == "plan" else "What was refreshed, and why"
        yield tag("section", tag("h2", title), _table(("", "what moved", "variants"), rows), class_="card")


def _refreshed(night: Night) -> Iterator[Markup]:
    refreshed = night.of("refreshed") if night.mode != "plan" else ()
    if refreshed:
        moved = [_moves(one, len(refreshed)) for one in shared_moves(refreshed)]
        what = [tag("h3", "What moved in them"), *moved] if moved else []
        yield tag("section", tag("h2", "Refreshed variants"), *map(_variant, refreshed), *what, class_="card")


def _variant(result: VariantResult) -> Markup:
    numbers = " · ".join(
        filter(
            None,
            [
                count_moves(result.moves),
                _size(result),
                f"{in_bytes(result.sent)} sent" if result.sent else "",
                in_time(result.seconds),
            ],
        )
    )
    base = [tag("p", tag("code", f"FROM {result.base}"))] if result.base else []
    dated = f"dated tag {result.dated}, digest {result.digest[:19]}" if result.dated else ""
    return tag(
        "details",
        tag("summary", tag("code", result.variant), " ", tag("span", numbers, class_="quiet")),
        *base,
        tag("p", dated, class_="quiet"),
    )


def _moves(shared: Shared[tuple[Move, ...]], refreshed: int) -> Markup:
    """What moved alike in some variants, behind a click."""
    moves = shared.item
    rows = [(_package(move), move.old or "-", move.new or "-", direction(move), _links(move)) for move in moves]
    words = f"{KIND_WORDS[moves[0].kind]}: {count_moves(moves)}"
    variants = tag("span", f"in {name_some(shared.variants, refreshed)}", class_="quiet")
    named = [tag("p", ", ".join(shared.variants), class_="quiet")] if 4 < len(shared.variants) < refreshed else []
    table = _table(("package", "from", "to", "", "more"), rows)
    return tag("details", tag("summary", words, " ", variants), *named, table)


def _package(move: Move) -> Markup:
    where = [tag("span", f" {', '.join(move.platforms)}", class_="quiet")] if move.platforms else []
    return join([tag("b", move.name), *where])


def _links(move: Move) -> Markup:
    found = [tag("a", label, href=address) for label, address in move.links.items() if is_web(address)]
    return join(part for link in found for part in (" ", link))


def _held(night: Night) -> Iterator[Markup]:
    rows = [
        (
            tag("b", one.item.subject),
            one.item.current,
            one.item.offered,
            join([tag("span", one.item.by, class_="chip"), f" {one.item.detail}" if one.item.detail else ""]),
            _date(one.item.until) if one.item.until else "-",
            name_some(one.variants, len(night.results)),
        )
        for one in shared_held(night.results)
    ]
    if rows:
        headings = ("what", "stays at", "newer", "because of", "until", "variants")
        rest = _table(headings, rows[_MOST_HELD:])
        more = [tag("details", tag("summary", f"and {len(rows) - _MOST_HELD} more"), rest)] if rows[_MOST_HELD:] else []
        yield tag("section", tag("h2", "Held back"), _table(headings, rows[:_MOST_HELD]), *more, class_="card")


def _waiting(night: Night) -> Iterator[Markup]:
    rows = [(tag("code", result.variant), why_failed(result)) for result in waiting(night)]
    if rows:
        title = "Waiting for another image"
        yield tag("section", tag("h2", title), _table(("variant", "why"), rows), class_="card")


def _left(night: Night) -> Iterator[Markup]:
    left = night.of("left") if night.mode != "plan" else ()
    rows = [(tag("code", result.variant), why_left(result)) for result in left]
    if rows:
        title = "Left for the next run"
        yield tag("section", tag("h2", title), _table(("variant", "why it is stale"), rows), class_="card")


def _numbers(night: Night) -> Iterator[Markup]:
    stages = notable_stages(night)
    longest = max(stages.values(), default=0.0) or 1.0
    bars = [
        (
            stage,
            tag("span", class_="bar", style=f"width: {100 * seconds / longest:.1f}%"),
            tag("span", in_time(seconds), class_="number"),
        )
        for stage, seconds in stages.items()
    ]
    asked = [(what, tag("span", str(count), class_="number")) for what, count in night.requests.items()]
    came = f"{in_bytes(night.received)} came from registries."
    parts = [tag("h2", "Time by stage"), _table(("stage", "in all variants together", "took"), bars)] if bars else []
    parts += [tag("h2", "Requests"), _table(("to", "how many"), asked)] if asked else []
    parts += [tag("p", came, class_="quiet")] if night.received else []
    if parts:
        yield tag("section", *parts, class_="card stages")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = tag("thead", tag("tr", *(tag("th", heading, scope="col") for heading in headings)))
    body = tag("tbody", *(_row(headings, row) for row in rows))
    return tag("div", tag("table", head, body), class_="wide")


def _row(headings: Sequence[str], cells: Sequence[str]) -> Markup:
    """A row; on a narrow screen its cells stand below each other, each with its heading."""
    return tag("tr", *(tag("td", cell, data_heading=heading) for heading, cell in zip(headings, cells, strict=True)))


def _chip(reason: Reason) -> Markup:
    return tag("span", reason.axis, class_=f"chip chip-{reason.axis}")


def _moved(reason: Reason) -> Markup:
    subject, _, rest = (
        reason_words(reason).partition(" ") if reason.old or reason.new else (reason_words(reason), "", "")
    )
    return join([tag("b", subject), f" {rest}" if rest else ""])


def _size(result: VariantResult) -> str:
    if not result.size:
        return ""
    delta = result.size - result.size_before
    grown = f" ({'+' if delta >= 0 else '-'}{in_bytes(abs(delta))})" if result.size_before else ""
    return in_bytes(result.size) + grown


def _date(time: str) -> Markup:
    return tag("time", time[:10], datetime=time)


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M}"
