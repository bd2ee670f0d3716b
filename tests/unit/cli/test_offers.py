"""`warmbase list`, `show` and `diff` of what is published, as they are printed."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.offered import NEWEST, PLACE, base, edition, offered
from typer.testing import CliRunner

from warmbase.cli import catalog, diff
from warmbase.cli.app import app
from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Listing
from warmbase.errors import ListingError
from warmbase.publish.journal import format_time

_ = (catalog, diff)  # they register their commands

DATA = base("data:py3.13-trixie", {"numpy": "2.3.4", "pandas": "2.2.3"}, platforms=["linux/amd64", "linux/arm64"])
OLD = base("data:py3.9-trixie", {"numpy": "2.0.2"})
WEB = base(
    "web:py3.13-bookworm", {"fastapi": "1.0"}, tags=["py3.13-bookworm"], yanked="broken", instead="web:old@sha256:1"
)
BEFORE = edition(DATA, days=1, packages={"numpy": "2.3.3", "six": "1.0"})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a catalog, beside an index, on the day after."""
    monkeypatch.setattr("warmbase.effects.clock.now", lambda: NEWEST + timedelta(days=1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WARMBASE_INDEX", "./index.json")
    listing = Listing(bases=(DATA, OLD, WEB), source=PLACE, time=format_time(NEWEST))
    history = {DATA.variant: [edition(DATA), BEFORE]}
    (tmp_path / "index.json").write_bytes(render_index(index_to_json(listing, history)))


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_says_what_there_is_and_what_speaks_against_it() -> None:
    assert run("list") == (
        "index.json, as of 2026-11-20T02:00:00Z\n"
        "base                 also           python  platforms                 packages  size     published\n"
        "data:py3.13          py3.13-trixie  3.13.9  linux/amd64, linux/arm64  2         53.0 MB  2026-11-20"
        "  what data needs\n"
        "data:py3.9           py3.9-trixie   3.9.0   linux/amd64               1         49.7 MB  2026-11-20"
        "  past its end of life since 2025-10-31 (Python 3.9)\n"
        "web:py3.13-bookworm  -              3.13.9  linux/amd64               1         56.7 MB  2026-11-20"
        "  YANKED: broken; use web:old@sha256:1 instead\n"
    )


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["data"], ["data:py3.13", "data:py3.9"]),
        (["data:py3.9"], ["data:py3.9"]),
        (["*:py3.13*"], ["data:py3.13", "web:py3.13-bookworm"]),
        (["web", "data:py3.13"], ["web:py3.13-bookworm", "data:py3.13"]),
    ],
)
def test_a_list_may_be_of_some_alone(names: list[str], listed: list[str]) -> None:
    assert [line.split()[0] for line in run("list", *names).splitlines()[2:]] == listed


def test_the_list_for_programs_says_the_same() -> None:
    document = json.loads(run("list", "--json"))
    assert (document["source"], document["time"]) == ("index.json", "2026-11-20T02:00:00Z")
    data, old, web = document["bases"]
    assert (data["reference"], data["sizes"]["linux/arm64"]) == (DATA.reference, DATA.offer.platforms[1].size)
    assert (old["end_of_life"], old["is_past_end_of_life"], data["is_past_end_of_life"]) == ("2025-10-31", True, False)
    assert (web["yanked"], web["instead"]) == ("broken", "web:old@sha256:1")


def test_what_there_is_not_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(ListingError) as raised:
        run("list", "data:py3.10")
    assert raised.value.next_step == "nearest are data:py3.13, data:py3.9"


def test_show_says_all_of_one() -> None:
    assert run("show", "data:py3.13").splitlines() == [
        "data:py3.13-trixie: what data needs",
        f"FROM {DATA.reference}",
        f"tags: py3.13-trixie, py3.13, {DATA.dated}, {DATA.content}",
        "published 2026-11-20T02:00:00Z (yesterday)",
        "Python 3.13, uv 0.13.8, foundation trixie",
        "linux/amd64: 53.0 MB in 4 layers, Python 3.13.9, debian 13, 2 packages, 2 system packages, verified: run",
        "linux/arm64: 53.0 MB in 4 layers, Python 3.13.9, debian 13, 2 packages, 2 system packages, verified: run",
        "",
        "layer  size     linux/amd64",
        "0      48.0 MB  foundation trixie",
        "1      3.3 MB   pandas 2.2.3",
        "2      1.7 MB   numpy 2.3.4",
        "3      30.0 kB  contract",
        "",
        "package  version  size    in    licence",
        "numpy    2.3.4    1.7 MB  venv  Apache-2.0",
        "pandas   2.2.3    3.3 MB  venv  MPL-2.0",
    ]


