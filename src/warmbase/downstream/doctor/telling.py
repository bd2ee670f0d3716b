"""A diagnosis in words, and as a document for programs. Pure."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from warmbase.downstream.doctor.model import Diagnosis, Finding
from warmbase.downstream.words import count, in_columns
from warmbase.oci.sizes import in_bytes


def tell(diagnosis: Diagnosis) -> Iterator[str]:
    """The lines that people read: findings with their fixes, then every package that costs something, then the sum."""
    where = f" on {diagnosis.base}" if diagnosis.base else ""
    yield f"{diagnosis.project}{where} for {diagnosis.platform}"
    for finding in diagnosis.findings:
        yield ""
        yield from _tell_finding(finding)
    costly = [verdict for verdict in diagnosis.verdicts if verdict.outcome != "hit"]
    if costly:
        yield ""
        rows = [
            (one.name, one.version, one.outcome, in_bytes(one.size) if one.size else "-", one.why) for one in costly
        ]
        yield from in_columns(("package", "version", "becomes", "size", "why"), rows)
    yield ""
    yield summary(diagnosis)


def summary(diagnosis: Diagnosis) -> str:
    """The last line: "healthy: 42 of 42 packages hit, 0 B to download"."""
    counts = f"{diagnosis.hits} of {len(diagnosis.verdicts)} packages hit"
    sizes = [verdict.size for verdict in diagnosis.verdicts if verdict.outcome == "downloaded"]
    download = f"{'at least ' if 0 in sizes else ''}{in_bytes(diagnosis.to_download)}"
    if sizes and not any(sizes):
        download = f"{count(len(sizes), 'package')} of unknown size"
    others = {word: sum(one.outcome == word for one in diagnosis.verdicts) for word in ("copied", "built", "refused")}
    more = "".join(f", {number} {word}" for word, number in others.items() if number)
    state = {"error": "not healthy", "warning": "healthy, with warnings"}.get(diagnosis.severity or "", "healthy")
    return f"{state}: {counts}, {download} to download{more}"


def _tell_finding(finding: Finding) -> Iterator[str]:
    place = f"{finding.place}: " if str(finding.place) else ""
    yield f"{place}{finding.severity}: {finding.message} [{finding.code}]"
    yield f"  fix: {finding.fix}"


def describe(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis as JSON."""
    fixes = {finding.code: finding.fix for finding in diagnosis.findings}
    return {
        "project": diagnosis.project,
        "base": diagnosis.base,
        "platform": diagnosis.platform,
        "healthy": diagnosis.severity in (None, "note"),
        "severity": diagnosis.severity,
        "packages": len(diagnosis.verdicts),
        "hits": diagnosis.hits,
        "to_download": diagnosis.to_download,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "message": finding.message,
                "fix": finding.fix,
                "file": finding.place.file,
                "line": finding.place.line,
                "packages": list(finding.packages),
            }
            for finding in diagnosis.findings
        ],
        "verdicts": [asdict(one) | {"fix": fixes.get(one.cause, "")} for one in diagnosis.verdicts],
    }
