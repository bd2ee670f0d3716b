"""Looking into a built image: its files, its environment, and what a plain sync of its lock would have given."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bases import PLATFORM, Bases

from warmbase.catalog.load import load_catalog
from warmbase.effects.files import CacheFolders
from warmbase.effects.runner import Bind, Sandbox, find_runner
from warmbase.effects.uv import Uv, find_uv
from warmbase.foundation.model import foundation_from_json
from warmbase.layers.layer import Layer
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.files import lock_paths, read_lock
from warmbase.packages.fetch import Fetcher

LIST_FILES = """
import hashlib, json, os, sys
files = {}
for parent, folders, names in os.walk("/opt/venv"):
    for name in names + [f for f in folders if os.path.islink(os.path.join(parent, f))]:
        path = os.path.join(parent, name)
        if name.endswith(".pyc") or (name == "RECORD" and parent.endswith(".dist-info")):
            continue
        if os.path.islink(path):
            files[path] = ["link", os.readlink(path)]
        else:
            with open(path, "rb") as file:
                files[path] = ["file", oct(os.stat(path).st_mode & 0o111), hashlib.sha256(file.read()).hexdigest()]
print(json.dumps(files))
"""

Files = Mapping[str, Any]
"""What is below the venv, bytecode and RECORD aside: a link's target, or a file's execute bits and hash."""


@contextmanager
def opened(
    bases: Bases, layers: Sequence[Layer], binds: Sequence[Bind] = (), *, network: bool = False
) -> Iterator[Sandbox]:
    """A sandbox over layers of the store, the lowest first."""
    folders = CacheFolders(root=bases.cache)
    root = UnpackedLayers(folders.unpacked, bases.store).root(layers)
    with find_runner(folders.scratch).open(root, binds=binds, network=network) as sandbox:
        yield sandbox


def environment_of(bases: Bases, name: str) -> dict[str, str]:
    """The environment of the image's containers."""
    config = json.loads(bases.layout().read(bases.manifest(name).config))
    return dict(entry.split("=", 1) for entry in config["config"]["Env"]) | {"HOME": "/root"}


def pinned_uv(bases: Bases) -> Uv:
    environment = {**os.environ, **bases.environment}
    return find_uv(load_catalog(bases.catalog).uv, cache=bases.cache, environment=environment)


def files_of_the_image(bases: Bases, name: str) -> Files:
    with opened(bases, bases.layers(name)) as sandbox:
        finished = sandbox.run(["python", "-B", "-c", LIST_FILES], env=environment_of(bases, name))
    assert finished.code == 0, finished.stderr.decode()
    files: Files = json.loads(finished.text)
    return files


def files_of_a_plain_sync(bases: Bases, name: str, work: Path) -> Files:
    """What uv makes of the lock on the image's foundation, into a relocatable venv, all wheels at once."""
    catalog = load_catalog(bases.catalog)
    (variant,) = (variant for variant in catalog.variants if variant.name == name)
    lock = read_lock(catalog, variant)
    assert lock
    foundation = bases.layers(name)[0]
    facts = foundation_from_json(str(foundation.notes["foundation"]))
    uv = pinned_uv(bases)
    cache = work / "opt" / "cache"
    cache.mkdir(parents=True)
    installed = [package for package in lock.installed(PLATFORM) if package.use == "venv"]
    Fetcher(uv=uv, platform=PLATFORM, python=lock.python, libc=facts.libc).fetch(installed, cache)
    (work / "opt" / "lock.txt").write_text(lock_paths(catalog, variant)[0].read_text())
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/root",
        "UV_CACHE_DIR": "/opt/cache",
        "UV_OFFLINE": "1",
        "UV_DEFAULT_INDEX": uv.serving_index(),
    }
    binds = [
        Bind(source=work / "opt", target="/opt"),
        Bind(source=uv.binary, target="/usr/local/bin/uv", read_only=True),
    ]
    with opened(bases, [foundation], binds) as sandbox:
        for command in (
            ["uv", "venv", "--relocatable", "--python", facts.interpreter, "/opt/venv"],
            ["uv", "pip", "sync", "--require-hashes", "--python", "/opt/venv/bin/python", "/opt/lock.txt"],
        ):
            finished = sandbox.run(command, env=environment)
            assert finished.code == 0, finished.stderr.decode()
        listed = sandbox.run([facts.interpreter, "-B", "-c", LIST_FILES], env=environment)
    assert listed.code == 0, listed.stderr.decode()
    files: Files = json.loads(listed.text)
    return files


def check_same(image: Files, plain: Files) -> None:
    """Compare file by file. The image alone has what answers `python -m pip`."""
    (own,) = {path for path in image if path.endswith("/site-packages/pip.py")}
    differing = {
        path: (image.get(path), plain.get(path))
        for path in (image.keys() | plain.keys()) - {own}
        if image.get(path) != plain.get(path)
    }
    assert differing == {}


def unpacked_blobs(bases: Bases) -> Iterator[bytes]:
    """The content of every blob in the layout, layers uncompressed."""
    for path in (bases.output / "blobs/sha256").iterdir():
        content = path.read_bytes()
        if content.startswith(b"\x28\xb5\x2f\xfd"):  # RFC 8878, section 3.1.1
            content = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
        yield content
