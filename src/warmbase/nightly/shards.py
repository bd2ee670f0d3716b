"""Which part of a run's work is this machine's, by what each variant is likely to cost. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warmbase.catalog.model import Variant
from warmbase.publish.journal import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """The `index`-th of `count` parts, counted from 1. Raises SelectionError for a part that there is not."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "2/5". Raises SelectionError."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def find_shard(text: str, environment: Mapping[str, str]) -> Shard | None:
    """The part that `text` ("I/N") says, or else the environment: GitLab's CI_NODE_INDEX of CI_NODE_TOTAL, Kubernetes'
    JOB_COMPLETION_INDEX (from 0) of WARMBASE_SHARDS. None for the whole. Raises SelectionError."""
    raise NotImplementedError


def split_by_cost(
    variants: Sequence[Variant], costs: Mapping[str, float], count: int
) -> tuple[tuple[Variant, ...], ...]:
    """`count` parts of about the same cost, each in the order of `variants`; some may be empty.

    `costs` are by the variants' full names. An image stays with the one that it is `from`.
    """
    raise NotImplementedError


def estimate_costs(variants: Sequence[Variant], entries: Mapping[str, Entry]) -> dict[str, float]:
    """What each variant is likely to cost in seconds, by its newest entry in the journal."""
    raise NotImplementedError


def own_part(variants: Sequence[Variant], entries: Mapping[str, Entry], shard: Shard) -> tuple[Variant, ...]:
    """What of `variants` is this shard's, by the costs that their newest entries in the journal tell."""
    raise NotImplementedError
