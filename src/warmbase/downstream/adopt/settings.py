"""What uv's settings in a project's files keep from a base, whatever its Dockerfile says. Pure."""

from collections.abc import Iterator, Mapping

from warmbase.downstream.adopt.constraints import BUILD_CONSTRAINTS, CONSTRAINTS
from warmbase.downstream.adopt.model import Note, ProjectFiles
from warmbase.downstream.doctor.options import is_on, read_file
from warmbase.image.promises import CACHE, VENV

_PYPROJECT, _UV = "pyproject.toml", "uv.toml"
_SWITCHES: Mapping[str, str] = {
    "no-cache": "it hides the base's cache",
    "refresh": "it asks for all anew, past the base's cache",
    "reinstall": "it installs again what the base has",
    "no-binary": "it builds what the base has built",
    "system": "it sends uv past the base's environment",
    "managed-python": "the base has its Python",
}
_VALUES: Mapping[str, str] = {
    "cache-dir": "the base's cache is warm",
    "link-mode": "packages would be copied from the base's cache",
    "no-binary-package": "it builds what the base may have built",
    "reinstall-package": "it installs again what the base may have",
    "python-preference": "the base has its Python",
}
_FINE = frozenset({f"/{CACHE}", f"/{VENV}", "hardlink", "only-system", "system", "managed"})


def notes_on_settings(files: ProjectFiles) -> Iterator[Note]:
    """A note for each setting that keeps a build from what the base has, and for a uv.toml, for whose sake uv leaves
    out what pyproject.toml says. Raises ProjectError for a file that is no TOML."""
    for path in (_PYPROJECT, _UV):
        for option in read_file(files.texts.get(path, ""), path, for_pip=True):
            why = _SWITCHES.get(option.name, "") if is_on(option) else ""
            if not why and option.value.rstrip("/") not in _FINE:
                why = _VALUES.get(option.name, "")
            if why:
                text = f"take `{option.said}` out: {why}"
                yield Note(text=text, path=path, number=option.place.line, is_blocking=True)
    if _UV in files.texts and _PYPROJECT in files.texts:
        said = f"where this file is, uv reads no {CONSTRAINTS} and no {BUILD_CONSTRAINTS} in {_PYPROJECT}"
        yield Note(text=f"{said}; move what is here to [tool.uv] there", path=_UV, number=1)
