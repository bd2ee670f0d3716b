"""What garbage collection keeps: whatever a tag, a recent entry or an index needs."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.publishing import AMD64, ARM64, DAY, Clock, Shelf, attest, check_whole, tags_of
from tests.unit.publish.memory import MemoryRegistry

from warmbase.effects.registry.records import write_record
from warmbase.errors import PublishError, RegistryError
from warmbase.events import Event, Warned
from warmbase.layers.remote import KIND, REPOSITORY
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import INDEX, Descriptor, Index
from warmbase.oci.records import record_manifest
from warmbase.publish.gc import delete_garbage, find_garbage
from warmbase.publish.hosts import deletion_commands
from warmbase.publish.journal import Entry, format_time
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.retention import Holdings, Removal, Retention, plan_images, retained
from warmbase.publish.rollback import roll_back
from warmbase.publish.stage import Publication, publish_variants
from warmbase.publish.yank import yank

NAME = "data:py3.13-trixie"
ONE = Retention(days=0, last=1)
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def publish(place: Place, shelf: Shelf, layers: str, day: int, image: str = "data") -> Publication:
    variant = shelf.variant(image, layers=[*layers], platforms=(AMD64, ARM64))
    clock = Clock(now=DAY + timedelta(days=day))
    (done,) = publish_variants([variant], place, blobs=shelf, clock=clock, attest=attest)
    if done.error:
        raise done.error
    return done


def collect(place: Place, retention: Retention = ONE, day: int = 100) -> set[str]:
    """Delete the garbage of a day; the digests that are gone from the image's repository."""
    garbage = find_garbage(place, ["data"], retention, DAY + timedelta(days=day))
    deleted = delete_garbage(place, garbage).deleted
    check_whole(place.registry, "bases/data")
    return {removal.digest for removal in deleted if removal.name == "data"}


