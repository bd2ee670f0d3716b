"""The index of a lock: its pages, and an alias of the real address that is as long."""

import hashlib
import json
from urllib.parse import urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warmbase.catalog.model import PackageIndex
from warmbase.effects.simple import PAGE_TYPE
from warmbase.errors import PackagesError
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.packages.index import alias_index, alias_indexes, file_hosts, index_responses, served_indexes


def package(name: str, version: str, *files: LockedFile) -> LockedPackage:
    return LockedPackage(
        name=name,
        version=version,
        use="venv",
        requires_dist=("idna>=2",),
        requires_python=">=3.8",
        extras=(),
        files=files,
    )


WHEEL = LockedFile(
    name="six-1.0-py3-none-any.whl", sha256="a" * 64, path="packages/aa/six-1.0-py3-none-any.whl", size=11,
    time="2026-01-02T03:04:05Z",
)  # fmt: skip
SOURCE = LockedFile(name="six-1.0.tar.gz", sha256="b" * 64, path="packages/bb/six-1.0.tar.gz")
NEWER = LockedFile(name="six-2.0-py3-none-any.whl", sha256="c" * 64, path="packages/cc/six-2.0-py3-none-any.whl")
LOCK = Lock(
    variant="a:py3.13-trixie",
    python="3.13",
    inputs="",
    uv=package("uv", "0.13.8"),
    packages=(package("six", "1.0", WHEEL, SOURCE), package("six", "2.0", NEWER)),
)
INDEX = "https://index.example/root/simple"
ALIAS = alias_index(INDEX)


@example("http://" + "a." * 30 + "a")
@example("http://" + "a." * 31 + "a")
@example("https://" + "a." * 61 + "a")
@given(st.from_regex(r"https?://[a-z]{1,40}(\.[a-z]{1,30}){1,4}(:[1-9][0-9]{1,4})?", fullmatch=True))
def test_an_alias_is_as_long_as_the_address_and_a_valid_host_name(address: str) -> None:
    alias = alias_index(f"{address}/simple/")
    assert len(alias.alias) == len(alias.address) == len(address)
    assert alias.url == f"{alias.alias}/simple"
    assert all(0 < len(label) <= 63 for label in alias.host.split("."))


def test_an_address_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(PackagesError) as caught:
        alias_index("https://somebody:hunter2@index.example/simple")
    assert "credentials" in caught.value.message
    assert "hunter2" not in str(caught.value)


def test_a_page_offers_exactly_the_locked_versions_and_all_their_files() -> None:
    responses = index_responses(LOCK.packages, ALIAS)
    page = json.loads(responses[f"{ALIAS.host}/root/simple/six/"]["body"])
    assert page["versions"] == ["1.0", "2.0"]
    assert [file["filename"] for file in page["files"]] == [WHEEL.name, SOURCE.name, NEWER.name]
    assert responses[f"{ALIAS.host}/root/simple/six/"]["type"] == PAGE_TYPE
    assert page["files"][0] == {
        "filename": WHEEL.name,
        "url": f"../../{WHEEL.path}",
        "hashes": {"sha256": "a" * 64},
        "size": 11,
        "upload-time": "2026-01-02T03:04:05Z",
        "requires-python": ">=3.8",
        "core-metadata": page["files"][0]["core-metadata"],
        "yanked": False,
    }
    assert "core-metadata" not in page["files"][1]
    assert "size" not in page["files"][1]


def test_an_online_uv_asks_again_and_an_offline_one_does_not_need_to() -> None:
    responses = index_responses(LOCK.packages, ALIAS)
    assert responses[f"{ALIAS.host}/root/simple/six/"]["cache"] == "max-age=0"


def test_the_metadata_lies_where_the_page_says_with_the_hash_that_it_says() -> None:
    responses = index_responses(LOCK.packages, ALIAS)
    page = json.loads(responses[f"{ALIAS.host}/root/simple/six/"]["body"])
    for file in page["files"]:
        if not file["filename"].endswith(".whl"):
            continue
        path = urljoin("/root/simple/six/", file["url"]) + ".metadata"
        body = responses[f"{ALIAS.host}{path}"]["body"]
        assert hashlib.sha256(body.encode()).hexdigest() == file["core-metadata"]["sha256"]
        assert "Requires-Dist: idna>=2" in body


def test_the_same_lock_gives_the_same_answers() -> None:
    assert index_responses(LOCK.packages, ALIAS) == index_responses(LOCK.packages, ALIAS)


def test_hosts_of_equal_length_have_different_aliases_and_one_host_has_one() -> None:
    addresses = [f"https://{host}.example/{path}" for host, path in (("one", "a"), ("two", "a"), ("one", "b"))]
    aliases = alias_indexes(addresses)
    first, second, third = (aliases[address] for address in addresses)
    assert first.host != second.host
    assert (first.alias, third.path) == (third.alias, "/b")


def test_an_index_answers_for_files_that_lie_elsewhere() -> None:
    """A path that begins with '/' is one of the index's host; an address is one of another."""
    beside = LockedFile(name="a-1-py3-none-any.whl", sha256="d" * 64, path="/files/a-1-py3-none-any.whl")
    away = LockedFile(name="b-1-py3-none-any.whl", sha256="e" * 64, path="https://files.example/b-1-py3-none-any.whl")
    packages = [package("a", "1", beside), package("b", "1", away)]
    aliases = alias_indexes([INDEX, *file_hosts(packages)])
    responses = index_responses(packages, aliases[INDEX], aliases)
    other = aliases[away.path]
    assert f"{aliases[INDEX].host}/files/{beside.name}.metadata" in responses
    assert f"{other.host}/{away.name}.metadata" in responses
    page = json.loads(responses[f"{aliases[INDEX].host}/root/simple/b/"]["body"])
    assert page["files"][0]["url"] == other.url


def test_an_image_answers_for_its_indexes_mirrors_each_address_once() -> None:
    mirror = "https://mirror.example/simple"
    default = PackageIndex(name="default", mirrors=(mirror, INDEX))
    company = PackageIndex(name="company", url="https://company.example/simple")
    public, other = served_indexes([company, default], INDEX)
    assert (public.name, public.addresses) == ("", (INDEX, mirror))
    assert (other.name, other.addresses) == ("company", (company.url,))
