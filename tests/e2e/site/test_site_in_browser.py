"""The catalog page as people use it, in Chromium: from a disk, without a network."""

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from playwright.sync_api import Browser, Page, expect
from tests.e2e.site.browser import opened, press_copy, search, shown
from tests.e2e.site.screenshots import FOLDER as PICTURES_FOLDER
from tests.e2e.site.screenshots import PICTURES, write_sample_site
from tests.offered import PLACE, base, offered
from tests.sites import BOTH, listing, small_bases

from warmbase.downstream.site.frame import from_line
from warmbase.downstream.site.model import page_path
from warmbase.downstream.site.pages import render_site
from warmbase.downstream.site.writing import write_site
from warmbase.oci.sizes import in_bytes

YANKED = page_path("data:py3.11-bookworm")
STRANGE = page_path("strange:py3.13-trixie")
NARROWEST = (320, 640)  # WCAG 2.2, 1.4.10


def said(page: Page) -> str:
    return page.locator("#count").inner_text()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pandas>=2.2,<3", ["data:py3.13", "data:py3.12"]),
        ("pandas >= 2.2, < 2.3", ["data:py3.12"]),
        ("pandas 2.2", ["data:py3.12"]),
        ("Scikit_Learn numpy<2", ["data:py3.11-bookworm"]),
        ("uvicorn, fastapi", ["web:py3.13"]),
        ("fast", ["web:py3.13"]),
        ("fastpai", ["web:py3.13"]),
        ("services", ["web:py3.13"]),
        ("data:py3.1", ["data:py3.13", "data:py3.12", "data:py3.11-bookworm"]),
        ("py3.10", ["old:py3.10"]),
        ("pandas[excel]==2.3.*", ["data:py3.13"]),
        ("pandas>=", ["data:py3.13", "data:py3.12", "data:py3.11-bookworm"]),
        ("pandas~=2", ["data:py3.13", "data:py3.12"]),
        ("uvicorn[standard]>=0.30; python_version<'3.14'", ["web:py3.13"]),
        ("uvicorn [standard] (>=0.30)", ["web:py3.13"]),
        ("polars==1.31.0 --hash=sha256:0a1b2c", ["data:py3.13", "data:py3.12", "data:py3.11-bookworm"]),
        ("fastapi  # what we serve with", ["web:py3.13"]),
        ("python 3.12", ["data:py3.12"]),
        ("python3.11", ["data:py3.11-bookworm"]),
        ("3.11", ["data:py3.11-bookworm"]),
        ("python>=3.12,<3.13 numpy", ["data:py3.12"]),
        ("python==3.13.9 fastapi", ["web:py3.13"]),
        ("python<=3.10", ["old:py3.10"]),
        ("bookworm", ["data:py3.11-bookworm", "old:py3.10"]),
        ("debian 12", ["data:py3.11-bookworm", "old:py3.10"]),
        ("linux/arm64 numpy>=2", ["data:py3.13", "data:py3.12", "ml:py3.13"]),
        ("arm6", ["data:py3.13", "data:py3.12", "ml:py3.13"]),
        ("FROM registry.example/bases/data:py3.12", ["data:py3.12"]),
        ("FROM --platform=linux/amd64 mirror.example:5000/any/data:py3.12 AS build", ["data:py3.12"]),
        ("old:py3.10-bookworm-20251016", ["old:py3.10"]),
    ],
)
def test_a_search_shows_the_bases_that_have_it(front: Page, text: str, names: list[str]) -> None:
    assert search(front, text) == names


def test_what_a_base_has_of_it_stands_beside_it(front: Page) -> None:
    search(front, "pandas>=2.3 polars")
    assert front.locator(".chip-hit:visible").all_inner_texts() == ["pandas 2.3.1", "polars 1.31.0"]
    assert said(front) == "1 base has pandas>=2.3, polars."


def test_a_base_can_be_meant_by_its_own_name(front: Page) -> None:
    assert search(front, "old") == ["old:py3.10"]
    assert said(front) == "1 base matches old."


