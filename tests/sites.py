"""A small catalog page for tests: bases that differ in what can be searched for, and what its pages warn of."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.offered import NEWEST, PLACE, base, edition, offered

from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.downstream.site.pages import render_site
from warmbase.downstream.site.writing import write_site
from warmbase.publish.journal import format_time
from warmbase.publish.offer import OfferedPackage

BOTH = ("linux/amd64", "linux/arm64")
STRANGE = "</title><script>document.title = 'taken'</script><img src=x onerror=alert(1)>\"'&"


def small_bases() -> tuple[Base, ...]:
    """Six bases of four images; `data` has three Pythons, `web` runs on one platform alone, `ml` has torch on one
    alone, `old` is past its end."""
    data = {"numpy": "2.3.4", "scikit-learn": "1.7.2", "polars": "1.31.0"}
    twelve = base("data:py3.12-trixie", {**data, "pandas": "2.2.3"}, platforms=BOTH, time=NEWEST - timedelta(days=3))
    return (
        base("data:py3.13-trixie", {**data, "pandas": "2.3.1", "pandas-stubs": "2.3.0"}, platforms=BOTH),
        twelve,
        base(
            "data:py3.11-bookworm",
            {**data, "pandas": "1.5.3", "numpy": "1.26.4"},
            tags=("py3.11-bookworm",),
            yanked="numpy was built without OpenBLAS",
            instead=f"data:{twelve.dated}@{twelve.digest}",
        ),
        base("web:py3.13-trixie", {"fastapi": "0.128.0", "uvicorn": "0.38.0"}, description="web services"),
        _without_on_arm64("torch", base("ml:py3.13-trixie", _torch(), platforms=BOTH, parent="data:py3.13-trixie")),
        base(
            "old:py3.10-bookworm",
            {"requests": "2.31.0"},
            time=NEWEST - timedelta(days=400),
            yanked="nobody asks for it",
        ),
    )


def _torch() -> list[OfferedPackage]:
    large = offered("torch", "2.9.1", size=180_000_000)
    return [large, offered("numpy", "2.3.4"), offered("hatchling", "1.28.0", use="warm", size=90_000)]


def _without_on_arm64(name: str, of: Base) -> Base:
    amd64, arm64 = of.offer.platforms
    kept = [(each, place) for each, place in zip(arm64.packages, arm64.places, strict=True) if each.name != name]
    packages, places = zip(*kept, strict=True)
    return replace(of, offer=replace(of.offer, platforms=(amd64, replace(arm64, packages=packages, places=places))))


def small_editions(bases: tuple[Base, ...]) -> dict[str, tuple[Edition, ...]]:
    """What each base was: twelve images of the first, the last of which moved one package and brought one."""
    first, *others = bases
    now = {each.name: each.version for each in first.offer.platforms[0].packages}
    before = {**now, "pandas": "2.3.0", "tqdm": "4.67.1"}
    del before["polars"]
    newest = edition(first, changes="pandas 2.3.0 → 2.3.1")
    earlier = (edition(first, days=7 * week, packages=before) for week in range(1, 12))
    return {first.variant: (newest, *earlier), **{each.variant: (edition(each),) for each in others}}


def listing(*bases: Base) -> Listing:
    """Bases as they were read a day later."""
    return Listing(bases=bases, source=PLACE, time=format_time(NEWEST + timedelta(days=1)))


def small_files() -> dict[str, bytes]:
    """The files of a site with the small bases."""
    bases = small_bases()
    return render_site(listing(*bases), small_editions(bases))


def strange_base() -> Base:
    """A base that calls all it can what would run in a page that does not escape it."""
    plain = base("strange:py3.13-trixie", [offered("oddity", STRANGE), offered(STRANGE, "1.0")])
    platform = plain.offer.platforms[0]
    layers = tuple(replace(layer, words=STRANGE) for layer in platform.layers)
    packages = tuple(replace(package, licences=(STRANGE,)) for package in platform.packages)
    described = replace(platform, layers=layers, packages=packages, system=STRANGE, verified=STRANGE)
    offer = replace(plain.offer, description=STRANGE, parent=STRANGE, uv=STRANGE, platforms=(described,))
    return replace(plain, offer=offer, yanked=STRANGE, instead=STRANGE, dated=STRANGE)


def write_small_site(folder: Path) -> Path:
    """The small site as files, with a base of a strange kind; its folder."""
    bases = (*small_bases(), strange_base())
    write_site(render_site(listing(*bases), small_editions(bases)), folder)
    return folder
