"""Where a variant's packages come from: what uv is told, and what it says."""

import tomllib
from dataclasses import replace

import pytest

from warmbase.catalog.model import PackageIndex
from warmbase.errors import LockError
from warmbase.lock.indexes import Indexes, explain_refusal

COMPANY = "https://index.example/simple"
PUBLIC = "https://public.example/simple"
INDEXES = Indexes(
    indexes=(
        PackageIndex(name="company", url=COMPANY, mirrors=("https://copy.example/simple",), explicit=True),
        PackageIndex(name="team", url="https://team.example/simple"),
        PackageIndex(name="default", mirrors=("https://mirror.example/simple",)),
    ),
    sources={"ours": "company", "six": "default"},
    addresses={"": PUBLIC, "company": COMPANY, "team": "https://team.example/simple"},
    variant="a:py3.13-trixie",
)


def record(registry: str) -> dict[str, object]:
    return {"version": "1.0", "source": {"registry": registry}}


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        (PUBLIC, ""),
        ("https://mirror.example/simple/", ""),
        (f"{COMPANY}/", "company"),
        ("https://copy.example/simple", "company"),
    ],
)
def test_an_index_has_one_name_whatever_its_address(registry: str, name: str) -> None:
    assert INDEXES.name_of("ours", record(registry)) == name


def test_where_two_indexes_have_one_address_the_catalog_decides() -> None:
    """A machine whose uv has the company's index, or the team's, as its own."""
    own = replace(INDEXES, addresses={**INDEXES.addresses, "": COMPANY})
    assert own.name_of("ours", record(COMPANY)) == "company"
    assert own.name_of("idna", record(COMPANY)) == ""
    searched = replace(INDEXES, addresses={**INDEXES.addresses, "": INDEXES.addresses["team"]})
    assert searched.name_of("idna", record(INDEXES.addresses["team"])) == "team"


def test_an_index_that_nobody_named_is_told_without_its_credentials() -> None:
    with pytest.raises(LockError) as caught:
        INDEXES.name_of("ours", record("https://me:word@other.example/simple"))
    assert caught.value.message == (
        "a:py3.13-trixie: ours 1.0 comes from an index which the catalog lacks: https://other.example/simple"
    )
    assert "name it under `indexes:`" in caught.value.next_step


def test_a_package_that_has_a_source_and_is_from_elsewhere_has_strayed() -> None:
    records = [(("ours", "1.0"), record(PUBLIC)), (("six", "1.0"), record(PUBLIC)), (("idna", "3"), record(COMPANY))]
    assert INDEXES.strayed(records) == {"ours"}


def test_uv_is_told_indexes_in_the_catalog_s_order_and_the_explicit_ones() -> None:
    said = tomllib.loads(INDEXES.tables())["tool"]["uv"]
    assert said["index"] == [
        {"name": "company", "url": COMPANY, "explicit": True},
        {"name": "team", "url": "https://team.example/simple"},
        {"name": "default", "url": PUBLIC, "default": True},
    ]
    assert said["sources"] == {"ours": {"index": "company"}, "six": {"index": "default"}}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            f"hint: An index URL ({COMPANY}/) … credentials (401 Unauthorized)",
            ["'company'", "_COMPANY_PASSWORD"],
        ),
        (f"hint: An index ({COMPANY}) returned a 403 Forbidden error.", ["UV_INDEX_COMPANY_USERNAME", "netrc"]),
        ("An index (https://***@public.example/simple) returned a 403 Forbidden error.", ["UV_DEFAULT_INDEX"]),
    ],
)
def test_an_index_that_refuses_is_named_with_the_way_to_give_credentials(said: str, words: list[str]) -> None:
    remedy = explain_refusal(f"cause: because ours was not found\n{said}", INDEXES.addresses)
    assert all(word in remedy for word in words)
    assert "team" not in remedy


def test_another_failure_is_no_refusal() -> None:
    assert explain_refusal(f"ours was not found at {COMPANY}: 404 Not Found", INDEXES.addresses) == ""
