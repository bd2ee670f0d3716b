"""What a project has adopted: its Dockerfile says it, in FROM, and nothing else has to."""

from collections.abc import Iterable

from warmbase.downstream.dockerfile import Dockerfile, read_dockerfile
from warmbase.downstream.listing import Base
from warmbase.downstream.naming import take_apart


def images_of_bases(dockerfile: Dockerfile, bases: Iterable[Base]) -> dict[int, str]:
    """The stages of a Dockerfile that stand on one of these bases, themselves or through another stage, by their
    numbers, with the names of the bases' images. The place may be left out, as an engine does that loaded a base."""
    bases = tuple(bases)
    places, images = {base.place for base in bases}, {base.image for base in bases}
    lowest = {stage.number: dockerfile.ancestry(stage)[0].image for stage in dockerfile.stages}
    names = {number: take_apart(image, places).image for number, image in lowest.items() if image}
    return {number: name for number, name in names.items() if name in images}


def find_adopted(text: str, path: str, bases: Iterable[Base]) -> str:
    """The image that a Dockerfile names of one of these bases, as it names it; the last stage's where there are
    several, "" where there is none. Raises ProjectError for a text that is no Dockerfile."""
    dockerfile = read_dockerfile(text, path)
    last = max(images_of_bases(dockerfile, bases), default=None)
    return "" if last is None else dockerfile.ancestry(dockerfile.stages[last])[0].image
