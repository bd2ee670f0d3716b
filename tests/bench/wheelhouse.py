"""The wheelhouse: the wheels of the bench's locks, fetched once from the index that uv uses, ready for a server.

    <wheel>  <wheel>.metadata  index.json

`index.json` maps a package's name to its files; `serve.py` answers from it.
"""

import hashlib
import json
import os
import ssl
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.model import BenchError

from warmbase.effects.uv import Uv
from warmbase.lock.model import Lock, LockedFile


def fill_wheelhouse(folder: Path, locks: Sequence[Lock], uv: Uv) -> None:
    """Fetch what is missing in `folder` of the wheels of `locks` (and of uv's own). Raises BenchError."""
    folder.mkdir(parents=True, exist_ok=True)
    for lock in locks:
        missing = {file.sha256: file for _, file in _wheels(lock) if not (folder / file.name).exists()}
        if missing:
            _fetch(missing, _addresses(lock, uv, folder), folder)
    pages: dict[str, dict[str, Any]] = {}
    for name, file in (found for lock in locks for found in _wheels(lock)):
        pages.setdefault(name, {})[file.name] = _entry(folder, file)
    _write(folder / "index.json", json.dumps({name: list(files.values()) for name, files in pages.items()}).encode())


def unpack_sources(wheels: Iterable[Path], target: Path) -> None:
    """Unpack the Python files of `wheels`, each wheel's into a folder of its own below `target`."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            sources = [name for name in archive.namelist() if name.endswith(".py")]
            archive.extractall(target / wheel.stem, sources)


def wheels_of(lock: Lock, folder: Path) -> list[Path]:
    """The wheels in `folder` of the packages of `lock`."""
    return [folder / file.name for name, file in _wheels(lock) if name != lock.uv.name]


def _wheels(lock: Lock) -> Iterator[tuple[str, LockedFile]]:
    for package in (*lock.packages, lock.uv):
        chosen = {name for _, name in package.wheels}
        yield from ((package.name, file) for file in package.files if file.name in chosen)


def _addresses(lock: Lock, uv: Uv, folder: Path) -> dict[str, str]:
    """Where the index has each wheel, by SHA-256: uv reads it, whatever its kind, and says so in a PEP 751 lock."""
    pins = "".join(f"{package.name}=={package.version}\n" for package in (*lock.packages, lock.uv) if package.wheels)
    options = ["--no-deps", "--python-version", lock.python, "--python-platform", "x86_64-manylinux_2_40"]
    command = ["pip", "compile", "-", "--format", "pylock.toml", "--no-header", "--quiet", *options]
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        document = tomllib.loads(uv.run(command, cache=Path(cache), input=pins.encode()).text)
    wheels = [wheel for package in document["packages"] for wheel in package.get("wheels", ())]
    return {wheel["hashes"]["sha256"]: wheel["url"] for wheel in wheels}


def _fetch(files: Mapping[str, LockedFile], addresses: Mapping[str, str], folder: Path) -> None:
    import httpx

    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    with httpx.Client(verify=context, follow_redirects=True, timeout=60) as client:
        for sha256, file in files.items():
            if sha256 not in addresses:
                raise BenchError(f"the index has no such {file.name} any more: run `python -m tests.bench.relock`")
            try:
                content = client.get(addresses[sha256]).raise_for_status().content
            except httpx.HTTPError as error:
                raise BenchError(f"{file.name} cannot be fetched: {error}") from error
            if hashlib.sha256(content).hexdigest() != sha256:
                raise BenchError(f"{file.name} came damaged")
            _write(folder / file.name, content)


def _entry(folder: Path, file: LockedFile) -> dict[str, Any]:
    path = folder / file.name
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name)
    _write(folder / f"{file.name}.metadata", metadata)
    return {
        "filename": file.name,
        "url": f"/files/{file.name}",
        "hashes": {"sha256": file.sha256},
        "size": path.stat().st_size,
        "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
    }


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
