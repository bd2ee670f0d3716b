"""The path of a file is the same whichever mirror offers it."""

import pytest

from warmbase.effects.indexes import with_credentials, without_credentials
from warmbase.lock.index import path_below_index

HASHED = f"ab/cd/{'e' * 60}/six-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("address", "index"),
    [
        (f"https://files.example/packages/{HASHED}", "https://index.example/simple"),
        (f"https://mirror.example/pypi/packages/{HASHED}", "https://mirror.example/pypi/simple"),
        (f"https://mirror.example/api/pypi/remote/packages/packages/{HASHED}", "https://mirror.example/api/simple"),
        (f"https://somebody:secret@mirror.example/{HASHED}#sha256=00", "https://mirror.example/simple"),
    ],
)
def test_mirrors_of_the_common_layout_agree(address: str, index: str) -> None:
    assert path_below_index(address, index) == f"packages/{HASHED}"


@pytest.mark.parametrize("user", ["", "somebody:secret@"])
def test_a_file_below_the_index_s_root_is_named_from_there(user: str) -> None:
    index = f"https://{user}index.example/team/simple"
    assert path_below_index("https://index.example/team/files/six-1.0.whl", index) == "files/six-1.0.whl"


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


def test_a_file_elsewhere_keeps_its_path() -> None:
    found = path_below_index("https://files.example/team/files/six-1.0.whl", "https://index.example/team/simple")
    assert found == "team/files/six-1.0.whl"


def test_escapes_of_the_address_are_undone() -> None:
    found = path_below_index("https://index.example/files/a-1.0%2Blocal.whl", "https://index.example/simple")
    assert found == "files/a-1.0+local.whl"


@pytest.mark.parametrize(
    "address",
    ["https://index.example/simple", "https://index.example/simple/", "https://me:secret@index.example/simple"],
)
def test_an_index_is_the_same_with_other_credentials(address: str) -> None:
    assert without_credentials(address) == "https://index.example/simple"