def test_a_search_that_nothing_has_says_what_stands_in_the_way(front: Page) -> None:
    assert search(front, "pandas>=3") == []
    assert said(front) == "No base has pandas>=3: there is pandas 2.3.1, 2.2.3, 1.5.3."
    assert search(front, "xyzzyx") == []
    assert said(front) == "No base has anything like “xyzzyx”."


def test_what_no_base_has_all_of_shows_the_nearest_and_what_they_lack(front: Page) -> None:
    assert search(front, "torch numpy pandas") == ["data:py3.13", "data:py3.12", "data:py3.11-bookworm", "ml:py3.13"]
    assert said(front) == "No base has all of torch, numpy, pandas. Nearest: 4 bases."
    assert front.locator("#results li", has_text="ml:py3.13").locator(".chip-miss").inner_text() == "no pandas"


def test_the_versions_that_there_are_can_be_chosen(front: Page) -> None:
    search(front, "pandas")
    versions = front.locator("#versions button")
    assert versions.all_inner_texts() == ["2.3.1 1 base", "2.2.3 1 base", "1.5.3 1 base"]
    versions.nth(1).click()
    assert shown(front) == ["data:py3.12"]


def test_filters_leave_what_they_admit_and_say_what_they_hide(front: Page) -> None:
    search(front, "numpy")
    front.get_by_label("3.13", exact=True).check()
    assert shown(front) == ["data:py3.13", "ml:py3.13"]
    assert said(front) == "2 bases have numpy. 2 more without the filters."
    front.get_by_label("arm64").check()
    front.get_by_label("Size").select_option("≤ 100 MB")
    assert shown(front) == ["data:py3.13"]


def test_versions_are_offered_with_as_many_bases_as_they_then_show(front: Page) -> None:
    search(front, "polars numpy")
    versions = front.locator("#versions button")
    assert versions.all_inner_texts() == ["2.3.4 2 bases", "1.26.4 1 base"]
    front.get_by_label("3.12", exact=True).check()
    front.get_by_label("3.11", exact=True).check()
    assert versions.all_inner_texts() == ["2.3.4 1 base", "1.26.4 1 base"]
    versions.first.click()
    assert shown(front) == ["data:py3.12"]


def test_a_base_is_found_by_all_of_its_names(front: Page) -> None:
    one = small_bases()[1]
    for name in (one.reference, one.content, one.dated, one.digest[:20], f"data@{one.digest}", f"data:{one.content}"):
        assert search(front, name) == [one.name], name
    assert search(front, f"data:py3.12@{small_bases()[0].digest}") == [small_bases()[0].name]


def test_a_version_of_python_that_no_base_has_is_told_with_those_that_there_are(front: Page) -> None:
    assert search(front, "python>=3.14") == []
    assert said(front) == "No base has python>=3.14: there is python 3.13.9, 3.12.12, 3.11.14, 3.10.0."


def test_a_platform_that_is_typed_is_where_packages_have_to_be(front: Page) -> None:
    search(front, "torch arm64")
    assert said(front) == "No base has torch for linux/arm64. Nearest: 3 bases."


def test_a_name_with_a_folder_is_another_image(browser: Browser, tmp_path: Path) -> None:
    bases = (base("team/data:py3.13-trixie"), base("data:py3.13-trixie"))
    write_site(render_site(listing(*bases), {}), tmp_path)
    with opened(browser, tmp_path) as page:
        for name in (
            "team/data:py3.13",
            f"{PLACE}/team/data:py3.13",
            f"FROM mirror.example/team/data:py3.13@{bases[0].digest}",
        ):
            assert search(page, name) == ["team/data:py3.13"], name
        assert search(page, f"{PLACE}/data:py3.13") == ["data:py3.13"]


