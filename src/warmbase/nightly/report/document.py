"""A night's report for machines: JSON of the form that `report.schema.json` states."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from warmbase.nightly.changes import direction
from warmbase.nightly.model import Broken, Move, Night, NightSummary, VariantResult
from warmbase.nightly.report.lastnights import last_nights
from warmbase.nightly.report.reading import headline, stage_seconds, summarize

FORMAT = 1
"""Raised when a program that reads the report would have to change."""

SCHEMA_PATH = Path(__file__).with_name("report.schema.json")


def night_to_json(night: Night) -> dict[str, Any]:
    """The whole night, also what is fresh."""
    summary = summarize(night)
    return {
        "format": FORMAT,
        "headline": headline(night),
        "began": night.began,
        "ended": night.ended,
        "mode": night.mode,
        "place": night.place,
        "counts": dict(summary.counts),
        "seconds": summary.seconds,
        "sent": summary.sent,
        "received": night.received,
        "requests": dict(night.requests),
        "stages": _rounded(stage_seconds(night)),
        "notes": list(night.notes),
        "variants": [_result(result) for result in night.results],
        "nights": [_summary(each) for each in last_nights(night)],
    }


def _result(result: VariantResult) -> dict[str, Any]:
    return {
        "variant": result.variant,
        "status": result.status,
        "reasons": [asdict(reason) for reason in result.reasons],
        "held": [asdict(held) for held in result.held],
        "moves": [_move(move) for move in result.moves],
        "broken": [_broken(broken) for broken in result.broken],
        "failure": asdict(result.failure) if result.failure else None,
        "error": result.error,
        "base": result.base,
        "dated": result.dated,
        "digest": result.digest,
        "before": result.before,
        "size": result.size,
        "size_before": result.size_before,
        "sent": result.sent,
        "seconds": round(result.seconds, 3),
        "stages": _rounded(dict(result.stages)),
    }


def _broken(broken: Broken) -> dict[str, str]:
    return {"package": broken.package, "version": broken.version, "why": broken.why, "since": broken.since}


def _move(move: Move) -> dict[str, Any]:
    return {**asdict(move), "links": dict(move.links), "direction": direction(move)}


def _summary(summary: NightSummary) -> dict[str, Any]:
    return {
        "began": summary.began,
        "counts": dict(summary.counts),
        "sent": summary.sent,
        "seconds": round(summary.seconds, 3),
    }


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {stage: round(value, 3) for stage, value in seconds.items()}
