"""The plan of an adoption. Pure.

It works from what there is: a Dockerfile is patched, and written only where there is none; a lock decides how packages
get in; what people wrote elsewhere is completed. Planning what was applied gives no change.

Requirements files get no constraints: `uv pip install` keeps what is in the base's environment as long as it satisfies
them, and constraints on top could only contradict a pin.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from warmbase.downstream.adopt.exporting import (
    EXPORTED,
    EXPORTED_KINDS,
    EXPORTED_MAIN,
    export_requirements,
    project_in_image,
)
from warmbase.downstream.adopt.extras import move_devcontainer, plan_compose, plan_devcontainer
from warmbase.downstream.adopt.ignoring import complete_ignored
from warmbase.downstream.adopt.locking import builds_offline
from warmbase.downstream.adopt.model import Adoption, Change, Command, Locked, Note, ProjectFiles, Wishes
from warmbase.downstream.adopt.patching import Patched, move_dockerfile, patch_dockerfile
from warmbase.downstream.adopt.programs import is_install
from warmbase.downstream.adopt.rules import relocate
from warmbase.downstream.adopt.settings import notes_on_settings
from warmbase.downstream.adopt.starting import Start, find_start
from warmbase.downstream.adopt.writing import (
    Recipe,
    install_recipe,
    install_system,
    requirements_recipe,
    sync_recipe,
    write_dockerfile,
)
from warmbase.downstream.commands import read_commands
from warmbase.downstream.dockerfile import read_dockerfile
from warmbase.downstream.listing import Base
from warmbase.downstream.match import Match, match
from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Environment, Need, Project
from warmbase.downstream.projects.requirements import compiling_command
from warmbase.downstream.pythons import admits_python
from warmbase.downstream.words import join_words, spell_specifier
from warmbase.errors import ProjectError
from warmbase.publish.offer import OfferedPlatform

PYTHON_VERSION = ".python-version"

_VERSIONS_FROM_GIT = re.compile(r"setuptools[-_]scm|hatch-vcs|versioningit|versioneer|dynamic-versioning|pdm-backend")
_OWN_ENVIRONMENT = re.compile(r"(?<![\w-])\.?venv/bin/|^\s*(?:\.|source)\s+\S*bin/activate")
_MOST_PINS = 12


def plan_adoption(
    project: Project, base: Base, wishes: Wishes, files: ProjectFiles, locked: Locked | None = None
) -> Adoption:
    """What has to change in a project's folder so that a build on `base` hits.

    `locked` is what uv made of a project that it locks, and `project` then what that lock says. Raises ProjectError for
    a Dockerfile or a pyproject.toml that cannot be read, and where the base's Python or platform does not serve.
    """
    offered = _platform(base, wishes)
    _check_python(project, base, offered)
    needs = project.needs(environment_of(offered.python, offered.platform))
    exports = _exports(project, environment_of(offered.python, offered.platform), files)
    recipe = choose_recipe(project, offered, needs, files, locked)
    script = project.path.name if project.kind == "script" else ""
    start = find_start(files, project.name, {need.name for need in needs}, script)
    dockerfile, notes = _plan_dockerfile(base, wishes, files, recipe, start, project, exports)
    image = dockerfile.new if dockerfile else ""
    said = image + "".join(f"{note.text} {note.line}" for note in notes)
    unnamed = not any(name in said for name in exports)
    exports = {
        name: text
        for name, text in exports.items()
        if name in said or name in files.texts or (unnamed and name == EXPORTED)
    }
    changes = [
        dockerfile,
        *_locked_changes(files, locked),
        _plan_python_version(base, offered, files),
    ]
    changes += [_change(files, *each) for each in exports.items() if each[0] in files.texts or not wishes.upgrade]
    if wishes.upgrade:
        extras: list[Change | Note | None] = [move_devcontainer(files, base)]
    else:
        changes.append(_plan_ignored(wishes, files, [*recipe.files, *exports]))
        extras = [plan_compose(files, project.name, recipe, start, wishes.dockerfile)] if wishes.compose else []
        extras += plan_devcontainer(files, project.name, base, recipe) if wishes.devcontainer else []
    changes += [each for each in extras if isinstance(each, Change)]
    notes += [each for each in extras if isinstance(each, Note)]
    found = match(project_in_image(project, image), base, offered.platform)
    notes += [*_notes(project, found, locked), *_notes_on_folders(project, found, image), *_notes_on_scripts(files)]
    notes += notes_on_settings(files)
    notes += _notes_on_source(files.texts.get(wishes.dockerfile, ""), wishes.dockerfile, recipe)
    return Adoption(
        changes=tuple(each for each in changes if each is not None and each.new != each.old),
        notes=tuple(notes),
        commands=tuple(_commands(project, files, found)),
    )


def choose_recipe(
    project: Project, offered: OfferedPlatform, needs: tuple[Need, ...], files: ProjectFiles, locked: Locked | None
) -> Recipe:
    """How the project's packages get into an image."""
    has_git = any(package.name == "git" for package in offered.system_packages)
    asks_git = any(need.source == "git" for need in needs)
    packages = {package.name: package for package in offered.packages if not package.source}
    recipe = replace(_recipe(project, files, locked), is_offline=builds_offline(project, packages))
    return replace(recipe, system=("git",)) if asks_git and not has_git else recipe