def test_a_size_is_that_of_the_platform_that_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    plain, other = base(platforms=BOTH), base("web:py3.13-trixie", [offered("six", "1.17", size=1_000)], platforms=BOTH)
    amd64, arm64 = plain.offer.platforms
    small = replace(arm64, layers=arm64.layers[-1:], places=(0,) * len(arm64.packages))
    uneven = replace(plain, offer=replace(plain.offer, platforms=(amd64, small)))
    write_site(render_site(listing(uneven, other), {}), tmp_path)
    with opened(browser, tmp_path) as page:
        size = page.locator("#results li", has_text="data:py3.13").locator(".size")
        page.get_by_label("Order").select_option("smallest first")
        assert (size.text_content(), shown(page)[0]) == (in_bytes(amd64.size), other.name)
        page.get_by_label("arm64").check()
        assert (size.text_content(), shown(page)[0]) == (in_bytes(small.size), uneven.name)
        page.get_by_label("amd64").check()
        assert (size.text_content(), shown(page)[0]) == (in_bytes(amd64.size), other.name)


def test_a_key_touches_no_base_that_stays_as_it_is(front: Page) -> None:
    """With a thousand bases, what is touched is what a key takes."""
    search(front, "pandas>=2.")
    front.evaluate(
        """() => {
            window.touched = [];
            const watcher = new MutationObserver((records) => window.touched.push(...records));
            const results = document.getElementById("results");
            watcher.observe(results, { attributes: true, childList: true, subtree: true, characterData: true });
        }"""
    )
    front.keyboard.type("2")
    touched = front.evaluate("window.touched.length")
    front.keyboard.type("9")
    assert (touched, front.evaluate("window.touched.length > 0")) == (0, True)


def test_back_leads_to_the_search_as_it_was(front: Page) -> None:
    search(front, "fastapi")
    front.get_by_role("link", name="web:py3.13").click()
    front.wait_for_url("**/bases/web/*.html")
    front.go_back()
    expect(front.get_by_role("searchbox")).to_have_value("fastapi")
    assert shown(front) == ["web:py3.13"]


def test_what_is_on_one_platform_alone_is_not_found_for_the_other(front: Page) -> None:
    assert search(front, "torch") == ["ml:py3.13"]
    assert front.locator(".chip-hit:visible").all_inner_texts() == ["torch 2.9.1 (linux/amd64)"]
    front.get_by_label("arm64").check()
    assert shown(front) == []
    assert said(front) == "No base has torch for linux/arm64."


def test_an_order_is_kept_within_images_and_between_them(front: Page) -> None:
    front.get_by_label("Order").select_option("newest first")
    assert shown(front)[-1] == "old:py3.10"
    front.get_by_label("Order").select_option("smallest first")
    assert shown(front)[-1] == "ml:py3.13"


def test_a_search_can_be_sent_as_an_address(browser: Browser, folder: Path, front: Page) -> None:
    search(front, "pandas>=2.2")
    front.get_by_label("3.12", exact=True).check()
    address = front.url.rpartition("/")[2]
    with opened(browser, folder, address) as other:
        assert shown(other) == ["data:py3.12"]
        assert other.get_by_role("searchbox").input_value() == "pandas>=2.2"


def test_the_browser_knows_versions_as_python_does(front: Page) -> None:
    versions = ["1.0", "1", "1.0.1", "1.1.dev1", "1.1a1", "1.1rc1", "1.1", "1.1.post1", "1.1.post2", "1.1+cpu", "1.10",
                "2!0.1", "2026.10", "1.1+cpu.10", "1.1+2"]  # fmt: skip
    bounds = [">=1.1", "<1.1", ">1.1", "<=1.1", "==1.1", "!=1.1", "==1.1.*", "!=1.1.*", "~=1.1", "~=1.0.1", ">=1.1a1",
              "<1.1rc2", "==1.1+cpu", "==1", "<2!0", ">1.1.post1", "<1.1.post1", ">=1.1.dev1"]  # fmt: skip
    found = front.evaluate(
        """([texts, bounds]) => bounds.map((bound) => {
            const [, operator, wanted] = /^([~=!<>]+)(.*)$/.exec(bound);
            return texts.filter((text) => versions.matches(text, operator, wanted));
        })""",
        [versions, bounds],
    )
    assert dict(zip(bounds, found, strict=True)) == {
        bound: list(SpecifierSet(bound).filter(versions, prereleases=True)) for bound in bounds
    }


