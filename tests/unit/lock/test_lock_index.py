"""The path of a file is the same whichever mirror offers it."""

from dataclasses import replace

import pytest
from tests.billed import LOCK

from warmbase.catalog.model import PackageIndex
from warmbase.lock.index import path_below_index, used_indexes

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


def test_a_file_elsewhere_keeps_its_path() -> None:
    found = path_below_index("https://files.example/team/files/six-1.0.whl", "https://index.example/team/simple")
    assert found == "team/files/six-1.0.whl"


def test_escapes_of_the_address_are_undone() -> None:
    found = path_below_index("https://index.example/files/a-1.0%2Blocal.whl", "https://index.example/simple")
    assert found == "files/a-1.0+local.whl"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://index.example/team/files/a-1.whl#sha256=00", "files/a-1.whl"),
        ("https://index.example/other/a-1.whl", "/other/a-1.whl"),
        (
            "https://me:word@files.example/b/a-1%2Bcpu.whl?token=secret#sha256=00",
            "https://files.example/b/a-1%2Bcpu.whl",
        ),
        (f"https://index.example/packages/{HASHED}", f"/packages/{HASHED}"),
    ],
)
def test_of_an_index_that_the_catalog_names_no_layout_is_taken_for_granted(address: str, expected: str) -> None:
    """And nothing that may be secret is kept."""
    assert path_below_index(address, "https://index.example/team/simple", whole=True) == expected


def test_an_image_shows_the_indexes_of_its_packages_and_the_mirrors_of_the_public_one() -> None:
    company = PackageIndex(name="company", url="https://company.example/simple")
    unused = PackageIndex(name="unused", url="https://unused.example/simple")
    public = PackageIndex(name="default", mirrors=("https://mirror.example/simple",))
    lock = replace(LOCK, packages=(*LOCK.packages, replace(LOCK.packages[0], name="ours", index="company")))
    assert used_indexes((company, unused, public), lock) == (company, public)
    assert used_indexes((company, unused, public), LOCK) == (public,)
    assert used_indexes((company, unused, PackageIndex(name="default")), LOCK) == ()
