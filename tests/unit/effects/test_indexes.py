"""Addresses of package indexes, and the credentials that stand in uv's variables."""

import pytest

from warmbase.effects.indexes import (
    credential_variables,
    login_of,
    take_indexes,
    with_credentials,
    with_login,
    without_credentials,
)

COMPANY = "https://index.example/company/simple"
INDEXES = {"company": COMPANY, "pytorch-cpu": "https://index.example/whl/cpu"}
USER, PASSWORD = "UV_INDEX_COMPANY_USERNAME", "UV_INDEX_COMPANY_PASSWORD"


@pytest.mark.parametrize(
    ("variable", "entry"),
    [
        ("UV_INDEX", "company=https://me:a%2Fb@index.example/company/simple"),
        ("UV_INDEX", "https://me:a%2Fb@index.example/company/simple/"),
        ("UV_EXTRA_INDEX_URL", "https://me:a%2Fb@index.example/company/simple"),
    ],
)
def test_an_entry_for_an_index_of_the_catalog_becomes_its_variables_and_is_no_further_index(
    variable: str, entry: str
) -> None:
    environment = {variable: f"https://other.example/simple {entry}", "PATH": "/bin"}
    addresses, kept = take_indexes(environment, INDEXES)
    assert addresses == INDEXES
    assert kept == {variable: "https://other.example/simple", "PATH": "/bin", USER: "me", PASSWORD: "a/b"}


def test_a_named_entry_says_where_the_index_is_asked_from_here() -> None:
    addresses, kept = take_indexes({"UV_INDEX": "pytorch-cpu=http://localhost:8080/cpu/"}, INDEXES)
    assert addresses == {**INDEXES, "pytorch-cpu": "http://localhost:8080/cpu"}
    assert kept == {"UV_INDEX": ""}


def test_what_the_catalog_does_not_name_stays_as_it_is() -> None:
    environment = {"UV_INDEX": "mine=https://me:word@other.example/simple https://third.example/a=b"}
    assert take_indexes(environment, INDEXES) == (INDEXES, environment)


def test_a_variable_goes_before_an_address_and_an_empty_one_is_none() -> None:
    environment = {"UV_INDEX": "company=https://me:old@index.example/company/simple", USER: "", PASSWORD: "new"}
    assert take_indexes(environment, INDEXES)[1] == {"UV_INDEX": "", USER: "me", PASSWORD: "new"}


def test_the_variables_are_named_as_uv_names_them() -> None:
    assert credential_variables("pytorch-cpu.2") == (
        "UV_INDEX_PYTORCH_CPU_2_USERNAME",
        "UV_INDEX_PYTORCH_CPU_2_PASSWORD",
    )


@pytest.mark.parametrize("word", ["plain", "a/b:c@d e%f", ""])
def test_a_login_survives_being_written_into_an_address(word: str) -> None:
    address = with_login(COMPANY, "some body", word)
    assert login_of(address) == ("some body", word)
    assert without_credentials(address) == COMPANY


@pytest.mark.parametrize(
    ("address", "index", "expected"),
    [
        ("https://i.example/f/a.whl", "https://me:pw@i.example/simple", "https://me:pw@i.example/f/a.whl"),
        ("https://i.example:8443/a.whl", "https://me@i.example:8443/simple", "https://me@i.example:8443/a.whl"),
        ("https://files.example/a.whl", "https://me:pw@i.example/simple", "https://files.example/a.whl"),
        ("https://i.example:1/a.whl", "https://me:pw@i.example:2/simple", "https://i.example:1/a.whl"),
        ("https://you@i.example/a.whl", "https://me:pw@i.example/simple", "https://you@i.example/a.whl"),
        ("https://i.example/a.whl", "https://i.example/simple", "https://i.example/a.whl"),
    ],
)
def test_credentials_of_an_index_go_to_its_own_host_alone(address: str, index: str, expected: str) -> None:
    assert with_credentials(address, index) == expected


@pytest.mark.parametrize(
    "address",
    ["https://index.example/simple", "https://index.example/simple/", "https://me:secret@index.example/simple"],
)
def test_an_index_is_the_same_with_other_credentials(address: str) -> None:
    assert without_credentials(address) == "https://index.example/simple"
