"""The children: projects that are made, locked, synced and run on an image as its users will do it, without a network.

A child is a value: who owns the project, what files it has, and which commands run, each by whom. To prove one thing
more, add one to CHILDREN and raise VERIFIER_REVISION. Every child has a sandbox of its own, so they may run at once.

What an image cannot try for want of a package is said to be "not run"; pytest's part is then taken by unittest, so that
the build backends are tried in every image.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from warmbase.effects.process import last_lines
from warmbase.effects.runner import Bind, Root, Runner, Sandbox
from warmbase.errors import ProcessError
from warmbase.image.promises import CACHE, FOLDER, VENV
from warmbase.verify import inside
from warmbase.verify.model import Finding
from warmbase.verify.subject import ANY_UID, IMAGE_USER, INSIDE, OWN_GROUP, PYTHON, ROOT, Subject, User
from warmbase.verify.workspace import BACKENDS, backend_requirement, usable_backends, workspace_files

APP = "/app"
MOST_ADDED = 1_000_000
"""Bytes that a project of the base's own packages may add to its layer; it is about 30 kB."""

_TIMEOUT = 600.0
Files = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A command in the project's folder; it has to end with code 0 and without saying `never`.

    `env` is added to the image's variables. One with `all_warm` is left out where the cache cannot answer for a package
    (see `Subject.cold`).
    """

    argv: tuple[str, ...]
    user: User
    env: tuple[tuple[str, str], ...] = ()
    never: str = ""
    all_warm: bool = False

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.env] + list(self.argv)
        return " ".join(Path(word).name if word.startswith(INSIDE) else word for word in words)


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A project and what is done with it. `files` makes it for an image: path → text.

    `needs` is a package without which the child cannot be tried; `instead_of` is one in whose absence alone it is.
    """

    name: str
    owner: User
    files: Callable[[Subject], Files]
    steps: tuple[Step, ...]
    needs: str = ""
    instead_of: str = ""


def step(user: User, command: str, never: str = "", **env: str) -> Step:
    """A step written as a line; no word of it holds a space."""
    return Step(argv=tuple(command.split()), user=user, env=tuple(sorted(env.items())), never=never)


def if_warm(one: Step) -> Step:
    """The step, to be taken where the cache answers for all packages."""
    return replace(one, all_warm=True)


def python_step(user: User, program: str, **env: str) -> Step:
    """`uv run python -c PROGRAM`."""
    return Step(argv=("uv", "run", "python", "-c", program), user=user, env=tuple(sorted(env.items())))


def _project(subject: Subject, name: str, more: str = "", requirements: Sequence[str] | None = None) -> str:
    """A project that asks for what indexes have of the image, unless `requirements` are given."""
    asked = subject.indexed if requirements is None else requirements
    return (
        f'[project]\nname = "{name}"\nversion = "0.1.0"\nrequires-python = ">={subject.lock.python}"\n'
        f"dependencies = {json.dumps(asked)}\n{more}{subject.index_tables}"
    )


def _same_project(subject: Subject) -> Files:
    """The project that the base's own uv.lock was made for."""
    return {"pyproject.toml": _project(subject, "app", requirements=subject.requirements)}


def _other_project(subject: Subject) -> Files:
    return {"pyproject.toml": _project(subject, "fresh")}


def _package(subject: Subject) -> Files:
    """A project that is itself installed, and so built, by the first backend that the image has.

    It is none that writes into the project: who may do that is the project's own affair.
    """
    backend = usable_backends(subject)[0][0]
    requires = backend_requirement(subject, backend)
    build = f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{backend.module}"\n'
    return {
        "pyproject.toml": _project(subject, "app", build),
        "src/app/__init__.py": "ANSWER = 42\n",
        **{path: text.replace("MODULE", "app") for path, text in backend.files},
    }


def _shrinking_project(subject: Subject) -> Files:
    """The same project, and in `small/` one that asks for little: for all but root an own `.venv` is a copy."""
    names = [package.name for package in subject.smallest(3)]
    project = _project(subject, "app")
    return {
        "pyproject.toml": project,
        "small/pyproject.toml": _project(subject, "app", requirements=names),
    }


def _script(subject: Subject) -> Files:
    """A script that names its requirements itself (PEP 723, "Inline script metadata")."""
    packages = subject.smallest(3)
    names = "".join(f'#   "{package.name}",\n' for package in packages)
    checks = "".join(f"assert version({package.name!r}) == {package.version!r}\n" for package in packages)
    tables = "".join(f"# {line}\n" for line in subject.index_tables.splitlines())
    return {
        "script.py": f"# /// script\n# dependencies = [\n{names}# ]\n{tables}# ///\n"
        f"from importlib.metadata import version\n\n{checks}"
    }


def _workspace(subject: Subject) -> Files:
    return workspace_files(subject, usable_backends(subject)[0])


