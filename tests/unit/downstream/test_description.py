"""What all commands say of a base to programs, under the same keys."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.offered import base

from warmbase.downstream.description import describe_base

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
DATA = base("data:py3.13-trixie", {"numpy": "2.3.4"})


def test_a_base_is_described_by_its_names_its_parts_and_its_end() -> None:
    assert describe_base(DATA, NOW) == {
        "base": "data:py3.13",
        "variant": "data:py3.13-trixie",
        "reference": DATA.reference,
        "digest": DATA.digest,
        "published": "2026-11-20T02:00:00Z",
        "age": "2 days ago",
        "tags": ["py3.13-trixie", "py3.13"],
        "dated": DATA.dated,
        "content": DATA.content,
        "python": "3.13",
        "uv": "0.13.8",
        "foundation": "trixie",
        "from": "",
        "description": "what data needs",
        "end_of_life": "2029-10-31",
        "is_past_end_of_life": False,
        "yanked": "",
        "instead": "",
    }


def test_what_speaks_against_it_is_said_and_what_is_not_known_is_null() -> None:
    yanked = base("data:py3.9-trixie", yanked="broken", instead="data:py3.13")
    described = describe_base(yanked, NOW)
    assert (described["yanked"], described["instead"]) == ("broken", "data:py3.13")
    assert (described["is_past_end_of_life"], described["end_of_life"]) == (True, "2025-10-31")
    unknown = replace(yanked, offer=replace(yanked.offer, python="", platforms=()))
    assert describe_base(unknown, NOW)["end_of_life"] is None
