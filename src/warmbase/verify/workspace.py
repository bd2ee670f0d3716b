"""A uv workspace with a member for each build backend that an image keeps warm (uv issue 16757)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from warmbase.verify.subject import Subject


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """A build backend: what a member says in `[build-system]`, and which packages have to be warm for it.

    `needs` includes what the backend asks for when it builds; `tables` is more text for pyproject.toml and `files`
    are more files, in both of which MODULE stands for the member's module. A backend that compiles gets a member
    of pure Python; `unsupported` says why one cannot be tested at all. A `built_in` one is a part of
    uv; one that is not `editable` is installed as a copy.
    """

    package: str
    module: str
    needs: tuple[str, ...] = ()
    tables: str = ""
    files: tuple[tuple[str, str], ...] = ()
    unsupported: str = ""
    built_in: bool = False
    editable: bool = True


BACKENDS = (
    Backend(package="hatchling", module="hatchling.build", needs=("editables",)),
    Backend(package="flit-core", module="flit_core.buildapi"),
    Backend(package="poetry-core", module="poetry.core.masonry.api"),
    Backend(package="pdm-backend", module="pdm.backend"),
    Backend(package="uv-build", module="uv_build", built_in=True),
    Backend(package="setuptools", module="setuptools.build_meta"),  # writes into the project, unlike those before
    Backend(
        package="scikit-build-core",
        module="scikit_build_core.build",
        needs=("cmake", "ninja"),
        files=(("CMakeLists.txt", "cmake_minimum_required(VERSION 3.15)\nproject(MODULE LANGUAGES NONE)\n"),),
    ),
    Backend(
        package="meson-python",
        module="mesonpy",
        needs=("ninja",),
        editable=False,  # it would run the build environment's ninja, which is gone, at every import
        files=(
            (
                "meson.build",
                "project('MODULE', version: '1.0')\npython = import('python').find_installation(pure: true)\n"
                "python.install_sources('src/MODULE/__init__.py', subdir: 'MODULE')\n",
            ),
        ),
    ),
    Backend(package="maturin", module="maturin", unsupported="it needs a Rust compiler, which images do not have"),
)

_TEST = """\
import importlib
import importlib.metadata
import unittest

import MODULE


class TestMember(unittest.TestCase):
    def test_member_is_installed(self):
        self.assertEqual(MODULE.ANSWER, 42)
        self.assertEqual(importlib.metadata.version("NAME"), "1.0")
"""
_TEST_OF_BASE = """
    def test_base_package_is_there(self):
        self.assertEqual(importlib.metadata.version("BASE"), "VERSION")
        files = importlib.metadata.files("BASE")
        modules = {file.parts[0] for file in files if len(file.parts) == 2 and file.name == "__init__.py"}
        for module in sorted(modules):
            importlib.import_module(module)
"""


def usable_backends(subject: Subject) -> tuple[tuple[Backend, ...], Mapping[str, str]]:
    """The backends whose members can be built offline, and why the other warm ones cannot: name → reason."""
    usable, skipped = [], {}
    for backend in BACKENDS:
        if not backend.built_in and backend.package not in subject.cached:
            continue  # the image does not promise it
        missing = sorted({*backend.needs} - subject.cached)
        if backend.unsupported:
            skipped[backend.package] = backend.unsupported
        elif missing:
            skipped[backend.package] = f"it needs {', '.join(missing)}, which the image does not keep warm"
        else:
            usable.append(backend)
    return tuple(usable), skipped


def workspace_files(subject: Subject, backends: tuple[Backend, ...]) -> Mapping[str, str]:
    """The files of the workspace: path → text. Each member depends on the one before, and on a package of the base."""
    sources = "".join(
        f"member-{backend.package} = {{workspace = true{'' if backend.editable else ', editable = false'}}}\n"
        for backend in backends
    )
    pytest = "[dependency-groups]\ndev = ['pytest']\n" if "pytest" in subject.cached else ""
    root = f"[tool.uv.workspace]\nmembers = ['pkgs/*']\n[tool.uv.sources]\n{sources}{pytest}{subject.index_tables}"
    files = {"pyproject.toml": root}
    previous = ""
    for backend in backends:
        name = f"member-{backend.package}"
        files |= {f"pkgs/{name}/{path}": text for path, text in _member(subject, backend, name, previous).items()}
        previous = name
    return files


def _member(subject: Subject, backend: Backend, name: str, previous: str) -> Mapping[str, str]:
    module = name.replace("-", "_")
    bases = subject.smallest(1)  # an image may hold nothing but build backends
    dependencies = [*(base.name for base in bases), *([previous] if previous else [])]
    pyproject = (
        f'[build-system]\nrequires = ["{backend_requirement(subject, backend)}"]\nbuild-backend = "{backend.module}"\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\ndescription = "A member"\n'
        f'requires-python = ">={subject.lock.python}"\ndependencies = {json.dumps(dependencies)}\n' + backend.tables
    )
    test = _TEST.replace("NAME", name)
    for base in bases:
        test += _TEST_OF_BASE.replace("BASE", base.name).replace("VERSION", base.version)
    return {
        "pyproject.toml": pyproject.replace("MODULE", module),
        f"src/{module}/__init__.py": '"""A member of the workspace."""\n\nANSWER = 42\n',
        f"tests/test_{module}.py": test.replace("MODULE", module),
        **{path: text.replace("MODULE", module) for path, text in backend.files},
    }


def backend_requirement(subject: Subject, backend: Backend) -> str:
    """uv builds with itself where the range admits its own version, and then needs no wheel."""
    return f"uv_build>={subject.lock.uv.version}" if backend.built_in else backend.package
