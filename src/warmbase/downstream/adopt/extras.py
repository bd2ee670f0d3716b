"""What is written on request: a compose file that follows the sources, and a dev container. Pure.

A dev container that is there is read as what it is, JSON with comments, and only the value of its image is replaced:
on request, or by `--upgrade` where it is on a base already. One that builds its image, or that a compose file runs, is
left as it is, with a note.
"""

import json
import re
from collections.abc import Iterator
from posixpath import join, normpath

from warmbase.downstream.adopt.model import Change, Note, ProjectFiles
from warmbase.downstream.adopt.stages import folders_of, is_base
from warmbase.downstream.adopt.starting import Start
from warmbase.downstream.adopt.writing import FOLDER, Recipe
from warmbase.downstream.dockerfile import expand, read_dockerfile
from warmbase.downstream.listing import Base
from warmbase.image.promises import VENV_BIN

COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
DEVCONTAINER_NAMES = (".devcontainer/devcontainer.json", ".devcontainer.json")

_TOKEN = re.compile(r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\]|\\.)*"|[][{}:,]', re.DOTALL)
_PLAIN = re.compile(r"[\w./-]+")


def plan_compose(
    files: ProjectFiles, name: str, recipe: Recipe, start: Start | None, dockerfile: str
) -> Change | Note | None:
    """A compose file that rebuilds when what is locked changes and else sends changed files into the container, or the
    lines to write into the one that is there; None where it says that already. `dockerfile` is what it builds."""
    watch = _watch(recipe, _folder_of_sources(files.texts.get(dockerfile, ""), dockerfile))
    present = next((path for path in COMPOSE_NAMES if path in files.texts), "")
    if not present:
        ports = [f'    ports: ["{start.port}:{start.port}"]'] if start and start.port else []
        build = f"    build: {_build(dockerfile)}"
        lines = ["services:", f"  {_service(name)}:", build, *ports, *(f"    {line}" for line in watch)]
        return Change(path=COMPOSE_NAMES[0], old=None, new="".join(f"{line}\n" for line in lines))
    if re.search(r"^\s+watch\s*:", files.texts[present], re.MULTILINE):
        return None
    return Note(text="to have changes sent to the service as you write, add to it", line="\n".join(watch), path=present)


def plan_devcontainer(files: ProjectFiles, name: str, base: Base, recipe: Recipe) -> Iterator[Change | Note]:
    """A dev container on the base, or the base in the one that is there, with what there is to say of it; nothing where
    it is that already."""
    path = next((path for path in DEVCONTAINER_NAMES if path in files.texts), "")
    if not path:
        document = {
            "name": name,
            "image": base.reference,
            "postCreateCommand": recipe.finish or recipe.install,
            "customizations": {"vscode": {"settings": {"python.defaultInterpreterPath": f"{VENV_BIN}/python"}}},
        }
        yield Change(path=DEVCONTAINER_NAMES[0], old=None, new=json.dumps(document, indent=2) + "\n")
        return
    text = files.texts[path]
    keys = _read_keys(text)
    if "dockerComposeFile" in keys:
        said = "a compose file says what it runs; put the base, or what is built on it, into that service"
        yield Note(text=said, line=f"image: {base.reference}", path=path)
    elif "build" in keys or "dockerFile" in keys:
        said = "it builds its image; if that is from another Dockerfile than the adopted one, begin it with"
        yield Note(text=said, line=f"FROM {base.reference}", path=path)
    elif "image" not in keys:
        yield Note(text="it names no image", line=f'"image": {json.dumps(base.reference)}', path=path)
    elif change := _with_image(path, text, keys["image"], base):
        yield change
        if "features" in keys:
            yield Note(text="its features were chosen for another image; see that they install on the base", path=path)


def move_devcontainer(files: ProjectFiles, base: Base) -> Change | None:
    """The base in the dev container that is on an image of the base; None where there is none, or none to move."""
    path = next((path for path in DEVCONTAINER_NAMES if path in files.texts), "")
    text = files.texts.get(path, "")
    span = _read_keys(text).get("image", slice(0))
    return _with_image(path, text, span, base) if is_base(text[span], base) else None


def _with_image(path: str, text: str, span: slice, base: Base) -> Change | None:
    new = text[: span.start] + base.reference + text[span.stop :]
    return None if new == text else Change(path=path, old=text, new=new, reasons=("the base",))


def _read_keys(text: str) -> dict[str, slice]:
    """The keys of the document itself, not of what is in it, each with where the text of its value stands between its
    quotes; of a value that is no text, where it would."""
    tokens = [found for found in _TOKEN.finditer(text) if found[0][:2] not in ("//", "/*")]
    depth, keys = 0, {}
    for position, token in enumerate(tokens[:-2]):
        depth += (token[0] in "{[") - (token[0] in "}]")
        colon, value = tokens[position + 1 : position + 3]
        if depth == 1 and token[0][0] == '"' and colon[0] == ":":
            is_text = value[0][0] == '"'
            keys[token[0][1:-1]] = (
                slice(value.start() + 1, value.end() - 1) if is_text else slice(value.start(), value.start())
            )
    return keys


def _watch(recipe: Recipe, folder: str) -> list[str]:
    rebuilt = [path for path in recipe.files if path != "pyproject.toml"] or list(recipe.files)
    return [
        "develop:",
        "  watch:",
        "    - action: sync+restart",
        "      path: .",
        f"      target: {folder if _PLAIN.fullmatch(folder) else json.dumps(folder)}",
        "      ignore: [.venv/]",
        *(line for path in rebuilt for line in ("    - action: rebuild", f"      path: {path}")),
    ]


def _folder_of_sources(text: str, path: str) -> str:
    """The folder of an image that a Dockerfile copies the project to, or else the one that its last stage is in."""
    if not text:
        return FOLDER
    dockerfile = read_dockerfile(text, path)
    found, last = "", "/"
    for instruction, folder, variables in folders_of(dockerfile.stages[-1], dockerfile):
        last = folder
        is_own = instruction.keyword in ("COPY", "ADD") and "from" not in dict(instruction.flags)
        if is_own and any(word in (".", "./") for word in instruction.words[:-1]):
            found = normpath(join(folder, expand(instruction.words[-1], variables)[0]))
    return next((each for each in (found, last) if each not in ("", "/")), FOLDER)


def _build(dockerfile: str) -> str:
    if dockerfile == "Dockerfile":
        return "."
    name = dockerfile if _PLAIN.fullmatch(dockerfile) else json.dumps(dockerfile)
    return f"{{context: ., dockerfile: {name}}}"


def _service(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", name).strip("-") or "app"
