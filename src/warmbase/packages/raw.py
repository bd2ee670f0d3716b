"""Packages under a uv whose cache this version of warmbase does not know yet.

An upgrade of uv is never held up: uv fills its own cache and the venv, and both are shipped as they are, hardlinked in
one layer. Such an image works like any other, but it is not reproducible, and every change makes that layer anew.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from warmbase.catalog.model import Variant
from warmbase.effects.runner import Bind
from warmbase.errors import PackagesError
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Packed
from warmbase.layers.pack import ModePolicy, pack_entries, scan_tree
from warmbase.lock.indexes import Indexes, indexes_of
from warmbase.lock.model import Lock
from warmbase.lock.project import PINNED, preferences
from warmbase.oci.tar import OPEN_TO_ALL, Entry, Kind
from warmbase.packages import uvcache
from warmbase.packages.asking import ALL, Asking
from warmbase.packages.fetch import requirements
from warmbase.packages.warm import PROJECT, WarmCache
from warmbase.packages.wheels import Workshop, retarget_venv

_OPEN = 0o777


class RawPolicy(ModePolicy):
    """The modes of a cache whose layout is not known: all but the unpacked wheels is open to every user."""

    def mode(self, path: str, kind: Kind, host_mode: int) -> int:
        """The mode of an entry; `host_mode` is what the tree has."""
        below = path.removeprefix(f"{CACHE}/") if f"{path}/".startswith(f"{CACHE}/") else ""
        if kind in ("dir", "file") and below and not (below.startswith("archive-") and "/" in below):
            return _OPEN if kind == "dir" else 0o666
        return ModePolicy.mode(self, path, kind, host_mode)


RAW_POLICY = RawPolicy(shared=(VENV,))


def pack_raw(variant: Variant, lock: Lock, workshop: Workshop, codec: Codec, work: Path) -> tuple[Packed, WarmCache]:
    """Fill a cache and the venv with everything in `lock`: their layer, and what the contract wants to know.

    Raises PackagesError where uv cannot fetch, resolve or install the lock.
    """
    _check_possible(lock, workshop)
    cache = workshop.folder / CACHE
    cache.mkdir(parents=True)
    packages = lock.installed(workshop.platform)
    workshop.fetcher.fill(packages, cache)
    project = workshop.folder / PROJECT.lstrip("/")
    pinned = [f"{name}=={version}" for name, version in lock.versions().items()]
    indexes = indexes_of(variant, workshop.uv)
    asked = [requirement.text for requirement in variant.requirements]
    Asking(lock=lock, requirements=asked, warm=pinned, tables=_tables(lock, indexes)).write(project, {})
    pins = {package.name: (package.version, package.index) for package in packages}
    (project / "uv.lock").write_text(preferences(pins, indexes))
    certificates, environment = _network(workshop)
    for_platform = workshop.fetcher.for_platform
    with workshop.open_sandbox(network=True, binds=certificates) as sandbox:

        def run(*command: str, input: str = "", cwd: str = PROJECT, env: Mapping[str, str] = environment) -> str:
            finished = sandbox.run(["uv", *command], env=env, cwd=cwd, input=input.encode())
            if finished.code:
                said = finished.stderr.decode(errors="replace")
                raise PackagesError(
                    f"uv cannot {command[0]} the lock\n{said}", next_step="run `warmbase lock --upgrade`"
                )
            return finished.text

        workshop.make_venv(sandbox)
        folders = [(path.name, "/" + str(path.relative_to(workshop.folder))) for path in cache.glob("archive-*/*")]
        for _ in workshop.compile_archives(sandbox, folders):
            pass
        install = ["pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", "-", *for_platform]
        for index in sorted({package.index for package in packages}):
            wanted = requirements([p for p in packages if p.use == "venv" and p.index == index], workshop.platform)
            offline = environment | {"UV_OFFLINE": "1", "UV_DEFAULT_INDEX": workshop.uv.address_of(index)}
            run(*install, "--python", f"/{VENV}/bin/python", input=wanted, env=offline)
        run("pip", "compile", "--quiet", ALL, "--python", workshop.interpreter, *for_platform)
        run("lock", "--quiet", "--python", workshop.interpreter)
        pylock = run("export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "--no-header")
    retarget_venv(workshop.folder / VENV, workshop.target)
    uv_lock = (project / "uv.lock").read_text()
    packed = pack_entries(raw_entries(_ship(workshop, cache, project)), codec, work)
    return packed, WarmCache(entries=(), uv_lock=uv_lock, pylock=pylock)


def _check_possible(lock: Lock, workshop: Workshop) -> None:
    """Raise PackagesError for what only a cache that warmbase knows can ship."""
    if "@" in workshop.uv.serving_index():
        raise PackagesError(
            "the index's address holds credentials, and the cache of this uv would keep them",
            next_step="give them in netrc or UV_INDEX_…_USERNAME and _PASSWORD, or use a uv that warmbase knows",
        )
    if compiled := lock.compiled(workshop.platform):
        names = ", ".join(package.name for package in compiled)
        raise PackagesError(
            f"{names} would have to be compiled, and warmbase does not know how uv {lock.uv.version} keeps that",
            next_step=f"use a uv that warmbase knows ({uvcache.KNOWN}), or require versions that have wheels",
        )


def _tables(lock: Lock, indexes: Indexes) -> str:
    """What a project says for real indexes to be asked as the lock was: TOML."""
    sourced = sorted(lock.versions().keys() & indexes.sources.keys())
    group = f"[dependency-groups]\n{PINNED} = {json.dumps(sourced)}\n" if sourced else ""
    return group + indexes.tables()


def raw_entries(shipped: Path) -> Iterator[Entry]:
    """The entries of the layer that is made of the tree `shipped`.

    What root's uv makes in a child stays writable for everyone (see `image.contract`).
    """
    for entry in scan_tree(shipped, RAW_POLICY):
        if entry.kind == "dir" and entry.mode == _OPEN:
            yield replace(entry, xattrs=OPEN_TO_ALL)
        else:
            yield entry


def _ship(workshop: Workshop, cache: Path, project: Path) -> Path:
    """The tree to pack: what uv filled, without what is of no use elsewhere."""
    shutil.rmtree(project)
    for stale in cache.glob("interpreter-*"):  # interpreters are told by paths and times of the sandbox
        shutil.rmtree(stale)
    shipped = workshop.folder / "shipped"
    shipped.mkdir()
    (workshop.folder / "opt").rename(shipped / "opt")
    return shipped


def _network(workshop: Workshop) -> tuple[tuple[Bind, ...], dict[str, str]]:
    """What uv needs in a sandbox to reach the index: a CA bundle to bind, and its environment."""
    host = workshop.uv.environment
    bundle = Path(host.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    own = {name: value for name, value in host.items() if name.startswith("UV_") or name.lower().endswith("_proxy")}
    environment = {name: value for name, value in workshop.environment.items() if name != "UV_OFFLINE"}
    environment |= own | {"UV_DEFAULT_INDEX": workshop.uv.serving_index(), "UV_CACHE_DIR": f"/{CACHE}"}
    if not bundle.is_file():
        return (), environment
    environment["SSL_CERT_FILE"] = "/run/warmbase-ca.pem"
    return (Bind(source=bundle, target="/run/warmbase-ca.pem", read_only=True),), environment