_TAKE_LOCK = f"cp /{FOLDER}/uv.lock uv.lock"
_ADDED = f"{PYTHON} -I {INSIDE}/added.py {APP}/pyproject.toml {MOST_ADDED} /{VENV} /{CACHE}"
_PLACE = "import sys; assert sys.prefix == '{}', sys.prefix"
_IN_PLACE = _PLACE.format(f"/{VENV}")
_OWN_PLACE = _PLACE.format(f"{APP}/.venv")
_OWN_VENV = {"UV_PROJECT_ENVIRONMENT": ".venv"}
_PYTEST = "uv run --offline --all-packages pytest -v -p no:cacheprovider pkgs"
_UNITTEST = "exec uv run --offline --all-packages python -B -m unittest -v pkgs/*/tests/test_*.py"
_REMOVE_FIRST = f"exec pip uninstall -y $(head -n 1 /{FOLDER}/constraints.txt)"
_PIP_INSTALL = f"pip install --no-input --user -r /{FOLDER}/constraints.txt"
_COPY_MEMBERS = "uv sync --offline --all-packages --no-editable --inexact"


def _own_venv(name: str, user: User) -> Child:
    """A project of somebody who wants a venv of their own."""
    return Child(
        name=f"own .venv, as {name}",
        owner=user,
        files=_shrinking_project,
        steps=(
            if_warm(step(user, _TAKE_LOCK)),
            if_warm(step(user, "uv sync --frozen --dry-run", never="download", **_OWN_VENV)),
            step(user, "cp small/pyproject.toml pyproject.toml"),
            step(user, "uv lock --offline"),
            step(user, "uv sync --frozen", **_OWN_VENV),
            python_step(user, _OWN_PLACE, **_OWN_VENV),
        ),
    )


CHILDREN = (
    Child(
        name="workspace with every warm build backend, uv run --offline --all-packages pytest",
        owner=ANY_UID,
        files=_workspace,
        steps=(
            step(ANY_UID, _PYTEST),
            step(ANY_UID, _PYTEST),
            step(ANY_UID, _COPY_MEMBERS),
        ),
        needs="pytest",
    ),
    Child(
        name="workspace with every warm build backend, uv run --offline --all-packages python -m unittest",
        owner=ANY_UID,
        files=_workspace,
        steps=(
            Step(argv=("sh", "-c", _UNITTEST), user=ANY_UID),
            Step(argv=("sh", "-c", _UNITTEST), user=ANY_UID),
            step(ANY_UID, _COPY_MEMBERS),
        ),
        instead_of="pytest",
    ),
    _own_venv("1000:1000", OWN_GROUP),
    Child(
        name="uv sync --frozen, as root",
        owner=ROOT,
        files=_same_project,
        steps=(
            step(ROOT, _TAKE_LOCK),
            step(ROOT, "uv sync --frozen"),
            step(ROOT, _ADDED),
            if_warm(step(ROOT, "uv sync --locked")),
            if_warm(python_step(ROOT, _IN_PLACE)),
        ),
    ),
    Child(
        name="uv sync --frozen with UV_COMPILE_BYTECODE=1, as root",
        owner=ROOT,
        files=_same_project,
        steps=(
            step(ROOT, _TAKE_LOCK),
            step(ROOT, "uv sync --frozen", UV_COMPILE_BYTECODE="1"),
            step(ROOT, _ADDED),
        ),
    ),
    Child(
        name="uv sync --frozen twice, as 12345:0",
        owner=ANY_UID,
        files=_same_project,
        steps=(
            step(ANY_UID, _TAKE_LOCK),
            step(ANY_UID, "uv sync --frozen"),
            step(ANY_UID, "uv sync --frozen"),
            step(ANY_UID, _ADDED),
            if_warm(python_step(ANY_UID, _IN_PLACE)),
        ),
    ),
    Child(
        name="uv sync as root, then uv run as 12345:0",
        owner=ROOT,
        files=_package,
        steps=(
            step(ROOT, _TAKE_LOCK),
            step(ROOT, "uv lock --offline"),
            step(ROOT, "uv sync --frozen --offline"),
            step(ROOT, "touch pyproject.toml"),  # the first `uv run` in a container builds editables again
            step(ANY_UID, "uv run --frozen --offline python -c pass"),
            python_step(ANY_UID, "import app; assert app.ANSWER == 42", UV_OFFLINE="1"),
        ),
    ),
    Child(
        name="uv sync, pip install and uv run in place, as 1000:1000",
        owner=OWN_GROUP,
        files=_package,
        steps=(
            step(OWN_GROUP, _TAKE_LOCK),
            step(OWN_GROUP, "uv lock --offline"),
            step(OWN_GROUP, "uv sync --frozen --offline"),
            if_warm(Step(argv=("sh", "-c", _REMOVE_FIRST), user=OWN_GROUP)),
            if_warm(step(OWN_GROUP, f"python -m {_PIP_INSTALL}", UV_OFFLINE="1")),
            if_warm(step(OWN_GROUP, _PIP_INSTALL, never="Installed", UV_OFFLINE="1")),
            step(OWN_GROUP, "touch pyproject.toml"),
            python_step(OWN_GROUP, f"import app; assert app.ANSWER == 42; {_IN_PLACE}", UV_OFFLINE="1"),
        ),
    ),
    Child(
        name="uv lock --offline without a lock",
        owner=ANY_UID,
        files=_other_project,
        steps=(
            step(ANY_UID, "uv lock --offline"),
            step(ANY_UID, "uv sync --frozen"),
            step(ANY_UID, _ADDED),
            step(ANY_UID, "uv lock --offline --check"),
        ),
    ),
    Child(
        name="uv run --offline of a script with inline metadata, as 12345:0",
        owner=ANY_UID,
        files=_script,
        steps=(step(ANY_UID, "uv run --offline script.py"),),
    ),
)  # fmt: skip


