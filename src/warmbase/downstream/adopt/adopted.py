"""What a project has adopted: its Dockerfile says it, in FROM, and nothing else has to."""

from warmbase.downstream.adopt.stages import is_base, survey
from warmbase.downstream.dockerfile import read_dockerfile
from warmbase.downstream.listing import Base
from warmbase.oci.reference import Reference


def find_adopted(text: str, path: str, some: Base) -> Reference | None:
    """The image of the place of `some` base that a Dockerfile stands on; the last stage's where there are several.

    Raises ProjectError for a text that is no Dockerfile.
    """
    dockerfile = read_dockerfile(text, path)
    begun = survey(dockerfile, some).begun
    for stage in reversed(dockerfile.stages):
        if stage.number in begun and is_base(stage.image, some):
            try:
                return Reference.parse(stage.image)
            except ValueError:
                continue
    return None
