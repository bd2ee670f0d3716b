"""The pages of the site, as text: whole, valid, escaped, and linked to each other."""

import hashlib
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import PurePosixPath
from posixpath import dirname, normpath
from urllib.parse import unquote, urlsplit

import pytest
from tests.markup import Page, read_page
from tests.offered import PLACE, base, edition, offered
from tests.sites import BOTH, STRANGE, listing, small_bases, small_editions, small_files, strange_base
from tinyhtml5.parser import HTMLParser

from warmbase.downstream.index import editions_from_json, index_from_json
from warmbase.downstream.site.model import page_path
from warmbase.downstream.site.pages import VENDORED, render_site, vendored
from warmbase.downstream.site.past import history_section

FILES = small_files() | render_site(listing(strange_base()), {})
PATH = page_path("data:py3.13-trixie")
PAGES = [path for path in small_files() if path.endswith(".html")]


def page(path: str) -> Page:
    return read_page(small_files()[path].decode())


def text_of(variant: str) -> str:
    return page(page_path(variant)).text()


def read_aloud(content: bytes) -> str:
    """What a page says, its elements' texts one right behind the other."""
    return unescape(re.sub("<[^>]*>", "", content.decode()))


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith(".html")])
def test_a_page_is_valid_html(path: str) -> None:
    content = FILES[path].decode()
    read_page(content)
    parser = HTMLParser()
    parser.parse(content)
    assert parser.errors == []


@pytest.mark.parametrize("path", PAGES)
def test_all_links_of_a_page_lead_somewhere_in_the_site(path: str) -> None:
    found = page(path)
    for address in [*found.values("href"), *found.values("src")]:
        parts = urlsplit(address)
        assert not parts.scheme
        assert not parts.netloc
        if parts.path:
            assert normpath(f"{dirname(path)}/{parts.path}").lstrip("/") in FILES, address
        elif parts.fragment:
            assert parts.fragment in found.values("id")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_script_and_no_style_of_its_own(path: str) -> None:
    """Its policy would not let them work."""
    found = page(path)
    assert not [name for _, name, _ in found.attributes if name == "style" or name.startswith("on")]
    assert found.text("script") == ""
    (policy,) = [value for tag, name, value in found.attributes if name == "content" and "default-src" in value]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")


@pytest.mark.parametrize("path", PAGES)
def test_ids_and_what_refers_to_them_agree(path: str) -> None:
    found = page(path)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
        assert set(found.values(name)) <= set(ids)


def test_the_same_bases_give_the_same_bytes() -> None:
    bases = small_bases()
    backwards = render_site(replace(listing(*bases), bases=bases[::-1]), small_editions(bases))
    assert backwards == small_files()


def test_the_twin_for_programs_has_all_of_it() -> None:
    document = json.loads(small_files()["index.json"])
    bases = small_bases()
    assert set(index_from_json(document, "a site").bases) == set(bases)
    editions = editions_from_json(document, "data:py3.13-trixie", "a site")
    assert [each.digest for each in editions] == [each.digest for each in small_editions(bases)["data:py3.13-trixie"]]


def test_what_a_page_loads_has_its_content_s_hash_in_its_name() -> None:
    for path, content in small_files().items():
        if path.startswith("assets/"):
            assert hashlib.sha256(content).hexdigest()[:10] in path


def test_a_page_has_the_from_line_of_its_base() -> None:
    for each in small_bases():
        assert f"FROM {each.reference}" in text_of(each.variant)


def test_a_page_names_versions_licences_and_what_differs_between_platforms() -> None:
    amd64, arm64 = base("data:py3.13-trixie", {"numpy": "2.3.4"}, platforms=BOTH).offer.platforms
    older = replace(arm64, packages=(offered("numpy", "2.2.0"),))
    changed = base("data:py3.13-trixie", {"numpy": "2.3.4"})
    both = replace(changed, offer=replace(changed.offer, platforms=(amd64, older)))
    found = read_page(render_site(listing(both), {})[page_path(both.variant)].decode())
    assert {"2.3.4", "linux/amd64", "2.2.0", "linux/arm64"} <= {text.strip() for _, text in found.texts}
    assert amd64.packages[0].licences[0] in found.text("td")


def test_layers_of_which_nothing_is_known_are_not_called_the_foundation() -> None:
    known = base("data:py3.13-trixie", {"numpy": "2.3.4", "pandas": "2.3.1"})
    [platform] = known.offer.platforms
    nowhere = replace(platform, places=(-1, -1))
    unknown = replace(known, offer=replace(known.offer, platforms=(nowhere,)))
    [before, after] = (
        read_page(render_site(listing(each), {})[PATH].decode()).values("data-part") for each in (known, unknown)
    )
    assert "system" in before
    assert "unknown" not in before
    assert "unknown" in after
    assert not {"system", "packages", "shared"} & set(after)


def test_a_yank_names_what_to_take_and_links_to_it() -> None:
    found = page(page_path("data:py3.11-bookworm"))
    assert "numpy was built without OpenBLAS" in found.text()
    assert "../../bases/data/py3.12-trixie.html" in found.values("href")


def test_an_end_of_life_is_said_on_the_page_and_in_the_list() -> None:
    assert "Past its end of life since 31 Oct 2026 (Python 3.10)" in read_aloud(
        small_files()[page_path("old:py3.10-bookworm")]
    )
    assert "end of life" in page("index.html").text()


