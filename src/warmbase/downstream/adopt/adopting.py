"""Adopting a base in a folder: reading, locking where uv locks the project, planning. Nothing is written here."""

import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from warmbase.downstream.adopt.exporting import project_in_image
from warmbase.downstream.adopt.folder import name_within, read_files
from warmbase.downstream.adopt.locking import LOCK, PYPROJECT, lock_on
from warmbase.downstream.adopt.model import Adoption, Locked, Note, ProjectFiles, Wishes
from warmbase.downstream.adopt.named import note_named
from warmbase.downstream.adopt.plan import plan_adoption
from warmbase.downstream.adopt.way import way_of
from warmbase.downstream.listing import Base
from warmbase.downstream.match import Match, match
from warmbase.downstream.prediction import predict_layer
from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Project
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

Relock = Callable[[Path, Mapping[str, str]], str]
"""The uv.lock of the project in a folder, with other texts in the place of its files. Raises ProjectError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A plan, ready to be shown: the folder that it is for, the project as it will be, and how the base serves it."""

    folder: Path
    project: Project
    adoption: Adoption
    match: Match

    @property
    def left(self) -> tuple[Note, ...]:
        """What people have to do before the project is on the base."""
        return tuple(note for note in self.adoption.notes if note.is_blocking)


def prepare_adoption(
    project: Project, base: Base, wishes: Wishes, relock: Relock | None, notes: Sequence[Note] = ()
) -> Prepared:
    """The plan of an adoption; `notes` are what there is to say of the base. Without `relock`, and where uv cannot lock
    the project, its lock stays, and a note says so. Raises ProjectError."""
    folder = project.folder
    wishes = replace(wishes, dockerfile=name_within(folder, wishes.dockerfile))
    files = read_files(folder, wishes.dockerfile, project.path.name)
    offered = base.offer.platform(wishes.platform) if wishes.platform else base.offer.platforms[0]
    locked = None
    after = project
    if offered and relock and _is_locked_by_uv(project, files):
        environment = environment_of(offered.python, offered.platform)
        try:
            locked = lock_on(project, base, environment, files, lambda texts: relock(folder, texts))
            after = _project_of(locked, project)
        except ProjectError as error:
            locked = None
            text = f"the lock was not moved to the base's versions ({error.next_step}): {error.message}"
            notes = [*notes, Note(text=text, is_blocking=project.kind == LOCK)]
    adoption = plan_adoption(after, base, wishes, files, locked)
    written = {change.path: change.new for change in adoption.changes}
    dockerfile = written.get(wishes.dockerfile, files.texts.get(wishes.dockerfile, ""))
    notes = [*notes, *(note_named(dockerfile, wishes.dockerfile, base) if dockerfile else ())]
    after = project_in_image(after, dockerfile)
    found = match(after, base, offered.platform if offered else wishes.platform)
    return Prepared(
        folder=folder,
        project=after,
        adoption=replace(adoption, notes=(*notes, *adoption.notes)),
        match=_predicted(after, found, dockerfile),
    )


def _predicted(project: Project, found: Match, dockerfile: str) -> Match:
    """The match with what the image of the adopted Dockerfile will add."""
    return replace(found, layer=predict_layer(project, found, way=way_of(dockerfile) if dockerfile else None))


def _is_locked_by_uv(project: Project, files: ProjectFiles) -> bool:
    if project.kind not in ("uv.lock", "pyproject.toml"):
        return False
    try:
        document: dict[str, Any] = tomllib.loads(files.texts.get(PYPROJECT, ""))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"{PYPROJECT}: {error}", next_step="correct it; `uv lock` says the same") from None
    return bool(document) and (project.kind == "uv.lock" or "project" in document)


def _project_of(locked: Locked, project: Project) -> Project:
    """The project as its new lock says it."""
    with tempfile.TemporaryDirectory(prefix="warmbase-adopt-") as name:
        folder = Path(name)
        for path, text in ((PYPROJECT, locked.pyproject), (LOCK, locked.lock)):
            (folder / path).write_text(text, encoding="utf-8", newline="")
        read = read_project(folder / LOCK)
    return replace(
        read,
        path=project.folder / LOCK,
        name=project.name,
        members=project.members,
        requires_python=project.requires_python,
        python=project.python,
        unknown=project.unknown,
    )