def test_the_from_line_is_copied_from_a_base_s_page(data: Page) -> None:
    press_copy(data.get_by_role("button", name="Copy: the FROM line"))
    assert pasted(data) == from_line(small_bases()[0])


def test_the_from_line_is_copied_from_the_list(front: Page) -> None:
    press_copy(front.get_by_role("button", name="FROM line of old:py3.10"))
    assert pasted(front) == from_line(small_bases()[-1])


def pasted(page: Page) -> str:
    """What the clipboard has."""
    field = page.get_by_role("searchbox").first
    field.focus()
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+V")
    return field.input_value()


def test_the_pictures_of_the_readme_are_there_and_small() -> None:
    assert {path.name for path in PICTURES_FOLDER.iterdir()} == set(PICTURES)
    assert max(path.stat().st_size for path in PICTURES_FOLDER.iterdir()) < 150_000


def test_the_sample_of_the_pictures_has_what_they_show(browser: Browser, tmp_path: Path) -> None:
    write_sample_site(tmp_path)
    with opened(browser, tmp_path, PICTURES["search-light.png"].path) as page:
        assert shown(page) == ["data:py3.13", "data:py3.11"]
        page.goto(f"{tmp_path.as_uri()}/{PICTURES['history-light.png'].path}")
        assert page.locator(".history details").count() > 0


def test_everything_can_be_done_with_the_keyboard(front: Page) -> None:
    front.keyboard.press("/")
    front.keyboard.type("fastapi")
    for _ in range(30):
        front.keyboard.press("Tab")
        if front.evaluate("document.activeElement.textContent") == "web:py3.13":
            break
    front.keyboard.press("Enter")
    front.wait_for_url("**/bases/web/*.html")
    front.keyboard.press("Tab")
    assert front.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_a_filter_is_set_with_the_keyboard(front: Page) -> None:
    front.get_by_label("3.12", exact=True).focus()
    front.keyboard.press("Space")
    assert shown(front) == ["data:py3.12"]


def test_the_packages_of_a_base_are_filtered_and_sorted(data: Page) -> None:
    rows = data.locator("#packages tbody tr:visible th")
    data.get_by_label("Filter").fill("pandas")
    assert rows.all_inner_texts() == ["pandas", "pandas-stubs"]
    data.get_by_label("Filter").fill("")
    data.get_by_role("button", name="download").click()
    sizes = data.locator("#packages tbody tr").evaluate_all("rows => rows.map((row) => Number(row.dataset.size))")
    assert sizes == sorted(sizes, reverse=True)
    assert data.locator("#packages [aria-sort=descending]").inner_text().startswith("download")
    data.get_by_role("button", name="licence").click()
    assert data.locator("#packages [aria-sort]").inner_text().startswith("licence")
    names = rows.all_inner_texts()
    data.get_by_role("button", name="package").click()
    assert rows.all_inner_texts() == sorted(names) != names
    data.get_by_role("button", name="package").click()
    assert rows.all_inner_texts() == sorted(names, reverse=True)


def test_the_picture_has_the_layers_of_its_table(data: Page) -> None:
    rows = data.locator(".platform:visible tbody tr").count()
    assert data.locator(".platform:visible .leaf").count() == rows
    data.get_by_label("linux/arm64", exact=True).check()
    assert (
        data.locator(".platform:visible .treemap svg").get_attribute("aria-label")
        == (data.locator(".platform:visible .treemap").get_attribute("data-words") or "")
        + ". The table below has the same."
    )
    assert data.locator(".platform:visible").get_attribute("data-platform") == "linux/arm64"
