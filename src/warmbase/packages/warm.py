"""The part of the warm cache that is not the wheels: index pages, metadata and the pointers to the archives.

uv itself writes the pages and the metadata, told by an index that offers exactly the lock, inside a sandbox without
a network; the pointers are written from the lock. What differs between two runs is then taken out (see
`uvcache.settle`), so that one lock gives the same bytes everywhere. The same run locks a project that asks for all
the packages: the `uv.lock` that a project can start from.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warmbase.effects.runner import Sandbox
from warmbase.errors import PackagesError
from warmbase.lock.model import Lock, LockedFile
from warmbase.oci.tar import Entry, directory, file_of, symlink
from warmbase.packages import uvcache
from warmbase.packages.index import IndexAlias, alias_index, index_responses
from warmbase.packages.wheels import CACHE, VENV, Workshop, retarget_venv

PROJECT = "/opt/project"
SHARED_FOLDER = 0o777
"""Bucket folders admit every user: uv writes into them even for a pure hit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmCache:
    """The entries of a layer below `opt/uv/cache`, and two locks of everything in the venv: uv's and PEP 751's."""

    entries: tuple[Entry, ...]
    uv_lock: str
    pylock: str


def warm_cache(workshop: Workshop, lock: Lock, requirements: Sequence[str], warm: Sequence[str]) -> WarmCache:
    """Make the warm cache of `lock` for `workshop`'s platform, and the empty venv in the workshop's folder.

    `requirements` and `warm` are the catalog's, as PEP 508 text. Raises PackagesError when uv, told the lock, comes to
    other versions than the lock has, and UnknownLayoutError when its cache is not as expected.
    """
    index = alias_index(workshop.uv.default_index())
    project = workshop.folder / PROJECT.lstrip("/")
    project.mkdir(parents=True)
    (project / "responses.json").write_text(json.dumps(index_responses(lock, index)))
    (project / "pyproject.toml").write_text(_pyproject(requirements, lock.python))
    (project / "all.txt").write_text("\n".join([*requirements, *warm]) + "\n")
    started = int(time.time())
    with workshop.open_sandbox(hosts={index.host: "127.0.0.1"}) as sandbox:
        workshop.make_venv(sandbox)
        uv_lock, pylock = _ask_uv(sandbox, workshop, index)
    run = (started, int(time.time()))
    retarget_venv(workshop.folder / VENV, workshop.target)
    _compare(lock, uv_lock)
    cache = workshop.folder / CACHE
    entries = _entries(cache, lock, workshop.platform, index, run)
    return WarmCache(
        entries=tuple(entries),
        uv_lock=uv_lock.replace(index.alias, index.address),
        pylock=pylock.replace(index.alias, index.address),
    )


