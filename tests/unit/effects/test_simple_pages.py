"""What the pages of package indexes say, in either form."""

import json
import re
from typing import Any

import pytest

from warmbase.effects.simple import PAGE_TYPE, IndexFile, files_from_json, read_page
from warmbase.errors import PackagesError

ADDRESS = "https://index.example/simple/six/"
HASH = "a" * 64


def page(**entry: Any) -> IndexFile:
    document = {"files": [{"filename": "six-1.0.tar.gz", "url": "../../f/six-1.0.tar.gz", **entry}]}
    (file,) = read_page(json.dumps(document).encode(), f"{PAGE_TYPE}; charset=utf-8", ADDRESS)
    return file


def test_json_and_html_say_the_same() -> None:
    html = f"""<!DOCTYPE html><html><body>
      <a href="../../f/six-1.0-py3-none-any.whl#sha256={HASH}" data-requires-python="&gt;=3.9"
         data-dist-info-metadata="sha256=bb" data-yanked="it is wrong">six-1.0-py3-none-any.whl</a>
    </body></html>"""
    entry = {
        "filename": "six-1.0-py3-none-any.whl",
        "url": "/f/six-1.0-py3-none-any.whl",
        "hashes": {"sha256": HASH},
        "requires-python": ">=3.9",
        "core-metadata": {"sha256": "bb"},
        "yanked": "it is wrong",
    }
    expected = IndexFile(
        name="six-1.0-py3-none-any.whl",
        address="https://index.example/f/six-1.0-py3-none-any.whl",
        hashes={"sha256": HASH},
        requires_python=">=3.9",
        metadata={"sha256": "bb"},
        yanked="it is wrong",
    )
    assert read_page(html.encode(), "text/html", ADDRESS) == (expected,)
    assert read_page(json.dumps({"files": [entry]}).encode(), PAGE_TYPE, ADDRESS) == (expected,)


@pytest.mark.parametrize(
    ("said", "yanked"), [({}, None), ({"yanked": False}, None), ({"yanked": True}, ""), ({"yanked": "bad"}, "bad")]
)
def test_a_file_may_be_yanked_without_a_reason(said: dict[str, Any], yanked: str | None) -> None:
    assert page(**said).yanked == yanked


@pytest.mark.parametrize(
    ("attribute", "yanked"), [("", None), ("data-yanked", ""), ('data-yanked=""', ""), ('data-yanked="bad"', "bad")]
)
def test_the_same_in_html(attribute: str, yanked: str | None) -> None:
    (file,) = read_page(f'<a href="six-1.0.tar.gz" {attribute}>six</a>'.encode(), "text/html", ADDRESS)
    assert file.yanked == yanked


def test_metadata_may_be_there_without_a_hash_and_under_its_old_name() -> None:
    assert page().metadata is None
    assert page(**{"dist-info-metadata": True}).metadata == {}
    assert page(**{"core-metadata": False, "dist-info-metadata": True}).metadata is None  # PEP 714


def test_a_base_moves_all_addresses() -> None:
    html = '<base href="https://files.example/x/"><a href="six-1.0.tar.gz">six-1.0.tar.gz</a><a name="top">no file</a>'
    (file,) = read_page(html.encode(), "text/html", ADDRESS)
    assert file.address == "https://files.example/x/six-1.0.tar.gz"


def test_a_file_is_written_as_it_is_read() -> None:
    file = page(hashes={"sha256": HASH}, size=7, yanked=True, **{"upload-time": "2026-01-01T00:00:00Z"})
    assert tuple(files_from_json([file.to_json()], "")) == (file,)
    assert file.to_json("http://elsewhere.example/f")["url"] == "http://elsewhere.example/f"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"{}", PAGE_TYPE),
        (b'{"files": [{}]}', PAGE_TYPE),
        (b"no json", PAGE_TYPE),
        (b"[]", PAGE_TYPE),
        (b"\xff", "text/html"),
    ],
)
def test_what_is_no_page_is_told_with_its_address(content: bytes, media_type: str) -> None:
    with pytest.raises(PackagesError, match=re.escape(ADDRESS)):
        read_page(content, media_type, ADDRESS)
