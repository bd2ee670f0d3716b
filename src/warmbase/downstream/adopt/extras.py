"""What is written on request: a compose file that follows the sources, and a dev container. Pure."""

import json
import re

from warmbase.downstream.adopt.model import Change, Note, ProjectFiles
from warmbase.downstream.adopt.starting import Start
from warmbase.downstream.adopt.writing import FOLDER, Recipe
from warmbase.downstream.listing import Base
from warmbase.image.promises import VENV_BIN

COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
DEVCONTAINER_NAMES = (".devcontainer/devcontainer.json", ".devcontainer.json")

_IMAGE = re.compile(r'(?P<key>"image"\s*:\s*")(?P<image>[^"]*)(?P<end>")')


def plan_compose(files: ProjectFiles, name: str, recipe: Recipe, start: Start | None) -> Change | Note | None:
    """A compose file that rebuilds when what is locked changes and else sends changed files into the container, or the
    lines to write into the one that is there; None where it says that already."""
    watch = _watch(recipe)
    present = next((path for path in COMPOSE_NAMES if path in files.texts), "")
    if not present:
        ports = [f'    ports: ["{start.port}:{start.port}"]'] if start and start.port else []
        lines = ["services:", f"  {_service(name)}:", "    build: .", *ports, *(f"    {line}" for line in watch)]
        return Change(path=COMPOSE_NAMES[0], old=None, new="".join(f"{line}\n" for line in lines))
    if re.search(r"^\s+watch\s*:", files.texts[present], re.MULTILINE):
        return None
    return Note(text="to have changes sent to the service as you write, add to it", line="\n".join(watch), path=present)


def plan_devcontainer(files: ProjectFiles, name: str, base: Base, recipe: Recipe) -> Change | Note | None:
    """A dev container on the base, or the base in the one that is there; None where it is that already."""
    present = next((path for path in DEVCONTAINER_NAMES if path in files.texts), "")
    if not present:
        document = {
            "name": name,
            "image": base.reference,
            "postCreateCommand": recipe.finish or recipe.install,
            "customizations": {"vscode": {"settings": {"python.defaultInterpreterPath": f"{VENV_BIN}/python"}}},
        }
        return Change(path=DEVCONTAINER_NAMES[0], old=None, new=json.dumps(document, indent=2) + "\n")
    return move_devcontainer(files, base)


def move_devcontainer(files: ProjectFiles, base: Base) -> Change | Note | None:
    """The base in the dev container that is there; None where there is none, or it is on it."""
    present = next((path for path in DEVCONTAINER_NAMES if path in files.texts), "")
    text = files.texts.get(present, "")
    found = _IMAGE.search(text)
    if not text or "build" in text or "dockerComposeFile" in text:
        return None
    if found is None:
        return Note(text="it names no image", line=f'"image": {json.dumps(base.reference)}', path=present)
    new = text[: found.start("image")] + base.reference + text[found.end("image") :]
    return None if new == text else Change(path=present, old=text, new=new, reasons=("the base",))


def _watch(recipe: Recipe) -> list[str]:
    rebuilt = [path for path in recipe.files if path != "pyproject.toml"] or list(recipe.files)
    return [
        "develop:",
        "  watch:",
        "    - action: sync+restart",
        "      path: .",
        f"      target: {FOLDER}",
        "      ignore: [.venv/]",
        *(line for path in rebuilt for line in ("    - action: rebuild", f"      path: {path}")),
    ]


def _service(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", name).strip("-") or "app"
