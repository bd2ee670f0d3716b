"""The catalog page on phones and paper, in all colours, for screen readers, without scripts and from a host."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.e2e.site.browser import Theme, opened, press_copy, search, serving_folder, shown, violations
from tests.e2e.site.conftest import DATA
from tests.offered import base, edition
from tests.sites import listing, small_bases

from warmbase.downstream.site.model import page_path
from warmbase.downstream.site.pages import render_site
from warmbase.downstream.site.writing import write_site

YANKED = page_path("data:py3.11-bookworm")
STRANGE = page_path("strange:py3.13-trixie")
NARROWEST = (320, 640)  # WCAG 2.2, 1.4.10


def test_nothing_is_wider_than_the_narrowest_phone(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, size=NARROWEST) as page:
        for address in ("index.html#query=torch numpy pandas", DATA, YANKED, STRANGE):
            page.goto(f"{folder.as_uri()}/{address}")
            assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0], address


def test_words_without_an_end_are_broken(browser: Browser, tmp_path: Path) -> None:
    long = "word" * 100
    plain = base(
        f"{long[:120]}:py3.13-trixie", {"numpy": "2.3.4", long: "1.0"}, description=long, yanked=long, instead=long
    )
    of = replace(plain, offer=replace(plain.offer, parent=long, uv=long))
    write_site(render_site(listing(of), {of.variant: (edition(of, changes=long),)}), tmp_path)
    with opened(browser, tmp_path, size=NARROWEST) as page:
        for address in ("index.html", f"index.html#query={long}", page_path(of.variant)):
            page.goto(f"{tmp_path.as_uri()}/{address}")
            assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST[0], address
            cut = "parts => parts.filter((each) => each.getBoundingClientRect().right > innerWidth).length"
            assert page.locator(".image h2, .image p, .image a, .banner, .chip").evaluate_all(cut) == 0, address


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_against_any_page(browser: Browser, folder: Path, theme: Theme) -> None:
    with opened(browser, folder, theme=theme) as page:
        for address in ("index.html#query=torch numpy pandas&python=3.13", DATA, YANKED):
            page.goto(f"{folder.as_uri()}/{address}")
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert violations(page) == [], address


def test_axe_finds_nothing_on_a_phone_nor_against_strange_names(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, size=NARROWEST) as page:
        for address in ("index.html#query=oddity", STRANGE):
            page.goto(f"{folder.as_uri()}/{address}")
            assert violations(page) == [], address


def test_axe_finds_nothing_where_nothing_is_published(browser: Browser, tmp_path: Path) -> None:
    write_site(render_site(listing(), {}), tmp_path)
    with opened(browser, tmp_path) as page:
        assert "Nothing is published here yet" in page.locator("main").inner_text()
        assert violations(page) == []


def test_where_colours_are_forced_a_chosen_filter_and_the_key_of_the_picture_are_seen(
    front: Page, folder: Path
) -> None:
    color = "each => getComputedStyle(each).backgroundColor"
    front.emulate_media(forced_colors="active")
    front.get_by_label("3.13", exact=True).check()
    chosen, other = (front.locator(".pill span", has_text=each).evaluate(color) for each in ("3.13", "3.12"))
    assert chosen != other
    assert violations(front) == []
    front.goto(f"{folder.as_uri()}/{DATA}")
    parts = front.locator(".platform:visible .legend li")
    keys = parts.locator(".swatch").evaluate_all(f"all => all.map({color})")
    assert len(set(keys)) == parts.count() > 1
    front.emulate_media(forced_colors="none")


def test_paper_has_all_packages_and_what_a_list_was_searched_by(front: Page, folder: Path) -> None:
    search(front, "numpy")
    front.get_by_label("3.13", exact=True).check()
    front.emulate_media(media="print")
    assert front.get_by_role("searchbox").is_visible()
    assert front.locator(".pill:visible").all_inner_texts() == ["3.13"]
    assert not front.locator(".copy, .hint").first.is_visible()
    front.goto(f"{folder.as_uri()}/{DATA}")
    front.locator("#packages tbody").evaluate(
        "body => { for (let copy = 0; copy < 200; copy += 1) body.append(body.rows[0].cloneNode(true)); }"
    )
    hidden = "parts => parts.map((each) => each.scrollHeight - each.clientHeight)"
    assert front.locator(".long").evaluate_all(hidden) == [0]
    assert not front.locator(".filter").is_visible()
    front.emulate_media(media="screen")


def test_the_dark_page_is_dark(browser: Browser, folder: Path) -> None:
    def paper(theme: Theme) -> list[int]:
        with opened(browser, folder, theme=theme) as page:
            color: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return [int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(",")]

    assert max(paper("dark")) < 60 < 200 < min(paper("light"))


def test_the_site_works_from_a_static_host(browser: Browser, folder: Path) -> None:
    with serving_folder(folder) as root, opened(browser, root, "index.html#query=fastapi") as page:
        page.get_by_role("link", name="web:py3.13").click()
        press_copy(page.get_by_role("button", name="Copy: the FROM line"))
        assert page.locator(".leaf").count() > 1


def test_without_scripts_all_is_there_to_read(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, scripts=False) as page:
        assert len(shown(page)) == len(small_bases())
        assert not page.locator("#search").is_visible()
        page.goto(f"{folder.as_uri()}/{DATA}")
        assert page.locator("#packages tbody tr").count() == 5
        assert page.locator(".platform").count() == 2
        assert page.locator(".platform table:visible").count() == 2
        assert page.locator(".legend:visible").count() == 0


def test_what_packages_call_themselves_does_not_run(browser: Browser, folder: Path) -> None:
    with opened(browser, folder, STRANGE) as page:
        assert "taken" not in page.evaluate("document.title").partition("strange:")[0]
        assert page.locator("img, main script").count() == 0
        page.goto(f"{folder.as_uri()}/index.html")
        page.get_by_role("searchbox").fill("oddity onerror")
        assert page.locator("img, main script").count() == 0
