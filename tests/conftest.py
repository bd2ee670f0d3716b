"""Which tests run here, in which process, and what they share: one real foundation for the whole run."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that test modules can import `tests.bases`

from tests import workers
from tests.bases import PLATFORM, Bases
from tests.e2e.docker.engines import can_run_engines

_WITHOUT_ENGINE = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks of these tests. How long a property test takes says more of the machine than of the product.

    The gate tries the same examples for the same code, so that it never turns red for another reason than a change;
    new ones are found by those who develop.
    """
    slow = [HealthCheck.too_slow]
    settings.register_profile("warmbase", deadline=None, suppress_health_check=slow, derandomize=is_gate(os.environ))
    settings.load_profile("warmbase")
    config.addinivalue_line("markers", "catalog: builds and checks every image of the project's own catalog")
    config.addinivalue_line("markers", "docker: needs container engines, and root to start them")
    # What a shell starts in the background ignores Ctrl-C, and so would the programs that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without an engine, or without root, its tests are deselected; with WARMBASE_TEST_DOCKER they always run."""
    if not can_run_engines():
        chosen = [item for item in items if item.get_closest_marker("docker")]
        items[:] = [item for item in items if item not in chosen]
        config.stash[_WITHOUT_ENGINE] = len(chosen)
        config.hook.pytest_deselected(items=chosen)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: workers.place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return workers.count_workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    return workers.make_scheduler(config, log)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Let a worker tell the process that reports, which knows of no test that nobody runs."""
    if items and hasattr(config := items[0].config, "workeroutput"):
        config.workeroutput.setdefault("deselected", []).extend(item.nodeid for item in items)
        config.workeroutput["without_engine"] = config.stash.get(_WITHOUT_ENGINE, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what one worker deselected: the others did the same."""
    said = getattr(node, "workeroutput", {})
    deselected = [SimpleNamespace(nodeid=name) for name in said.get("deselected", [])]
    node.config.pluginmanager.get_plugin("terminalreporter").stats["deselected"] = deselected
    node.config.stash[_WITHOUT_ENGINE] = said.get("without_engine", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(_WITHOUT_ENGINE, 0):
        terminalreporter.write_line(
            f"{left_out} docker tests are left out: they need root and an engine; "
            "`.ci/fetch-engines FOLDER` fetches one, then: WARMBASE_TEST_DOCKER=FOLDER make test"
        )


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
    return workers.bases_of_all(tmp_path_factory, "foundation", _make_foundation)


@pytest.fixture(scope="session")
def system_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of a real system, for archives of the tests' own (`tests.archives`). Downloaded once: 4 s."""
    return workers.folder_of_all(tmp_path_factory, "system-packages", _fetch_system)


def _fetch_system(folder: Path) -> None:
    from tests.archives import fetch_system

    try:
        fetch_system(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        go_without(f"no Debian archive can be reached: {error}")


def _make_foundation(root: Path) -> None:
    from tests.grounds import ground_at

    from warmbase.catalog.load import load_catalog
    from warmbase.effects.files import CacheFolders
    from warmbase.effects.runner import find_runner
    from warmbase.errors import FoundationError, RunnerError
    from warmbase.foundation.stage import make_foundation, pin_foundation
    from warmbase.lock.files import write_pins

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
    ground = ground_at(bases.cache)
    try:
        pin = pin_foundation(wanted, PLATFORM, "3.13", ground)
    except FoundationError as error:
        go_without(f"no Debian archive can be reached: {error.message}")
    write_pins(catalog, wanted, {(PLATFORM, "3.13"): pin})
    # Not `locked`, which would ask the archive once more what it has.
    made = make_foundation(wanted, pin, PLATFORM, ground, locked=False)
    ground.unpacked.folders(made.layers)
