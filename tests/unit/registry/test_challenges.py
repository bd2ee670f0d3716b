"""What registries write into headers is understood."""

from datetime import UTC, datetime

import pytest

from warmbase.effects.registry.auth import Challenge, access, format_scopes, parse_challenges, parse_scope
from warmbase.effects.registry.listing import next_page
from warmbase.effects.registry.referrers import referrers_tag, subject_of
from warmbase.effects.registry.retries import Backoff, Interrupted, passes, read_retry_after
from warmbase.errors import RegistryError

NOW = 1_795_260_000.0  # 2026-11-21 11:20:00 UTC


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="my registry"', [("basic", {"realm": "my registry"})]),
        (
            'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, Basic realm="a \\"b\\", c", bearer realm=https://auth.example/token , service = x',
            [
                ("negotiate", {}),
                ("basic", {"realm": 'a "b", c'}),
                ("bearer", {"realm": "https://auth.example/token", "service": "x"}),
            ],
        ),
        ("", []),
    ],
    ids=["basic", "bearer", "several", "none"],
)
def test_challenges_are_read(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert list(parse_challenges(header)) == [Challenge(scheme=scheme, parameters=p) for scheme, p in challenges]


def test_scopes_are_read_and_written() -> None:
    wanted = access("data", "pull", "push") | access("hub/python", "pull")

    assert format_scopes(wanted) == ("repository:data:pull,push", "repository:hub/python:pull")
    assert parse_scope(" ".join(format_scopes(wanted))) == wanted
    assert parse_scope("") == parse_scope("nonsense") == frozenset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Sat, 21 Nov 2026 11:20:30 GMT", 30.0),
        ("Sat, 21 Nov 2020 12:00:00 GMT", 0.0),
        ("1795260090", 90.0),
        ("1795250000", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_pause_is_asked_for_in_seconds_as_a_date_or_as_an_epoch(value: str, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


def test_pauses_double_up_to_a_limit_and_end() -> None:
    pauses: list[float] = []
    backoff = Backoff(attempts=6, first=1.0, longest=5.0, sleep=pauses.append, jitter=lambda _, high: high)

    for failures in range(1, 6):
        backoff.pause(failures, Interrupted("the connection broke"), "reading a/b")
    with pytest.raises(RegistryError, match="reading a/b: the connection broke; tried 6 times"):
        backoff.pause(6, Interrupted("the connection broke"), "reading a/b")

    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_registry_gets_the_pauses_it_asks_for_until_they_are_too_long_in_all() -> None:
    pauses: list[float] = []
    backoff = Backoff(longest=60.0, patience=300.0, sleep=pauses.append, jitter=lambda low, _: low, now=lambda: NOW)
    busy = Interrupted("busy", status=429, retry_after="100")

    for failures in (1, 2, 3):
        backoff.pause(failures, busy, "reading")
    with pytest.raises(RegistryError, match="reading: busy and asks for a pause of 100 s"):
        backoff.pause(4, busy, "reading")

    assert pauses == [100.0, 100.0, 100.0]


def test_a_registry_that_asks_for_a_long_pause_is_left_alone_and_the_time_is_told() -> None:
    pauses: list[float] = []
    backoff = Backoff(sleep=pauses.append, now=lambda: NOW)

    with pytest.raises(RegistryError) as caught:
        backoff.pause(1, Interrupted("busy", status=429, retry_after="3600"), "reading")

    again = datetime.fromtimestamp(NOW + 3660, UTC)
    assert f"after {again:%Y-%m-%d %H:%M} UTC" in caught.value.next_step
    assert caught.value.status == 429
    assert pauses == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert passes(status)


@pytest.mark.parametrize("status", [200, 307, 400, 401, 403, 404, 405, 413, 416, 501, 505])
def test_what_will_not_pass_is_not(status: int) -> None:
    assert not passes(status)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ('</v2/a/tags/list?n=2&last=b>; rel="next"', "/v2/a/tags/list?n=2&last=b"),
        ("<https://registry.example/next>;rel=next", "https://registry.example/next"),
        ('<first>; rel="first", <second>; title="x"; rel="next"', "second"),
        ('<first>; rel="prev"', ""),
        ("", ""),
    ],
)
def test_the_next_page_is_found(link: str, target: str) -> None:
    assert next_page(link) == target


def test_a_subject_s_tag_is_its_digest_with_a_dash() -> None:
    digest = "sha256:" + "a" * 64

    assert referrers_tag(digest) == "sha256-" + "a" * 64
    assert subject_of(b'{"subject": {"digest": "%b"}}' % digest.encode()) == digest
    assert subject_of(b"{}") == ""