def _recipe(project: Project, files: ProjectFiles, locked: Locked | None) -> Recipe:
    local = _local_folders(project)
    if project.kind == "uv.lock" or locked:
        pyproject = locked.pyproject if locked else files.texts.get("pyproject.toml", "")
        others = any(member.folder not in (".", "") for member in project.members)
        return sync_recipe(builds="." in local, has_others=others, has_root="project" in _load(pyproject))
    if _is_exported(project, files):
        return install_recipe(EXPORTED, local)
    if project.kind == "requirements.txt":
        name = project.path.name
        return requirements_recipe(name, files.texts.get(name, ""))
    return install_recipe(project.path.name, local)


def _local_folders(project: Project) -> tuple[str, ...]:
    return tuple(sorted(member.folder or "." for member in project.members if member.backend))


def _platform(base: Base, wishes: Wishes) -> OfferedPlatform:
    offered = base.offer.platform(wishes.platform) if wishes.platform else next(iter(base.offer.platforms), None)
    if offered is None:
        there = join_words([each.platform for each in base.offer.platforms])
        raise ProjectError(
            f"{base.name} is not there for {wishes.platform or 'any platform'}, only for {there or 'none'}",
            next_step="see `warmbase list` for what is, or ask for another --platform",
        )
    return offered


def _check_python(project: Project, base: Base, offered: OfferedPlatform) -> None:
    if project.requires_python and not admits_python(project.requires_python, offered.python):
        raise ProjectError(
            f"{base.name} has Python {offered.python}, and the project asks for"
            f" {spell_specifier(project.requires_python)}",
            next_step="`warmbase choose` names bases that fit; or widen `requires-python`",
        )


def _plan_python_version(base: Base, offered: OfferedPlatform, files: ProjectFiles) -> Change | None:
    text = files.texts.get(PYTHON_VERSION)
    request = next((line.strip() for line in (text or "").splitlines() if line.strip()[:1] not in ("", "#")), "")
    if text is None or not request or admits_python(request, offered.python):
        return None
    new = text.replace(request, base.offer.python, 1)
    return Change(path=PYTHON_VERSION, old=text, new=new, reasons=(f"the base has Python {offered.python}",))


def _plan_dockerfile(
    base: Base,
    wishes: Wishes,
    files: ProjectFiles,
    recipe: Recipe,
    start: Start | None,
    project: Project,
    exports: Mapping[str, str],
) -> tuple[Change | None, list[Note]]:
    path = wishes.dockerfile
    text = files.texts.get(path)
    if text is None and wishes.upgrade:
        return None, []
    if text is None:
        new = write_dockerfile(base.reference, recipe, start)
        notes = [] if start else [Note(text="nothing here says how it starts", line='CMD ["…"]', path=path)]
        return Change(path=path, old=None, new=new), notes
    if wishes.upgrade:
        patched: Patched = move_dockerfile(text, path, base)
    else:
        exported, main = (name if name in exports else "" for name in (EXPORTED, EXPORTED_MAIN))
        local = _local_folders(project)
        patched = patch_dockerfile(text, path, base, exported=exported, main=main, groups=project.groups, local=local)
    notes = list(patched.notes)
    if recipe.system and not all(re.search(rf"\b{name}\b", text) for name in recipe.system):
        line = f"RUN {install_system(recipe.system)}"
        notes.append(
            Note(text="a package comes from git, which the base has not", line=line, path=path, is_blocking=True)
        )
    return Change(path=path, old=text, new=patched.text, reasons=patched.reasons), notes


def _locked_changes(files: ProjectFiles, locked: Locked | None) -> Iterator[Change | None]:
    if locked:
        yield _change(files, "pyproject.toml", locked.pyproject)
        yield _change(files, "uv.lock", locked.lock)


def _change(files: ProjectFiles, path: str, new: str) -> Change:
    return Change(path=path, old=files.texts.get(path), new=new)


def _plan_ignored(wishes: Wishes, files: ProjectFiles, needed: Sequence[str]) -> Change | None:
    own = f"{wishes.dockerfile}.dockerignore"
    path = own if own in files.texts else ".dockerignore"
    keeps_git = bool(_VERSIONS_FROM_GIT.search(files.texts.get("pyproject.toml", "")))
    try:
        new = complete_ignored(files.texts.get(path), needed, keeps_git=keeps_git)
    except ValueError as error:
        raise ProjectError(f"{path}: {error}", next_step="correct or remove that pattern") from None
    return _change(files, path, new)


