"""What is published, as another registry client sees it, and operated on in a real registry."""

import json
import shlex
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults import Seen, fault_proxy
from tests.publishing import AMD64, ARM64, DAY, Clock, Shelf, attest, check_whole, tags_of
from tests.registries import RunningRegistry, client_of, copy_with_skopeo, inspect_with_skopeo, running_registry, skopeo

from warmbase.effects.registry.records import write_record
from warmbase.effects.registry.referrers import referrers_tag
from warmbase.effects.registry.registries import open_registries
from warmbase.oci.records import record_manifest
from warmbase.oci.reference import Reference
from warmbase.publish.gc import delete_garbage, find_garbage
from warmbase.publish.hosts import deletion_commands
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.promote import promote
from warmbase.publish.retention import Removal, Retention
from warmbase.publish.rollback import roll_back
from warmbase.publish.stage import Publication, publish_variants
from warmbase.publish.yank import find_yanks, yank

NAME = "data:py3.13-trixie"


def publish(place: Place, shelf: Shelf, content: str, day: int = 0) -> Publication:
    variant = shelf.variant(layers=["shared", content], platforms=(AMD64, ARM64))
    clock = Clock(now=DAY + timedelta(days=day))
    (done,) = publish_variants([variant], place, blobs=shelf, clock=clock, attest=attest)
    assert done.error is None
    return done


def test_skopeo_reads_the_tag_with_the_digest_of_the_image_that_was_built(place: Place, shelf: Shelf) -> None:
    done = publish(place, shelf, "one")
    name = f"{place.registry.host}/{place.prefix}/data:py3.13"
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}"))
    images = {image.image.platform: image.image.digest for _, image in done.variant.images}
    listed = {f"{m['platform']['os']}/{m['platform']['architecture']}": m["digest"] for m in raw["manifests"][:2]}
    assert listed == images
    seen = inspect_with_skopeo(name)
    assert seen["Digest"] == done.digest
    assert set(seen["RepoTags"]) == set(tags_of(place.registry, f"{place.prefix}/data"))


def test_a_published_index_goes_through_another_client_and_back_with_its_digest(
    registry: RunningRegistry, place: Place, shelf: Shelf, tmp_path: Path
) -> None:
    done = publish(place, shelf, "one")
    source = f"docker://{registry.host}/{place.prefix}/data:py3.13"
    copy_with_skopeo(source, f"oci:{tmp_path}/copy:data")
    copy_with_skopeo(f"oci:{tmp_path}/copy:data", f"docker://{registry.host}/{place.prefix}/back:py3.13")
    assert tags_of(place.registry, f"{place.prefix}/back") == {"py3.13": done.digest}


def test_where_nothing_is_to_do_no_body_is_sent_and_only_heads_are_asked(
    registry: RunningRegistry, place: Place, shelf: Shelf
) -> None:
    publish(place, shelf, "one")
    client = client_of(registry.host)
    assert publish(Place(registry=client, prefix=place.prefix), shelf, "one").status == "up to date"
    assert set(client.traffic.requests) == {"HEAD"}
    assert client.traffic.sent == 0


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_promotion_keeps_digests_attestations_and_referrers(
    registry: RunningRegistry, place: Place, shelf: Shelf, tmp_path: Path, elsewhere: bool
) -> None:
    done = publish(place, shelf, "one")
    with running_registry(tmp_path / "production") as production:
        host = production.host if elsewhere else registry.host
        registries = open_registries({})
        source = Reference.parse(f"{registry.host}/{place.prefix}/data:py3.13")
        target = Reference.parse(f"{host}/{place.prefix}/production/data")
        promoted = promote(source, target, registries, clock=Clock())
        assert promoted.released.newest.digest == done.digest
        assert set(promoted.transfers) == {"sent" if elsewhere else "mounted"}
        assert inspect_with_skopeo(f"{target}:py3.13")["Digest"] == done.digest
        check_whole(registries.at(host), target.repository)


def test_a_promotion_that_was_killed_before_it_listed_a_referrer_lists_it_when_it_is_repeated(
    registry: RunningRegistry, place: Place, shelf: Shelf
) -> None:
    """This registry knows no referrers but by a tag, which is written after what it lists."""
    done = publish(place, shelf, "one")
    origin, registries = f"{place.prefix}/data", open_registries({})
    subject = place.registry.find_manifest(origin, done.digest)
    signature = write_record(place.registry, origin, record_manifest("signature", {"by": "me"}, subject=subject))
    source = Reference.parse(f"{registry.host}/{origin}:py3.13")
    target = Reference.parse(f"{registry.host}/{place.prefix}/production/data")
    promote(source, target, registries, clock=Clock())
    assert place.registry.delete_tag(target.repository, referrers_tag(done.digest))
    assert place.registry.referrers(target.repository, done.digest) == ()
    promote(source, target, registries, clock=Clock())
    assert [each.digest for each in place.registry.referrers(target.repository, done.digest)] == [signature]


