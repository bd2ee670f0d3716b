"""What a build came to, a row for each of its steps: for the table, for JSON, for the exit code."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import typer

from warmbase.catalog.model import Catalog, Variant
from warmbase.cli.output import print_json, print_table
from warmbase.effects.platforms import native_platform
from warmbase.oci.layout import read_layout
from warmbase.oci.manifest import Manifest
from warmbase.oci.sizes import in_bytes
from warmbase.pipeline import Outcome
from warmbase.plan import BuildStep, Plan
from warmbase.verify.model import FailedVerificationError, Verification


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One variant on one platform after a build. `size` is in bytes, compressed; `base` is what FROM takes."""

    variant: str
    platform: str
    tags: tuple[str, ...]
    base: str
    digest: str = ""
    size: int = 0
    layers: int = 0
    wheels: int = 0
    wheels_made: int = 0
    seconds: float = 0.0
    verified: str = "no"
    error: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        made = f"{self.wheels_made} of {self.wheels} wheels new" if self.wheels_made else "all reused"
        return (
            self.variant,
            self.platform,
            self.digest[:19] or "-",
            in_bytes(self.size) if self.digest else "-",
            f"{self.layers} ({made})" if self.digest else "-",
            f"{self.seconds:.1f}",
            "failed" if self.error else self.verified,
        )


def collect_results(plan: Plan, outcomes: Iterable[Outcome], catalog: Catalog, output: Path) -> tuple[Result, ...]:
    """A result for each step of `plan`: what its outcome says, or what the layout at `output` had already; and one
    for each variant that could not be locked."""
    known = {id(outcome.step): outcome for outcome in outcomes}
    unlocked = (
        replace(_named(variant, platform, catalog), error=str(error))
        for variant, error in plan.unlocked
        for platform in variant.platforms
    )
    return (*(_result(step, known.get(id(step)), catalog, output) for step in plan.steps), *unlocked)


def print_results(results: Sequence[Result], *, as_json: bool) -> None:
    """Print the table and the FROM lines, or JSON; errors go to standard error."""
    if as_json:
        print_json([asdict(result) for result in results])
        return
    headings: tuple[str, ...] = ("variant", "platform", "digest", "size", "layers", "seconds", "verified")
    rows = [result.cells for result in results]
    foreign = {result.platform for result in results} - {native_platform()}
    if not foreign:  # where all is this machine's own there is no need to say so
        headings, rows = headings[:1] + headings[2:], [row[:1] + row[2:] for row in rows]
    print_table(headings, rows)
    for result in results:
        if result.error:
            name = f"{result.variant} ({result.platform})" if foreign else result.variant
            typer.echo(f"\nerror: {name}: {result.error}", err=True)
    lines = [f"FROM {result.base}" for result in results if result.digest and not result.error]
    if lines:
        typer.echo("\n" + "\n".join(dict.fromkeys(lines)))


def print_findings(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print every finding of verifications, or JSON; errors go to standard error."""
    if as_json:
        print_json([_verification(outcome) for outcome in outcomes])
        return
    for outcome in outcomes:
        verification = _verification_of(outcome)
        typer.echo(f"{outcome.step.name}  {verification.digest if verification else ''}".rstrip())
        if verification:
            rows = [
                (finding.outcome, finding.check, f"{finding.seconds:.2f}", finding.detail.partition("\n")[0])
                for finding in verification.findings
            ]
            print_table(("outcome", "check", "seconds", "detail"), rows)
        if outcome.error:
            typer.echo(f"error: {outcome.step.name}: {outcome.error}", err=True)


def _verification_of(outcome: Outcome) -> Verification | None:
    """What was found, whether the image passed or not; None where it never came to that."""
    if isinstance(outcome.error, FailedVerificationError):
        return outcome.error.verification
    return outcome.verified.verification if outcome.verified else None


def _verification(outcome: Outcome) -> dict[str, object]:
    found = _verification_of(outcome)
    return {
        "variant": outcome.step.variant.name,
        "platform": outcome.step.platform,
        "digest": found.digest if found else "",
        "runner": found.runner if found else "",
        "findings": [asdict(finding) for finding in found.findings] if found else [],
        "error": str(outcome.error or ""),
    }


def _named(variant: Variant, platform: str, catalog: Catalog) -> Result:
    name = f"{variant.image}:{variant.tags[-1]}"
    base = f"{catalog.registry}/{name}" if catalog.registry else name
    return Result(variant=variant.name, platform=platform, tags=variant.tags, base=base)


def _result(step: BuildStep, outcome: Outcome | None, catalog: Catalog, output: Path) -> Result:
    named = replace(_named(step.variant, step.platform, catalog), wheels=len(step.wheels))
    if outcome is None:
        known = "static only" if step.only_looked_at else "yes" if step.verified else "not run"
        return _unchanged(replace(named, verified=known), output)
    if outcome.error:
        return replace(named, seconds=outcome.seconds, error=str(outcome.error))
    image = outcome.image
    return replace(
        named,
        digest=image.digest if image else "",
        size=image.size if image else 0,
        layers=outcome.layers,
        wheels_made=outcome.made,
        seconds=outcome.seconds,
        verified=outcome.verified.summary if outcome.verified else "not run",
    )


def _unchanged(result: Result, output: Path) -> Result:
    layout = read_layout(output)
    for build in layout.builds(result.variant):
        if str(build.platform) == result.platform:
            layers = Manifest.from_bytes(layout.read(build)).layers
            size = sum(layer.size for layer in layers)
            return replace(result, digest=build.digest, size=size, layers=len(layers))
    return result
