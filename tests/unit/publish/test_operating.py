"""Rolling back and promoting: what is published is given to tags again, here or elsewhere."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.publishing import DAY, Clock, Shelf, check_whole, tags_of
from tests.unit.publish.memory import MemoryRegistries, MemoryRegistry
from tests.unit.publish.published import NAME, REPOSITORY, ROLLING, publish

from warmbase.effects.registry.records import write_record
from warmbase.errors import PublishError, RegistryError
from warmbase.oci.manifest import INDEX, MANIFEST
from warmbase.oci.records import record_manifest
from warmbase.oci.reference import Reference
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.promote import promote
from warmbase.publish.rollback import roll_back
from warmbase.publish.stage import publish_variants
from warmbase.publish.yank import yank


def rolling(place: Place, repository: str = REPOSITORY) -> set[str]:
    tags = tags_of(place.registry, repository)
    return {tags[tag] for tag in ROLLING}


def actions(place: Place, name: str = NAME) -> list[tuple[str, str]]:
    return [(entry.action, entry.digest) for entry in Ledger(place, name).read().entries]


# Rolling back


def test_a_rollback_gives_the_rolling_tags_to_what_they_named_before(shelf: Shelf, place: Place) -> None:
    first, second = publish(place, shelf, "a"), publish(place, shelf, "b")
    released = roll_back(place, NAME, clock=Clock())
    assert rolling(place) == {first.digest}
    assert actions(place) == [("publish", first.digest), ("publish", second.digest), ("rollback", first.digest)]
    assert released.newest.previous == second.digest
    assert released.newest.dated == "py3.13-trixie-20261121", "an image keeps its dated tag"


def test_a_second_rollback_goes_further_back(shelf: Shelf, place: Place) -> None:
    first = publish(place, shelf, "a")
    publish(place, shelf, "b")
    publish(place, shelf, "c")
    roll_back(place, NAME, clock=Clock())
    roll_back(place, NAME, clock=Clock())
    assert rolling(place) == {first.digest}


def test_a_rollback_may_name_any_published_digest_by_its_first_digits_or_its_own_tags(
    shelf: Shelf, place: Place
) -> None:
    first = publish(place, shelf, "a")
    publish(place, shelf, "b")
    publish(place, shelf, "c")
    assert first.entry
    for name in (first.digest, first.digest[7:19], first.entry.dated, first.entry.content):
        roll_back(place, NAME, to=name, clock=Clock())
        assert rolling(place) == {first.digest}
        roll_back(place, NAME, to="py3.13-trixie-20261121.3", clock=Clock())


def test_after_a_rollback_the_same_content_is_not_published_again_but_new_content_is(
    shelf: Shelf, place: Place
) -> None:
    first = publish(place, shelf, "a")
    publish(place, shelf, "b")
    roll_back(place, NAME, clock=Clock())
    assert publish(place, shelf, "b").status == "superseded"
    assert rolling(place) == {first.digest}
    newest = publish(place, shelf, "c")
    assert rolling(place) == {newest.digest}


def test_an_interrupted_rollback_is_finished_and_not_repeated(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    publish(place, shelf, "a")
    second = publish(place, shelf, "b")
    publish(place, shelf, "c")

    def cut(what: str, where: str) -> None:
        if what == "PUT" and where.startswith(f"{REPOSITORY}:py3.13"):
            raise RegistryError("cut")

    registry.before = cut
    with pytest.raises(RegistryError):
        roll_back(place, NAME, clock=Clock())
    registry.let_pass()
    assert rolling(place) != {second.digest}
    assert roll_back(place, NAME, clock=Clock()).moved == ROLLING
    assert rolling(place) == {second.digest}
    assert len(actions(place)) == 4


def test_there_is_no_rollback_without_something_older(shelf: Shelf, place: Place) -> None:
    with pytest.raises(PublishError, match="was never published"):
        roll_back(place, NAME, clock=Clock())
    publish(place, shelf, "a")
    with pytest.raises(PublishError, match="no older image"):
        roll_back(place, NAME, clock=Clock())


def test_a_rollback_to_what_the_journal_does_not_know_is_refused(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, "a")
    with pytest.raises(PublishError, match="no entry for 'sha256:0000000'"):
        roll_back(place, NAME, to="sha256:0000000", clock=Clock())


def test_a_rollback_passes_over_what_was_yanked_and_refuses_it_by_name(shelf: Shelf, place: Place) -> None:
    first, second = publish(place, shelf, "a"), publish(place, shelf, "b")
    publish(place, shelf, "c")
    yank(place, NAME, second.digest, reason="leaks", instead="", clock=Clock())
    with pytest.raises(PublishError, match="was yanked on 2026-11-21: leaks"):
        roll_back(place, NAME, to=second.digest, clock=Clock())
    roll_back(place, NAME, clock=Clock())
    assert rolling(place) == {first.digest}


# Promoting

STAGING, PRODUCTION = "staging.example", "production.example"


@pytest.fixture
def staging() -> MemoryRegistry:
    return MemoryRegistry(STAGING)


@pytest.fixture
def registries(staging: MemoryRegistry) -> MemoryRegistries:
    return MemoryRegistries(staging, MemoryRegistry(PRODUCTION))


@pytest.fixture
def source(staging: MemoryRegistry) -> Place:
    return Place(registry=staging, prefix="bases")


def test_a_promoted_variant_has_the_same_digest_and_all_that_belongs_to_it(
    shelf: Shelf, source: Place, registries: MemoryRegistries
) -> None:
    done = publish(source, shelf, "a")
    index = source.registry.find_manifest(REPOSITORY, done.digest)
    assert index
    signature = record_manifest("signature", {"by": "me"}, subject=index)
    write_record(source.registry, REPOSITORY, signature)
    target = Place(registry=registries.at(PRODUCTION), prefix="org/bases")
    promoted = promote(
        Reference.parse(f"{STAGING}/bases/data:py3.13"),
        Reference.parse(f"{PRODUCTION}/org/bases/data"),
        registries,
        clock=Clock(now=DAY + timedelta(days=2)),
    )
    assert promoted.released.entry.source == f"{STAGING}/bases/data@{done.digest}"
    names = {*ROLLING, "py3.13-trixie-20261123", done.variant.content_tag}
    assert tags_of(target.registry, "org/bases/data") == dict.fromkeys(names, done.digest)
    check_whole(target.registry, "org/bases/data")
    (referrer,) = target.registry.referrers("org/bases/data", done.digest)
    assert referrer.digest == signature.digest
    (entry,) = Ledger(target, NAME).read().entries
    assert done.entry
    assert (entry.action, entry.digest, entry.packages) == ("promote", done.digest, done.entry.packages)


def promote_within(registries: MemoryRegistries, source: str, target: str) -> str:
    done = promote(
        Reference.parse(f"{STAGING}/{source}"), Reference.parse(f"{STAGING}/{target}"), registries, clock=Clock()
    )
    return done.released.entry.digest


def test_within_a_registry_blobs_are_mounted_or_where_it_cannot_carried(
    shelf: Shelf, source: Place, staging: MemoryRegistry, registries: MemoryRegistries
) -> None:
    publish(source, shelf, "a")
    staging.asked.clear()
    promote_within(registries, "bases/data:py3.13", "stable/data")
    assert staging.asked["mount"]
    assert staging.asked["send"] == 4, "the entry alone is new, and what it was made from is kept with it"
    staging.can_mount = False
    promote_within(registries, "bases/data:py3.13", "other/data")
    check_whole(staging, "other/data")


def test_another_tag_is_promoted_to_alone(shelf: Shelf, source: Place, registries: MemoryRegistries) -> None:
    done = publish(source, shelf, "a")
    before = tags_of(source.registry, REPOSITORY)
    promote_within(registries, "bases/data:py3.13", "bases/data:stable")
    after = tags_of(source.registry, REPOSITORY)
    assert after.keys() - before.keys() == {
        "stable",
        "stable-20261121",
        f"stable-{done.variant.content_tag[-12:]}",
    }
    assert set(after.values()) == {done.digest}
    assert actions(source, "data:stable") == [("promote", done.digest)]


def test_promoting_again_changes_nothing(shelf: Shelf, source: Place, registries: MemoryRegistries) -> None:
    publish(source, shelf, "a")
    for _ in range(2):
        promote_within(registries, "bases/data:py3.13", "stable/data")
    assert len(actions(Place(registry=source.registry, prefix="stable"))) == 1


def test_what_is_older_than_the_target_is_not_promoted(
    shelf: Shelf, source: Place, registries: MemoryRegistries
) -> None:
    old = publish(source, shelf, "a")
    promote_within(registries, "bases/data:py3.13", "stable/data")
    new = publish(source, shelf, "b")
    promote_within(registries, "bases/data:py3.13", "stable/data")
    with pytest.raises(PublishError, match="rolling tags do not move back"):
        promote_within(registries, f"bases/data@{old.digest}", "stable/data")
    assert rolling(source, "stable/data") == {new.digest}


def test_what_the_target_never_had_is_not_promoted_over_what_came_after_it(
    shelf: Shelf, source: Place, registries: MemoryRegistries
) -> None:
    old, new = publish(source, shelf, "a"), publish(source, shelf, "b")
    promote_within(registries, "bases/data:py3.13", "stable/data")
    with pytest.raises(PublishError, match="rolling tags do not move back") as refused:
        promote_within(registries, f"bases/data@{old.digest}", "stable/data")
    assert refused.value.next_step.startswith(
        f"`warmbase rollback {NAME} --to {old.digest} --registry {STAGING}/bases`"
    )
    assert rolling(source, "stable/data") == {new.digest}


def test_what_the_source_was_rolled_back_to_is_promoted(
    shelf: Shelf, source: Place, registries: MemoryRegistries
) -> None:
    old = publish(source, shelf, "a")
    publish(source, shelf, "b")
    promote_within(registries, "bases/data:py3.13", "stable/data")
    roll_back(source, NAME, clock=Clock())
    promote_within(registries, "bases/data:py3.13", "stable/data")
    assert rolling(source, "stable/data") == {old.digest}


@pytest.mark.parametrize("tag", ["py3.13-trixie-20261121", "py3.13-trixie-20261130", "py3.13-trixie-0123456789ab"])
def test_nothing_is_promoted_to_a_tag_that_never_moves(
    shelf: Shelf, source: Place, registries: MemoryRegistries, tag: str
) -> None:
    publish(source, shelf, "a")
    publish(source, shelf, "b")
    before = tags_of(source.registry, REPOSITORY)
    with pytest.raises(PublishError, match="these never move"):
        promote_within(registries, "bases/data:py3.13", f"bases/data:{tag}")
    assert tags_of(source.registry, REPOSITORY) == before


@pytest.mark.parametrize("foundation", ["trixie", "bookworm"])
def test_nothing_is_promoted_to_another_variants_rolling_tags(
    shelf: Shelf, source: Place, registries: MemoryRegistries, foundation: str
) -> None:
    publish(source, shelf, "a")
    for prefix in ("bases", "stable"):
        other = shelf.variant(layers=["b"], foundation="bookworm", first=False)
        publish_variants([other], Place(registry=source.registry, prefix=prefix), blobs=shelf, clock=Clock())
    source_, tag = ("data:py3.13-bookworm", "py3.13") if foundation == "trixie" else ("data:py3.13", "py3.13-bookworm")
    for prefix in ("bases", "stable"):
        before = tags_of(source.registry, f"{prefix}/data")
        with pytest.raises(PublishError, match=f"is a rolling tag of data:py3.13-{foundation}"):
            promote_within(registries, f"bases/{source_}", f"{prefix}/data:{tag}")
        assert tags_of(source.registry, f"{prefix}/data") == before


def test_a_tag_that_a_person_made_is_not_promoted_to(shelf: Shelf, source: Place, registries: MemoryRegistries) -> None:
    done = publish(source, shelf, "a")
    index = source.registry.read_manifest(REPOSITORY, done.digest)
    assert index
    source.registry.write_manifest(REPOSITORY, "latest", index.content, index.media_type)
    publish(source, shelf, "b")
    with pytest.raises(PublishError, match="no journal knows it"):
        promote_within(registries, "bases/data:py3.13", "bases/data:latest")
    assert tags_of(source.registry, REPOSITORY)["latest"] == done.digest


def test_a_tag_that_was_promoted_to_moves_with_the_next_promotion(
    shelf: Shelf, source: Place, registries: MemoryRegistries
) -> None:
    for layers in "ab":
        done = publish(source, shelf, layers)
        promote_within(registries, "bases/data:py3.13", "bases/data:stable")
        assert tags_of(source.registry, REPOSITORY)["stable"] == done.digest


def test_what_has_to_pass_through_this_machine_does_so_in_the_folder_that_is_named(
    shelf: Shelf, source: Place, staging: MemoryRegistry, registries: MemoryRegistries, tmp_path: Path
) -> None:
    publish(source, shelf, "a")
    staging.can_mount = False
    work, used = tmp_path / "work", set[Path]()
    work.mkdir()
    staging.before = lambda what, where: used.update(work.iterdir())
    here, there = (Reference.parse(f"{STAGING}/{name}") for name in ("bases/data:py3.13", "stable/data"))
    promote(here, there, registries, clock=Clock(), work=work)
    assert used
    assert list(work.iterdir()) == []


def test_a_journal_that_may_not_be_read_is_passed_over_and_named(
    shelf: Shelf, source: Place, staging: MemoryRegistry, registries: MemoryRegistries
) -> None:
    def refuse(what: str, where: str) -> None:
        if where.startswith("warmbase-journal"):
            raise RegistryError("denied", status=401)

    staging.write_manifest("bases/alien", "index", b'{"schemaVersion":2,"manifests":[]}', INDEX)
    staging.before = refuse
    with pytest.raises(PublishError, match=r"no journal says .* \(warmbase-journal may not be read\)"):
        promote_within(registries, "bases/alien:index", "stable/alien")


def test_what_was_yanked_is_not_promoted(shelf: Shelf, source: Place, registries: MemoryRegistries) -> None:
    bad = publish(source, shelf, "a")
    yank(source, NAME, bad.digest, reason="leaks", instead="", clock=Clock())
    with pytest.raises(PublishError, match="was yanked"):
        promote_within(registries, "bases/data:py3.13", "stable/data")
    assert source.registry.tags("stable/data") == ()


def test_what_no_journal_knows_is_not_promoted(source: Place, registries: MemoryRegistries) -> None:
    record = record_manifest("test", {})
    write_record(source.registry, "bases/alien", record, "image")
    with pytest.raises(PublishError, match="is not an index"):
        promote_within(registries, "bases/alien:image", "stable/alien")
    source.registry.write_manifest("bases/alien", "index", b'{"schemaVersion":2,"manifests":[]}', INDEX)
    with pytest.raises(PublishError, match="no journal says"):
        promote_within(registries, "bases/alien:index", "stable/alien")
    with pytest.raises(PublishError, match="does not exist"):
        promote_within(registries, "bases/alien:none", "stable/alien")
    assert record.descriptor().media_type == MANIFEST


def test_nothing_is_promoted_to_itself(shelf: Shelf, source: Place, registries: MemoryRegistries) -> None:
    publish(source, shelf, "a")
    with pytest.raises(PublishError, match="is what"):
        promote_within(registries, "bases/data:py3.13", "bases/data:py3.13-trixie")


def test_a_promotion_that_is_cut_off_anywhere_leaves_the_old_state_and_the_next_one_finishes(
    shelf: Shelf, source: Place, staging: MemoryRegistry, registries: MemoryRegistries
) -> None:
    done = publish(source, shelf, "a", image="team/data")
    for count in range(200):
        left, target = count, f"target{count}/team/data"

        def cut(what: str, where: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise RegistryError("cut")

        staging.before = cut
        try:
            promote_within(registries, "bases/team/data:py3.13", target)
            break
        except RegistryError:
            staging.let_pass()
        check_whole(staging, target)
        promote_within(registries, "bases/team/data:py3.13", target)
        assert set(tags_of(staging, target).values()) == {done.digest}
        assert len(actions(Place(registry=staging, prefix=f"target{count}"), "team/data:py3.13-trixie")) == 1
    assert count > 30
