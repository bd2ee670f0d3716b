"""What becomes of a package, by the questions that uv asks when it plans an installation, in its order. Pure.

1. Is it in the venv, at the version, and from an index as the lock has it? Then it stays, whatever hash the lock has;
   only `--reinstall` overrules it.
2. Is it to be asked for anew (`--refresh`, which `--reinstall` implies)? Then it is downloaded.
3. Which file of the lock fits best here, and is that file, of that index, with one of the lock's hashes, in the cache
   that uv uses? Then it is linked from there; into another venv than the base's that makes copies, but for symlinks,
   because a container's file system copies a file of a lower layer before it is linked.

(crates/uv-installer/src/plan.rs, satisfies.rs; crates/uv-distribution/src/index/registry_wheel_index.rs)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from warmbase.downstream.demand import choose_file
from warmbase.downstream.doctor.model import CachedWheel, Outcome, Verdict
from warmbase.downstream.doctor.options import is_on
from warmbase.downstream.doctor.situation import BASE_VENV, SYNCED, Situation
from warmbase.downstream.match import serves_need
from warmbase.downstream.projects.model import Need, NeededFile
from warmbase.downstream.words import spell_specifier
from warmbase.packages.uvcache import index_bucket

_NAMED = re.compile(r"[\w.-]+=\w+:")
Reason = tuple[str, str]
"""The code of a finding, and words."""


def judge(need: Need, situation: Situation) -> Verdict:
    """What becomes of a package that the project needs."""
    version = need.version or need.specifier
    if _stays(need, situation):
        return Verdict(name=need.name, version=version, outcome="hit")
    if situation.is_refused and situation.chosen:
        why = f"`{situation.chosen.said}` has uv install into the system's Python, which is closed to it"
        return Verdict(name=need.name, version=version, outcome="refused", cause="system", why=why)
    if need.source != "index":
        outcome: Outcome = "downloaded" if need.source in ("git", "url") else "built"
        why = f"it comes from {need.whence}, and the base has it not from there"
        return Verdict(name=need.name, version=version, outcome=outcome, cause="source", why=why)
    for option in ("reinstall", "refresh"):
        if situation.is_chosen(option, need.name):
            why = f"uv was told to fetch it again: {option}"
            return _verdict(need, situation, "downloaded", option, why)
    file = _best_file(need, situation)
    found = _find(need, file, situation, situation.cached)
    if isinstance(found, CachedWheel):
        return _linked(need, situation)
    cause, why = _explain(need, file, situation) if situation.obstacles else found
    built = file is not None and not file.name.endswith(".whl")
    return _verdict(need, situation, "built" if built else "downloaded", cause, why, file)


def _stays(need: Need, situation: Situation) -> bool:
    installed = situation.installed.get(need.name)
    if installed is None or situation.is_chosen("reinstall", need.name):
        return False
    if need.source != "index":
        return bool(need.url) and installed.origin == need.url
    if installed.origin:
        return False
    return serves_need(need, installed.version)


def _best_file(need: Need, situation: Situation) -> NeededFile | None:
    """The file that uv takes; None where the lock names none. A source where no wheel fits, or none may be taken."""
    files = need.files
    if situation.is_chosen("no-binary", need.name):
        files = tuple(file for file in files if not file.name.endswith(".whl"))
    return choose_file(files, situation.ranks)[0]


def _find(
    need: Need, file: NeededFile | None, situation: Situation, cached: Mapping[str, Sequence[CachedWheel]]
) -> CachedWheel | Reason:
    """The wheel among those `cached` that serves, or the first reason why none does."""
    known = cached.get(need.name, ())
    if situation.is_chosen("no-binary", need.name):
        return "no-binary", "uv was told to take no wheel of it"
    if not known:
        return "missing", "the base has it not"
    of_version = [wheel for wheel in known if serves_need(need, wheel.version)]
    if not of_version:
        has = ", ".join(sorted({wheel.version for wheel in known}))
        return _other_version(need, has)
    is_named = any(one.name for one in need.files)
    of_file = [wheel for wheel in of_version if not is_named or (file is not None and wheel.file == file.name)]
    if not of_file:
        return _other_file(need, file, of_version)
    buckets = _buckets(need, situation)
    of_index = [wheel for wheel in of_file if wheel.bucket in buckets]
    if not of_index:
        return _other_index(need, situation, of_file)
    hashes = {one.sha256 for one in need.files if one.sha256}
    of_hash = [wheel for wheel in of_index if not hashes or wheel.sha256 in hashes]
    if not of_hash:
        return "hash", f"the lock's hashes of {of_index[0].file} are not that of the base's"
    whole = [wheel for wheel in of_hash if wheel.is_whole]
    return whole[0] if whole else ("archive", f"the files of {of_hash[0].file} are gone from the cache, or are closed")


def _other_file(need: Need, file: NeededFile | None, wheels: Sequence[CachedWheel]) -> Reason:
    has = wheels[0].file
    if file is None or not file.name.endswith(".whl"):
        return "tags", f"no wheel of the lock fits this Python and platform; the base has {has}"
    preferred = " and uv prefers it" if any(one.name == has for one in need.files) else ""
    return "file", f"the lock has {file.name}{preferred}, the base {has}"


def _other_index(need: Need, situation: Situation, wheels: Sequence[CachedWheel]) -> Reason:
    told = situation.surroundings.last("no-index") or situation.surroundings.last("default-index")
    if told:
        return "index", f"`{told.said}` has uv look for other indexes in the cache"
    asked = need.index or situation.holdings.default_index
    if {wheel.bucket for wheel in wheels} & _buckets_of([asked], situation.holdings.default_index):
        return "index-not-told", f"the lock has it from {asked}, of which uv was not told"
    return "index", f"the base's cache does not answer for {asked or 'its index'}"


def _default_index(situation: Situation) -> str:
    told = situation.surroundings.last("default-index")
    return told.value if told else situation.holdings.default_index


def _buckets(need: Need, situation: Situation) -> set[str]:
    """The folders of the cache in which uv looks for a package: those of indexes that it was told of, and of these, in
    a project, only the lock's."""
    surroundings, default = situation.surroundings, situation.holdings.default_index
    more = [word for option in surroundings.all("index") for word in option.value.split()]
    told = [_default_index(situation), *(word.partition("=")[2] if _NAMED.match(word) else word for word in more)]
    allowed = set() if is_on(surroundings.last("no-index")) else _buckets_of(told, default)
    if not need.index:
        return allowed
    named = _buckets_of([need.index], default)
    return named & allowed if situation.kind in SYNCED else named