def test_an_end_that_is_near_is_named_by_its_day() -> None:
    """The page may lie for long after it was written."""
    soon = base("old:py3.11-bookworm")
    files = render_site(replace(listing(soon), time="2027-08-30T00:00:00Z"), {})
    told = read_aloud(files[page_path(soon.variant)])
    assert "End of life: 31 Oct 2027 (Python 3.11). Fixes end with it." in told
    assert "ends 31 Oct 2027" in read_aloud(files["index.html"])


def test_the_history_says_what_moved() -> None:
    words = text_of("data:py3.13-trixie")
    assert "pandas 2.3.0 → 2.3.1" in words
    assert "Packages: 1 up, 1 added, 1 removed" in words
    assert "2 earlier ones" in words


def test_the_history_says_what_was_yanked() -> None:
    own = base()
    earlier = edition(own, days=2)
    yanked = replace(edition(own, days=1), yanked="a broken numpy", instead=f"data:{earlier.dated}@{earlier.digest}")
    content = render_site(listing(own), {own.variant: [edition(own), yanked, earlier]})[PATH]
    found = read_page(content.decode())
    assert f"Yanked: a broken numpy. Take data:{earlier.dated} instead." in read_aloud(content)
    assert "../../bases/data/py3.13-trixie.html#history" in found.values("href")
    assert "history" in found.values("id")
    assert "Yanked" not in str(history_section([edition(own)], str))


@pytest.mark.parametrize("name", ["data", "data:py3.9", f"data:py3.9@sha256:{'0' * 64}", ""])
def test_a_name_that_means_no_base_or_several_is_no_link(name: str) -> None:
    yanked = base("data:py3.13-trixie", yanked="a broken numpy", instead=name)
    other = base("data:py3.12-trixie")
    content = render_site(listing(yanked, other), {})[PATH]
    assert f"Yanked: a broken numpy.{f' Take {name} instead.' if name else ''}" in read_aloud(content)
    assert not re.search(r"<a [^>]*><code>", content.decode())


def test_a_yank_s_reason_sets_no_order_of_our_words() -> None:
    """Right-to-left words stand in a box of their own."""
    assert "<bdi>שבור</bdi>." in render_site(listing(base(yanked="שבור")), {})[PATH].decode()


def test_a_command_says_where_the_bases_are() -> None:
    assert f"warmbase adopt --base data:py3.13 --index {PLACE}" in text_of("data:py3.13-trixie")
    assert f"warmbase choose --index {PLACE}" in page("index.html").text()


def test_how_an_image_was_looked_at_is_said_in_words() -> None:
    assert "linux/amd64: started and tested" in text_of("data:py3.13-trixie")


def test_a_page_says_what_its_base_shares_with_others() -> None:
    assert "Layers in common with data:py3.13" in text_of("data:py3.13-trixie")
    assert "In common with others" not in text_of("web:py3.13-trixie").partition("Facts")[0]


def test_a_base_of_another_base_links_to_it() -> None:
    assert ("a", "data:py3.13-trixie") in page(page_path("ml:py3.13-trixie")).texts


def test_strange_names_are_text() -> None:
    found = read_page(FILES[page_path(strange_base().variant)].decode())
    assert STRANGE in found.text()
    assert found.elements["img"] == 0
    assert "<script>document" not in "".join(FILES[path].decode() for path in FILES if path.endswith(".html"))


@pytest.mark.parametrize(
    ("variant", "path"),
    [
        ("data:py3.13-trixie", "bases/data/py3.13-trixie.html"),
        ("team/data:py3.13", "bases/team/data/py3.13.html"),
        ("../../etc:passwd", "bases/~2e~2e/~2e~2e/etc/passwd.html"),
        ("Data:PY", "bases/~44ata/~50~59.html"),
        ("a\\b:c<d", "bases/a~5cb/c~3cd.html"),
        (":", "bases/~/~.html"),
        ("con:nul", "bases/~63~6f~6e/~6e~75~6c.html"),
        ("con.1/a.:x.", "bases/~63~6f~6e.1/a~2e/x~2e.html"),
        ("console:com10", "bases/console/com10.html"),
    ],
)
def test_a_page_lies_below_bases_whatever_its_variant_is_called(variant: str, path: str) -> None:
    assert page_path(variant) == path
    assert ".." not in PurePosixPath(unquote(path)).parts


def test_a_site_of_nothing_says_so() -> None:
    files = render_site(listing(), {})
    assert "Nothing is published here yet" in read_page(files["index.html"].decode()).text()


def test_the_libraries_are_those_that_are_noted() -> None:
    noted = vendored()
    for each in noted:
        assert hashlib.sha256((VENDORED / each["file"]).read_bytes()).hexdigest() == each["sha256"], each["name"]
        assert (VENDORED / each["licence_file"]).stat().st_size > 500
        assert each["archive"].startswith(f"{each['name']}-{each['version']}.tgz")
        assert each["sha256"] != each["archive_sha256"], "the one is of the file, the other of what it came in"
    known = {"vendored.json", *(each[key] for each in noted for key in ("file", "licence_file"))}
    assert {path.name for path in VENDORED.iterdir()} == known


def test_the_libraries_licences_go_with_them() -> None:
    (path,) = [path for path in small_files() if path.startswith("assets/licences-")]
    licences = small_files()[path].decode()
    assert "minisearch 7" in licences
    assert "Permission to use, copy, modify, and/or distribute" in licences
