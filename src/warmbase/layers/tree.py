"""The one tree that the layers of an image make, as a container will see it: for questions that cross layers.

Whiteouts are followed (OCI image specification, layer.md, "Whiteouts") and so are symlinks, which a foundation has in
the place of whole folders: `/lib` is `usr/lib` in most.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from warmbase.layers.content import open_content
from warmbase.layers.listing import OPAQUE, ListedEntry, Listing
from warmbase.layers.untar import ListedKind

_MOST_LINKS = 40  # as Linux has it (path_resolution(7))


@dataclass(frozen=True, slots=True)
class Node:
    """What is at a path: its `kind`, never a hardlink or a whiteout, and a symlink's `target`.

    Its content lies in the unpacked layer `folder` at `path`; `identity` is the same for the names of one file.
    """

    kind: ListedKind
    folder: str
    path: str
    target: str
    size: int
    identity: tuple[int, int]

    def open(self) -> io.BufferedReader:
        """Open a file's content. Raises StoreError."""
        return open_content(self.folder, self.path)

    def read(self) -> bytes:
        """A file's content. Raises StoreError."""
        with self.open() as file:
            return file.read()


@dataclass(frozen=True, slots=True)
class ImageTree:
    """Every path of an image → what is there. Paths are relative and clean."""

    nodes: Mapping[str, Node]
    _hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    _names: dict[str, list[str]] = field(default_factory=dict)

    def resolve(self, path: str) -> str | None:
        """The path where `path` leads to, all symlinks followed; None where nothing is."""
        found = self.locate(path)
        return found if not found or found in self.nodes else None

    def locate(self, path: str) -> str | None:
        """As `resolve`, but also where nothing is yet; None for links that lead nowhere but to each other."""
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
            if node and node.kind == "symlink":
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
        return node.read() if node and node.kind == "file" else None

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
            with node.open() as file:
                known = self._hashes[node.identity] = hashlib.file_digest(file, "sha256").digest()
        return known


def merge_layers(listings: Sequence[Listing], folders: Sequence[Path]) -> ImageTree:
    """The tree of layers, the lowest first, that are unpacked in `folders`, real paths."""
    nodes: dict[str, Node] = {}
    for number, (listing, folder) in enumerate(zip(listings, folders, strict=True)):
        own = _own_nodes(listing, os.fspath(folder), number, nodes)
        hidden = set(_hidden(listing, own, nodes))
        if hidden:
            nodes = {path: node for path, node in nodes.items() if not _lies_in(path, hidden)}
        nodes |= own
    return ImageTree(nodes)


def _own_nodes(listing: Listing, folder: str, number: int, below: Mapping[str, Node]) -> dict[str, Node]:
    """What a layer itself has; of several entries with one path the last counts, as in a tar."""
    own: dict[str, Node] = {}
    for index, entry in enumerate(listing.entries):
        if entry.kind == "whiteout":
            continue
        if entry.kind != "dir" and entry.path in own and own[entry.path].kind == "dir":
            own = {path: node for path, node in own.items() if not _lies_in(path, {entry.path})}
        own[entry.path] = _node(entry, own.get(entry.target) or below.get(entry.target), folder, (number, index))
        _add_parents(own, entry.path, folder, number)
    return own


def _add_parents(nodes: dict[str, Node], path: str, folder: str, number: int) -> None:
    """A tar need not name the folders of what it holds; they take the place of whatever is no folder there."""
    parent = path.rpartition("/")[0]
    while parent and (parent not in nodes or nodes[parent].kind != "dir"):
        nodes[parent] = Node("dir", folder, parent, "", 0, (number, -1))
        parent = parent.rpartition("/")[0]


def _node(entry: ListedEntry, linked: Node | None, folder: str, identity: tuple[int, int]) -> Node:
    """The node of an entry; a hardlink is what it is `linked` to, a symlink too (link(2)), under a name of its own."""
    if entry.kind != "hardlink":
        return Node(entry.kind, folder, entry.path, entry.target, entry.size, identity)
    if linked is None:
        return Node("file", folder, entry.path, "", 0, identity)
    same = linked.identity if linked.folder == folder else identity  # of a lower layer's file it is a copy
    return Node(linked.kind, folder, entry.path, linked.target, linked.size, same)


def _hidden(listing: Listing, own: Mapping[str, Node], below: Mapping[str, Node]) -> Iterator[str]:
    """What a layer takes away of those below it: a path with all below it, or, with a final slash, all below it."""
    for entry in listing.entries:
        if entry.kind == "whiteout":
            parent, _, name = entry.path.rpartition("/")
            yield f"{parent}/" if name == OPAQUE else entry.path
    for path, node in own.items():
        if node.kind != "dir" and path in below and below[path].kind == "dir":
            yield path


def _lies_in(path: str, hidden: set[str]) -> bool:
    if path in hidden:
        return True
    parent = path.rpartition("/")[0]
    while parent:
        if parent in hidden or f"{parent}/" in hidden:
            return True
        parent = parent.rpartition("/")[0]
    return "/" in hidden  # the root itself is opaque
