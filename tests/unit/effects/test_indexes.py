"""Addresses of package indexes, and the credentials that stand in uv's variables."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from warmbase.effects.indexes import (
    credential_variables,
    login_of,
    netrc_login,
    take_indexes,
    with_credentials,
    with_login,
    without_credentials,
)
from warmbase.effects.process import Finished
from warmbase.effects.uv import Uv

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


NETRC = """\
machine index.example login me password "reader of wheels"
machine other.example login me password of-no-index
default login anybody password everywhere-4711
"""


def test_netrc_lets_in_by_host_or_by_its_default(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(NETRC)
    home = {"HOME": str(tmp_path)}
    assert netrc_login(COMPANY, home) == ("me", "reader of wheels")
    assert netrc_login("https://elsewhere.example:8080/simple", home) == ("anybody", "everywhere-4711")
    assert netrc_login(COMPANY, {"NETRC": str(tmp_path / "none"), **home}) is None


@pytest.mark.parametrize("text", ["machine index.example what", "machine index.example login me"])
def test_a_netrc_without_a_password_lets_nobody_in(tmp_path: Path, text: str) -> None:
    (tmp_path / ".netrc").write_text(text)
    assert netrc_login(COMPANY, {"HOME": str(tmp_path)}) is None


def test_the_addresses_to_look_for_have_what_netrc_says_of_the_catalog_s_and_uv_s_own_index(tmp_path: Path) -> None:
    def say_index(argv: Sequence[str | Path], **_: object) -> Finished:
        return Finished(code=0, stdout=b"--index-url https://default.example/simple\n", stderr=b"")

    (tmp_path / "netrc").write_text(NETRC)
    environment = {"NETRC": str(tmp_path / "netrc")}
    uv = Uv(
        binary=Path("uv"), version="0.13.8", environment=environment, home=tmp_path, processes=say_index,
        indexes={"company": COMPANY},
    )  # fmt: skip
    logins = {login_of(address) for address in uv.full_addresses()}
    assert logins == {("", ""), ("me", "reader of wheels"), ("anybody", "everywhere-4711")}
