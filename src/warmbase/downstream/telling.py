"""What `choose` and `find` say: lines for people, documents for programs. Pure; `now` is when they are said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from warmbase.downstream.choose import (
    NAMED,
    Choice,
    NearMiss,
    by_weight,
    is_left_known,
    spell_left,
    spell_left_bytes,
    standing,
    unneeded_bytes,
)
from warmbase.downstream.description import describe_base
from warmbase.downstream.find import Finding, Found, Lacking, Nowhere
from warmbase.downstream.lifetimes import end_of_life, ending
from warmbase.downstream.match import Fit, Match, Miss
from warmbase.downstream.projects.model import Unknown
from warmbase.downstream.pythons import admits_python, describe_mismatch
from warmbase.downstream.words import count, in_columns, join_words, spell_age, spell_specifier
from warmbase.oci.sizes import in_bytes

NEXT_ONES = 5
"""How many of the bases after the best are listed, where not all are asked for."""
_FITS: Mapping[Fit, str] = {
    "file": "the very file of the lock",
    "version": "at the version that is asked for",
    "constraint": "at a version that is admitted",
}
_WIDTH = 12


def tell_choice(choice: Choice, now: datetime, *, again: str = "", everything: bool = False) -> Iterator[str]:
    """The lines that `choose` prints: the best and why, the next ones (all with `everything`), the nearest misses.

    `again` is what of the command line the next command has to have too.
    """
    best = choice.best
    what = f"{choice.project.name} ({choice.project.path.name})"
    if best is None:
        yield f"no base can be used for {what} on {choice.platform}"
        yield from _tell_near(choice, everything=everything)
        yield ""
        yield f"next: {_what_helps(choice)}"
        return
    yield f"{best.base.name} is the best for {what} on {choice.platform}"
    yield ""
    yield f"FROM {best.base.reference}"
    yield ""
    yield from (f"{name:<{_WIDTH}}{words}" for name, words in _facts(choice, best, now))
    if len(choice.ranked) > 1:
        yield ""
        yield from _tell_next(choice, now, len(choice.ranked) if everything else NEXT_ONES + 1)
    yield from _tell_near(choice, everything=everything)
    yield ""
    yield f"next: warmbase adopt {again}--base {best.base.name}"


def _facts(choice: Choice, best: Match, now: datetime) -> Iterator[tuple[str, str]]:
    needed, base = len(best.hits) + len(best.misses), best.base
    yield "why", choice.reason
    fits = [(fit, sum(hit.fit == fit for hit in best.hits)) for fit in _FITS]
    words = "; ".join(f"{number} {_FITS[fit]}" for fit, number in fits if number)
    named = "" if choice.project.is_locked else " that the project names"
    yield "hits", f"{len(best.hits)} of {count(needed, 'package')}{named}" + (f": {words}" if words else "")
    if best.misses:
        yield "missing", f"{spell_left(best)}: {_name_misses(by_weight(choice.project, best.misses))}"
    if best.unneeded:
        spare = f"{count(len(best.unneeded), 'package')}, {in_bytes(unneeded_bytes(best))}"
        yield "not needed", spare + ("" if choice.project.is_locked else "; what your packages need is among them")
    more = "" if choice.project.is_locked else ", and what these packages need,"
    yield "saved", f"{in_bytes(best.saved)}{more} that a build does not download; left: {spell_left(best)}"
    known = choice.project.is_locked or not best.misses
    yield "layer", f"{'about' if known else 'at least'} {in_bytes(best.layer)} that the project adds to the image"
    offered = base.offer.platform(best.platform)
    assert offered
    yield "base", f"Python {offered.python}, {offered.system or base.offer.foundation}, {in_bytes(offered.size)}"
    soon = ending(base, now.date())
    end = soon or (f"looked after until {day}" if (day := end_of_life(base)) else "")
    yield "published", ", ".join(part for part in (f"{base.time[:10]} ({spell_age(base.time, now)})", end) if part)
    if not admits_python(choice.project.python, offered.python):
        yield (
            "note",
            f".python-version asks for {choice.project.python}, and uv insists: let it say {base.offer.python}",
        )
    for unknown in choice.project.unknown:
        there = _of_the_system(best, unknown)
        yield "not mapped", f"{unknown.name}: {f'the base has it, {there}' if there else unknown.why}"


def _of_the_system(found: Match, unknown: Unknown) -> str:
    """The version of a package of the base's system that has the name of what is no Python package; "" if none has."""
    offered = found.base.offer.platform(found.platform)
    name = unknown.name.lower()
    return next((each.version for each in offered.system_packages if each.name == name), "") if offered else ""