def test_an_old_image_goes_with_its_platforms_attestations_tags_and_entry(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    publish(place, shelf, "a", 0)
    before = registry.digests("bases/data")
    new = publish(place, shelf, "b", 1)
    assert collect(place) == before
    assert len(before) == 5
    assert set(tags_of(registry, "bases/data").values()) == {new.digest}
    assert [entry.digest for entry in Ledger(place, NAME).read().entries] == [new.digest]
    assert collect(place) == set()


def test_what_an_image_shares_with_one_that_stays_is_kept(shelf: Shelf, place: Place) -> None:
    index = {"old": ("shared", "own"), "new": ("shared",)}
    holdings = Holdings(image="data", tags={"py3.13-trixie": "new"}, children=index)
    entries = [entry("old", 1), entry("new", 2)]
    planned = plan_images(holdings, entries, frozenset({"2"}))
    assert [removal.digest for removal in planned] == ["old", "own"]


@pytest.mark.parametrize("retention", [Retention(days=0, last=2), Retention(days=200, last=1)])
def test_entries_within_the_retention_are_kept_with_all_that_they_need(
    shelf: Shelf, place: Place, retention: Retention
) -> None:
    publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    assert collect(place, retention) == set()


def test_the_newest_image_of_a_variant_is_kept_however_old_it_is(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, "a", 0)
    assert collect(place, Retention(days=0, last=0), day=9999) == set()


def test_an_image_that_another_tag_names_is_kept_with_its_entry(shelf: Shelf, place: Place) -> None:
    old = publish(place, shelf, "a", 0)
    index = place.registry.read_manifest("bases/data", old.digest)
    assert index
    place.registry.write_manifest("bases/data", "stable", index.content, index.media_type)
    publish(place, shelf, "b", 1)
    assert collect(place) == set()
    assert len(Ledger(place, NAME).read().entries) == 2


def test_an_image_that_the_journal_does_not_know_yet_is_kept(shelf: Shelf, place: Place) -> None:
    """Somebody is publishing it."""
    index = publish(place, shelf, "b", 1)
    document = place.registry.read_manifest("bases/data", index.digest)
    assert document
    place.registry.write_manifest(
        "bases/data", "py3.13-trixie-0123456789ab", document.content + b" ", document.media_type
    )
    assert collect(place) == set()


@pytest.mark.parametrize("tag", ["customer-freeze-20260930", "customer-0123456789ab"])
def test_a_tag_that_a_person_gave_is_kept_though_it_looks_like_ours(shelf: Shelf, place: Place, tag: str) -> None:
    old = publish(place, shelf, "a", 0)
    index = place.registry.read_manifest("bases/data", old.digest)
    assert index
    place.registry.write_manifest("bases/data", tag, index.content, index.media_type)
    publish(place, shelf, "b", 1)
    assert collect(place) == set()


def test_a_list_of_manifests_that_docker_made_keeps_them_and_so_does_an_index_of_indexes(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    old = publish(place, shelf, "a", 0)
    index = registry.read_manifest("bases/data", old.digest)
    assert index
    listed = index.content.replace(INDEX.encode(), DOCKER_LIST.encode())
    digest = registry.write_manifest("bases/data", digest_of(listed), listed, DOCKER_LIST)
    nested = Index(manifests=(Descriptor(media_type=DOCKER_LIST, digest=digest, size=len(listed)),))
    registry.write_manifest("bases/data", "bundle", nested.to_bytes(), INDEX)
    publish(place, shelf, "b", 1)
    garbage = find_garbage(place, ["data"], ONE, DAY + timedelta(days=9))
    gone = {removal.digest for removal in delete_garbage(place, garbage).deleted if removal.name == "data"}
    assert gone == {old.digest}, "the list needs the images"
    assert children(registry, digest) <= registry.digests("bases/data")


def test_what_was_rolled_back_to_is_kept(shelf: Shelf, place: Place) -> None:
    old = publish(place, shelf, "a", 0)
    new = publish(place, shelf, "b", 1)
    roll_back(place, NAME, clock=Clock(now=DAY + timedelta(days=2)))
    gone = collect(place)
    assert new.digest in gone
    assert old.digest not in gone


def test_after_a_collection_a_rollback_does_not_go_forward_to_a_younger_image(shelf: Shelf, place: Place) -> None:
    _, second, _, _ = (publish(place, shelf, layer, day) for day, layer in enumerate("abcd"))
    roll_back(place, NAME, to=second.digest, clock=Clock(now=DAY + timedelta(days=5)))
    collect(place, Retention(days=0, last=2))
    with pytest.raises(PublishError, match="no older image"):
        roll_back(place, NAME, clock=Clock(now=DAY + timedelta(days=6)))
    assert tags_of(place.registry, "bases/data")["py3.13"] == second.digest


def test_what_refers_to_a_referrer_goes_with_it(shelf: Shelf, place: Place, registry: MemoryRegistry) -> None:
    old = publish(place, shelf, "a", 0)
    subject = registry.find_manifest("bases/data", old.digest)
    made: set[str] = set()
    for name in ("bill", "signature of the bill"):
        record = record_manifest("test", {"name": name}, subject=subject)
        made.add(write_record(registry, "bases/data", record))
        subject = replace(record.descriptor(), annotations={})
    publish(place, shelf, "b", 1)
    assert made <= collect(place)


def test_a_yank_goes_with_what_it_is_about(shelf: Shelf, place: Place, registry: MemoryRegistry) -> None:
    old = publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    yank(place, NAME, old.digest, reason="broken", instead="", clock=Clock())
    (about,) = registry.referrers("bases/data", old.digest)
    assert about.digest in collect(place)


def test_layers_that_no_entry_names_go_once_they_are_old(shelf: Shelf, place: Place, registry: MemoryRegistry) -> None:
    done = publish(place, shelf, "a", 0)
    assert done.entry
    for recipe, day in (("u" * 64, 0), ("0" * 64, 0), ("1" * 64, 95)):
        record = record_manifest(KIND, {"recipe": recipe, "time": format_time(DAY + timedelta(days=day))})
        write_record(registry, f"bases/{REPOSITORY}", record, recipe)
    assert "u" * 64 in done.entry.layers
    collect(place, Retention(days=10, last=1))
    assert set(registry.tags(f"bases/{REPOSITORY}")) == {"u" * 64, "1" * 64}


def test_images_of_other_catalogs_are_left_alone_and_named(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    for day, layers in enumerate("ab"):
        publish(place, shelf, layers, day, image="other")
    before = registry.digests("bases/other")
    garbage = find_garbage(place, ["data"], ONE, DAY + timedelta(days=9))
    assert (garbage.removals, garbage.others) == ((), ("other",))
    assert before == registry.digests("bases/other")


def test_foreign_tags_among_the_entries_and_the_layers_are_passed_over(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    old = publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    write_record(registry, place.journal, record_manifest("test", {"by": "hand"}), "latest")
    odd = f"bases/{REPOSITORY}"
    write_record(registry, odd, record_manifest(KIND, {"recipe": "2" * 64}), "2" * 64)
    write_record(registry, odd, record_manifest(KIND, {"time": "yesterday"}), "3" * 64)
    write_record(registry, odd, record_manifest("test", {}), "latest")
    told: list[Event] = []
    garbage = find_garbage(place, ["data"], ONE, DAY + timedelta(days=9), report=told.append)
    assert old.digest in {removal.digest for removal in delete_garbage(place, garbage).deleted}
    assert [event.message for event in told if isinstance(event, Warned)] == [
        f"registry.example/{odd}:{tag} stays, as it is no record of a layer" for tag in ("2" * 64, "3" * 64, "latest")
    ]
    assert set(registry.tags(odd)) == {"2" * 64, "3" * 64, "latest"}


def test_an_image_that_was_never_published_is_left_out_where_the_registry_refuses_it(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    old = publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)

    def refuse(what: str, where: str) -> None:
        if where.startswith("bases/unborn"):
            raise RegistryError("denied", status=403)

    registry.before = refuse
    garbage = find_garbage(place, ["data", "unborn"], ONE, DAY + timedelta(days=9))
    assert old.digest in {removal.digest for removal in garbage.removals}


def test_nothing_is_deleted_if_somebody_published_meanwhile(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    garbage = find_garbage(place, ["data"], ONE, DAY + timedelta(days=9))
    publish(place, shelf, "c", 2)
    with pytest.raises(PublishError, match="something was published"):
        delete_garbage(place, garbage)


def test_a_collection_stops_before_what_somebody_names_meanwhile(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    old = publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    index = registry.read_manifest("bases/data", old.digest)
    assert index
    garbage = find_garbage(place, ["data"], ONE, DAY + timedelta(days=9))
    again = index.content + b" "

    def name_again(what: str, where: str) -> None:
        if what == "DELETE":
            registry.let_pass()
            registry.write_manifest("bases/data", "again", again, index.media_type)

    registry.before = name_again
    with pytest.raises(PublishError, match="something was published"):
        delete_garbage(place, garbage)
    check_whole(registry, "bases/data")


def test_finding_garbage_changes_nothing(shelf: Shelf, place: Place, registry: MemoryRegistry) -> None:
    publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    registry.asked.clear()
    assert find_garbage(place, ["data"], ONE, DAY + timedelta(days=9)).removals
    assert set(registry.asked) == {"HEAD", "GET"}


def test_an_interrupted_collection_is_finished_by_the_next(shelf: Shelf) -> None:
    """The journal forgets an entry only when its image is gone."""
    for count in range(100):
        registry = MemoryRegistry()
        place = Place(registry=registry, prefix="bases")
        publish(place, shelf, "a", 0)
        new = publish(place, shelf, "b", 1)
        left = count

        def cut(what: str, where: str) -> None:
            nonlocal left
            left -= what == "DELETE"
            if left < 0:
                raise ConnectionError

        registry.before = cut
        try:
            collect(place)
            break
        except ConnectionError:
            registry.let_pass()
        check_whole(registry, "bases/data")
        collect(place)
        assert registry.digests("bases/data") == {new.digest, *children(registry, new.digest)}
        assert len(Ledger(place, NAME).read().entries) == 1
    assert count > 5


def children(registry: MemoryRegistry, digest: str) -> set[str]:
    index = registry.read_manifest("bases/data", digest)
    assert index
    return {child.digest for child in Index.from_bytes(index.content).manifests}


def test_where_the_api_does_not_delete_the_commands_of_the_host_are_told(shelf: Shelf) -> None:
    registry = MemoryRegistry("ghcr.io", can_delete=False)
    place = Place(registry=registry, prefix="team/bases")
    old = publish(place, shelf, "a", 0)
    publish(place, shelf, "b", 1)
    collected = delete_garbage(place, find_garbage(place, ["data"], ONE, DAY + timedelta(days=9)))
    assert collected.deleted == ()
    owner, *commands = collected.commands
    assert owner.startswith("owner=$(gh api users/team ")  # an organization, or somebody's own account
    assert commands[0].startswith("gh api --method DELETE $owner/packages/container/bases%2Fdata/versions/$")
    assert old.digest in commands[0]
    assert owner not in commands


@pytest.mark.parametrize(
    ("host", "command"),
    [
        ("docker.io", "https://hub.docker.com/v2/repositories/bases/data/tags/py3.13-1/"),
        ("12.dkr.ecr.eu-west-1.amazonaws.com", "aws ecr batch-delete-image --registry-id 12 --region eu-west-1"),
        ("europe-docker.pkg.dev", "gcloud artifacts docker images delete europe-docker.pkg.dev/bases/data@sha256:"),
        ("team.azurecr.io", "az acr repository delete --name team --image bases/data@sha256:"),
        ("12.dkr.ecr-fips.us-east-1.amazonaws.com", "aws ecr batch-delete-image --registry-id 12 --region us-east-1"),
        ("quay.io", "https://quay.io/api/v1/repository/bases/data/tag/py3.13-1"),
        ("registry.gitlab.com", "glab api --method DELETE projects/bases%2Fdata/registry/repositories/$(glab api"),
        ("harbor.example", "https://harbor.example/api/v2.0/projects/bases/repositories/data/artifacts/sha256:"),
        ("registry.example", "skopeo delete docker://registry.example/bases/data@sha256:"),
    ],
)
def test_every_host_has_its_own_commands(host: str, command: str) -> None:
    place = Place(registry=MemoryRegistry(host), prefix="bases")
    removal = Removal(name="data", digest=f"sha256:{'a' * 64}", reason="old", tags=("py3.13-1",))
    assert command in "\n".join(deletion_commands(place, [removal]))


def entry(digest: str, minute: int, action: Literal["publish", "rollback"] = "publish") -> Entry:
    return Entry(
        variant=NAME,
        action=action,
        time=format_time(DAY + timedelta(minutes=minute)),
        digest=digest,
        rolling=("py3.13-trixie",),
        content="",
        id=str(minute),
    )


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(0, 4), st.integers(0, 12))
def test_the_newest_entry_and_all_of_the_last_images_are_retained(digests: list[str], last: int, minutes: int) -> None:
    entries = [entry(digest, minute) for minute, digest in enumerate(digests)]
    now = DAY + timedelta(minutes=len(digests))
    kept = retained(entries, Retention(days=minutes / 1440, last=last), now)
    assert entries[-1].id in kept
    assert {e.id for e in entries if int(e.id) >= len(digests) - minutes} <= kept
    distinct = list(dict.fromkeys(reversed(digests)))[:last]
    assert {max(int(e.id) for e in entries if e.digest == digest) for digest in distinct} <= {int(i) for i in kept}
