"""The one tree that the layers of an image make, as a container will see it: for questions that cross layers.

Whiteouts are followed (OCI image specification, layer.md, "Whiteouts") and so are symlinks, which a foundation has in
the place of whole folders: `/lib` is `usr/lib` in most.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from warmbase.layers.listing import OPAQUE, ListedEntry, Listing
from warmbase.layers.untar import ListedKind

_MOST_LINKS = 40  # as Linux has it (path_resolution(7))


@dataclass(frozen=True, slots=True)
class Node:
    """What is at a path: its `kind`, where its content lies on this machine, and a symlink's `target`.

    `identity` is the same for the names of one file.
    """

    kind: ListedKind
    content: Path
    target: str
    size: int
    identity: tuple[int, str]


@dataclass(frozen=True, slots=True)
class ImageTree:
    """Every path of an image → what is there. Paths are relative and clean."""

    nodes: Mapping[str, Node]
    _hashes: dict[tuple[int, str], bytes] = field(default_factory=dict)
    _names: dict[str, list[str]] = field(default_factory=dict)

    def resolve(self, path: str) -> str | None:
        """The path where `path` leads to, all symlinks followed; None where nothing is."""
        left, done, links = path.strip("/").split("/")[::-1], "", 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            done = f"{done}/{part}" if done else part
            node = self.nodes.get(done)
            if node is None:
                return None
            if node.kind == "symlink":
                links += 1
                if links > _MOST_LINKS:
                    return None
                done = "" if node.target.startswith("/") else done.rpartition("/")[0]
                left += node.target.strip("/").split("/")[::-1]
        return done

    def find(self, path: str) -> Node | None:
        """What is at `path`, all symlinks followed."""
        found = self.resolve(path)
        return self.nodes.get(found) if found else None

    def read(self, path: str) -> bytes | None:
        """The content of the file that `path` leads to, None where there is no file."""
        node = self.find(path)
        return node.content.read_bytes() if node and node.kind == "file" else None

    def names(self, path: str) -> Sequence[str]:
        """The names in the folder that `path` leads to, sorted; none where there is no folder."""
        if not self._names:
            for known in sorted(self.nodes):
                folder, _, name = known.rpartition("/")
                self._names.setdefault(folder, []).append(name)
        found = self.resolve(path)
        return () if found is None else self._names.get(found, ())

    def below(self, *folders: str) -> Iterator[tuple[str, Node]]:
        """Everything below folders of the tree, in no particular order."""
        starts = tuple(f"{folder}/" for folder in folders)
        return ((path, node) for path, node in self.nodes.items() if path.startswith(starts))

    def sha256(self, node: Node) -> bytes:
        """The SHA-256 of a file's content, read once whatever its names."""
        known = self._hashes.get(node.identity)
        if known is None:
            with node.content.open("rb") as file:
                known = self._hashes[node.identity] = hashlib.file_digest(file, "sha256").digest()
        return known


def merge_layers(listings: Sequence[Listing], folders: Sequence[Path]) -> ImageTree:
    """The tree of layers, the lowest first, that are unpacked in `folders`."""
    nodes: dict[str, Node] = {}
    for number, (listing, folder) in enumerate(zip(listings, folders, strict=True)):
        hidden = set(_hidden(listing.entries, nodes))
        if hidden:
            nodes = {path: node for path, node in nodes.items() if not _lies_in(path, hidden)}
        files = {entry.path: entry for entry in listing.entries if entry.kind == "file"}
        for entry in listing.entries:
            if entry.kind != "whiteout":
                nodes[entry.path] = _node(entry, files, number, os.fspath(folder))
                _add_parents(nodes, entry.path, number)
    return ImageTree(nodes)


def _add_parents(nodes: dict[str, Node], path: str, number: int) -> None:
    """A tar need not name the folders of what it holds; they take the place of whatever is no folder there."""
    parent = path.rpartition("/")[0]
    while parent and (parent not in nodes or nodes[parent].kind != "dir"):
        nodes[parent] = Node("dir", Path(), "", 0, (number, parent))
        parent = parent.rpartition("/")[0]


def _node(entry: ListedEntry, files: Mapping[str, ListedEntry], number: int, folder: str) -> Node:
    file = files.get(entry.target, entry) if entry.kind == "hardlink" else entry
    kind: ListedKind = "file" if entry.kind == "hardlink" else entry.kind
    return Node(kind, Path(folder, file.path), entry.target, file.size, (number, file.path))


def _hidden(entries: Iterable[ListedEntry], nodes: Mapping[str, Node]) -> Iterator[str]:
    """What a layer takes away of those below it: a path with all below it, or, with a final slash, all below it."""
    for entry in entries:
        if entry.kind == "whiteout":
            parent, _, name = entry.path.rpartition("/")
            yield f"{parent}/" if name == OPAQUE else entry.path
        elif entry.kind != "dir" and entry.path in nodes and nodes[entry.path].kind == "dir":
            yield entry.path


def _lies_in(path: str, hidden: set[str]) -> bool:
    if path in hidden:
        return True
    parent = path.rpartition("/")[0]
    while parent:
        if parent in hidden or f"{parent}/" in hidden:
            return True
        parent = parent.rpartition("/")[0]
    return "/" in hidden  # the root itself is opaque
