"""What changed from one published image of a variant to another, from what is attested of them in the registry."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from warmbase.errors import PublishError
from warmbase.nightly.changes import direction, package_moves
from warmbase.nightly.model import Move
from warmbase.nightly.releases import Release, read_release, release_moves
from warmbase.nightly.report.tables import code, moves_lines, plain
from warmbase.oci.sizes import in_bytes
from warmbase.publish.history import compare, find_entry
from warmbase.publish.journal import Entry, Journal
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.names import never_published

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two images: its index, when it was published and under which dated tag ("" where the journal does not
    say), and the bytes of its layers."""

    digest: str
    time: str = ""
    dated: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Changelog:
    """What changed from `old` to `new`. `pulled` is how many bytes whoever has the old one pulls, `foundation` how that
    moved in words ("" where it did not), `note` what is not known."""

    variant: str
    repository: str
    old: Side
    new: Side
    pulled: int
    moves: tuple[Move, ...]
    foundation: str = ""
    note: str = ""


def read_changelog(place: Place, variant: str, old: str = "", new: str = "") -> Changelog:
    """Compare two published images of a variant: digests, the beginnings of some, dated or content tags.

    Without `new` it is what the rolling tags name, without `old` what they named before that. Raises PublishError for
    what the journal does not have, RegistryError.
    """
    journal = Ledger(place, variant).read()
    newest = journal.newest
    if newest is None:
        raise never_published(place, variant, is_in_catalog=False)
    after = _find(journal, new) if new else newest
    before = _find(journal, old) if old else _before(journal, after)
    sides = [read_release(place, after.image, entry.digest) for entry in (before, after)]
    moves, note = _moves(before, after, *sides)
    return Changelog(
        variant=variant,
        repository=f"{place}/{after.image}",
        old=_side(before, sides[0]),
        new=_side(after, sides[1]),
        pulled=sides[1].pulled_after(sides[0]),
        moves=moves,
        foundation=compare(before, after).foundation if before.foundation and after.foundation else "",
        note=note,
    )


def changelog_to_markdown(changelog: Changelog) -> str:
    """The changelog for people."""
    return "\n".join(_lines(changelog)).rstrip() + "\n"


def changelog_to_json(changelog: Changelog) -> dict[str, Any]:
    """The changelog for programs."""
    moves = [{**asdict(move), "direction": direction(move)} for move in changelog.moves]
    return {**asdict(changelog), "moves": moves}


def _lines(changelog: Changelog) -> Iterator[str]:
    old, new = changelog.old, changelog.new
    delta = new.size - old.size
    sizes = f"{in_bytes(old.size)} → {in_bytes(new.size)} ({'+' if delta >= 0 else '-'}{in_bytes(abs(delta))})"
    yield from (f"# {plain(changelog.variant)}: {_name(old)} → {_name(new)}", "")
    yield f"- from {code(f'{changelog.repository}@{old.digest}')}{_when(old)}"
    yield f"- to {code(f'{changelog.repository}@{new.digest}')}{_when(new)}"
    yield f"- {sizes}; whoever has the old one pulls {in_bytes(changelog.pulled)}"
    yield from ([f"- {plain(changelog.foundation)}"] if changelog.foundation else [])
    yield from ([f"- {plain(changelog.note)}"] if changelog.note else [])
    yield ""
    if changelog.moves:
        yield from moves_lines(changelog.moves)
    else:
        yield "No package is known to have moved." if changelog.note else "No package moved."


def _name(side: Side) -> str:
    return plain(side.dated or side.digest[:19])


def _when(side: Side) -> str:
    return f", published {side.time}" if side.time else ""


def _find(journal: Journal, text: str) -> Entry:
    """What a text means: an entry, or a digest that the registry may still have though the journal does not."""
    try:
        return find_entry(journal, text)
    except PublishError:
        if not _DIGEST.fullmatch(text) or journal.newest is None:
            raise
        return replace(journal.newest, digest=text, time="", dated="", foundation="", packages={}, id="")


def _before(journal: Journal, entry: Entry) -> Entry:
    """What the rolling tags named before an entry's image."""
    own = [number for number, each in enumerate(journal.entries) if each.digest == entry.digest]
    for earlier in reversed(journal.entries[: own[-1] if own else None]):
        if earlier.digest != entry.digest:
            return earlier
    raise PublishError(
        f"{entry.variant} had nothing else before {entry.digest[:19]}",
        next_step=f"name what to compare it with: `warmbase history {entry.variant}` lists what was published",
    )


def _side(entry: Entry, release: Release) -> Side:
    return Side(digest=entry.digest, time=entry.time, dated=entry.dated, size=release.size)


def _moves(before: Entry, after: Entry, old: Release, new: Release) -> tuple[tuple[Move, ...], str]:
    """What moved, and what is not known of it."""
    if old.bills.keys() & new.bills.keys():
        return release_moves(old, new), _one_sided(old, new)
    for entry in (before, after):
        if not entry.id:
            said = f"what is in {entry.digest[:19]} is not known: no bill of materials is attested of it"
            return (), f"{said}, and the journal does not know it"
    known = package_moves(before.packages, after.packages)
    return known, "no bill of materials is attested of both, so only Python's packages are known, from the journal"


def _one_sided(old: Release, new: Release) -> str:
    """The platforms of which nothing can be compared, in words."""
    parts = []
    for platform in sorted(old.layers.keys() | new.layers.keys()):
        if platform not in old.layers or platform not in new.layers:
            parts.append(f"{platform} is {'new' if platform in new.layers else 'gone'}")
        elif platform not in old.bills or platform not in new.bills:
            parts.append(f"no bill of materials is attested of both for {platform}")
    return f"{'; '.join(parts)}: its packages are not compared" if parts else ""
