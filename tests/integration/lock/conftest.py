"""A wheelhouse, mirrors that offer it, and catalogs that are locked from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.bases import PLATFORM, Bases
from tests.wheelhouse import Mirror, Wheel, make_wheel, serve

from warmbase.catalog.load import load_catalog
from warmbase.foundation.pins import ArchiveState, DebianPin
from warmbase.lock.files import write_pins

UV = version("uv")


def make_wheels() -> list[Wheel]:
    """Packages that depend on one another, with extras and markers; `uv` is a name alone, no program."""
    return [
        make_wheel("uv", UV, {"uv/__init__.py": ""}),
        make_wheel(
            "tiny-app",
            "1.0",
            {"tiny_app.py": "VERSION = 1\n"},
            requires=[
                "tiny-lib>=1",
                "tiny-win>=1 ; sys_platform == 'win32'",
                "tiny-old ; python_version < '3.9'",
                "tiny-extra ; extra == 'more'",
            ],
            extras=["more"],
        ),
        make_wheel("tiny-lib", "1.0", {"tiny_lib.py": "VERSION = 1\n"}),
        make_wheel("tiny-extra", "1.0", {"tiny_extra.py": ""}, requires_python=">=3.9"),
        make_wheel("tiny-win", "1.0", {"tiny_win.py": ""}, tag="py3-none-win_amd64"),
        make_wheel("tiny-strict", "1.0", {"tiny_strict.py": ""}, requires=["tiny-lib<1"]),
        make_wheel("tiny-mac", "1.0", {"tiny_mac.py": ""}, tag="cp313-cp313-macosx_11_0_arm64"),
        make_wheel("tiny-backend", "1.0", {"tiny_backend.py": ""}),
    ]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve(Mirror(wheels=make_wheels())) as served:
        yield served


@pytest.fixture
def other_mirror() -> Iterator[Mirror]:
    """Other paths, credentials, and it says neither sizes nor metadata."""
    other = Mirror(wheels=make_wheels(), simple="/api/team/simple", storage="/files/of/team", secret=True, sparse=True)
    with serve(other) as served:
        yield served


def make_bases(root: Path, name: str, mirror: Mirror, images: Mapping[str, Sequence[str] | Mapping[str, Any]]) -> Bases:
    """A folder of bases below `root` that is locked from a mirror. Its foundation is pinned already, no archive is
    asked."""
    made = Bases(
        folder=root / name,
        cache=root / f"{name}-cache",
        environment={
            "UV_DEFAULT_INDEX": mirror.url,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "HOME": str(root),
        },
    )
    made.write_catalog(images, uv=UV)
    catalog = load_catalog(made.catalog)
    pin = DebianPin(
        suite="trixie",
        platform=PLATFORM,
        epoch=1_700_000_000,
        archives=(ArchiveState(suite="trixie", date="2023-11-14T22:13:20Z", sha256="0" * 64),),
        packages=(("libc6", "2.41-12"), ("python3", "3.13.5-1")),
    )
    write_pins(catalog, catalog.foundations[0], {(PLATFORM, "3.13"): pin})
    return made


@pytest.fixture
def bases(tmp_path: Path) -> Callable[..., Bases]:
    """Make a folder of bases; see `make_bases`."""
    return partial(make_bases, tmp_path)
