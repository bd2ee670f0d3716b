"""The files of an image, looked at from outside: its unpacked layers seen as one tree, without running or mounting it.

What a container would see: higher layers hide lower ones, whiteouts remove (OCI image specification, layer.md), and
symlinks lead where they would lead inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from warmbase.layers.listing import OPAQUE, ListedEntry, Listing

_MOST_LINKS = 40  # as path_resolution(7) has it


@dataclass(slots=True)
class _Node:
    kind: str
    layer: int
    target: str = ""
    children: "dict[str, _Node]" = field(default_factory=dict)


class ImageTree:
    """The tree of layers, the lowest first: `listings` say what is in each, `folders` where it is unpacked."""

    def __init__(self, listings: Sequence[Listing], folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._root = _Node("dir", 0)
        for number, listing in enumerate(listings):
            # What a layer removes is below it, wherever in the tar that is said.
            for entry in listing.entries:
                if entry.kind == "whiteout":
                    self._hide(entry.path)
            for entry in listing.entries:
                if entry.kind not in ("whiteout", "device"):
                    self._add(entry, number)

    def resolve(self, path: str) -> str | None:
        """The absolute path that `path` leads to, all symlinks followed; None if there is nothing."""
        found = self._walk(path)
        return None if found is None else "/" + "/".join(found[0])

    def is_file(self, path: str) -> bool:
        """Whether `path` leads to a regular file."""
        found = self._walk(path)
        return found is not None and found[1].kind in ("file", "hardlink")

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none if it is no folder."""
        found = self._walk(path)
        return tuple(sorted(found[1].children)) if found else ()

    def read(self, path: str) -> bytes | None:
        """The content of the file that `path` leads to, None if it leads to none."""
        found = self._walk(path)
        if found is None or found[1].kind not in ("file", "hardlink"):
            return None
        parts, node = found
        return self._folders[node.layer].joinpath(*parts).read_bytes()

    def _hide(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        node = self._find(folder)
        if node is None:
            return
        if name == OPAQUE:
            node.children.clear()
        else:
            node.children.pop(name, None)

    def _find(self, path: str) -> _Node | None:
        """The node of a path as layers mean it: no symlink is followed."""
        node: _Node | None = self._root
        for part in filter(None, path.split("/")):
            node = node.children.get(part) if node else None
        return node

    def _add(self, entry: ListedEntry, layer: int) -> None:
        folder, _, name = entry.path.rpartition("/")
        node = self._root
        for part in filter(None, folder.split("/")):
            below = node.children.get(part)
            if below is None or below.kind != "dir":
                below = node.children[part] = _Node("dir", layer)
            node = below
        known = node.children.get(name)
        if entry.kind == "dir" and known and known.kind == "dir":
            return
        node.children[name] = _Node(entry.kind, layer, entry.target)

    def _walk(self, path: str) -> tuple[tuple[str, ...], _Node] | None:
        """The real path and the node that `path` leads to."""
        ahead = list(reversed(_parts(path)))
        behind: list[tuple[str, _Node]] = []
        links = 0
        while ahead:
            part = ahead.pop()
            if part == "..":
                del behind[-1:]
                continue
            node = (behind[-1][1] if behind else self._root).children.get(part)
            if node is None:
                return None
            if node.kind == "symlink":
                links += 1
                if links > _MOST_LINKS:
                    return None
                if node.target.startswith("/"):
                    behind.clear()
                ahead += reversed(_parts(node.target))
            else:
                behind.append((part, node))
        return tuple(part for part, _ in behind), behind[-1][1] if behind else self._root


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
