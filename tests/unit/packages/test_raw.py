"""Caches of uvs that are not known: shipped as they are, and open to the same users as all others."""

from pathlib import Path

from warmbase.image.promises import CACHE, VENV
from warmbase.oci.tar import OPEN_TO_ALL
from warmbase.packages.raw import raw_entries

SITE = f"{VENV}/lib/python3.13/site-packages"


def test_the_cache_and_the_venv_are_open_to_all_also_for_what_children_add(tmp_path: Path) -> None:
    for path in (f"{CACHE}/new-v9/a/pointer", f"{CACHE}/archive-v0/abc/a.py", f"{SITE}/a.py", "usr/other/file"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    entries = {entry.path: entry for entry in raw_entries(tmp_path)}
    modes = {path: (entry.mode, entry.xattrs) for path, entry in entries.items()}
    assert modes[f"{CACHE}/new-v9/a"] == modes[f"{CACHE}/archive-v0"] == (0o777, OPEN_TO_ALL)
    assert modes[f"{CACHE}/new-v9/a/pointer"] == (0o666, ())
    assert modes[f"{CACHE}/archive-v0/abc"] == (0o755, ())
    assert modes[f"{CACHE}/archive-v0/abc/a.py"] == (0o644, ())
    assert modes[SITE] == modes[VENV] == (0o777, OPEN_TO_ALL)
    assert modes["usr/other"] == (0o755, ())