def test_rolling_back_yanking_and_collecting_work_in_a_real_registry(place: Place, shelf: Shelf) -> None:
    first = publish(place, shelf, "one", 0)
    second = publish(place, shelf, "two", 1)
    third = publish(place, shelf, "three", 2)
    repository = f"{place.prefix}/data"
    yank(place, NAME, first.digest, reason="too old", instead=third.digest, clock=Clock())
    (found,) = find_yanks(place.registry, repository, first.digest)
    assert found.reason == "too old"
    roll_back(place, NAME, clock=Clock(now=DAY + timedelta(days=3)))
    assert tags_of(place.registry, repository)["py3.13"] == second.digest
    garbage = find_garbage(place, ["data"], Retention(days=0, last=2), DAY + timedelta(days=99))
    collected = delete_garbage(place, garbage)
    assert collected.commands == ()
    assert {removal.digest for removal in collected.deleted} >= {first.digest}
    assert set(tags_of(place.registry, repository).values()) == {second.digest, third.digest}
    check_whole(place.registry, repository)
    assert find_yanks(place.registry, repository, first.digest) == ()
    entries = Ledger(place, NAME).read().entries
    assert [entry.action for entry in entries] == ["publish", "publish", "rollback"]
    assert find_garbage(place, ["data"], Retention(days=0, last=2), DAY + timedelta(days=99)).removals == ()


def test_of_two_who_yank_at_once_none_is_lost(place: Place, shelf: Shelf) -> None:
    """This registry's lists of referrers are tags: both read one, both write it, and the second one wins."""
    bad = publish(place, shelf, "one")
    others: list[str] = []

    def yank_too(seen: Seen) -> None:
        if seen.method == "PUT" and seen.path.endswith(referrers_tag(bad.digest)) and not others:
            others.append("CVE two")
            yank(place, NAME, bad.digest, reason="CVE two", instead="", clock=Clock())

    with fault_proxy(place.registry.host, yank_too) as proxy:
        ours = Place(registry=client_of(proxy.host), prefix=place.prefix)
        yank(ours, NAME, bad.digest, reason="CVE one", instead="", clock=Clock())
    assert others
    found = find_yanks(place.registry, place.repository("data"), bad.digest)
    assert [each.reason for each in found] == ["CVE two", "CVE one"]


def test_a_registry_that_does_not_delete_is_told_of_with_commands(shelf: Shelf, tmp_path: Path) -> None:
    with running_registry(tmp_path / "registry", delete=False) as registry:
        place = Place(registry=client_of(registry.host), prefix="bases")
        old = publish(place, shelf, "one", 0)
        publish(place, shelf, "two", 1)
        before = tags_of(place.registry, "bases/data")
        garbage = find_garbage(place, ["data"], Retention(days=0, last=1), DAY + timedelta(days=99))
        collected = delete_garbage(place, garbage)
        assert collected.deleted == ()
        assert f"skopeo delete docker://{registry.host}/bases/data@{old.digest}" in collected.commands
        assert tags_of(place.registry, "bases/data") == before


def test_what_is_printed_to_free_the_disk_leaves_every_tag_whole(shelf: Shelf, tmp_path: Path) -> None:
    """The registry's own program takes the platforms of an index for garbage if it is asked for too much."""
    folder, one = tmp_path / "registry", Removal(name="data", digest=f"sha256:{'a' * 64}", reason="old")
    with running_registry(folder) as registry:
        place = Place(registry=client_of(registry.host), prefix="bases")
        for day, content in enumerate(["one", "two", "three"]):
            publish(place, shelf, content, day)
        garbage = find_garbage(place, ["data"], Retention(days=0, last=2), DAY + timedelta(days=99))
        assert delete_garbage(place, garbage).deleted
        tags, stored = tags_of(place.registry, "bases/data"), registry.blobs()
        entries = Ledger(place, NAME).read().entries

    (line,) = (line for line in deletion_commands(place, [one]) if " garbage-collect " in line)
    printed = shlex.split(line.removeprefix("#"))
    assert printed[0] == "registry"  # Debian calls it docker-registry
    subprocess.run(["docker-registry", *printed[1:-1], folder / "config.yml"], check=True, capture_output=True)

    with running_registry(folder) as registry:
        place = Place(registry=client_of(registry.host), prefix="bases")
        assert registry.blobs() < stored
        assert tags_of(place.registry, "bases/data") == tags
        assert Ledger(place, NAME).read().entries == entries
        check_whole(place.registry, "bases/data")
