"""The projects of this folder as data: what people write, and what is expected of it on a base.

A project is a folder of `projects/`: its files as people have them, and `child.toml`, which says what is expected and
may name another project whose files it has too (`like`). The Dockerfiles' bases are named as a company's would be;
tests give those names to what they have published.
"""

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("projects")
EXPECTED = "child.toml"
_GOES_ON = " \\"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A start of the image, without a network: its own command or another, as its own user or another.

    What it prints has to match the pattern `says`; of a service (`serves`), what it answers on port 8000 to that path.
    """

    says: str
    command: tuple[str, ...] = ()
    user: str = ""
    serves: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A line that does not work on a base, what it says then, and the line that does; "" leaves it out."""

    line: str
    to: str
    says: str
    file: str = "Dockerfile"

    def apply(self, folder: Path) -> None:
        """Change the line in a copy of the project."""
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(f"{self.line}\n") == 1, f"{path} has no line {self.line!r}"
        path.write_text(text.replace(f"{self.line}\n", f"{self.to}\n" if self.to else ""), encoding="utf-8")

    def __str__(self) -> str:
        line, to = (f"`{text.removesuffix(_GOES_ON)}`" for text in (self.line, self.to))
        line = line if self.file == "Dockerfile" else f"the line {line} of `{self.file}`"
        return f"{line} becomes {to}" if self.to else f"{line} is left out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A way to inherit a base, as the README's table says it, and what is expected of it.

    Measured are the steps of the build, of all its stages, that the pattern `step` is found in: the layers of the image
    that they add have at most `most_bytes` (0: as many as it needs), and they take at most `most_times` as long as a
    step that does nothing. Where uv has to resolve something, it asks the index even for what it has; `offline` tells
    it not to, and nothing is downloaded anywhere. `export` stands for `uv export`, which writes requirements.txt.
    """

    name: str
    inherits: str
    step: str
    runs: tuple[Run, ...]
    most_bytes: int = 0
    most_times: float = 0
    offline: bool = False
    export: bool = False
    change: Change | None = None
    like: str = ""

    def copy(self, folder: Path) -> Path:
        """Copy the files to `folder`, which is made if it is not there."""
        if self.like:
            read_project(self.like).copy(folder)
        shutil.copytree(FOLDER / self.name, folder, ignore=shutil.ignore_patterns(EXPECTED), dirs_exist_ok=True)
        return folder


def read_project(name: str) -> Project:
    """The project of a folder."""
    said: dict[str, Any] = tomllib.loads((FOLDER / name / EXPECTED).read_text(encoding="utf-8"))
    runs = tuple(Run(**{**run, "command": tuple(run.get("command", ()))}) for run in said.pop("run"))
    change = Change(**said.pop("change")) if "change" in said else None
    return Project(name=name, runs=runs, change=change, **said)


PROJECTS = tuple(read_project(path.parent.name) for path in sorted(FOLDER.glob(f"*/{EXPECTED}")))
