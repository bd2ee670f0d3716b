"""What `check` says of addresses of package indexes: they must mean the same to everybody who reads them."""

from collections.abc import Callable

import pytest

Problems = Callable[[str], list[str]]
CATALOG = """\
uv: 0.13.8
foundations: {{trixie: {{debian: trixie}}}}
indexes: {indexes}
images: {{core: {{foundation: trixie, requirements: [attrs]}}}}
"""


def test_a_port_that_is_none_is_refused(problems: Problems) -> None:
    assert problems(CATALOG.format(indexes="{a: 'https://i.example:99999/s'}")) == [
        "images.yaml:3:14: indexes.a: 'https://i.example:99999/s' is no address; write https://host/path"
    ]


@pytest.mark.parametrize("path", ["/a//b", "/./a", "/a/../b", "/%2e%2E/a", "/a%2", "/é", "/a|b", "/simple/%zz"])
def test_an_address_that_programs_read_differently_is_refused(problems: Problems, path: str) -> None:
    (problem,) = problems(CATALOG.format(indexes=f"{{a: 'https://i.example{path}'}}"))
    assert f"indexes.a: 'https://i.example{path}' is written in a way that programs read differently" in problem


@pytest.mark.parametrize(
    "same", ["https://I.EXAMPLE/simple", "https://i.example:443/simple/", "https://i.example/%73imple"]
)
def test_two_ways_to_write_an_address_are_one_address(problems: Problems, same: str) -> None:
    (problem,) = problems(CATALOG.format(indexes=f"{{a: 'https://i.example/simple', b: '{same}'}}"))
    assert problem.endswith("indexes.b: 'a' has this address too; keep one of the two")


def test_two_indexes_never_have_their_credentials_in_the_same_variables(problems: Problems) -> None:
    assert problems(CATALOG.format(indexes="{com.pany: 'https://i.example/a', com_pany: 'https://i.example/b'}")) == [
        "images.yaml:3:44: indexes.com_pany: 'com.pany' has its credentials in UV_INDEX_COM_PANY_USERNAME, too; give "
        "one of the two a name of other letters and digits"
    ]
