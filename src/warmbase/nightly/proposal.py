"""New locks as one change to review, though several runs have made it: a run may be interrupted, or repeated before its
locks are committed, and the next one finds what they wrote in place.

The last commit says what there was: what differs from it is what a pull request proposes, whoever wrote it.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from warmbase.catalog.model import Catalog
from warmbase.lock.files import lock_paths, locks_folder, read_previous
from warmbase.lock.model import Lock, lock_from_json
from warmbase.nightly.changes import lock_moves
from warmbase.nightly.model import Axis, Move, Night, Reason, VariantResult
from warmbase.nightly.report.reading import name_some

_EARLIER = Reason(axis="catalog", subject="a lock that an earlier run wrote")


def name_uncommitted(catalog: Catalog, files: Collection[Path]) -> tuple[str, ...]:
    """A note on `files` of the catalog's locks that are not committed, before a run goes on from them."""
    if not files:
        return ()
    folder = locks_folder(catalog)
    named = name_some([str(file.relative_to(folder)) for file in files])
    count = f"{len(files)} files are" if len(files) > 1 else "1 file is"
    return (
        f"{count} not committed in {folder.name}/ ({named}): this run goes on from them, writes over them where"
        " something newer is verified, and proposes them with the rest",
    )


def changed_locks(catalog: Catalog, files: Mapping[Path, bytes | None]) -> Mapping[str, tuple[Lock | None, Lock]]:
    """The locks among `files`, which are not as the last commit has them, by their variants: what it has (None where
    that is nothing, or no lock), and what is there now."""
    found = {}
    for variant in catalog.variants:
        path = lock_paths(catalog, variant)[1]
        now = read_previous(catalog, variant) if path in files else None
        if now:
            found[variant.name] = _parse(files[path]), now
    return found


def whole_proposal(night: Night, changed: Mapping[str, tuple[Lock | None, Lock]]) -> Night:
    """The night with all that is proposed: what was fresh, as an earlier run had refreshed it already, was not before
    it; `changed` is as `changed_locks` has it."""
    return replace(
        night,
        results=tuple(
            _whole(result, *changed[result.variant])
            if result.variant in changed and result.status in ("refreshed", "fresh", "held")
            else result
            for result in night.results
        ),
    )


def _whole(result: VariantResult, old: Lock | None, new: Lock) -> VariantResult:
    moves = lock_moves(old, new) if old else ()
    if result.status == "refreshed" and moves == result.moves:
        return result
    said = {reason.subject for reason in result.reasons if result.status == "refreshed"}
    reasons = tuple(_reason(move) for move in moves if move.name not in said) or (() if said else (_EARLIER,))
    own = result.reasons if result.status == "refreshed" else ()
    return replace(result, status="refreshed", moves=moves, reasons=(*own, *reasons))


def _reason(move: Move) -> Reason:
    axis: Axis = "tool" if move.kind == "tool" else "packages"
    return Reason(axis=axis, subject=move.name, old=move.old, new=move.new, note="taken by an earlier run")


def _parse(content: bytes | None) -> Lock | None:
    try:
        return lock_from_json(content.decode()) if content else None
    except (ValueError, KeyError, TypeError):
        return None
