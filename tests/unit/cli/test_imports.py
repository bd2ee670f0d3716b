"""Who imports whom: later stages import earlier ones, effects stay at the edge, and the command line starts light."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import warmbase

ROOT = Path(warmbase.__file__).parent

# From the design: images.yaml → catalog → plan → lock → foundation → packages → layers → image → verify. What a stage
# may import beside itself; `oci`, `errors` and `events` are everybody's.
SHARED = {"errors", "events", "oci"}
MAY_IMPORT = {
    "errors": set(),
    "events": set(),
    "oci": {"effects.files"},
    "effects": set(),
    "catalog": {"effects.indexes", "packages.uvcache"},
    "layers": {"effects"},
    "packages.uvcache": set(),
    "image.promises": {"packages.uvcache"},
    "foundation": {"catalog", "effects", "layers", "packages.bytecode"},
    "lock": {"catalog", "effects", "foundation", "packages.uvcache"},
    "plan": {
        "catalog", "foundation", "layers", "lock", "image.contract", "image.promises", "packages.uvcache",
        "packages.wheels",
    },
    "packages": {
        "catalog", "effects", "layers", "lock", "plan", "image.contract", "image.promises", "packages.uvcache",
    },
    "image": {
        "catalog", "effects", "foundation", "layers", "lock", "packages", "packages.uvcache", "plan", "image.promises",
    },
    "verify": {
        "catalog", "effects", "foundation", "layers", "lock", "packages", "packages.uvcache", "plan", "image",
        "image.promises",
    },
    "attest": {"foundation", "image", "layers", "lock", "plan"},
    "publish": {"catalog", "effects", "foundation", "layers", "lock", "image", "plan", "verify"},
    "nightly": {
        "catalog", "effects", "foundation", "layers", "lock", "packages", "packages.uvcache", "plan", "image",
        "image.contract", "verify", "attest", "publish", "pipeline",
    },
    "downstream": {
        "catalog", "effects", "foundation.dockerignore", "image.contract", "image.promises", "lock",
        "packages.uvcache", "publish", "nightly.changes", "nightly.model", "nightly.report.tables",
        "nightly.report.markup",
    },
}  # fmt: skip

PURE = (
    "plan",
    "publish.contents",
    "image.promises",
    "publish.journal",
    "publish.offer",
    "publish.offer_document",
    "publish.tags",
    "layers.plan",
    "layers.recipe",
    "lock.model",
    "lock.wheels",
    "lock.index",
    "lock.stub",
    "catalog.model",
    "nightly.backoff",
    "nightly.bisect",
    "nightly.decide",
    "nightly.held",
    "nightly.model",
    "downstream.choose",
    "downstream.demand",
    "downstream.description",
    "downstream.find",
    "downstream.doctor.building",
    "downstream.doctor.faults",
    "downstream.doctor.named",
    "downstream.doctor.containers",
    "downstream.doctor.holdings",
    "downstream.doctor.model",
    "downstream.doctor.options",
    "downstream.doctor.packages",
    "downstream.doctor.rules",
    "downstream.doctor.situation",
    "downstream.doctor.standing",
    "downstream.doctor.telling",
    "downstream.adopt.adopted",
    "downstream.adopt.conda",
    "downstream.adopt.constraints",
    "downstream.adopt.copies",
    "downstream.adopt.edits",
    "downstream.adopt.exporting",
    "downstream.adopt.extras",
    "downstream.adopt.ignoring",
    "downstream.adopt.locking",
    "downstream.adopt.named",
    "downstream.adopt.patching",
    "downstream.adopt.plan",
    "downstream.adopt.programs",
    "downstream.adopt.rules",
    "downstream.adopt.stages",
    "downstream.adopt.starting",
    "downstream.adopt.target",
    "downstream.adopt.writing",
    "downstream.commands",
    "downstream.dockerfile",
    "downstream.difference",
    "downstream.index",
    "downstream.lifetimes",
    "downstream.listing",
    "downstream.markers",
    "downstream.match",
    "downstream.naming",
    "downstream.prediction",
    "downstream.seeding",
    "downstream.pythons",
    "downstream.telling",
    "downstream.words",
    "errors",
)
"""Modules that only compute: no processes, no network, no clock, no environment."""

WORLD = {"subprocess", "socket", "httpx", "urllib.request", "time", "random", "secrets", "uuid", "os", "shutil"}

HEAVY = {"jsonschema", "httpx", "zstandard", "python_on_whales", "rich", "yaml", "msgpack", "uv"}
"""Libraries that take longer to load than `--help` may."""


HTTP_CLIENT = {
    f"effects.registry.{name}"
    for name in ("auth", "client", "download", "listing", "registries", "transport", "upload")
}
"""The registry client, made of httpx through and through: others import it where they use it."""


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


OWN = {f"warmbase.{name}" for name in MODULES if name}


@cache
def imports(path: Path, *, at_start: bool = False) -> tuple[str, ...]:
    """The modules that a file imports; with `at_start` only those that importing it loads."""
    return tuple(_read_imports(path, at_start=at_start))


def _read_imports(path: Path, *, at_start: bool) -> Iterator[str]:
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from {name if name in OWN else f"{node.module}" for name in names}
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif not (at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            pending += ast.iter_child_nodes(node)


def stage_of(module: str) -> str:
    """The longest name in the rules that a module belongs to."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in MAY_IMPORT), parts[0])


