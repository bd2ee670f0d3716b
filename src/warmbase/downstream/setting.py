"""Where it stands what is published: on the command line, in the environment, in a project, or in a catalog.

The first of these that says it counts:

1. `--index`;
2. the variable WARMBASE_INDEX;
3. `index` under `[tool.warmbase]` in the pyproject.toml of the project's folder, or of one above it;
4. `registry` of the `images.yaml` in the current folder.

Each names a place in a registry, "registry.example/bases", or an index.json: its address, its path, or the address or
path of the page or folder that has it. A path in a pyproject.toml is relative to that file's folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from warmbase.downstream.index import NAME
from warmbase.errors import ListingError, ProjectError

VARIABLE = "WARMBASE_INDEX"
PROJECT = "pyproject.toml"
CATALOG = "images.yaml"

_HOST = re.compile(r"(?:localhost|[\w.-]+\.[\w-]+|\[[0-9a-fA-F:]+\])(?::\d+)?|[\w.-]+:\d+")
_PAGES = (".html", ".htm")
_PATH = re.compile(r"[./~\\]|[A-Za-z]:[\\/]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What names the place. `text` is a place, an address or a path; `said` says where it stands."""

    kind: Literal["place", "address", "path"]
    text: str
    said: str = ""


def find_source(given: str, folder: Path, environment: Mapping[str, str], catalog: Path = Path(CATALOG)) -> Source:
    """What says where it is published: `given` on the command line, or the first of the others.

    Raises ListingError where nothing does, ProjectError for a pyproject.toml that cannot be read, CatalogError.
    """
    if given:
        return parse_source(given, Path(), "--index")
    if environment.get(VARIABLE):
        return parse_source(environment[VARIABLE], Path(), VARIABLE)
    found = _of_project(folder)
    if found:
        path, text = found
        return parse_source(text, path.parent, str(path))
    registry = _of_catalog(catalog)
    if registry:
        return Source(kind="place", text=registry, said=str(catalog))
    raise ListingError(
        "nothing says where the bases are published",
        next_step="name the registry or its index.json with --index, in WARMBASE_INDEX, or in pyproject.toml:"
        ' [tool.warmbase] index = "registry.example/bases"',
    )


def parse_source(text: str, folder: Path, said: str) -> Source:
    """What a text names; a path is relative to `folder`. Raises ListingError for what is nothing of the kind."""
    text = text.strip()
    if text.startswith(("http://", "https://")):
        return Source(kind="address", text=_index_address(text), said=said)
    if text.startswith("file://"):
        from urllib.request import url2pathname  # it loads a client of HTTP

        return _path_source(Path(url2pathname(urlsplit(text).path)), said)
    path = folder / Path(text).expanduser()
    if _PATH.match(text) or text.endswith((".json", *_PAGES)) or (path.is_dir() and (path / NAME).exists()):
        return _path_source(path, said)
    host, _, rest = text.rstrip("/").partition("/")
    if _HOST.fullmatch(host) and (":" in rest or "@" in rest):
        place = "/".join([host, *rest.partition("@")[0].split("/")[:-1]])
        raise ListingError(f"{said}: {text} is an image and not a place", next_step=f"leave its name out: {place}")
    if _HOST.fullmatch(host):
        return Source(kind="place", text=text.rstrip("/"), said=said)
    raise ListingError(
        f"{said}: {text!r} is neither a place in a registry nor an index.json",
        next_step="write registry.example/bases, https://pages.example/bases/index.json, or a path that begins with ./",
    )


def _path_source(path: Path, said: str) -> Source:
    folder = path.parent if path.suffix in _PAGES else path
    return Source(kind="path", text=str(path if path.suffix == ".json" else folder / NAME), said=said)


def _index_address(text: str) -> str:
    """The address of the index that a page has beside it."""
    parts = urlsplit(text)
    if not parts.path.endswith(".json"):
        head, _, last = parts.path.rpartition("/")
        folder = head if last.endswith(_PAGES) else parts.path.rstrip("/")
        parts = parts._replace(path=f"{folder}/{NAME}")
    return urlunsplit(parts._replace(fragment=""))


def _of_project(folder: Path) -> tuple[Path, str] | None:
    """The setting of the project that a folder belongs to, and the file that has it."""
    whole = folder.absolute()
    for each in (whole, *whole.parents):
        path = each / PROJECT
        text = _setting_in(path) if path.is_file() else ""
        if text:
            return path, text
    return None


def _setting_in(path: Path) -> str:
    import tomllib

    try:
        content = path.read_bytes()
        if b"warmbase" not in content:  # most projects say nothing of it, and parsing takes time
            return ""
        known: object = tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise ProjectError(f"{path} cannot be read: {error}", next_step="correct it, or use --index") from error
    for name in ("tool", "warmbase", "index"):
        known = known.get(name, "" if name == "index" else {}) if isinstance(known, dict) else None
    if not isinstance(known, str):
        raise ProjectError(
            f"{path}: `index` under [tool.warmbase] is no text", next_step='write index = "registry.example/bases"'
        )
    return known


def _of_catalog(catalog: Path) -> str:
    if not catalog.is_file():
        return ""
    from warmbase.catalog.load import load_catalog

    return load_catalog(catalog).registry or ""
