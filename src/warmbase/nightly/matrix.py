"""What is stale, shared out to the jobs of a CI system: as GitHub's matrix, as GitLab's, and as plain JSON. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import lineage
from warmbase.nightly.model import Decision
from warmbase.nightly.shards import estimate_costs, split_by_cost

MOST_OF_GITHUB = 256
"""GitHub, "Running variations of jobs in a workflow": a matrix has at most so many jobs."""

MOST_OF_GITLAB = 200
"""GitLab, CI/CD YAML syntax, `parallel:matrix`: at most so many jobs."""

_LONGEST = 200
"""A job's name has at most 255 characters in GitLab, and the values of its matrix are part of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one job is to refresh: stale variants in catalog order, with all reasons, and the seconds that it is likely
    to take."""

    variants: tuple[Variant, ...]
    seconds: float
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The shortest names of the variants."""
        return tuple(f"{variant.image}:{variant.tags[-1]}" for variant in self.variants)


def plan_parts(
    variants: Sequence[Variant],
    decisions: Iterable[Decision],
    seconds: Mapping[str, float],
    *,
    count: int = 0,
    most: int = MOST_OF_GITHUB,
) -> tuple[Part, ...]:
    """What is stale of `variants` in `count` parts of about the same cost, at most `most`; without the empty ones.

    Without `count` each stale variant is a part, with those that are made from it. `seconds` is what each variant took
    last, by name.
    """
    stale = {decision.variant: decision for decision in decisions if decision.verdict == "stale"}
    chosen = [variant for variant in variants if variant.name in stale]
    costs = estimate_costs(variants, seconds)
    families = len({lineage(variant)[0].name for variant in chosen})
    split = split_by_cost(chosen, costs, min(count or families, most) or 1)
    return tuple(_part(part, costs, stale) for part in split if part)


def to_github(parts: Sequence[Part]) -> str:
    """One line for `strategy.matrix: ${{ fromJSON(…) }}`: each job has `matrix.shard` and `matrix.variants`."""
    include = [
        {"shard": f"{number}/{len(parts)}", "variants": " ".join(part.names)}
        for number, part in enumerate(parts, start=1)
    ]
    return json.dumps({"include": include})


def to_gitlab(parts: Sequence[Part]) -> str:
    """A file to include in a child pipeline, whose jobs say `extends: .warmbase-matrix` and then have the variable
    WARMBASE_VARIANTS.

    GitLab knows no matrix without a job: where nothing is stale it has one that ends at once, if .warmbase-matrix is
    the last that it `extends` (no variants would mean all of them). A part whose names are too long for the name of a
    job is several jobs.
    """
    jobs = [names for part in parts for names in _short_enough(part)] or [""]
    lines = [".warmbase-matrix:", *(() if parts else ("  before_script: [exit 0]",)), "  parallel:", "    matrix:"]
    return "\n".join([*lines, *(f"      - WARMBASE_VARIANTS: {json.dumps(names)}" for names in jobs)])


def to_json(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """The parts for other systems, with the reasons."""
    return [
        {
            "shard": f"{number}/{len(parts)}",
            "variants": [variant.name for variant in part.variants],
            "seconds": round(part.seconds, 1),
            "reasons": {name: list(reasons) for name, reasons in part.reasons.items()},
        }
        for number, part in enumerate(parts, start=1)
    ]


def _part(variants: tuple[Variant, ...], costs: Mapping[str, float], stale: Mapping[str, Decision]) -> Part:
    return Part(
        variants=variants,
        seconds=sum(costs[variant.name] for variant in variants),
        reasons={variant.name: tuple(map(str, stale[variant.name].reasons)) for variant in variants},
    )


def _short_enough(part: Part) -> list[str]:
    """The names of a part's variants in as few lines as GitLab can take; what is made from one another together."""
    families: dict[str, list[str]] = {}
    for variant, name in zip(part.variants, part.names, strict=True):
        families.setdefault(lineage(variant)[0].name, []).append(name)
    lines: list[str] = []
    for names in map(" ".join, families.values()):
        if lines and len(lines[-1]) + 1 + len(names) <= _LONGEST:
            lines[-1] += f" {names}"
        else:
            lines.append(names)
    return lines
