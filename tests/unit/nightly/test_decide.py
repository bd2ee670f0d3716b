"""What a night does about a variant, told by what it is and what the world offers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.publishing import describe_variant

from warmbase.catalog.model import HowOften, Refresh
from warmbase.errors import FoundationError, LockError
from warmbase.nightly.backoff import record_failure
from warmbase.nightly.decide import Ground, Situation, decide, mark_taken, own_reasons, still_broken, trial_key
from warmbase.nightly.model import Axis, Broken, Decision, Held, PackageNews, Reason, VariantState

MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)
WEDNESDAY = MONDAY + timedelta(days=2)

OPENSSL = Reason(axis="security", subject="openssl", old="3.5.1-1", new="3.5.1-1+deb13u2", note="security")
TZDATA = Reason(axis="foundation", subject="tzdata", old="2026a", new="2026b")
PATCH = Reason(axis="tool", subject="Python", old="3.13.8", new="3.13.9")

KNOWN = VariantState(
    time="2026-11-01T02:00:00Z", digest="sha256:aa", facts="f1", tool={"uv": "0.13.8"}, packages="p1", pins="g1"
)
AS_IT_WAS = Situation(
    variant=describe_variant("data"),
    facts="f1",
    tool={"uv": "0.13.8"},
    packages=PackageNews(fingerprint="p1", versions={"numpy": "2.5.5", "six": "1.17.0"}),
    ground=Ground(pins="g1"),
    known=KNOWN,
    versions={"numpy": "2.5.5", "six": "1.17.0"},
)
NEW_NUMPY = PackageNews(fingerprint="p2", versions={"numpy": "2.5.6", "six": "1.17.0"})


def refreshed(situation: Situation, **often: HowOften) -> Situation:
    """The same, with another policy in the catalog."""
    return replace(situation, variant=replace(situation.variant, refresh=Refresh(**often)))


def taken_on(situation: Situation, day: datetime, *axes: Axis) -> Situation:
    """The same, where `axes` were brought up to date on `day`."""
    assert situation.known
    taken = mark_taken(situation.variant, None, axes, day)
    return replace(situation, known=replace(situation.known, taken=taken))


def words(decision: Decision) -> list[str]:
    return [str(reason) for reason in decision.reasons]


def test_what_is_as_it_was_is_fresh() -> None:
    decision = decide(AS_IT_WAS, WEDNESDAY)
    assert (decision.verdict, decision.reasons, decision.held) == ("fresh", (), ())


def test_a_variant_that_was_never_published_is_stale() -> None:
    decision = decide(replace(AS_IT_WAS, known=None), WEDNESDAY)
    assert decision.verdict == "stale"
    assert words(decision) == ["nothing is published of it"]
    assert decision.takes_packages
    assert decision.takes_foundation


def test_an_image_of_which_nobody_knows_what_it_was_made_from_is_made_anew() -> None:
    known = VariantState(time="2026-11-01T02:00:00Z", digest="sha256:aa")
    assert words(decide(replace(AS_IT_WAS, known=known), WEDNESDAY)) == ["nobody knows what it was made from"]


def test_a_new_release_makes_stale_and_is_named() -> None:
    decision = decide(replace(AS_IT_WAS, packages=NEW_NUMPY), WEDNESDAY)
    assert decision.verdict == "stale"
    assert words(decision) == ["numpy 2.5.5 → 2.5.6"]
    assert decision.takes_packages
    assert not decision.takes_foundation


def test_packages_that_come_and_go_are_named() -> None:
    news = PackageNews(fingerprint="p2", versions={"numpy": "2.5.5", "rich": "15.0"})
    assert words(decide(replace(AS_IT_WAS, packages=news), WEDNESDAY)) == ["rich (new) → 15.0", "six 1.17.0 → (gone)"]


def test_other_files_of_the_same_versions_make_stale_too() -> None:
    news = PackageNews(fingerprint="p2", versions=AS_IT_WAS.versions)
    assert words(decide(replace(AS_IT_WAS, packages=news), WEDNESDAY)) == ["files of the same versions"]


@pytest.mark.parametrize("reason", [OPENSSL, TZDATA, PATCH])
def test_whatever_changed_in_the_foundation_makes_stale(reason: Reason) -> None:
    decision = decide(replace(AS_IT_WAS, ground=Ground(pins="g2", reasons=(reason,))), WEDNESDAY)
    assert (decision.verdict, decision.reasons) == ("stale", (reason,))
    assert decision.takes_foundation


def test_a_changed_catalog_and_a_new_uv_make_stale() -> None:
    changed = replace(AS_IT_WAS, facts="f2", tool={"uv": "0.13.9"})
    assert words(decide(changed, WEDNESDAY)) == ["what the catalog says of it", "uv 0.13.8 → 0.13.9"]


def test_tags_that_somebody_moved_make_stale() -> None:
    said = words(decide(replace(AS_IT_WAS, strays=True), WEDNESDAY))
    assert said == ["its tags (they do not name what the journal says)"]


def test_the_most_urgent_comes_first() -> None:
    everything = replace(AS_IT_WAS, packages=NEW_NUMPY, facts="f2", ground=Ground(pins="g2", reasons=(TZDATA, OPENSSL)))
    axes = [reason.axis for reason in decide(everything, WEDNESDAY).reasons]
    assert axes == ["security", "catalog", "foundation", "packages"]


def test_weekly_packages_wait_for_monday_and_say_so() -> None:
    batched = taken_on(refreshed(replace(AS_IT_WAS, packages=NEW_NUMPY), packages="weekly"), MONDAY, "packages")
    waiting = decide(batched, WEDNESDAY)
    assert (waiting.verdict, waiting.reasons) == ("held", ())
    assert [str(held) for held in waiting.held] == [
        "numpy 2.5.5, not 2.5.6: refresh until 2026-11-30, packages: weekly"
    ]
    assert decide(batched, MONDAY + timedelta(days=7)).verdict == "stale"


def test_what_was_never_taken_is_due_at_once() -> None:
    batched = refreshed(replace(AS_IT_WAS, packages=NEW_NUMPY), packages="monthly")
    assert decide(batched, WEDNESDAY).verdict == "stale"


def test_what_is_never_taken_waits_for_ever() -> None:
    (held,) = decide(refreshed(replace(AS_IT_WAS, packages=NEW_NUMPY), packages="never"), WEDNESDAY).held
    assert (held.by, held.until) == ("refresh", "")


def test_the_catalog_and_the_tool_never_wait() -> None:
    patient = refreshed(AS_IT_WAS, packages="never", foundation="never", security="never")
    assert decide(replace(patient, facts="f2"), WEDNESDAY).verdict == "stale"
    assert decide(replace(patient, tool={"uv": "0.13.9"}), WEDNESDAY).verdict == "stale"


def test_packages_that_are_not_due_stay_when_something_else_is() -> None:
    patient = refreshed(replace(AS_IT_WAS, packages=NEW_NUMPY, facts="f2"), packages="never")
    decision = decide(patient, WEDNESDAY)
    assert words(decision) == ["what the catalog says of it"]
    assert not decision.takes_packages
    assert [held.subject for held in decision.held] == ["numpy"]


def test_a_foundation_is_taken_whole_when_its_security_is_due() -> None:
    batched = refreshed(replace(AS_IT_WAS, ground=Ground(pins="g2", reasons=(OPENSSL, TZDATA))), foundation="never")
    decision = decide(batched, WEDNESDAY)
    assert words(decision) == [str(OPENSSL), str(TZDATA)]
    assert decision.held == ()


def test_a_foundation_without_security_updates_waits() -> None:
    batched = refreshed(replace(AS_IT_WAS, ground=Ground(pins="g2", reasons=(TZDATA,))), foundation="never")
    decision = decide(batched, WEDNESDAY)
    assert decision.verdict == "held"
    assert not decision.takes_foundation


def test_a_yanked_release_is_urgent_and_moves_alone() -> None:
    news = replace(NEW_NUMPY, versions={"numpy": "2.5.4", "six": "1.18.0"}, yanked={"numpy": "corrupts arrays"})
    decision = decide(refreshed(replace(AS_IT_WAS, packages=news), packages="never"), WEDNESDAY)
    assert words(decision) == ["numpy 2.5.5 → 2.5.4 (yanked: corrupts arrays)"]
    assert decision.moving == ("numpy",)
    assert not decision.takes_packages
    assert [held.subject for held in decision.held] == ["six"]


def test_a_yanked_release_that_nothing_replaces_stays_and_is_told() -> None:
    news = replace(AS_IT_WAS.packages, yanked={"numpy": "corrupts arrays"})
    decision = decide(replace(AS_IT_WAS, packages=news), WEDNESDAY)
    assert decision.verdict == "fresh"
    (held,) = decision.held
    assert (held.subject, held.by) == ("numpy", "conflict")
    assert held.detail == "it is yanked (corrupts arrays), and the catalog admits nothing else"


def test_what_the_resolution_left_alone_is_said_of_a_fresh_variant_too() -> None:
    held = Held(subject="six", current="1.17.0", offered="2.0", by="cooldown", until="2026-11-26T00:00:00Z")
    decision = decide(replace(AS_IT_WAS, packages=replace(AS_IT_WAS.packages, held=(held,))), WEDNESDAY)
    assert (decision.verdict, decision.held) == ("fresh", (held,))


def test_what_broke_is_told_with_why_and_since_when() -> None:
    broken = Broken(package="six", version="2.0", why="smoke.py: it ended with code 1", since="2026-11-20T02:00:00Z")
    held = Held(subject="six", current="1.17.0", offered="2.0", by="broken")
    news = replace(AS_IT_WAS.packages, held=(held,))
    decision = decide(replace(AS_IT_WAS, packages=news, known=replace(KNOWN, broken=(broken,))), WEDNESDAY)
    assert [held.detail for held in decision.held] == ["smoke.py: it ended with code 1, since 2026-11-20"]


def test_what_somebody_rolled_back_from_is_not_made_again() -> None:
    news = replace(AS_IT_WAS, packages=NEW_NUMPY)
    refused = replace(KNOWN, refused=(decide(news, WEDNESDAY).attempt,))
    decision = decide(replace(news, known=refused), WEDNESDAY)
    assert (decision.verdict, decision.reasons) == ("held", ())
    assert [(held.subject, held.by) for held in decision.held] == [("numpy", "rollback")]


def test_something_else_than_what_was_rolled_back_from_is_made() -> None:
    refused = replace(KNOWN, refused=(decide(replace(AS_IT_WAS, packages=NEW_NUMPY), WEDNESDAY).attempt,))
    newer = PackageNews(fingerprint="p3", versions={"numpy": "2.5.7", "six": "1.17.0"})
    assert decide(replace(AS_IT_WAS, packages=newer, known=refused), WEDNESDAY).verdict == "stale"


def test_what_failed_waits_and_what_is_new_does_not() -> None:
    news = replace(AS_IT_WAS, packages=NEW_NUMPY)
    tried = decide(news, MONDAY)
    failure = record_failure(None, attempt=tried.attempt, message="smoke.py failed", now=MONDAY)
    failed = replace(news, known=replace(KNOWN, failure=failure))
    assert decide(failed, MONDAY + timedelta(hours=1)).verdict == "waiting"
    assert decide(failed, MONDAY + timedelta(days=1)).verdict == "stale"
    newer = replace(failed, packages=replace(NEW_NUMPY, fingerprint="p3"))
    assert decide(newer, MONDAY + timedelta(hours=1)).verdict == "stale"


def test_a_variant_that_was_never_published_waits_after_a_failure_too() -> None:
    new = replace(AS_IT_WAS, known=None)
    failure = record_failure(None, attempt=decide(new, MONDAY).attempt, message="no", now=MONDAY)
    failed = replace(new, known=VariantState(time="2026-11-23T02:00:00Z", failure=failure))
    assert decide(failed, MONDAY + timedelta(hours=1)).verdict == "waiting"


def test_what_cannot_be_resolved_is_tried_and_then_waits() -> None:
    error = LockError("no version of numpy", next_step="ask for another")
    broken = replace(AS_IT_WAS, packages=PackageNews(error=error))
    decision = decide(broken, MONDAY)
    assert (decision.verdict, decision.error) == ("stale", error)
    failure = record_failure(None, attempt=decision.attempt, message=error.message, now=MONDAY)
    failed = replace(broken, known=replace(KNOWN, failure=failure))
    assert decide(failed, MONDAY + timedelta(hours=1)).verdict == "waiting"


DOWN = LockError("the index cannot be asked")
AWAY = FoundationError("the archive cannot be asked")


def test_while_an_index_is_down_the_system_is_updated() -> None:
    ground = Ground(pins="g2", reasons=(OPENSSL,))
    decision = decide(replace(AS_IT_WAS, ground=ground, packages=PackageNews(error=DOWN)), WEDNESDAY)
    assert (decision.verdict, decision.reasons, decision.error) == ("stale", (OPENSSL,), DOWN)
    assert (decision.takes_foundation, decision.takes_packages, decision.moving) == (True, False, ())


def test_while_an_archive_is_down_packages_are_updated() -> None:
    decision = decide(replace(AS_IT_WAS, ground=Ground(error=AWAY), packages=NEW_NUMPY), WEDNESDAY)
    assert (decision.verdict, words(decision), decision.error) == ("stale", ["numpy 2.5.5 → 2.5.6"], AWAY)
    assert (decision.takes_foundation, decision.takes_packages) == (False, True)


@pytest.mark.parametrize(("ground", "news"), [(None, DOWN), (AWAY, None), (AWAY, DOWN)])
def test_what_could_not_be_asked_is_told_where_nothing_else_is_new(
    ground: FoundationError | None, news: LockError | None
) -> None:
    asked = replace(AS_IT_WAS.packages, error=news) if news else AS_IT_WAS.packages
    decision = decide(replace(AS_IT_WAS, ground=Ground(pins="g1", error=ground), packages=asked), WEDNESDAY)
    assert (decision.verdict, decision.reasons, decision.error) == ("stale", (), ground or news)


def test_what_the_catalog_wants_is_not_made_of_half_of_what_is_known() -> None:
    wanted = replace(AS_IT_WAS, facts="f2", ground=Ground(pins="g2", reasons=(OPENSSL,)))
    decision = decide(replace(wanted, packages=PackageNews(error=DOWN)), WEDNESDAY)
    assert (decision.reasons, decision.error) == ((), DOWN)


def test_what_could_not_be_asked_is_not_up_to_date() -> None:
    batched = refreshed(AS_IT_WAS, packages="weekly", security="weekly")
    asked = replace(batched, ground=Ground(pins="g2", reasons=(TZDATA,)), packages=PackageNews(error=DOWN))
    assert set(decide(asked, MONDAY).taken) == {"catalog", "tool"}
    assert set(decide(batched, MONDAY).taken) > {"packages", "security"}


def test_a_yanked_release_goes_where_packages_are_due_though_security_is_not() -> None:
    batched = taken_on(refreshed(AS_IT_WAS, security="weekly"), MONDAY, "security")
    yanked = PackageNews(fingerprint="p2", versions={"numpy": "2.5.4", "six": "1.17.0"}, yanked={"numpy": "broken"})
    decision = decide(replace(batched, packages=yanked), WEDNESDAY)
    assert (words(decision), decision.held) == (["numpy 2.5.5 → 2.5.4 (yanked: broken)"], ())
    system = replace(batched, ground=Ground(pins="g2", reasons=(OPENSSL,)))
    assert decide(system, WEDNESDAY).verdict == "held"


def test_another_explanation_of_the_same_failure_is_no_other_attempt() -> None:
    said = "numpy was filtered by `exclude-newer` to only include packages uploaded before 2026-11-{}T02:00:00Z"
    errors = [LockError(f"in /machines/{day}: {said.format(day)}") for day in (20, 21)]
    monday, tuesday = (decide(replace(AS_IT_WAS, packages=PackageNews(error=error)), MONDAY) for error in errors)
    assert monday.attempt == tuesday.attempt
    assert monday.attempt != decide(replace(AS_IT_WAS, packages=PackageNews(fingerprint="")), MONDAY).attempt


def test_what_cannot_be_resolved_waits_until_it_can_be() -> None:
    failed = decide(replace(AS_IT_WAS, packages=PackageNews(error=LockError("too young"))), MONDAY)
    failure = record_failure(None, attempt=failed.attempt, message="too young", now=MONDAY)
    known = replace(KNOWN, failure=failure)
    again = replace(AS_IT_WAS, packages=PackageNews(error=LockError("still too young")), known=known)
    assert decide(again, MONDAY + timedelta(hours=1)).verdict == "waiting"
    assert decide(replace(again, packages=NEW_NUMPY), MONDAY + timedelta(hours=1)).verdict == "stale"


@pytest.mark.parametrize("changed", [("f2", {"uv": "1"}, "g1"), ("f1", {"uv": "2"}, "g1"), ("f1", {"uv": "1"}, "g2")])
def test_what_broke_is_tried_again_when_anything_else_changed(changed: tuple[str, dict[str, str], str]) -> None:
    key = trial_key("f1", {"uv": "1"}, "g1")
    broken = Broken(package="numpy", version="2.5.6", why="no", since="", found_with=key)
    known = replace(KNOWN, broken=(broken,))
    assert still_broken(known, key) == (broken,)
    assert still_broken(known, trial_key(*changed)) == ()


def test_a_childs_own_reasons_are_those_that_its_parent_has_not() -> None:
    news = PackageNews(fingerprint="p2", versions={"numpy": "2.5.6", "six": "1.17.0"})
    parent = decide(replace(AS_IT_WAS, packages=news, ground=Ground(pins="g2", reasons=(OPENSSL, TZDATA))), WEDNESDAY)
    more = PackageNews(fingerprint="p3", versions={"numpy": "2.5.6", "six": "1.18.0"})
    older = replace(OPENSSL, old="3.5.0-1")
    ground = Ground(pins="g2", reasons=(older, TZDATA))
    kid = replace(AS_IT_WAS, variant=describe_variant("kid"), parent=parent, packages=more, ground=ground, facts="f2")
    said = own_reasons(decide(kid, WEDNESDAY), parent)
    assert [str(reason) for reason in said] == ["what the catalog says of it", "six 1.17.0 → 1.18.0"]
    nothing = replace(kid, packages=news, facts="f1")
    assert own_reasons(decide(nothing, WEDNESDAY), parent) == ()


def test_a_child_is_refreshed_with_what_it_is_from() -> None:
    parent = decide(replace(AS_IT_WAS, packages=NEW_NUMPY), WEDNESDAY)
    child = refreshed(replace(AS_IT_WAS, variant=describe_variant("kid"), parent=parent), foundation="never")
    decision = decide(child, WEDNESDAY)
    assert decision.verdict == "stale"
    assert words(decision) == ["data:py3.13-trixie (which it is from, is refreshed)"]


def test_a_child_of_a_fresh_image_is_fresh() -> None:
    child = replace(AS_IT_WAS, variant=describe_variant("kid"), parent=decide(AS_IT_WAS, WEDNESDAY))
    assert decide(child, WEDNESDAY).verdict == "fresh"


def test_a_child_has_the_foundation_of_what_it_is_from() -> None:
    kid = replace(describe_variant("kid"), made_from=describe_variant("data"), refresh=Refresh(foundation="never"))
    child = replace(AS_IT_WAS, variant=kid, ground=Ground(pins="g2", reasons=(TZDATA,)))
    assert decide(child, WEDNESDAY).takes_foundation


def test_days_are_only_kept_of_what_is_batched() -> None:
    variant = replace(describe_variant("data"), refresh=Refresh(packages="weekly"))
    assert mark_taken(variant, KNOWN, ("security", "packages", "foundation"), MONDAY) == {
        "packages": "2026-11-23T02:00:00Z"
    }
    later = replace(KNOWN, taken={"packages": "2026-11-23T02:00:00Z"})
    assert mark_taken(variant, later, ("security",), WEDNESDAY) == later.taken
