"""A site in a folder: replaced as a whole, with nothing lost that is somebody else's."""

import hashlib
import re
from pathlib import Path

import pytest

from warmbase.downstream.site.writing import FILES, write_site
from warmbase.errors import PublishError

OLD = {"assets/a-1.js": b"1", "bases/data/py3.12.html": b"old", "index.json": b"{}", "index.html": b"first"}
OLD_ASSETS = {"assets/a-1.js": b"1"}
NEW = {"assets/a-2.js": b"2", "bases/web/py3.13.html": b"new", "index.json": b"{}", "index.html": b"second"}


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.name != Path(FILES).name}


def test_a_later_site_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    write_site(OLD, tmp_path / "site")
    write_site(NEW, tmp_path / "site")
    assert contents(tmp_path / "site") == {**NEW, **OLD_ASSETS}
    assert not (tmp_path / "site/bases/data").exists()


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    write_site(OLD, tmp_path)
    (tmp_path / "CNAME").write_text("bases.example")
    (tmp_path / "bases/data/notes.txt").write_text("mine")
    write_site(NEW, tmp_path)
    others = {"CNAME": b"bases.example", "bases/data/notes.txt": b"mine"}
    assert contents(tmp_path) == {**NEW, **OLD_ASSETS, **others}


@pytest.mark.parametrize("path", ["index.html", "index.json", "bases/web/py3.13.html", FILES])
def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("precious")
    with pytest.raises(PublishError, match=rf"an? {re.escape(path)} that `warmbase site` did not write"):
        write_site(NEW, tmp_path)
    assert [each.read_text() for each in tmp_path.rglob("*") if each.is_file()] == ["precious"]


def test_a_list_of_somebody_else_s_files_is_no_list_of_ours(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/files.txt").write_text("precious\n")
    (tmp_path / "precious").write_text("mine")
    write_site(NEW, tmp_path)
    write_site(OLD, tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_what_was_changed_since_is_not_removed(tmp_path: Path) -> None:
    write_site(OLD, tmp_path)
    (tmp_path / "bases/data/py3.12.html").write_text("my words")
    write_site(NEW, tmp_path)
    assert (tmp_path / "bases/data/py3.12.html").read_text() == "my words"


def test_pages_that_somebody_has_kept_find_their_assets_until_the_next_change(tmp_path: Path) -> None:
    write_site(OLD, tmp_path)
    for _ in range(3):  # the same site again supersedes nothing
        write_site(NEW, tmp_path)
        assert contents(tmp_path) == {**NEW, **OLD_ASSETS}
    newest = {**NEW, "assets/a-3.js": b"3"}
    del newest["assets/a-2.js"]
    write_site(newest, tmp_path)
    assert contents(tmp_path) == {**newest, "assets/a-2.js": b"2"}


def test_the_first_page_is_the_last_to_change(tmp_path: Path) -> None:
    """Whoever opens it finds all that it links to; what fails on the way leaves the earlier first page."""
    write_site(OLD, tmp_path)
    (tmp_path / "bases/web").write_text("a file where a folder is needed")
    with pytest.raises(PublishError, match="the site cannot be written"):
        write_site(NEW, tmp_path)
    found = contents(tmp_path)
    assert {path: found[path] for path in OLD} == OLD
    (tmp_path / "bases/web").unlink()
    write_site(NEW, tmp_path)
    assert contents(tmp_path) == {**NEW, **OLD_ASSETS}


def test_a_first_site_that_was_interrupted_is_no_page_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "index.json").mkdir()
    with pytest.raises(PublishError, match="the site cannot be written"):
        write_site({"index.html": b"first", "index.json": b"{}"}, tmp_path)
    (tmp_path / "index.json").rmdir()
    write_site(NEW, tmp_path)
    assert contents(tmp_path) == NEW


def test_a_file_that_has_not_changed_is_left_alone(tmp_path: Path) -> None:
    write_site(OLD, tmp_path)
    before = (tmp_path / "index.json").stat().st_ino
    write_site(NEW, tmp_path)
    assert (tmp_path / "index.json").stat().st_ino == before


def test_a_list_of_files_that_was_tampered_with_removes_nothing_outside(tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside.txt"
    outside.write_text("keep")
    write_site(OLD, site)
    keep, old = (hashlib.sha256(content).hexdigest() for content in (b"keep", b"old"))
    known = (site / FILES).read_text()
    lines = [f"now {keep} ../outside.txt", f"now {keep} {outside}", f"now {old} bases/data/py3.12.html", "now", ""]
    (site / FILES).write_text("\n".join([known.rstrip(), *lines]))
    write_site(NEW, site)
    assert outside.read_text() == "keep"
    assert not (site / "bases/data").exists()
