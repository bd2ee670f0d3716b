"""Where the projects become images: published bases under the names that Dockerfiles have, locks, builds, starts."""

import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bases import Bases
from tests.e2e.children.buildkit import Build, build_image, push_layers
from tests.e2e.children.projects import PROJECTS, Project, Run
from tests.e2e.docker.engines import DockerEngine, run
from tests.registries import RunningRegistry

NAMES = "registry.example/bases"
"""The registry and path that the Dockerfiles' bases have."""
PLAIN = "registry.example/python:3.13-slim"
"""What people copy a venv to: an image with the same Python, in the same place, and nothing else."""
IMAGES: Mapping[str, Mapping[str, object]] = {
    "web": {"requirements": ["fastapi", "httpx", "pytest", "uvicorn[standard]"]},
    "data": {"requirements": ["httpx", "ipykernel", "jupyter-server", "nbclient", "pandas", "pytest"]},
}
BACKENDS = ["setuptools", "hatchling", "editables"]
_TRIES = 5

_LOCK = """
for name; do
  cd "/projects/$name"
  cp /opt/warmbase/uv.lock uv.lock
  uv lock --offline --quiet --python /opt/venv/bin/python
  uv export --frozen --quiet --no-emit-project --python /opt/venv/bin/python --output-file ../"$name.txt"
done
"""
ASK = """
import re, sys, time, urllib.request
path, wanted = sys.argv[1:]
for _ in range(300):
    try:
        said = urllib.request.urlopen("http://127.0.0.1:8000" + path, timeout=10).read().decode()
        if re.search(wanted, said):
            break
    except OSError as error:
        said = str(error)
    time.sleep(0.1)
print(said)
"""
"""Ask a service in its container until it gives the answer that is wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a project cost: `seconds` of its steps and of one that does `nothing`, bytes, seconds of the first start."""

    project: str
    inherits: str
    change: str
    seconds: float
    nothing: float
    bytes: int
    compressed: int
    start: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """An engine that has what was published of `bases`; `folder` has a copy of each project, with its lock.

    `nothing` is what a step that does nothing takes here.
    """

    engine: DockerEngine
    registry: RunningRegistry
    bases: Bases
    folder: Path
    nothing: float

    def build(self, project: Project, *, changed: bool) -> Build:
        """Build a project as people write it, or with its line changed."""
        folder = self.folder.with_name("builds") / f"{project.name}-{'changed' if changed else 'written'}"
        if not folder.exists():
            shutil.copytree(self.folder / project.name, folder)
            if changed and project.change:
                project.change.apply(folder)
        return build_image(self.engine, folder, f"{self.registry.host}/children/{project.name}:latest")

    def measure(self, project: Project) -> Measured:
        """Build, push and start a project, with its line changed where it has one, and see that it does what it should.

        A step that takes too long is tried again, beside one that does nothing: other programs have this machine too.
        """
        build = self.build(project, changed=True)
        assert build.image, build.said
        layers = [
            layer
            for layer in push_layers(self.engine, self.registry, build.image)
            if re.search(project.step, layer.made_by)
        ]
        seconds, nothing = build.seconds(project.step), self.nothing
        for _ in range(_TRIES):
            if not project.most_times or seconds <= project.most_times * nothing:
                break
            nothing = time_nothing(self.engine, self.folder.with_name("nothing"))
            seconds = self.build(project, changed=True).seconds(project.step)
        starts = [self.start(build.image, wanted) for wanted in project.runs]
        return Measured(
            project=project.name,
            inherits=project.inherits,
            change=str(project.change or ""),
            seconds=seconds,
            nothing=nothing,
            bytes=sum(layer.unpacked for layer in layers),
            compressed=sum(layer.compressed for layer in layers),
            start=starts[0],
        )

    def start(self, image: str, wanted: Run) -> float:
        """Start a container without a network, and see that it says what it should; the seconds until it has."""
        begun = time.monotonic()
        code, said = self._ask(image, wanted) if wanted.serves else self.run(image, wanted)
        assert code == 0, said
        assert re.search(wanted.says, said, re.MULTILINE), said
        return time.monotonic() - begun

    def run(self, image: str, wanted: Run) -> tuple[int, str]:
        """The exit code of a container, and all that it says until it ends."""
        user = ("--user", wanted.user) if wanted.user else ()
        command = ("docker", "run", "--rm", "--network=none", *user, image, *wanted.command)
        done = run(*command, cwd=self.folder, env=self.engine.environment)
        return done.returncode, done.stdout + done.stderr

    def _ask(self, image: str, wanted: Run) -> tuple[int, str]:
        container = self.engine.docker("run", "--detach", "--network=none", image)
        try:
            return 0, self.engine.docker("exec", container, "python", "-c", ASK, wanted.serves, wanted.says)
        finally:
            self.engine.docker("rm", "--force", container)


def open_workshop(engine: DockerEngine, registry: RunningRegistry, bases: Bases, folder: Path) -> Workshop:
    """Publish the bases to the registry, and have the engine pull them."""
    bases.catalog.unlink(missing_ok=True)  # a link
    bases.write_catalog(
        IMAGES, registry=f"{registry.host}/bases", defaults={"foundations": ["trixie"], "backends": BACKENDS}
    )
    bases.run("publish")
    for image in IMAGES:
        published = f"{registry.host}/bases/{image}:py3.13"
        engine.docker("pull", "--quiet", published)
        engine.docker("tag", published, f"{NAMES}/{image}:py3.13")
    foundation = bases.layers("web:py3.13-trixie")[0]
    engine.docker("import", bases.output / "blobs/sha256" / foundation.digest.removeprefix("sha256:"), PLAIN)
    for project in PROJECTS:
        project.copy(folder / project.name)
    _lock(engine, folder)
    return Workshop(
        engine=engine,
        registry=registry,
        bases=bases,
        folder=folder,
        nothing=time_nothing(engine, folder.with_name("nothing")),
    )


def _lock(engine: DockerEngine, folder: Path) -> None:
    """Give the projects locks, from what their bases know, and exports; tell uv where it may not go online."""
    bases: dict[str, list[Project]] = {}
    for project in PROJECTS:
        path = folder / project.name / "Dockerfile"
        text = path.read_text(encoding="utf-8")
        if project.offline:
            path.write_text(re.sub(rf"(?m)^(FROM {NAMES}.*)$", r"\1\nENV UV_OFFLINE=1", text), encoding="utf-8")
        if (folder / project.name / "pyproject.toml").exists():
            bases.setdefault(text.split()[1], []).append(project)
    for base, projects in bases.items():
        engine.docker(
            "run", "--rm", "--network=none", "--volume", f"{folder}:/projects", base,
            "sh", "-euc", _LOCK, "sh", *(project.name for project in projects),
        )  # fmt: skip
    for project in PROJECTS:
        if project.export:
            (folder / f"{project.name}.txt").rename(folder / project.name / "requirements.txt")


def time_nothing(engine: DockerEngine, folder: Path) -> float:
    """What a step that does nothing takes at the moment; the Dockerfile of it lies in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text(f"FROM {NAMES}/web:py3.13\nRUN true\nRUN : again\nRUN : and again\n")
    build = build_image(engine, folder, "nothing")
    assert build.image, build.said
    return sorted(seconds for name, seconds in build.steps if "RUN" in name)[1]
