"""What steps of a Dockerfile name to be installed, beside what the project needs: `RUN pip install httpx==0.27.0`.
Pure."""

from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from warmbase.downstream.adopt.model import Note
from warmbase.downstream.adopt.programs import requested, settle
from warmbase.downstream.commands import read_commands, unfold
from warmbase.downstream.dockerfile import read_dockerfile
from warmbase.downstream.listing import Base
from warmbase.downstream.match import serves_need
from warmbase.downstream.projects.model import Need

OF_UV = frozenset({"uv", "pip"})
"""What a base has as its own."""


def read_requirement(text: str) -> Iterator[Need]:
    """The need that a requirement names; none for a path, or what a variable holds, or where its marker is not met."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return
    if requirement.marker is None or requirement.marker.evaluate():
        yield Need(
            name=str(canonicalize_name(requirement.name)),
            specifier=str(requirement.specifier),
            source="url" if requirement.url else "index",
            url=requirement.url or "",
        )


def note_named(text: str, path: str, base: Base) -> Iterator[Note]:
    """What the steps of a Dockerfile on a base name and the base has not, or at another version. Raises
    ProjectError."""
    has = {each.name: each.version for each in base.offer.platforms[0].packages} if base.offer.platforms else {}
    dockerfile = read_dockerfile(text, path)
    for stage in dockerfile.stages:
        is_ours = dockerfile.ancestry(stage)[0].image == base.reference
        for step in stage.instructions if is_ours else ():
            commands = read_commands(step, dockerfile.escape) if step.keyword == "RUN" else ()
            programs = [settle(each.program) for outer in commands for each in unfold(outer)]
            names = [name for program in programs for name in requested(program)[0]]
            for need in (each for name in names for each in read_requirement(name)):
                version = has.get(need.name, "")
                if need.name in OF_UV or (version and not need.url and serves_need(need, version)):
                    continue
                why = f"the base has {version}" if version else "the base has it not"
                line = f"{need.name}=={version}" if version else ""
                said = f"{need.name}{need.specifier} is downloaded in each build of this step: {why}"
                yield Note(text=said, line=line, path=path, number=step.line)
