"""Cases of the catalog page of a large company: how long it takes to write, what its first page weighs, and how soon
its search answers in Chromium.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

from playwright.sync_api import Page
from tests.bench.model import BenchError, Row, Took, median_of, size_row, time_row
from tests.bench.usage import Usage, run_measured
from tests.bench.workbench import Workbench, bench_environment
from tests.e2e.site.browser import opened, running_browser
from tests.listed import list_bases, list_editions
from tests.offered import edition, fleet
from tests.registries import running_registry
from tests.sites import listing

from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Base, Edition
from warmbase.downstream.site.writing import FILES
from warmbase.effects.registry.registries import open_registries

VARIANTS, PACKAGES, EDITIONS = 200, 150, 12
SEARCHES = ("pandas>=2.2,<3 numpy", "scikit-learn torch 2", "acme-part-01", "panads fastapi", "data:py3.13")

_KEYS = """
(texts) => {
  const field = document.getElementById("query");
  const took = [];
  for (const text of texts) {
    for (let length = 1; length <= text.length; length += 1) {
      const begun = performance.now();
      field.value = text.slice(0, length);
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
      document.body.getBoundingClientRect();
      took.push(performance.now() - begun);
    }
  }
  return took;
}
"""


def measure_site(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """Write the site, whole, into a new folder each time."""
    usages = [_write(bench, bench.new_folder("site"), str(_index(bench))) for _ in range(times)]
    sample = f"{VARIANTS} variants of {PACKAGES} packages, {EDITIONS} images of each"
    yield time_row("site", usages, 5.0, f"{sample}, from an index.json; the command as a whole")
    place = _publish(bench)
    cold = [_write(bench, bench.new_folder("site"), place) for _ in range(3)]
    yield time_row("site: cold", cold, 15.0, f"{sample}, each with its record; a registry on loopback, nothing kept")
    yield size_row("site: first page", [_first_page(bench)], 300_000, "page, style, scripts and what is searched")


def measure_search(bench: Workbench, times: int = 9) -> Iterator[Row]:
    """Type some searches key by key, some rounds of them: the key that is the slowest by its median."""
    folder = _written(bench)
    with running_browser() as browser, opened(browser, folder) as page:
        page.evaluate(_KEYS, list(SEARCHES))  # once for the browser's own compiler
        rounds = [_type(page) for _ in range(times)]
    slowest = max(zip(*rounds, strict=True), key=lambda key: median_of(key).seconds)
    keys = sum(map(len, SEARCHES))
    note = f"the slowest of {keys} keys, in Chromium: script, style and layout of {VARIANTS} variants"
    yield time_row("site: a key", slowest, 0.05, note)


def _type(page: Page) -> list[Took]:
    """What each key took; a browser does not tell the CPU time of one."""
    return [Took(seconds=each / 1000, cpu=each / 1000) for each in page.evaluate(_KEYS, list(SEARCHES))]


@cache
def _index(bench: Workbench) -> Path:
    """The index.json of a fleet with its history."""
    bases = fleet(variants=VARIANTS, packages=PACKAGES)
    editions = {base.variant: _editions(base) for base in bases}
    path = bench.new_folder("fleet-index").with_suffix(".json")
    path.write_bytes(render_index(index_to_json(listing(*bases), editions)))
    return path


def _publish(bench: Workbench) -> str:
    """The same in a registry; its place."""
    registry = bench.stack.enter_context(running_registry(bench.new_folder("browsing") / "registry"))
    name = f"{registry.host}/bases"
    bases = [replace(base, place=name) for base in fleet(variants=VARIANTS, packages=PACKAGES)]
    place = list_bases(open_registries({}).at(registry.host), bases)
    with ThreadPoolExecutor(max_workers=8) as executor:
        list(executor.map(lambda base: list_editions(place, base, _editions(base)[1:]), bases))
    return name


def _editions(base: Base) -> tuple[Edition, ...]:
    """What a base was: each week some packages moved."""
    versions = {each.name: each.version for each in base.offer.platforms[0].packages}
    found = [edition(base)]
    for week in range(1, EDITIONS):
        versions = versions | dict.fromkeys(sorted(versions)[week * 5 : week * 5 + 5], f"0.{EDITIONS - week}")
        found.append(edition(base, days=7 * week, changes="some packages", packages=versions))
    return tuple(found)


def _write(bench: Workbench, folder: Path, source: str) -> Usage:
    command: list[str | Path] = [sys.executable, "-m", "warmbase", "site", folder, "--index", source, "--json"]
    cache = {"WARMBASE_CACHE_DIR": str(folder.with_suffix(".cache"))}
    usage = run_measured(command, env=bench_environment("") | cache, cwd=folder.parent)
    if (bases := json.loads(usage.output)["bases"]) != VARIANTS:
        raise BenchError(f"a site of {VARIANTS} bases was to be written, and it has {bases}")
    return usage


@cache
def _written(bench: Workbench) -> Path:
    folder = bench.new_folder("site")
    _write(bench, folder, str(_index(bench)))
    return folder


def _first_page(bench: Workbench) -> int:
    """The bytes of the first page with all that Chromium asks for before somebody types."""
    folder = _written(bench)
    loaded: list[Path] = []
    with running_browser() as browser, opened(browser, folder, FILES) as page:
        page.on("request", lambda request: loaded.append(folder / request.url.removeprefix(f"{folder.as_uri()}/")))
        page.goto(f"{folder.as_uri()}/index.html")
    return sum(path.stat().st_size for path in loaded)
