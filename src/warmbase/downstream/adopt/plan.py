"""The plan of an adoption. Pure."""

from warmbase.downstream.adopt.model import Adoption, ProjectFiles, Wishes
from warmbase.downstream.listing import Base
from warmbase.downstream.projects.model import Project


def plan_adoption(project: Project, base: Base, wishes: Wishes, files: ProjectFiles) -> Adoption:
    """What has to change in a project's folder so that a build on `base` hits.

    Raises ProjectError for a Dockerfile or a pyproject.toml that cannot be read.
    """
    raise NotImplementedError