def _ask_uv(sandbox: Sandbox, workshop: Workshop, index: IndexAlias) -> tuple[str, str]:
    server = sandbox.start(
        [workshop.interpreter, "-I", "-B", "/run/warmbase/serve.py", f"{PROJECT}/responses.json", "80"],
        env=workshop.environment,
    )
    assert server.stdout
    assert server.stderr
    first = server.stdout.readline()
    if first.strip() != b"ready":
        said = (first or server.stderr.read()).decode(errors="replace")  # without a first line it has ended
        raise PackagesError(
            f"the sandbox cannot serve the lock's index on its loopback device\n{said}".rstrip(),
            next_step="see that the foundation's interpreter starts, or choose another foundation in the catalog",
        )
    environment = {name: value for name, value in workshop.environment.items() if name != "UV_OFFLINE"}
    environment["UV_DEFAULT_INDEX"] = index.url

    def run(*command: str) -> str:
        finished = sandbox.run(["uv", *command, "--python", workshop.interpreter], env=environment, cwd=PROJECT)
        if finished.code:
            said = finished.stderr.decode(errors="replace").replace(index.alias, index.address)
            raise PackagesError(
                f"uv cannot resolve the lock's own packages from the lock\n{said}",
                next_step="run `warmbase lock --upgrade`",
            )
        return finished.text

    run("pip", "compile", "--quiet", "all.txt", *workshop.fetcher.for_platform)
    run("lock", "--quiet")
    pylock = run("export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "--no-header")
    return (workshop.folder / PROJECT.lstrip("/") / "uv.lock").read_text(), pylock


def _pyproject(requirements: Sequence[str], python: str) -> str:
    return (
        '[project]\nname = "app"\nversion = "0.1.0"\n'
        f'requires-python = ">={python}"\ndependencies = {json.dumps(list(requirements))}\n'
    )


def _compare(lock: Lock, uv_lock: str) -> None:
    import tomllib

    locked = {(package.name, package.version) for package in lock.packages}
    found = {(p["name"], p["version"]) for p in tomllib.loads(uv_lock)["package"] if "registry" in p["source"]}
    if found - locked:
        names = ", ".join(f"{name} {version}" for name, version in sorted(found - locked))
        raise PackagesError(f"uv resolves to what the lock does not have: {names}", next_step="run `warmbase lock`")


def _entries(cache: Path, lock: Lock, platform: str, index: IndexAlias, run: tuple[int, int]) -> Iterator[Entry]:
    """Everything below `opt/uv/cache`, settled."""
    newest = lock.newest()
    moment = int(datetime.fromisoformat(newest).timestamp()) if newest else 0
    bucket = uvcache.DEFAULT_INDEX_BUCKET
    pages, wheels = f"{CACHE}/{uvcache.PAGES}/{bucket}", f"{CACHE}/{uvcache.WHEELS}/{bucket}"
    for folder in (
        CACHE,
        f"{CACHE}/{uvcache.ARCHIVES}",
        f"{CACHE}/{uvcache.SOURCES}",
        f"{CACHE}/{uvcache.PAGES}",
        pages,
        f"{CACHE}/{uvcache.WHEELS}",
        wheels,
    ):
        yield directory(folder, SHARED_FOLDER)
    yield file_of(f"{CACHE}/CACHEDIR.TAG", (cache / "CACHEDIR.TAG").read_bytes())
    yield file_of(f"{CACHE}/.gitignore", b"*\n")
    yield file_of(f"{CACHE}/.lock", b"", 0o666)
    yield file_of(f"{CACHE}/{uvcache.SOURCES}/.gitignore", b"*\n")
    yield file_of(f"{CACHE}/{uvcache.SOURCES}/.git", b"", 0o666)

    def settled(path: Path) -> uvcache.Framed:
        framed = uvcache.read_framed(path.read_bytes())
        return uvcache.settle(framed, alias=index.alias.encode(), address=index.address.encode(), run=run, time=moment)

    for page in sorted((cache / uvcache.PAGES).glob("index/*/*.rkyv")):
        yield file_of(f"{pages}/{page.name}", uvcache.write_framed(settled(page)), 0o666)
    metadata: dict[str, list[tuple[str, uvcache.Framed]]] = {}
    for path in sorted((cache / uvcache.WHEELS).glob("index/*/*/*.msgpack")):
        metadata.setdefault(path.parent.name, []).append((path.name.removesuffix(".msgpack"), settled(path)))
    for name, found in metadata.items():
        yield directory(f"{wheels}/{name}", SHARED_FOLDER)
        for stem, framed in found:
            yield file_of(f"{wheels}/{name}/{stem}.msgpack", uvcache.write_framed(framed), 0o666)
    for package, wheel in lock.wheels(platform):
        yield from _pointer(f"{wheels}/{package.name}", wheel, metadata.get(package.name, []))


def _pointer(folder: str, wheel: LockedFile, metadata: Sequence[tuple[str, uvcache.Framed]]) -> Iterator[Entry]:
    """A wheel's pointer and link, under the stem that uv gave to its metadata."""
    asked = f"/{wheel.name}.metadata".encode()
    for stem, framed in metadata:
        if asked in framed.policy:
            archive = uvcache.archive_id(wheel.sha256)
            data = uvcache.pointer_data(archive=archive, sha256=wheel.sha256, filename=wheel.name, size=wheel.size)
            pointer = uvcache.Framed(data=data, policy=framed.policy)
            yield file_of(f"{folder}/{stem}.http", uvcache.write_framed(pointer), 0o666)
            yield symlink(f"{folder}/{stem}", f"../../../{uvcache.ARCHIVES}/{archive}")
            return
    raise PackagesError(f"uv did not read the metadata of {wheel.name}", next_step="run `warmbase lock --upgrade`")