_CHILD_OF_IMAGE_USER = _own_venv("the image's user", IMAGE_USER)


def children_of(subject: Subject) -> tuple[Child, ...]:
    """The children that can be tried on an image; one is the image's own user's, where that is not root."""
    return tuple(
        replace(child, steps=tuple(one for one in child.steps if not (one.all_warm and subject.cold)))
        for child in (*CHILDREN, *((_CHILD_OF_IMAGE_USER,) if subject.user else ()))
        if (not child.needs or child.needs in subject.cached) and child.instead_of not in subject.cached
    )


def skipped_children(subject: Subject) -> tuple[Finding, ...]:
    """A finding for each child that needs a package that the image does not have."""
    return tuple(
        Finding(check=child.name, outcome="not run", detail=f"{child.needs} is not in the image")
        for child in CHILDREN
        if child.needs and child.needs not in subject.cached
    )


def run_child(child: Child, subject: Subject, runner: Runner, root: Root) -> Finding:
    """Make the child in a fresh sandbox and take its steps, to the first that fails."""
    begun = time.monotonic()
    binds = [Bind(source=Path(inside.__file__).parent, target=INSIDE, read_only=True)]
    said: list[str] = []
    try:
        with runner.open(root, binds=binds) as sandbox:
            child = _name_user(child, subject, sandbox)
            _write_project(child, subject, sandbox)
            for one in child.steps:
                problem = _take_step(one, subject, sandbox, said)
                if problem:
                    return _finding(child, begun, problem)
    except ProcessError as error:
        return _finding(child, begun, error.message)
    return Finding(check=child.name, outcome="passed", detail=", ".join(said), seconds=time.monotonic() - begun)


def skipped_backends(subject: Subject) -> tuple[Finding, ...]:
    """A finding for each backend that is warm and cannot be tested."""
    _, skipped = usable_backends(subject)
    return tuple(
        Finding(
            check=f"workspace member built by {backend.package}", outcome="not run", detail=skipped[backend.package]
        )
        for backend in BACKENDS
        if backend.package in skipped
    )


def _name_user(child: Child, subject: Subject, sandbox: Sandbox) -> Child:
    """The child with the user whom IMAGE_USER stands for."""
    if child.owner != IMAGE_USER:
        return child
    argv = [PYTHON, "-I", f"{INSIDE}/who.py", subject.user]
    finished = sandbox.run(argv, env=subject.variables(ROOT))
    if finished.code:
        raise ProcessError(f"containers cannot start as {subject.user!r}\n{last_lines(finished.stderr)}")
    user = User(**json.loads(finished.stdout))
    return replace(child, owner=user, steps=tuple(replace(one, user=user) for one in child.steps))


def _write_project(child: Child, subject: Subject, sandbox: Sandbox) -> None:
    uid, _, gid = child.owner.id.partition(":")
    folders: dict[str, Files] = {child.owner.home: {}} if child.owner.owns_home else {}
    folders[APP] = child.files(subject)
    for folder, files in folders.items():
        argv = [PYTHON, "-I", f"{INSIDE}/write.py", folder, uid, gid]
        finished = sandbox.run(argv, env=subject.variables(ROOT), input=json.dumps(files).encode())
        if finished.code:
            raise ProcessError(f"the child's files cannot be written\n{last_lines(finished.stderr)}")


def _take_step(one: Step, subject: Subject, sandbox: Sandbox, said: list[str]) -> str:
    """What is wrong, or ""; what was measured is added to `said`."""
    begun = time.monotonic()
    environment = subject.variables(one.user, dict(one.env))
    finished = sandbox.run(one.argv, env=environment, user=one.user.id, cwd=APP, timeout=_TIMEOUT)
    output = last_lines(finished.stdout + finished.stderr)
    if finished.code or (one.never and one.never in output):
        return f"{one} as {one.user.id} ended with code {finished.code}\n{output}"
    if "added.py" in str(one):
        said.append(finished.text.strip())
    elif one.argv[0] == "uv":
        said.append(f"{' '.join(one.argv[:2])} {time.monotonic() - begun:.2f} s")
    return ""


def _finding(child: Child, begun: float, problem: str) -> Finding:
    return Finding(check=child.name, outcome="failed", detail=problem, seconds=time.monotonic() - begun)