def _is_exported(project: Project, files: ProjectFiles) -> bool:
    """Whether uv cannot read what the project has: others' locks, conda's environments, poetry's own dependencies."""
    poetry = project.kind == "pyproject.toml" and "project" not in _load(files.texts.get("pyproject.toml", ""))
    return project.kind in EXPORTED_KINDS or poetry


def _exports(project: Project, environment: Environment, files: ProjectFiles) -> Mapping[str, str]:
    """The requirements files that take the place of what uv does not read, by name."""
    if not _is_exported(project, files):
        return {}
    found = {EXPORTED: export_requirements(project, project.needs(environment))}
    if project.main_needs:
        found[EXPORTED_MAIN] = export_requirements(project, project.main_needs(environment))
    return found


def _notes(project: Project, found: Match, locked: Locked | None) -> Iterator[Note]:
    for unknown in project.unknown:
        yield Note(text=f"{unknown.name}: {unknown.why}", path=project.path.name)
    pins = _differing_pins(found)
    if pins and not locked:
        said = join_words([f"{need.name} {need.version}" for need, _ in pins], most=_MOST_PINS)
        yield Note(
            text=f"pinned to other versions than the base's, and so downloaded: {said}; the base has",
            line="\n".join(pin for _, pin in pins),
            path=project.path.name,
        )


def _notes_on_folders(project: Project, found: Match, dockerfile: str) -> Iterator[Note]:
    """What the lock takes from folders or files that are no packages here, and no requirements file can name."""
    for miss in found.misses if project.kind in EXPORTED_KINDS else ():
        if miss.need.source == "path" and miss.need.url not in dockerfile:
            text = f"{miss.need.name} comes from {miss.need.whence}, which nothing installs"
            is_relative = not re.match(r"[./]|file:", miss.need.url)
            line = f"RUN uv pip install --no-deps {'./' if is_relative else ''}{miss.need.url}"
            yield Note(text=text, line=line, path=project.path.name, is_blocking=True)


def _notes_on_source(text: str, path: str, recipe: Recipe) -> Iterator[Note]:
    """A Dockerfile that is there and installs a requirements file, where the lock decides what the base has."""
    if not text or recipe.files[-1] != "uv.lock":
        return
    dockerfile = read_dockerfile(text, path)
    runs = [each for each in dockerfile.instructions if each.keyword == "RUN"]
    programs = [(run.line, each.program) for run in runs for each in read_commands(run, dockerfile.escape)]
    if any(program[:2] in (("uv", "sync"), ("uv", "export")) for _, program in programs):
        return
    for number, program in programs:
        if is_install(program) and any(word in ("-r", "--requirement") for word in program):
            said = "the lock has the base's versions, and this installs a file that it does not decide; sync the lock"
            line = f"COPY {' '.join(recipe.files)} ./\nRUN {recipe.install}"
            yield Note(text=said, line=line, path=path, number=number, is_blocking=True)
            return


def _notes_on_scripts(files: ProjectFiles) -> Iterator[Note]:
    """Lines of shell scripts that look for an environment which an image on the base does not have."""
    for path, text in sorted(files.texts.items()):
        for number, line in enumerate(text.splitlines() if path.endswith(".sh") else (), start=1):
            if _OWN_ENVIRONMENT.search(line):
                new = relocate(line.strip(), ())
                said = "if this runs in the image: the base's programs are on PATH, and it has no such environment"
                is_program = new != line.strip() and "activate" not in new
                yield Note(text=said, line=new if is_program else "", path=path, number=number)


def _differing_pins(found: Match) -> list[tuple[Need, str]]:
    """What is pinned to another version than the base's, and the base's."""
    return [(miss.need, f"{miss.need.name}=={miss.has}") for miss in found.misses if miss.has and miss.need.version]


def _commands(project: Project, files: ProjectFiles, found: Match) -> Iterator[Command]:
    """What moves the pins of a requirements file that uv compiled, as its head says."""
    is_written = project.kind == "requirements.txt"
    head = compiling_command(files.texts.get(project.path.name, "")) if is_written else ""
    pins = [pin for _, pin in _differing_pins(found)]
    if head and pins:
        words = [word for pin in pins for word in ("--upgrade-package", pin)]
        yield Command(words=(*shlex.split(head), *words), why="it moves the pins to the base's versions")


def _load(pyproject: str) -> dict[str, Any]:
    try:
        return tomllib.loads(pyproject)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"pyproject.toml: {error}", next_step="correct it; `uv lock` says the same") from None