def test_show_says_what_speaks_against_it(tmp_path: Path) -> None:
    old = base("web:py3.9-trixie", yanked="broken", instead="web:py3.13@sha256:1")
    (tmp_path / "index.json").write_bytes(render_index(index_to_json(Listing(bases=(old,), source=PLACE))))
    assert run("show", "web").splitlines()[3:5] == [
        "published 2026-11-20T02:00:00Z (yesterday)",
        "YANKED: broken; use web:py3.13@sha256:1 instead; past its end of life since 2025-10-31 (Python 3.9)",
    ]


def test_show_says_no_more_of_an_earlier_image_than_the_index_has() -> None:
    assert run("show", f"data:{BEFORE.dated}").splitlines() == [
        "data:py3.13-trixie: what data needs",
        f"FROM {PLACE}/data:{BEFORE.dated}@{BEFORE.digest}",
        f"tags: {BEFORE.dated}, {BEFORE.content}",
        "published 2026-11-19T02:00:00Z (2 days ago)",
        "this index has no more of an earlier image than its packages, a registry does",
        "",
        "package  version",
        "numpy    2.3.3",
        "six      1.0",
    ]


def test_an_index_without_bases_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(render_index(index_to_json(Listing(bases=(), source=PLACE))))
    with pytest.raises(ListingError, match=r"nothing is published at index\.json"):
        run("list")


def test_show_counts_what_is_in_the_cache_alone_for_itself(tmp_path: Path) -> None:
    warm = base("kit:py3.13-trixie", [offered("numpy", "2.3.4"), offered("hatchling", "1.0", use="warm")])
    (tmp_path / "index.json").write_bytes(render_index(index_to_json(Listing(bases=(warm,), source=PLACE))))
    assert ", 1 package and 1 in the cache alone, 2 system packages, " in run("show", "kit")
    assert run("list").splitlines()[2].split()[4] == "1"


def test_show_for_programs_has_each_platform_with_its_packages_and_their_layers() -> None:
    document = json.loads(run("show", "data:py3.13", "--json"))
    assert [each["platform"] for each in document["platforms"]] == ["linux/amd64", "linux/arm64"]
    first = document["platforms"][0]
    assert [(each["name"], each["layer"], each["licences"]) for each in first["packages"]] == [
        ("numpy", 2, ["Apache-2.0"]),
        ("pandas", 1, ["MPL-2.0"]),
    ]
    assert first["layers"][1]["digest"] == DATA.offer.platforms[0].layers[1].digest
    assert [each["name"] for each in first["system_packages"]] == ["libc6", "openssl"]


def test_diff_says_what_moved_and_what_a_pull_costs() -> None:
    old, new = (f"{each.digest[:19]}, 2026-11-20" for each in (OLD, DATA))
    assert run("diff", "data:py3.9", "data:py3.13") == (
        f"data:py3.9 ({old}) → data:py3.13 ({new})\n"
        "linux/amd64: 49.7 MB → 53.0 MB; 0 of 4 layers shared; whoever has A pulls 53.0 MB\n"
        "linux/arm64: only in B, not compared\n"
        "\n"
        "Python packages: 1 up, 1 added\n"
        "package  from   to\n"
        "numpy    2.0.2  2.3.4  up\n"
        "pandas   -      2.2.3  added\n"
        "\n"
        "Python and uv: 1 up\n"
        "package  from   to\n"
        "python   3.9.0  3.13.9  up\n"
    )


def test_diff_knows_earlier_images_by_their_tags() -> None:
    moves = json.loads(run("diff", f"data:{BEFORE.dated}", "data:py3.13", "--json"))["moves"]
    assert [(move["name"], move["direction"]) for move in moves] == [
        ("numpy", "up"),
        ("pandas", "added"),
        ("six", "removed"),
    ]
    assert run("diff", "data:py3.13", "data:py3.13").splitlines()[-1] == "no package moved"


def test_a_catalog_beside_it_counts_unless_an_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text(
        "uv: 0.13.8\nfoundations: {trixie: {debian: trixie}}\n"
        "images: {kit: {description: Kit., python: ['3.13'], foundations: [trixie], requirements: [six]}}\n"
    )
    assert "kit:py3.13-trixie" in run("list")
    assert "data:py3.13" in run("list", "--index", "./index.json")
