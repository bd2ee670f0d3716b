"""What a catalog says of newer releases: how often they are taken, how old they must be, and what is pinned."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from warmbase.catalog.model import Catalog, Cooldown, HowOften, PackagePin, Refresh
from warmbase.catalog.refresh import is_due, next_due, pin_counts, pin_ends

Load = Callable[[str], Catalog]
Problems = Callable[[str], list[str]]

BEFORE = "uv: 0.13.8\nfoundations: {trixie: {debian: trixie}}\n"
IMAGE = "foundation: trixie, requirements: [numpy>=2]"
PIN = "numpy: {version: '<2.5', reason: it breaks us}"


def pinned(catalog: Catalog, image: int = 0) -> dict[str, tuple[str, str, date | None]]:
    (variant,) = catalog.images[image].variants
    return {pin.package: (pin.version, pin.reason, pin.until) for pin in variant.pins}


def test_an_image_that_says_nothing_takes_everything_at_once(load: Load) -> None:
    (variant,) = load(f"{BEFORE}images: {{i: {{{IMAGE}}}}}").variants
    assert variant.refresh == Refresh(security="nightly", packages="nightly", foundation="nightly")
    assert variant.cooldown == Cooldown(time=timedelta(), exempt=())
    assert variant.pins == ()


def test_refresh_is_merged_over_the_defaults_key_by_key(load: Load) -> None:
    defaults = "defaults: {refresh: {packages: weekly, foundation: monthly}}\n"
    (variant,) = load(f"{BEFORE}{defaults}images: {{i: {{{IMAGE}, refresh: {{packages: never}}}}}}").variants
    assert variant.refresh == Refresh(security="nightly", packages="never", foundation="monthly")


@pytest.mark.parametrize(
    ("written", "cooldown"),
    [
        ("3 days", Cooldown(time=timedelta(days=3))),
        ("12 hours", Cooldown(time=timedelta(hours=12))),
        ("1 week", Cooldown(time=timedelta(weeks=1))),
        (
            "{time: 2 weeks, exempt: [Our_Lib, certifi]}",
            Cooldown(time=timedelta(weeks=2), exempt=("certifi", "our-lib")),
        ),
    ],
)
def test_a_cooldown_is_a_time_span_and_whom_it_spares(written: str, cooldown: Cooldown, load: Load) -> None:
    assert load(f"{BEFORE}images: {{i: {{{IMAGE}, cooldown: {written}}}}}").variants[0].cooldown == cooldown


def test_an_image_can_do_without_the_cooldown_of_the_defaults(load: Load) -> None:
    defaults = "defaults: {cooldown: {time: 3 days, exempt: [six]}}\n"
    (variant,) = load(f"{BEFORE}{defaults}images: {{i: {{{IMAGE}, cooldown: 0 days}}}}").variants
    assert variant.cooldown == Cooldown()


def test_pins_are_merged_over_the_defaults_package_by_package(load: Load) -> None:
    defaults = f"defaults: {{pins: {{{PIN}, Six_: {{version: ==1.*, reason: old}}}}}}\n".replace("Six_", "Six")
    image = "{version: '>=2, <2.4', reason: newer, until: 2026-12-31}"
    catalog = load(f"{BEFORE}{defaults}images: {{i: {{{IMAGE}, pins: {{Numpy: {image}}}}}, j: {{{IMAGE}}}}}")
    assert pinned(catalog) == {"numpy": ("<2.4,>=2", "newer", date(2026, 12, 31)), "six": ("==1.*", "old", None)}
    assert pinned(catalog, 1)["numpy"] == ("<2.5", "it breaks us", None)
    assert catalog.variants[1].pins[0].position.line == 3


def test_an_image_has_the_policy_of_the_one_that_it_is_from(load: Load) -> None:
    parent = f"{IMAGE}, cooldown: 3 days, refresh: {{packages: weekly}}, pins: {{{PIN}}}"
    child = "from: i, requirements: [six], pins: {six: {version: '<2', reason: old}}, refresh: {security: weekly}"
    catalog = load(f"{BEFORE}images: {{i: {{{parent}}}, j: {{{child}}}}}")
    variant = catalog.variants[1]
    assert variant.refresh == Refresh(security="weekly", packages="weekly", foundation="nightly")
    assert variant.cooldown == Cooldown(time=timedelta(days=3))
    assert pinned(catalog, 1).keys() == {"numpy", "six"}


# Each fragment stands in line 6 of a catalog that is otherwise right.
WRONG = {
    "refresh: {packages: daily}": "6:27: images.i.refresh.packages: 'daily' is not known here; write "
    "'nightly', 'weekly', 'monthly' or 'never'",
    "refresh: {catalog: weekly}": "6:17: images.i.refresh.catalog: there is no key 'catalog' here; there "
    "are 'foundation', 'packages' and 'security'",
    "cooldown: 3d": "6:17: images.i.cooldown: '3d' is not a time span; write hours, days or weeks, e.g. 3 days",
    "cooldown: {exempt: [six]}": "6:7: images.i.cooldown: the key 'time' is missing; add it: The age of a "
    "file on its index, e.g. 3 days.",
    "cooldown: {time: 3 days, exempt: ['six<2']}": "6:41: images.i.cooldown.exempt[0]: 'six<2' is not a "
    "package's name; write the name of a distribution, without a version",
    "pins: {numpy: {version: '<3'}}": "6:14: images.i.pins.numpy: the key 'reason' is missing; add it: "
    "Why; reports of what is held back say it.",
    "pins: {numpy: {version: 2.4.1, reason: x}}": "6:31: images.i.pins.numpy.version: '2.4.1' says of no "
    "version that it is admitted; write it as in PEP 440, e.g. '<2.5' or '==2.4.*'",
    "pins: {numpy: {version: '<2,>=2', reason: x}}": "6:31: images.i.pins.numpy.version: no version is "
    "'<2,>=2'; correct it",
    "pins: {numpy: {version: '<3', reason: ' '}}": "6:45: images.i.pins.numpy.reason: ' ' is not a reason; "
    "say in a line why",
    "pins: {numpy: {version: '<3', reason: x, until: 2026-02-30}}": "6:55: images.i.pins.numpy.until: "
    "there is no day '2026-02-30'; write YYYY-MM-DD",
    "pins: {numpy: {version: '<3', reason: x, until: soon}}": "6:55: images.i.pins.numpy.until: 'soon' is "
    "not a day; write YYYY-MM-DD",
    "pins: {a_b: {version: '<3', reason: x}, A.b: {version: '<4', reason: x}}": "6:47: "
    "images.i.pins[\"A.b\"]: 'a_b' is the same package; keep one of the two",
    "pins: {numpy: {version: '<2', reason: x}}": "6:14: images.i.pins.numpy: the pin of numpy to '<2' "
    "admits no version of 'numpy>=2' (FOLDER/images.yaml:4:22); change one of the two",
    "pins: {six: {version: '<2', reason: x}}": "6:14: images.i.pins.six: a pin of six, which comes from an "
    "address: that says its version (FOLDER/images.yaml:4:32); take the pin out, or name a tag or a commit "
    "there",
}


@pytest.mark.parametrize("fragment", WRONG)
def test_nonsense_is_named_with_its_place_and_the_way_out(fragment: str, problems: Problems, tmp_path: object) -> None:
    asked = "requirements: [numpy>=2, 'six @ https://files.example/six.whl']"
    image = f"  i: {{{asked},\n      foundation: trixie,\n      {fragment}}}"
    (said,) = problems(f"{BEFORE}images:\n{image}")
    assert said.replace(str(tmp_path), "FOLDER") == f"images.yaml:{WRONG[fragment]}"


def test_a_pin_whose_time_is_over_is_no_mistake(load: Load) -> None:
    catalog = load(f"{BEFORE}images: {{i: {{{IMAGE}, pins: {{six: {{version: <2, reason: x, until: 2020-01-01}}}}}}}}")
    assert pinned(catalog) == {"six": ("<2", "x", date(2020, 1, 1))}


def night(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


SATURDAY, SUNDAY, MONDAY = (night(f"2026-11-{day}T02:00:00") for day in (21, 22, 23))


@pytest.mark.parametrize(
    ("every", "taken", "now", "due"),
    [
        ("nightly", SATURDAY, SATURDAY, True),
        ("weekly", None, SATURDAY, True),
        ("weekly", SATURDAY, SUNDAY, False),
        ("weekly", SATURDAY, MONDAY, True),
        ("weekly", MONDAY, MONDAY + timedelta(hours=1), False),
        ("weekly", SATURDAY, MONDAY + timedelta(days=3), True),  # Monday's night did not run
        ("weekly", MONDAY + timedelta(days=3), MONDAY + timedelta(days=6), False),
        ("monthly", night("2026-10-31T23:59:00"), night("2026-11-01T00:01:00"), True),
        ("monthly", night("2026-11-01T02:00:00"), night("2026-11-30T02:00:00"), False),
        ("never", None, MONDAY, False),
    ],
)
def test_what_is_newer_is_due_once_in_its_period(every: HowOften, taken: datetime, now: datetime, due: bool) -> None:
    assert is_due(every, taken=taken, now=now) is due


@pytest.mark.parametrize(
    ("every", "now", "then"),
    [
        ("nightly", SATURDAY, night("2026-11-22T00:00:00")),
        ("weekly", SATURDAY, night("2026-11-23T00:00:00")),
        ("weekly", MONDAY, night("2026-11-30T00:00:00")),
        ("monthly", night("2026-12-31T12:00:00"), night("2027-01-01T00:00:00")),
        ("monthly", night("2027-02-01T00:00:00"), night("2027-03-01T00:00:00")),
        ("never", SATURDAY, None),
    ],
)
def test_the_next_period_begins_at_midnight(every: HowOften, now: datetime, then: datetime | None) -> None:
    assert next_due(every, now) == then


def test_a_pin_counts_to_the_end_of_its_last_day(load: Load) -> None:
    catalog = load(f"{BEFORE}images: {{i: {{{IMAGE}, pins: {{six: {{version: <2, reason: x, until: 2026-12-31}}}}}}}}")
    (pin,) = catalog.variants[0].pins
    assert pin_ends(pin) == datetime(2027, 1, 1, tzinfo=UTC)
    assert pin_counts(pin, night("2026-12-31T23:59:59"))
    assert not pin_counts(pin, night("2027-01-01T00:00:00"))
    forever = PackagePin(package="six", version="<2", reason="x", position=pin.position)
    assert pin_ends(forever) is None
    assert pin_counts(forever, night("2126-01-01T00:00:00"))
