"""Whether a foundation has room for what the contract promises."""

from warmbase.errors import FoundationError
from warmbase.image.promises import CACHE, FOLDER, VENV
from warmbase.layers.tree import ImageTree

_OWN = (VENV, CACHE, FOLDER)
_SHARED = ("opt", "usr/local/bin", "etc/profile.d")


def check_room(name: str, tree: ImageTree) -> None:
    """Raise FoundationError if the files of foundation `name` are where an image's own will be.

    Two venvs in one folder would be neither, and a layer that writes below a link replaces the link by a folder.
    """
    taken = [path for path in _OWN if tree.find(path)]
    if taken:
        raise FoundationError(
            f"foundation {name} has a /{taken[0]} already, where the packages and the contract of an image on it go",
            next_step="name an image without one: an image made by warmbase is to inherit from, not to build on",
        )
    for path in _SHARED:
        real = tree.resolve(path)
        if real not in (None, path):
            raise FoundationError(
                f"foundation {name} has a link at or above /{path}, which leads to /{real}; a layer cannot write there",
                next_step="name an image in which it is a folder",
            )