def _buckets_of(addresses: Iterable[str], default: str) -> set[str]:
    found = set()
    for address in addresses:
        with suppress(ValueError):  # no address, and none of the base's
            found.add(index_bucket(address, default))
    return found


def _explain(need: Need, file: NeededFile | None, situation: Situation) -> Reason:
    """Why a package is not found where something is before the base's cache: that, if it would be found behind it."""
    first = situation.obstacles[0]
    behind = _find(need, file, situation, situation.holdings.cached)
    if isinstance(behind, CachedWheel):
        return first.code, first.why
    base = situation.holdings.venvs.get(BASE_VENV, {}).get(need.name)
    if behind[0] not in ("missing", "version", "bound", "archive") or base is None or base.origin:
        return behind
    if serves_need(need, base.version):
        return first.code, first.why
    return _other_version(need, base.version)


def _other_version(need: Need, has: str) -> Reason:
    if need.version:
        return "version", f"the project has {need.version}, the base {has}"
    return "bound", f"the project wants {spell_specifier(need.specifier)}, the base has {has}"


def _linked(need: Need, situation: Situation) -> Verdict:
    """A package that the cache has, and the venv not."""
    mode = situation.link_mode
    if mode and mode.value == "symlink":
        return Verdict(name=need.name, version=need.version or need.specifier, outcome="hit")
    if situation.is_in_place:
        return _verdict(need, situation, "copied", "not-installed", f"it is in the cache, but not in {BASE_VENV}")
    if mode:
        return _verdict(need, situation, "copied", "link-mode", f"`{mode.said}` copies it into {situation.venv}")
    why = f"it goes into {situation.venv}, and not into {BASE_VENV}, which has it"
    return _verdict(need, situation, "copied", "environment", why)


def _verdict(
    need: Need, situation: Situation, outcome: Outcome, cause: str, why: str, file: NeededFile | None = None
) -> Verdict:
    file = file or _best_file(need, situation)
    size = (file.size or situation.holdings.sizes.get(file.name, 0)) if file else 0
    version = need.version or need.specifier
    return Verdict(name=need.name, version=version, outcome=outcome, cause=cause, why=why, size=size)