def _name_misses(misses: Sequence[Miss]) -> str:
    return join_words([f"{_spell_need(miss)} ({miss.why})" for miss in misses], most=NAMED)


def _spell_need(miss: Miss) -> str:
    version = miss.need.version or spell_specifier(miss.need.specifier)
    return f"{miss.need.name} {version}".rstrip()


def _tell_next(choice: Choice, now: datetime, most: int) -> Iterator[str]:
    headings = ("base", "hits", "exact", "missing", "left", "not needed", "layer", "size", "python", "published")
    rows = [_row(each, now) for each in choice.ranked[:most]]
    yield from in_columns(headings, rows)
    if len(choice.ranked) > most:
        yield f"and {len(choice.ranked) - most} more (--all)"


def _row(found: Match, now: datetime) -> tuple[str, ...]:
    offered = found.base.offer.platform(found.platform)
    return (
        found.base.name,
        str(len(found.hits)),
        str(sum(hit.fit == "file" for hit in found.hits)),
        str(len(found.misses)),
        spell_left_bytes(found),
        in_bytes(unneeded_bytes(found)),
        in_bytes(found.layer),
        in_bytes(offered.size if offered else 0),
        found.base.offer.python,
        spell_age(found.base.time, now),
    )


def _tell_near(choice: Choice, *, everything: bool) -> Iterator[str]:
    near: Sequence[NearMiss] = choice.near
    if everything:
        near = (*(each for each in near if not each.is_barred), *choice.barred)
    if near:
        yield ""
        yield from (f"`{each.match.base.name}` {each.why}" for each in near)


def _what_helps(choice: Choice) -> str:
    """What to do where no base can be used."""
    project, who = choice.project, "who publishes the bases"
    platforms = sorted({each.platform for near in choice.barred for each in near.match.base.offer.platforms})
    if platforms and choice.platform not in platforms:
        return f"try `--platform {platforms[0]}`, or ask {who} for {choice.platform}"
    offered = [near.match.base.offer.platform(choice.platform) for near in choice.barred if not near.match.base.yanked]
    pythons = [each.python for each in offered if each and describe_mismatch(project, each.python)]
    anywhere = replace(project, python="")
    if fitting := [python for python in pythons if not describe_mismatch(anywhere, python)]:
        return f"let .python-version say {fitting[0].rpartition('.')[0]}, or ask {who} for Python {project.python}"
    if pythons:
        python = spell_specifier(project.requires_python)
        return f"ask {who} for Python {python}, or change what {project.path.name} says of Python"
    return f"see `warmbase list`, and ask {who} for one that can be used"


def describe_choice(choice: Choice, now: datetime) -> dict[str, Any]:
    """A choice as JSON: the best in full, of all others what they are compared by."""
    best = choice.best
    return {
        "project": {"name": choice.project.name, "path": choice.project.path.as_posix(), "kind": choice.project.kind,
                    "locked": choice.project.is_locked},
        "platform": choice.platform,
        "best": {**_describe_match(best, now), **_describe_packages(best)} if best else None,
        "reason": choice.reason,
        "ranked": [_describe_match(each, now) for each in choice.ranked],
        "near": [{"base": each.match.base.name, "why": each.why} for each in choice.near],
        "barred": [{"base": each.match.base.name, "why": each.why} for each in choice.barred],
        "unknown": [
            {"name": each.name, "why": each.why, "system": _of_the_system(best, each) if best else ""}
            for each in choice.project.unknown
        ],
    }  # fmt: skip


