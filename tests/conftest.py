"""What integration and end-to-end tests share: one real foundation for the whole session."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that test modules can import `tests.bases`

from tests.bases import PLATFORM, Bases


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks of these tests. How long a property test takes says more of the machine than of the product.

    The gate tries the same examples for the same code, so that it never turns red for another reason than a change;
    new ones are found by those who develop.
    """
    slow = [HealthCheck.too_slow]
    settings.register_profile("warmbase", deadline=None, suppress_health_check=slow, derandomize=is_gate(os.environ))
    settings.load_profile("warmbase")
    config.addinivalue_line("markers", "catalog: builds and checks every image of the project's own catalog")


def is_gate(environment: Mapping[str, str]) -> bool:
    """Whether these tests run in CI, where nothing is skipped; `.ci/run` names its engines."""
    return environment.get("CI", "").lower() in ("true", "1") or bool(environment.get("WARMBASE_TEST_DOCKER"))


def go_without(what: str, environment: Mapping[str, str] = os.environ) -> NoReturn:
    """Skip what this machine lacks something for; in CI, which has to have it, fail."""
    if is_gate(environment):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """A folder of bases with a pinned foundation, trixie, whose layer is in its cache. Made once: 20 s or more.

    Tests work on copies of it (`Bases.copy`).
    """
    from warmbase.catalog.load import load_catalog
    from warmbase.effects.files import CacheFolders
    from warmbase.effects.registry.registries import open_registries
    from warmbase.effects.runner import find_runner
    from warmbase.errors import FoundationError, RunnerError
    from warmbase.foundation.groundwork import Groundwork
    from warmbase.foundation.stage import make_foundation, pin_foundation
    from warmbase.layers.codec import Codec
    from warmbase.layers.store import LayerStore
    from warmbase.layers.unpack import UnpackedLayers
    from warmbase.lock.files import write_pins

    root = tmp_path_factory.mktemp("foundation")
    bases = Bases(folder=root / "bases", cache=root / "cache")
    bases.write_catalog({"nothing": ["packaging"]})
    folders = CacheFolders(root=bases.cache)
    folders.scratch.mkdir(parents=True)
    try:
        find_runner(folders.scratch)
    except RunnerError as error:
        go_without(f"this machine can run no image: {error.message}")
    catalog = load_catalog(bases.catalog)
    wanted = catalog.foundations[0]
    store = LayerStore(folders.store)
    ground = Groundwork(
        store=store,
        unpacked=UnpackedLayers(folders.unpacked, store),
        registries=lambda: open_registries({}),
        codec=Codec(),
    )
    try:
        pin = pin_foundation(wanted, PLATFORM, "3.13", ground)
    except FoundationError as error:
        go_without(f"no Debian archive can be reached: {error.message}")
    write_pins(catalog, wanted, {(PLATFORM, "3.13"): pin})
    made = make_foundation(wanted, pin, PLATFORM, ground, locked=True)
    ground.unpacked.folders(made.layers)
    return bases
