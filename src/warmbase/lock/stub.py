"""Stubs: packages of a uv.lock with nothing but what uv prefers a version by. Pure."""

import json
from collections.abc import Iterable


def package_stub(name: str, version: str, source: str, address: str, markers: Iterable[str] = ()) -> str:
    """The `[[package]]` of a package; `source` is "registry" or "git", `markers` those of its fork. uv takes a lock
    with stubs for one that is out of date: it resolves anew, and keeps their versions where it can.

    TOML's basic strings and JSON's are written alike for what these may contain.
    """
    lines = ["", "[[package]]", f"name = {json.dumps(name)}"]
    lines += [f"version = {json.dumps(version)}"] if version else []
    lines += [f"source = {{ {source} = {json.dumps(address)} }}"]
    lines += [f"resolution-markers = {json.dumps(list(markers))}"] if markers else []
    return "".join(f"{line}\n" for line in lines)