@pytest.mark.parametrize("module", [name for name in MODULES if stage_of(name) in MAY_IMPORT])
def test_a_stage_imports_earlier_stages_alone(module: str) -> None:
    stage = stage_of(module)
    allowed = MAY_IMPORT[stage] | SHARED | {stage}
    for imported in imports(MODULES[module]):
        if not imported.startswith("warmbase.") or imported not in OWN:
            continue
        own = imported.removeprefix("warmbase.")
        names = {".".join(own.split(".")[:length]) for length in range(1, own.count(".") + 2)}
        assert names & allowed, f"{module} imports {imported}"


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("cli") and name != "__main__"])
def test_nothing_imports_the_command_line(module: str) -> None:
    assert not [name for name in imports(MODULES[module]) if name.startswith("warmbase.cli") and module]


@pytest.mark.parametrize("module", PURE)
def test_what_computes_does_not_touch_the_world(module: str) -> None:
    assert not WORLD & set(imports(MODULES[module]))


@pytest.mark.parametrize("library", ["httpx", "subprocess", "socket", "python_on_whales"])
def test_processes_and_networks_are_at_the_edge(library: str) -> None:
    used = {module.split(".")[0] for module, path in MODULES.items() if library in imports(path)}
    assert used <= {"downstream", "effects", "image", "packages", "verify"}
    inside = {module for module, path in MODULES.items() if library in imports(path) if "inside" not in module}
    assert {module.split(".")[0] for module in inside} <= {"effects"}


def loaded_by(start: str) -> set[str]:
    """Everything that importing a module of warmbase loads, as far as it is warmbase's to say."""
    found: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        if name == "warmbase" or name in OWN:
            pending += imports(MODULES[name.removeprefix("warmbase").lstrip(".")], at_start=True)
            pending += [name.rpartition(".")[0]] if "." in name else []
    return found


def test_the_command_line_loads_nothing_heavy() -> None:
    """What `warmbase --help` loads: the start, and the modules in which `run` finds the commands."""
    start = {name for name in imports(MODULES["cli.app"]) if name.startswith("warmbase.cli.")}
    assert len(start) > 2
    for module in ("warmbase.__main__", "warmbase.cli.app", *start):
        assert not {name.split(".")[0] for name in loaded_by(module)} & HEAVY, module


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_are_imported_where_they_are_used(module: str) -> None:
    at_start = set(imports(MODULES[module], at_start=True))
    own = module in HTTP_CLIENT
    assert not {name.split(".")[0] for name in at_start} & (HEAVY - {"yaml"} - ({"httpx"} if own else set()))
    assert own or not at_start & {f"warmbase.{name}" for name in HTTP_CLIENT}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_less_than_400_lines(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) < 400