def _describe_match(found: Match, now: datetime) -> dict[str, Any]:
    place, offered = standing(found), found.base.offer.platform(found.platform)
    return {
        **describe_base(found.base, now),
        "size": offered.size if offered else 0,
        "hits": {"file": -place.files, "version": -place.versions,
                 "constraint": len(found.hits) + place.files + place.versions},
        "missing": len(found.misses),
        "unneeded": {"packages": len(found.unneeded), "bytes": unneeded_bytes(found)},
        "saved": found.saved,
        "left": found.left,
        "is_left_known": is_left_known(found),
        "layer": found.layer,
    }  # fmt: skip


def _describe_packages(found: Match) -> dict[str, Any]:
    return {
        "packages": [
            {"name": hit.need.name, "version": hit.package.version, "fit": hit.fit, "size": hit.package.size}
            for hit in found.hits
        ],
        "misses": [
            {"name": miss.need.name, "version": miss.need.version, "specifier": miss.need.specifier, "has": miss.has,
             "why": miss.why, "size": miss.size}
            for miss in found.misses
        ],
        "not_needed": [package.name for package in found.unneeded],
    }  # fmt: skip


def tell_finding(finding: Finding, requests: str, now: datetime) -> Iterator[str]:
    """The lines that `find` prints; `requests` is what was asked for, in words."""
    if finding.found:
        names = [package.name for package in finding.found[0].packages]
        yield from in_columns(
            ("base", *names, "python", "size", "published", "platforms", *_note_heading(finding), "digest"),
            [_found_row(each, names, now, bool(_note_heading(finding))) for each in finding.found],
        )
        if finding.extras:
            yield f"whether they have what the extras of {join_words(finding.extras)} add is not known"
        yield ""
        yield f"FROM {finding.found[0].base.reference}"
        return
    yield f"no base has {requests}"
    if finding.nowhere:
        yield ""
        yield from map(_tell_nowhere, finding.nowhere)
    if finding.near:
        yield ""
        yield from (f"`{each.base.name}` {join_words(each.obstacles)}" for each in finding.near)
    yield ""
    yield "next: ask for less, or ask who publishes the bases for one that has it; `warmbase list` shows what there is"


def _tell_nowhere(nowhere: Nowhere) -> str:
    similar = f"; similar: {join_words(nowhere.similar)}" if nowhere.similar else ""
    return f"{nowhere.name} is in no base at any version{similar}"


def _note_heading(finding: Finding) -> tuple[str, ...]:
    return ("note",) if any(_note(each) for each in finding.found) else ()


def _note(found: Found) -> str:
    cached = [package.name for package in found.packages if package.use != "venv"]
    old = f"past its end of life since {end_of_life(found.base)}" if found.is_old else ""
    return ", ".join([*([f"{join_words(cached)} in its cache alone"] if cached else []), *([old] if old else [])])


def _found_row(found: Found, names: Sequence[str], now: datetime, noted: bool) -> tuple[str, ...]:
    versions = {package.name: package.version for package in found.packages}
    return (
        found.base.name,
        *(versions.get(name, "-") for name in names),
        found.base.offer.python,
        in_bytes(found.platforms[0].size),
        f"{found.base.time[:10]}, {spell_age(found.base.time, now)}",
        ", ".join(each.platform for each in found.platforms),
        *([_note(found)] if noted else []),
        found.base.digest,
    )


def describe_finding(finding: Finding, now: datetime) -> dict[str, Any]:
    """A finding as JSON."""
    return {
        "found": [
            {
                **describe_base(each.base, now),
                "platforms": [
                    {"platform": one.platform, "digest": one.digest, "size": one.size} for one in each.platforms
                ],
                "packages": {package.name: package.version for package in each.packages},
                "cached": [package.name for package in each.packages if package.use != "venv"],
            }
            for each in finding.found
        ],
        "near": [_describe_lacking(each) for each in finding.near],
        "nowhere": [{"name": each.name, "similar": list(each.similar)} for each in finding.nowhere],
        "extras_not_looked_at": list(finding.extras),
    }


def _describe_lacking(lacking: Lacking) -> dict[str, Any]:
    return {"base": lacking.base.name, "platform": lacking.platform, "obstacles": list(lacking.obstacles)}
