"""A requirements file of what another tool's lock, or a conda environment, says: what uv can install. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from warmbase.downstream.projects.model import Need, Project

EXPORTED = "requirements.lock.txt"
"""The file that is written for them."""
EXPORTED_MAIN = "requirements-main.lock.txt"
"""The one with the main dependencies alone, where an image takes no more."""

EXPORTED_KINDS = frozenset({"poetry.lock", "Pipfile.lock", "environment.yml"})
"""What uv does not read itself."""


def export_requirements(project: Project, needs: Sequence[Need]) -> str:
    """The needs as a requirements file, with the hashes of their files where all have some."""
    indexed = [need for need in needs if need.source == "index"]
    written = [need for need in needs if need.source != "path"]
    hashed = bool(indexed) and all(need.version and any(file.sha256 for file in need.files) for need in written)
    lines = [f"# From {project.path.name}, for images; written by `warmbase adopt`, which also renews it."]
    for need in written:
        lines.append(_requirement(need))
        if hashed:
            hashes = sorted({file.sha256 for file in need.files if file.sha256})
            lines[-1] += "".join(f" \\\n    --hash=sha256:{each}" for each in hashes)
    return "".join(f"{line}\n" for line in lines)


def project_in_image(project: Project, dockerfile: str) -> Project:
    """The project as far as it gets into the image of a Dockerfile: its main dependencies where it takes no more."""
    is_main = EXPORTED_MAIN in dockerfile and EXPORTED not in dockerfile
    return replace(project, needs=project.main_needs) if project.main_needs and is_main else project


def _requirement(need: Need) -> str:
    name = f"{need.name}[{','.join(need.extras)}]" if need.extras else need.name
    if need.source != "index":
        return f"{name} @ {need.url}"
    return f"{name}=={need.version}" if need.version else f"{name}{need.specifier}"
