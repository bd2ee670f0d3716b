"""The part of the warm cache that is not the wheels: index pages, metadata and the pointers to the archives.

uv itself writes the pages and the metadata, told by indexes that offer exactly the lock, inside a sandbox without
a network; the pointers are written from the lock. What differs between two runs is then taken out (see `entries`),
so that one lock gives the same bytes everywhere. The same run locks a project that asks for all the packages: the
`uv.lock` that a project can start from.

uv looks for a package below the address that a child's lock has for its index. Where the catalog names several
addresses of an index, uv is asked once more for each.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from warmbase.effects.runner import Sandbox
from warmbase.errors import PackagesError
from warmbase.image.promises import CACHE, VENV
from warmbase.lock.model import Lock, LockedPackage
from warmbase.oci.tar import Entry
from warmbase.packages.asking import ALL, Asking
from warmbase.packages.entries import FilledCache, settled_entries
from warmbase.packages.index import IndexAlias, ServedIndex, alias_indexes, file_hosts, index_responses
from warmbase.packages.sources import (
    asked_texts,
    compiled_in_spite_of_wheels,
    metadata_tables,
    real_text,
    source_entries,
    source_responses,
)
from warmbase.packages.standin import hashes_of_stand_ins
from warmbase.packages.wheels import Workshop, retarget_venv

PROJECT = "/opt/project"


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmCache:
    """The entries of a layer below `opt/uv/cache`, and two locks of everything in the venv: uv's and PEP 751's."""

    entries: tuple[Entry, ...]
    uv_lock: str
    pylock: str


_Round = Mapping[str, IndexAlias]
"""One way to address all indexes of a lock: index name → an alias of one of its addresses."""


def warm_cache(workshop: Workshop, asking: Asking, indexes: Sequence[ServedIndex]) -> WarmCache:
    """Make the warm cache of a lock for `workshop`'s platform, and the empty venv in the workshop's folder.

    It answers for every address of `indexes`. Raises PackagesError when uv, told the lock, comes to other versions than
    the lock has, and UnknownLayoutError when its cache is not as expected.
    """
    lock = asking.lock
    addresses = [address for index in indexes for address in index.addresses]
    aliases = alias_indexes([*addresses, *file_hosts(lock.packages)])
    rounds = _plan_rounds(indexes, aliases)
    project = workshop.folder / PROJECT.lstrip("/")
    project.mkdir(parents=True)
    (project / "responses.json").write_text(json.dumps(_responses(lock, indexes, aliases)))
    asking = replace(
        asking,
        requirements=asked_texts(asking.requirements, lock, aliases),
        warm=asked_texts(asking.warm, lock, aliases),
        tables=metadata_tables(lock),
    )
    for number, addressed in enumerate(rounds):
        asking.write(project / str(number), {name: alias.url for name, alias in addressed.items() if name})
    started = int(time.time())
    hosts = {alias.host: "127.0.0.1" for alias in aliases.values()}
    with workshop.open_sandbox(hosts=hosts) as sandbox:
        workshop.make_venv(sandbox)
        with _serving(sandbox, workshop):
            pylock = _ask_uv(sandbox, workshop, rounds, compiled_in_spite_of_wheels(lock, workshop.platform))
    run = (started, int(time.time()))
    retarget_venv(workshop.folder / VENV, workshop.target)
    uv_lock = (project / "0/uv.lock").read_text()
    _compare(lock, uv_lock, rounds[0])
    hashes = hashes_of_stand_ins(lock.packages)
    real = {alias.alias: alias.address for alias in aliases.values()} | dict(hashes)
    cache = FilledCache(folder=workshop.folder / CACHE, indexes=indexes, aliases=aliases, run=run, hashes=hashes)
    entries = (
        *settled_entries(cache, lock, workshop.platform),
        *source_entries(cache, lock, workshop.platform),
    )
    uv_lock, pylock = (real_text(_named(text, real), lock) for text in (uv_lock, pylock))
    return WarmCache(entries=entries, uv_lock=uv_lock, pylock=pylock)


def _plan_rounds(indexes: Sequence[ServedIndex], aliases: Mapping[str, IndexAlias]) -> list[_Round]:
    """Rounds in which every address of every index comes up, each index's own in the first."""
    most = max(len(index.addresses) for index in indexes)
    return [
        {index.name: aliases[index.addresses[number if number < len(index.addresses) else 0]] for index in indexes}
        for number in range(most)
    ]


