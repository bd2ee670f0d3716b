"""`doctor` inside of a base that is broken in one way at a time: one finding for each, and what uv itself then does.

The project is the one that the base's own lock was made for. Where packages are in the base's venv, nothing hides them
from uv; so most of these have a venv of their own, of links, for which everything comes from the cache.
"""

import json
import re
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
from tests.bases import PLATFORM, Bases
from tests.e2e.conftest import SMALL

import warmbase
from warmbase.downstream.doctor.containers import WANTED
from warmbase.downstream.doctor.examine import examine_container
from warmbase.downstream.doctor.model import Diagnosis, Finding
from warmbase.downstream.doctor.telling import summary
from warmbase.downstream.inside import probe
from warmbase.downstream.projects.read import read_project
from warmbase.effects.files import CacheFolders
from warmbase.effects.runner import Bind, Root, Runner, Sandbox, find_runner
from warmbase.image.promises import ENVIRONMENT, FOLDER
from warmbase.layers.unpack import UnpackedLayers

CACHE = "/opt/uv/cache"
TODAY = date(2026, 11, 21)
OWN_VENV = {"UV_PROJECT_ENVIRONMENT": "/app/.venv", "UV_LINK_MODE": "symlink"}
NOT_LOOKED_UP = "not-looked-up"
"""The note that nobody said where the base is published: here it is not."""
ALL = -1
"""All packages that the project needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """The small base, unpacked, and a project that has its lock."""

    root: Root
    runner: Runner
    lock: str

    def project(self, folder: Path) -> Path:
        """A folder with the project."""
        folder.mkdir(parents=True)
        (folder / "uv.lock").write_text(self.lock)
        names = json.dumps(SMALL)
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "app"\nversion = "0.1.0"\nrequires-python = ">=3.13"\ndependencies = {names}\n'
        )
        return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """A running container with the project in /app."""

    sandbox: Sandbox
    folder: Path
    environment: Mapping[str, str]
    user: str

    def run(self, *argv: str, user: str = "0:0", code: int | None = 0) -> str:
        """What a command says."""
        finished = self.sandbox.run(argv, env=self.environment, user=user, cwd="/app")
        said = finished.text + finished.stderr.decode()
        assert code is None or finished.code == code, said
        return said

    def examine(self) -> Diagnosis:
        """What doctor says of it."""
        program = Path(probe.__file__).read_text()
        python = ["/opt/venv/bin/python", "-I", "-B", "-c", program, json.dumps(dict(WANTED))]
        finished = self.sandbox.run(python, env=self.environment, user=self.user, cwd="/app")
        assert finished.code == 0, finished.stderr.decode()
        return examine_container(read_project(self.folder), json.loads(finished.text), None, today=TODAY)

    def findings(self) -> list[Finding]:
        """What doctor finds (see `findings_of`)."""
        return findings_of(self.examine())

    def downloads(self, *arguments: str) -> int:
        """How many packages uv says that it would download."""
        said = self.run("uv", "sync", "--frozen", "--offline", "--dry-run", *arguments, user=self.user)
        found = re.search(r"Would download (\d+) package", said)
        return int(found[1]) if found else 0


def findings_of(diagnosis: Diagnosis) -> list[Finding]:
    """What was found, but for what is to be expected where nothing is published."""
    return [finding for finding in diagnosis.findings if finding.code != NOT_LOOKED_UP]


@pytest.fixture(scope="module")
def image(built: Bases, tmp_path_factory: pytest.TempPathFactory) -> Image:
    folders = CacheFolders(root=built.cache)
    root = UnpackedLayers(folders.unpacked, built.store).root(built.layers("small:py3.13-trixie", PLATFORM))
    lock = (root.folders[-1] / FOLDER / "uv.lock").read_text()
    return Image(root=root, runner=find_runner(tmp_path_factory.mktemp("scratch")), lock=lock)


@contextmanager
def opened(
    image: Image,
    folder: Path,
    variables: Mapping[str, str] | None = None,
    *,
    binds: Sequence[Bind] = (),
    user: str = "0:0",
) -> Iterator[Container]:
    """A container of the image, with more variables."""
    project = image.project(folder / "app")
    environment = {**ENVIRONMENT, "HOME": "/tmp", **(variables or {})}
    with image.runner.open(image.root, binds=[Bind(source=project, target="/app"), *binds]) as sandbox:
        yield Container(sandbox=sandbox, folder=project, environment=environment, user=user)


@pytest.mark.parametrize("variables", [{}, OWN_VENV], ids=["in place", "own venv of links"])
@pytest.mark.parametrize("user", ["0:0", "12345:0", "1000:1000"])
def test_a_healthy_container_has_no_finding(image: Image, tmp_path: Path, variables: dict[str, str], user: str) -> None:
    with opened(image, tmp_path, variables, user=user) as container:
        diagnosis = container.examine()
        assert findings_of(diagnosis) == []
        count = len(diagnosis.verdicts)
        assert summary(diagnosis) == f"healthy: {count} of {count} packages hit, 0 B to download"
        assert container.downloads() == 0


# What is wrong with a lock: what is replaced in it, by what, the code, and the package that it costs.
LOCKS = [
    (r'(packaging-|"packaging"\nversion = ")[0-9.]+\b', r"\g<1>99.0", "version", "packaging"),
    (r"(packaging-[0-9.]+)-py3-none", r"\g<1>-py2.py3-none", "file", "packaging"),
    (r"(packaging-[^}]*sha256:)[0-9a-f]{8}", r"\g<1>00000000", "hash", "packaging"),
    (r"(markupsafe-[0-9.]+)-cp313-", r"\g<1>-cp312-", "tags", "markupsafe"),
    (r'registry = "https://[^"/]*', 'registry = "https://mirror.example', "index", ""),
]


@pytest.mark.parametrize(("pattern", "instead", "code", "package"), LOCKS)
def test_a_lock_that_is_not_the_base_s_is_found(
    image: Image, tmp_path: Path, pattern: str, instead: str, code: str, package: str
) -> None:
    changed = replace(image, lock=re.sub(pattern, instead, image.lock))
    assert changed.lock != image.lock
    with opened(changed, tmp_path, OWN_VENV) as container:
        diagnosis = container.examine()
        (found,) = findings_of(diagnosis)
        names = [package] if package else [verdict.name for verdict in diagnosis.verdicts]
        assert (found.code, found.severity, list(found.packages)) == (code, "error", names)
        assert container.downloads() == len(names)
        if code != "version":
            in_place = replace(container, environment=dict(ENVIRONMENT))
            assert in_place.findings() == []
            assert in_place.downloads() == 0


BUILT = '[build-system]\nrequires = ["%s"]\nbuild-backend = "%s"\n'


@pytest.mark.parametrize(
    ("requirement", "backend", "found"),
    [
        ("setuptools", "setuptools.build_meta", []),
        ("setuptools==70.0.0", "setuptools.build_meta", ["backend"]),
        ("flit-core", "flit_core.buildapi", ["backend"]),
    ],
)
def test_a_build_backend_that_is_not_warm_is_found(
    image: Image, tmp_path: Path, requirement: str, backend: str, found: list[str]
) -> None:
    """uv, without a network, builds the project exactly where doctor finds nothing."""
    packaged = replace(image, lock=image.lock.replace('virtual = "."', 'editable = "."'))
    with opened(packaged, tmp_path) as container:
        with (container.folder / "pyproject.toml").open("a") as file:
            file.write(BUILT % (requirement, backend))
        (container.folder / "app").mkdir()
        (container.folder / "app/__init__.py").touch()
        assert [finding.code for finding in container.findings()] == found
        container.run("uv", "sync", "--frozen", "--offline", code=1 if found else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A way to break a container: commands that root runs in it, variables, who looks, and files of the project. It
    gives a finding with this code and weight, and costs so many packages; `downloads` is how many uv then would,
    `others` are what follows from it."""

    code: str
    severity: str = "error"
    commands: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    user: str = "0:0"
    files: Mapping[str, str] = field(default_factory=dict)
    covered: str = ""
    packages: int = 0
    downloads: int | None = None
    others: tuple[str, ...] = ()


