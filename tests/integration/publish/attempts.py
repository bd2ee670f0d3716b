"""What publications are tried for in these tests, and what a registry has to have after them."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.publishing import Clock, Shelf, attest, check_whole, tags_of
from tests.registries import RunningRegistry

from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.records import write_record
from warmbase.oci.records import record_manifest
from warmbase.publish.baseline import read_origin
from warmbase.publish.journal import KIND, Journal, entry_to_json, front, parse_time
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.push import DEFAULT_TRANSFERS
from warmbase.publish.stage import Publication, publish_variants
from warmbase.publish.stamps import Stamp

NAME = "data:py3.13-trixie"
ROLLING = ("py3.13-trixie", "py3.13")


def publish(place: Place, shelf: Shelf, *layers: str, transfers: int = DEFAULT_TRANSFERS) -> Publication:
    variants = [shelf.variant(layers=layers)]
    (done,) = publish_variants(variants, place, blobs=shelf, clock=Clock(), attest=attest, transfers=transfers)
    return done


def check_interrupted(place: Place, old: Publication) -> None:
    """What consumers see is whole; until the journal says otherwise, it is the old state."""
    repository = place.repository("data")
    check_whole(place.registry, repository)
    tags = tags_of(place.registry, repository)
    assert tags["py3.13-trixie-20261121"] == old.digest
    if len(Ledger(place, NAME).read().entries) == 1:
        assert {tags[tag] for tag in ROLLING} == {old.digest}


def check_finished(place: Place, *published: Publication) -> None:
    """The journal has these, in this order, and all tags name what it says."""
    entries = check_tags(place).entries
    assert [entry.digest for entry in entries] == [publication.digest for publication in published]


def check_tags(place: Place) -> Journal:
    """The tags name what the journal says. A registry takes no manifest before it has all that it names."""
    tags = tags_of(place.registry, place.repository("data"))
    journal = Ledger(place, NAME).read()
    assert journal.newest
    assert {tags.pop(tag) for tag in ROLLING} == {journal.newest.digest}
    assert tags == {tag: entry.digest for entry in journal.entries for tag in (entry.dated, entry.content)}
    return journal


def write_as_older_versions(place: Place) -> None:
    """Let the journal have its entries as older versions wrote them: their documents are blobs, and have to be read."""
    for entry in Ledger(place, NAME).read().entries:
        record = record_manifest(KIND, entry_to_json(entry), more=read_origin(place, entry.id))
        written = place.registry.find_manifest(place.journal, entry.id)
        assert written
        assert place.registry.delete_manifest(place.journal, written.digest)
        stamp = Stamp.make(front(NAME), parse_time(entry.time), record.digest[7:])
        write_record(place.registry, place.journal, record, str(stamp))


@dataclass(frozen=True, kw_only=True, slots=True)
class Old:
    """What an older version published before everything that goes wrong: copied to a new prefix for each attempt."""

    registry: RunningRegistry
    client: RegistryClient
    prefix: str
    shelf: Shelf
    publication: Publication
    _count: Iterator[int] = field(default_factory=itertools.count)

    def copy(self) -> Place:
        name = f"copy{next(self._count)}"
        repositories = self.registry.storage / "docker/registry/v2/repositories" / self.prefix
        shutil.copytree(repositories / "old", repositories / name)
        return Place(registry=self.client, prefix=f"{self.prefix}/{name}")