def _responses(
    lock: Lock, indexes: Sequence[ServedIndex], aliases: Mapping[str, IndexAlias]
) -> Mapping[str, Mapping[str, str]]:
    responses = dict(source_responses(lock, aliases))
    for index in indexes:
        packages = [one for one in lock.packages if one.index == index.name and not one.source]
        for address in index.addresses:
            responses |= index_responses(packages, aliases[address], aliases)
    return responses


def _named(text: str, hosts: Mapping[str, str]) -> str:
    """The text with real addresses in the place of their aliases."""
    for alias, address in hosts.items():
        text = text.replace(alias, address)
    return text


@contextmanager
def _serving(sandbox: Sandbox, workshop: Workshop) -> Iterator[None]:
    """Serve the lock's index in the sandbox while the context lasts."""
    server = sandbox.start(
        [workshop.interpreter, "-I", "-B", "/run/warmbase/serve.py", f"{PROJECT}/responses.json", "80"],
        env=workshop.environment,
    )
    with server:
        try:
            assert server.stdout
            assert server.stderr
            first = server.stdout.readline()
            if first.strip() != b"ready":
                said = (first or server.stderr.read()).decode(errors="replace")  # without a first line it has ended
                raise PackagesError(
                    f"the sandbox cannot serve the lock's index on its loopback device\n{said}".rstrip(),
                    next_step="see that the foundation's interpreter starts, or choose another foundation in the"
                    " catalog",
                )
            yield
        finally:
            server.kill()


def _ask_uv(sandbox: Sandbox, workshop: Workshop, rounds: Sequence[_Round], sources: Sequence[LockedPackage]) -> str:
    """Have uv look at the lock, and at `sources`, in every round; the first one's pylock.toml."""
    environment = {name: value for name, value in workshop.environment.items() if name != "UV_OFFLINE"}

    def run(number: int, *command: str) -> str:
        aliases = rounds[number]
        finished = sandbox.run(
            ["uv", *command, "--python", workshop.interpreter],
            env=environment | {"UV_DEFAULT_INDEX": aliases[""].url},
            cwd=f"{PROJECT}/{number}",
        )
        if finished.code:
            said = finished.stderr.decode(errors="replace")
            raise PackagesError(
                "uv cannot resolve the lock's own packages from the lock\n"
                + _named(said, {alias.alias: alias.address for alias in aliases.values()}),
                next_step="run `warmbase lock --upgrade`",
            )
        return finished.text

    for number in range(len(rounds)):
        run(number, "pip", "compile", "--quiet", ALL, *workshop.fetcher.for_platform)
        run(number, "lock", "--quiet")
        for package in sources:  # it files what it has fetched, and then finds nothing to compile in it
            aliases, wanted = rounds[number], f"{package.name}=={package.version}"
            install = ["uv", "pip", "install", "--no-deps", "--no-build-isolation", "--target", "/opt/unused"]
            install += ["--no-binary", package.name, "--python", workshop.interpreter, wanted]
            told = {"UV_DEFAULT_INDEX": aliases[package.index].url}
            sandbox.run(install, env=environment | told, cwd=f"{PROJECT}/{number}")
    return run(0, "export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "--no-header")


def _compare(lock: Lock, uv_lock: str, addressed: _Round) -> None:
    import tomllib

    locked = {(package.name, package.version, package.index) for package in lock.packages}
    names = {alias.url: name for name, alias in addressed.items()}
    found = {
        (p["name"], p["version"], names.get(p["source"]["registry"].rstrip("/")))
        for p in tomllib.loads(uv_lock)["package"]
        if "registry" in p["source"]
    }
    if found - locked:
        listed = ", ".join(sorted(f"{name} {version}" for name, version, _ in found - locked))
        raise PackagesError(f"uv resolves to what the lock does not have: {listed}", next_step="run `warmbase lock`")