OTHER_UV = "printf '#!/bin/sh\necho uv 0.12.5\n' > /opt/venv/bin/uv; chmod 755 /opt/venv/bin/uv"
OTHER_BUCKETS = f"mv {CACHE}/wheels-v7 {CACHE}/wheels-v6"
CLOSED = f"chmod 755 {CACHE} {CACHE}/* && chmod 644 {CACHE}/.lock {CACHE}/sdists-v10/.git"
WAYS = {
    "no cache": Broken(code="no-cache", variables={"UV_NO_CACHE": "1"} | OWN_VENV, packages=ALL, downloads=ALL),
    "no cache, in place": Broken(code="no-cache", severity="warning", variables={"UV_NO_CACHE": "1"}, downloads=0),
    "another cache": Broken(
        code="cache-dir", variables={"UV_CACHE_DIR": "/tmp/c"} | OWN_VENV, packages=ALL, downloads=ALL
    ),
    "a mount": Broken(code="mount", variables=OWN_VENV, covered=CACHE, packages=ALL, downloads=ALL),
    "a mount, in place": Broken(code="mount", severity="warning", covered=CACHE, downloads=0),
    "a mount above": Broken(code="mount", variables=OWN_VENV, covered="/opt/uv", packages=ALL, downloads=ALL),
    "another uv's buckets": Broken(
        code="buckets", variables=OWN_VENV, commands=(OTHER_BUCKETS,), packages=ALL, downloads=ALL
    ),
    "files that are gone": Broken(
        code="archive", variables=OWN_VENV, commands=(f"rm -r {CACHE}/archive-v0/*",), packages=ALL, downloads=ALL
    ),
    "copies": Broken(code="link-mode", variables={**OWN_VENV, "UV_LINK_MODE": "copy"}, packages=ALL, downloads=0),
    "an environment of its own": Broken(
        code="environment", variables={"UV_PROJECT_ENVIRONMENT": ""}, packages=ALL, downloads=0
    ),
    "a closed cache": Broken(code="permissions", commands=(CLOSED,), user="12345:0"),
    "closed buckets": Broken(
        code="permissions", severity="warning", commands=(f"chmod 755 {CACHE}/*-v*",), user="12345:0", downloads=0
    ),
    "a closed venv": Broken(
        code="closed-venv", severity="note", commands=("/opt/warmbase/close-venv",), user="12345:0", downloads=0
    ),
    "a closed venv that lacks something": Broken(
        code="closed-venv",
        commands=("uv pip uninstall packaging", "/opt/warmbase/close-venv"),
        user="12345:0",
        packages=1,
        others=("not-installed",),
    ),
    "another uv": Broken(code="other-uv", severity="warning", commands=(OTHER_UV,)),
    "another uv, own venv": Broken(code="other-uv", variables=OWN_VENV, commands=(OTHER_UV,), packages=ALL),
    "a package taken out": Broken(
        code="not-installed", severity="note", commands=("uv pip uninstall packaging",), packages=1, downloads=0
    ),
    "installed again": Broken(code="reinstall", files={"uv.toml": "reinstall = true\n"}, packages=ALL, downloads=ALL),
    "no wheels": Broken(code="no-binary", variables={"UV_NO_BINARY_PACKAGE": "packaging", **OWN_VENV}, packages=1),
    "another Python": Broken(code="python", files={".python-version": "3.12\n"}),
    "another Python, by a variable": Broken(code="python", variables={"UV_PYTHON": "3.12"}),
    "a uv that is not wanted": Broken(code="uv-required", files={"uv.toml": 'required-version = ">=0.14"\n'}),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_break_a_container_is_found(image: Image, tmp_path: Path, way: str) -> None:
    broken = WAYS[way]
    (tmp_path / "empty").mkdir()
    binds = [Bind(source=tmp_path / "empty", target=broken.covered)] if broken.covered else []
    with opened(image, tmp_path, broken.variables, binds=binds, user=broken.user) as container:
        for command in broken.commands:
            container.run("sh", "-c", command)
        for name, text in broken.files.items():
            with (container.folder / name).open("a") as file:
                file.write(text)
        diagnosis = container.examine()
        found, *others = findings_of(diagnosis)
        assert (found.code, found.severity) == (broken.code, broken.severity)
        assert tuple(other.code for other in others) == broken.others
        every = len(diagnosis.verdicts)
        assert len(found.packages) == (every if broken.packages == ALL else broken.packages)
        assert found.fix
        if broken.downloads is not None:
            assert container.downloads() == (every if broken.downloads == ALL else broken.downloads)


def test_the_command_itself_runs_in_a_container(image: Image, tmp_path: Path) -> None:
    """It looks at the container that it runs in; its own packages are this machine's, for another Python."""
    own, others = str(Path(warmbase.__file__).parents[1]), sysconfig.get_path("purelib")
    binds = [Bind(source=Path(own), target="/w/own", read_only=True)]
    binds += [Bind(source=Path(others), target="/w/others", read_only=True)]
    variables = {"PYTHONPATH": "/w/own:/w/others", "PYTHONDONTWRITEBYTECODE": "1", "UV_NO_CACHE": "1"}
    with opened(image, tmp_path, variables, binds=binds) as container:
        said = container.run("python", "-m", "warmbase", "doctor", "--ci", code=3)
        assert said.splitlines()[2].startswith("the container: warning: `UV_NO_CACHE=1` has uv use no cache;")
        assert ", 0 B to download" in said.splitlines()[-1]


def test_a_copy_of_the_cache_is_as_good(image: Image, tmp_path: Path) -> None:
    with opened(image, tmp_path, {"UV_CACHE_DIR": "/tmp/cache", **OWN_VENV}) as container:
        container.run("cp", "-a", CACHE, "/tmp/cache")
        assert container.findings() == []
        assert container.downloads() == 0


MIRROR = "https://mirror.example/simple"
TOLD: list[tuple[dict[str, str], str, bool]] = [
    ({"UV_DEFAULT_INDEX": MIRROR}, "", True),
    ({"UV_INDEX": MIRROR}, "", False),
    ({"UV_FIND_LINKS": "/tmp"}, "", False),
    ({"UV_NO_BINARY": "1"}, "", True),
    ({"UV_NO_CACHE": "false"}, "", False),
    ({"UV_REFRESH": "1"}, "", False),
    ({"UV_EXCLUDE_NEWER": "2020-01-01"}, "", False),
    ({"VIRTUAL_ENV": "/tmp/venv"}, "", False),
    ({"UV_SYSTEM_PYTHON": "1"}, "", False),
    ({"UV_CONFIG_FILE": "/app/other.toml"}, "", True),
    ({}, "no-index = true\n", True),
    ({}, "no-cache = true\n", True),
    ({}, "cache-dir = '/tmp/other'\n", False),
    ({}, "reinstall-package = ['packaging']\n", True),
    ({}, f"[[index]]\nurl = '{MIRROR}'\ndefault = true\n", True),
    ({"UV_NO_CONFIG": "1"}, "no-cache = true\n", False),
]
"""Variables and settings of the project, and whether anything comes of them for a venv of its own."""


def test_doctor_counts_the_downloads_that_uv_counts(image: Image, tmp_path: Path) -> None:
    with opened(image, tmp_path) as container:
        (container.folder / "other.toml").write_text("no-cache = true\n")
        for variables, settings, is_costly in TOLD:
            (container.folder / "uv.toml").write_text(settings)
            told = replace(container, environment={**container.environment, **OWN_VENV, **variables})
            diagnosis = told.examine()
            counted = sum(verdict.outcome in ("downloaded", "built") for verdict in diagnosis.verdicts)
            assert (counted > 0, counted) == (is_costly, told.downloads()), (variables, settings)
            assert len(findings_of(diagnosis)) == is_costly


def test_what_is_said_of_closed_folders_opens_them(image: Image, tmp_path: Path) -> None:
    with opened(image, tmp_path, user="12345:0") as container:
        container.run("sh", "-c", CLOSED)
        container.run("uv", "sync", "--frozen", "--offline", user="12345:0", code=2)
        (found,) = container.findings()
        container.run("sh", "-c", found.fix.removeprefix("RUN "))
        assert container.findings() == []
        container.run("uv", "sync", "--frozen", "--offline", user="12345:0")
