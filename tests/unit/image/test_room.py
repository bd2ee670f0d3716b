"""A foundation must have room for what an image adds."""

from pathlib import Path

import pytest
from tests.baseimages import entries_of

from warmbase.errors import FoundationError
from warmbase.image.room import check_room
from warmbase.layers.listing import ListedEntry, Listing
from warmbase.layers.tree import ImageTree, merge_layers


def tree_of(files: dict[str, bytes | str]) -> ImageTree:
    entries = tuple(ListedEntry(it.path, it.kind, it.mode, it.target, it.size) for it in entries_of(files))
    return merge_layers([Listing(entries=entries, size=0)], [Path("/nowhere")])


TAKEN: dict[str, tuple[dict[str, bytes | str], str]] = {
    "a venv": ({"opt/venv/pyvenv.cfg": b""}, "foundation slim has a /opt/venv already"),
    "another contract": ({"opt/warmbase/base.json": b"{}"}, "foundation slim has a /opt/warmbase already"),
    "a link for /opt": ({"opt": "var/opt", "var/opt/x": b""}, "has a link at or above /opt, which leads to /var/opt"),
    "a link for /usr/local": (
        {"usr/local": "../srv/local", "srv/local/bin/x": b""},
        "has a link at or above /usr/local/bin, which leads to /srv/local/bin",
    ),
}


@pytest.mark.parametrize(("files", "message"), TAKEN.values(), ids=TAKEN)
def test_a_foundation_that_has_no_room_is_refused(files: dict[str, bytes | str], message: str) -> None:
    with pytest.raises(FoundationError, match=message):
        check_room("slim", tree_of(files))


def test_an_ordinary_system_has_room() -> None:
    check_room("slim", tree_of({"opt/tools/x": b"", "usr/local/bin/uv": b"", "bin": "usr/bin", "usr/bin/sh": b""}))
