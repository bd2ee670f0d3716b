"""`warmbase init` and `load`: the first and the last thing that people do with a folder of bases on their machine."""

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.build import DEFAULT_OUTPUT, OutputOption
from warmbase.cli.output import print_json, reporting
from warmbase.effects.files import replace_file
from warmbase.effects.runner import RunnerChoice

if TYPE_CHECKING:
    from warmbase.catalog.model import Variant
    from warmbase.cli.session import Session
    from warmbase.oci.archive import ArchivedImage
    from warmbase.oci.layout import Layout


class Workflow(StrEnum):
    """What keeps bases fresh, and where: `github-locks` proposes new locks for review, the others publish."""

    GITHUB = "github"
    GITHUB_LOCKS = "github-locks"
    GITLAB = "gitlab"
    KUBERNETES = "kubernetes"


_FOR_GITHUB = {
    ".github/actions/warmbase/action.yml": "github/action.yml",
    ".github/workflows/bases-clean.yml": "github/clean.yml",
    ".github/workflows/bases-pull-request.yml": "github/pull-request.yml",
}
_WORKFLOWS: Mapping[Workflow, Mapping[str, str]] = {
    Workflow.GITHUB: {**_FOR_GITHUB, ".github/workflows/bases-nightly.yml": "github/nightly.yml"},
    Workflow.GITHUB_LOCKS: {
        **_FOR_GITHUB,
        ".github/workflows/bases-locks.yml": "github/locks.yml",
        ".github/workflows/bases-publish.yml": "github/publish.yml",
    },
    Workflow.GITLAB: {".gitlab-ci.yml": "gitlab/pipeline.yml"},
    Workflow.KUBERNETES: {
        "deploy/Dockerfile": "kubernetes/Dockerfile",
        "deploy/clean.yaml": "kubernetes/clean.yaml",
        "deploy/nightly.yaml": "kubernetes/nightly.yaml",
    },
}
"""What `init` writes for each, and which template it is."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the bases will live; made if it is missing.")] = Path(),
    ci: Annotated[
        list[Workflow] | None,
        typer.Option(help="Write the workflows of the nightly job, too; where there is a catalog, only these."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a folder of bases: a commented catalog, its schema for editors, a Makefile and a .gitignore.

    With --ci also the workflows that keep them fresh, which call `make nightly`: github refreshes each night and after
    a merge, github-locks proposes new locks in a pull request instead and publishes what is merged; both say on a pull
    request what it would rebuild. gitlab is a pipeline that does all of it, kubernetes a CronJob of several pods.

    Example: warmbase init bases-of-my-team --ci github
    """
    started = bool(ci) and (folder / "images.yaml").is_file()
    files = workflow_files(ci or ()) | ({} if started else starting_files())
    try:
        _start(folder, files)
    except OSError as error:
        message = f"{folder} cannot be written: {error.strerror}. Name a folder of yours"
        raise typer.BadParameter(message, param_hint="FOLDER") from None
    if as_json:
        print_json({"folder": str(folder), "files": list(files)})
        return
    typer.echo("\n".join(f"wrote {folder / name}" for name in files))
    if started:
        typer.echo("\nnext: read what they say at the top is to be set")
        return
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    typer.echo(f"\nnext: {go}warmbase build")


def _start(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files`, unless others are in the way."""
    existing = [name for name, content in files.items() if _differs(folder / name, content)]
    if existing:
        message = (
            f"{folder} already has {', '.join(existing)}; nothing was written. Move that away, or name another folder"
        )
        raise typer.BadParameter(message, param_hint="FOLDER")
    for name, content in files.items():
        _write_new(folder / name, content)


def starting_files() -> dict[str, bytes]:
    """What `init` writes, by path. The catalog comes last: with it the folder is whole."""
    from importlib.resources import files

    from warmbase.catalog.schema import SCHEMA_PATH

    templates = files("warmbase") / "init"
    return {
        ".gitignore": (templates / "gitignore").read_bytes(),
        "Makefile": (templates / "Makefile").read_bytes(),
        "bases/images.schema.json": SCHEMA_PATH.read_bytes(),
        "images.yaml": (templates / "images.yaml").read_bytes(),
    }


def workflow_files(workflows: Sequence[Workflow]) -> dict[str, bytes]:
    """What `init --ci` writes, by path. The workflows install the warmbase that wrote them: another one may make all
    images anew, which is to be somebody's decision."""
    from importlib.resources import files

    from warmbase import __version__

    templates = files("warmbase") / "init" / "ci"
    wanted = {path: template for workflow in workflows for path, template in _WORKFLOWS[workflow].items()}
    version = __version__.encode()
    return {path: (templates / name).read_bytes().replace(b"@VERSION@", version) for path, name in wanted.items()}


def _differs(path: Path, content: bytes) -> bool:
    """Whether something else is there: what an interrupted `init` wrote is not in the way."""
    return os.path.lexists(path) and not (path.is_file() and path.read_bytes() == content)


def _write_new(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


@app.command()
def load(
    variants: Annotated[list[str], typer.Argument(help="Built images or variants, e.g. data:py3.13.")],
    catalog: CatalogOption = Path("images.yaml"),
    output: OutputOption = DEFAULT_OUTPUT,
    engine: Annotated[RunnerChoice, typer.Option(help="Where to load to.")] = RunnerChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Load built images into the local Docker or Podman, under all their tags.

    Example: warmbase load data:py3.13
    """
    from warmbase.cli.session import Session
    from warmbase.effects.docker.engine import find_engine
    from warmbase.oci.layout import read_layout

    if not engine.engines:
        message = "there is nothing to load an image into without an engine. Choose docker or podman"
        raise typer.BadParameter(message, param_hint="--engine")
    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        chosen = session.select(variants)
    _check_layout(output, variants)
    layout = read_layout(output)
    images = {variant.name: _find_built(session, layout, variant) for variant in chosen}
    found = find_engine(engine.engines)
    found.load(layout, tuple(images.values()))
    documents = [
        {"variant": name, "engine": found.name, "digest": image.manifest.digest, "names": list(image.names)}
        for name, image in images.items()
    ]
    if as_json:
        print_json(documents)
        return
    for name, image in images.items():
        shown = [full.removeprefix("docker.io/library/") for full in image.names]
        typer.echo(f"{name}: loaded into {found.name} as {', '.join(shown)}")
    typer.echo(f"\ntry: {found.name} run --rm -it {shown[-1]}")


def _check_layout(output: Path, names: list[str]) -> None:
    from warmbase.errors import StoreError

    if not (output / "index.json").is_file():
        raise StoreError(
            f"there is no OCI layout at {output}",
            next_step=f"run `warmbase build {' '.join(names)}`, or name the layout with --output",
        )


def _find_built(session: "Session", layout: "Layout", variant: "Variant") -> "ArchivedImage":
    import platform

    from warmbase.errors import StoreError
    from warmbase.image.kept import DEFAULT_REGISTRY
    from warmbase.oci.archive import ArchivedImage

    machine = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}.get(platform.machine(), "linux/amd64")
    name = f"{variant.image}:{variant.tag}"
    builds = layout.builds(name)
    manifest = next((build for build in builds if build.platform is None or str(build.platform) == machine), None)
    if manifest is None:
        built = f"for {machine} " if builds else ""
        raise StoreError(f"{name} is not built {built}in {layout.path}", next_step=f"run `warmbase build {name}`")
    registry = session.catalog.registry or DEFAULT_REGISTRY
    return ArchivedImage(manifest=manifest, names=tuple(f"{registry}/{variant.image}:{tag}" for tag in variant.tags))
