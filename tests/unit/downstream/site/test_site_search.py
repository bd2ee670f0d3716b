"""What the first page searches in, and how large that is."""

import json
from dataclasses import replace
from typing import Any

from tests.offered import base, fleet, offered
from tests.sites import BOTH, listing

from warmbase.downstream.listing import Base
from warmbase.downstream.site.pages import render_site
from warmbase.downstream.site.releases import examples, newest_first, search_script


def searched(*bases: Base) -> dict[str, Any]:
    script = search_script(bases)
    assert script.startswith("var warmbaseCatalog={")
    read: dict[str, Any] = json.loads(script.removeprefix("var warmbaseCatalog=").removesuffix(";\n"))
    return read


def test_versions_name_the_bases_that_have_them_the_newest_version_first() -> None:
    versions = ["1.9", "1.10", "1.10", "1.10", "1.9"]
    bases = [base(f"image-{number}:py3.13-trixie", {"numpy": each}) for number, each in enumerate(versions)]
    assert searched(*bases)["packages"] == [["numpy", "1.10", "1-3", "1.9", "0 4"]]


def test_what_only_one_platform_has_is_said() -> None:
    both = base("data:py3.13-trixie", {"numpy": "2.3.4"}, platforms=BOTH)
    amd64, arm64 = both.offer.platforms
    uneven = replace(both, offer=replace(both.offer, platforms=(amd64, replace(arm64, packages=()))))
    assert searched(both, uneven)["packages"] == [["numpy", "2.3.4", "0 1@0"]]


def test_a_script_holds_text_that_would_end_it() -> None:
    strange = base("data:py3.13-trixie", [offered("a</script>\u2028b", "1")])
    assert searched(strange)["packages"][0][0] == "a</script>\u2028b"
    assert "\u2028" not in search_script([strange])


def test_versions_are_ordered_as_python_orders_them() -> None:
    assert newest_first(["1.9", "nightly", "2.0rc1", "2.0", "1.10.post1"]) == [
        "2.0",
        "2.0rc1",
        "1.10.post1",
        "1.9",
        "nightly",
    ]


def test_examples_are_of_what_there_is() -> None:
    large = [
        offered("torch", "2.9.1", size=9_000_000),
        offered("numpy", "2.3.4", size=8_000_000),
        offered("six", "1.17"),
    ]
    assert examples([base("ml:py3.13-trixie", large)]) == ["torch>=2.9", "numpy six", "six 1"]
    assert examples([]) == []


def test_the_first_page_of_a_large_company_is_small() -> None:
    """What a browser loads before somebody types; `make bench` measures it for 200 variants."""
    files = render_site(listing(*fleet(variants=40, packages=150)), {})
    scripts = ("site-", "icon-", "minisearch", "data-", "versions-", "page-", "front-")
    first = ["index.html", *(path for path in files if path.removeprefix("assets/").startswith(scripts))]
    assert len(first) == 1 + len(scripts)
    assert sum(len(files[path]) for path in first) < 110_000
