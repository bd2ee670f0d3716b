"""Findings about a project on a base: of what costs something, and of what will. Pure.

Each kind of finding is made once, with all packages that it costs; a package belongs to the first reason only, for uv
stops asking there. What stands before the cache and costs nothing, because everything is installed, is a note in a
Dockerfile, which installs no more, and a warning in a container, where the next package is downloaded. That the base
has not all that a project needs is nobody's mistake, hence a note.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name

from warmbase.downstream.doctor.model import Finding, Place, Severity, Verdict
from warmbase.downstream.doctor.options import is_on, line_of
from warmbase.downstream.doctor.situation import BASE_VENV, SYNCED, Situation
from warmbase.downstream.match import admits_version
from warmbase.downstream.projects.drift import Drift
from warmbase.downstream.projects.model import Member, Project
from warmbase.downstream.projects.requirements import compiling_command
from warmbase.downstream.pythons import admits_python
from warmbase.downstream.words import count, join_words, spell_specifier
from warmbase.oci.sizes import in_bytes

NAMED = 4
"""How many packages a finding names."""
_MOST_PINS = 8  # in one command line
BACKENDS = ("hatchling", "setuptools", "flit-core", "poetry-core", "pdm-backend", "uv-build")
_LOCKERS = {"poetry.lock": "poetry lock", "Pipfile.lock": "pipenv lock"}

_WORDS: Mapping[str, tuple[Severity, str]] = {
    "version": ("error", "at another version than in the base"),
    "bound": ("error", "bounded to other versions than the base's"),
    "file": ("error", "installed from another file than the base has"),
    "tags": ("error", "without a wheel for the base's Python and platform"),
    "hash": ("error", "with a hash in the lock that is not that of the base's file"),
    "index": ("error", "from an index that uv does not find in the base's cache"),
    "index-not-told": ("error", "from an index that nothing tells uv of"),
    "archive": ("error", "in the cache by name, but without files"),
    "no-binary": ("error", "to be built from source"),
    "refresh": ("error", "fetched again"),
    "reinstall": ("error", "fetched and installed again"),
    "environment": ("error", "copied"),
    "link-mode": ("error", "copied"),
    "system": ("error", "not installed"),
    "not-installed": ("note", "in the base's cache alone"),
    "source": ("note", "from elsewhere than an index"),
    "missing": ("note", "not in the base"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A project on a base: `base` is the base's short name, "" where it is not known, `texts` the texts of the
    project's files by their names, to find lines in, `drift` what its lock does not know of them."""

    project: Project
    situation: Situation
    base: str = ""
    texts: Mapping[str, str] = field(default_factory=dict, hash=False)
    drift: tuple[Drift, ...] = ()

    @property
    def lock(self) -> str:
        """The name of the file that was read."""
        return self.project.path.name

    def place_of(self, package: str) -> Place:
        """Where the file that was read names a package."""
        name, text = package.replace("-", "[-_.]"), self.texts.get(self.lock, "")
        begin = r"(?i)^[\s#]*" if self.project.kind == "script" else r"(?i)^\s*"
        line = line_of(text, rf"{begin}(name\s*=\s*[\"']{name}[\"']|[\"'-]?\s*[\"']?{name}\b)")
        return Place(file=self.lock, line=line or line_of(text, rf"(?i)[\"']{name}\b"))


def find_all(case: Case, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    """All findings about the project, the gravest kinds in no particular order."""
    cold, hidden = dict(_cold_backends(case)), _hidden_backends(case)
    yield from _about_python(case)
    yield from _about_lock(case)
    yield from _about_obstacles(case, verdicts, tuple(name for name in cold if name in hidden))
    for code in _WORDS:
        concerned = [verdict for verdict in verdicts if verdict.cause == code]
        if concerned:
            yield _about_packages(case, code, concerned)
    yield from (finding for name, finding in cold.items() if name not in hidden)
    yield from _about_venv(case, verdicts)
    yield from _latent(case, verdicts)
    yield from _about_uv(case)
    if case.project.kind == "pyproject.toml" and not case.situation.surroundings.all("constraint-dependencies"):
        again = f"warmbase adopt --base {case.base}" if case.base else "cp /opt/warmbase/uv.lock . && uv lock"
        message = "there is no lock: `uv lock` takes the newest versions, whatever the base has"
        yield Finding(code="no-lock", severity="warning", message=message, fix=again, place=Place(file=case.lock))


def _about_packages(case: Case, code: str, verdicts: Sequence[Verdict]) -> Finding:
    severity, words = _WORDS[code]
    if code in ("environment", "link-mode") and case.situation.venv in case.situation.surroundings.carried:
        severity = "note"  # another image gets it, and has no other files
    names = [f"{verdict.name} {verdict.version}".rstrip() for verdict in verdicts]
    be = "is" if len(verdicts) == 1 else "are"
    message = f"{count(len(verdicts), 'package')} {be} {words}: {join_words(names, most=NAMED)}"
    if len(verdicts) == 1 or len({verdict.why for verdict in verdicts}) == 1:
        message += f" ({verdicts[0].why})"
    size = sum(verdict.size for verdict in verdicts if verdict.outcome == "downloaded")
    if size:
        message += f"; {in_bytes(size)} to download"
    fix, place = _mend(case, code, verdicts)
    return Finding(
        code=code,
        severity=severity,
        message=message,
        fix=fix,
        place=place,
        packages=tuple(verdict.name for verdict in verdicts),
    )


def _mend(case: Case, code: str, verdicts: Sequence[Verdict]) -> tuple[str, Place]:
    """The line that mends a kind of finding, and where what it concerns stands."""
    first = case.place_of(verdicts[0].name)
    situation = case.situation
    if code in ("version", "file", "hash", "tags"):
        return _pin(case, verdicts), first
    if code == "index":
        told = situation.surroundings.last("no-index") or situation.surroundings.last("default-index")
        if told:
            return f"take out `{told.said}`", told.place
        return _told_index(case, verdicts[0].name), first
    if code in ("refresh", "reinstall", "no-binary"):
        last = [*situation.surroundings.all(code), *situation.surroundings.all(f"{code}-package")][-1]
        return f"take out `{last.said}`", last.place
    if code == "index-not-told":
        return "[[tool.uv.index]] with the lock's address as its url, and default = true", Place(file="pyproject.toml")
    if code in ("environment", "link-mode", "system"):
        return _install_in_place(situation)
    if code == "bound":
        return "loosen the bound, or take the base that `warmbase choose` names", first
    if code == "missing":
        return "`warmbase choose` says whether another base has more; else have it put into the catalog", first
    if code == "archive":
        return "take out what removes files from the cache (`uv cache clean`, `uv cache prune`)", Place()
    return "nothing, where that is meant", first


def _told_index(case: Case, package: str) -> str:
    """How to have a lock name the index that the base's cache answers for."""
    index = case.situation.holdings.default_index or "the base's index"
    mirror = "where the other is its mirror, have the catalog's `indexes` name it"
    if case.project.kind in SYNCED:
        return f'[[tool.uv.index]] with url = "{index}" and default = true in pyproject.toml, then `uv lock`; {mirror}'
    if case.project.kind == "requirements.txt":
        return f"--index-url {index} in {case.lock}; {mirror}"
    return f"lock {package} from {index}; {mirror}"


def _install_in_place(situation: Situation) -> tuple[str, Place]:
    """How to have nothing copied: the base's own venv, or one of links."""
    chosen, mode = situation.chosen, situation.link_mode
    in_place = f"UV_PROJECT_ENVIRONMENT={BASE_VENV}"
    if chosen is not None and chosen.place.file:
        in_place = f"take out `{chosen.said}`"
    if chosen is not None and chosen.name == "system":  # nowhere to keep links, if uv takes it at all
        return in_place, chosen.place
    place = mode.place if mode else chosen.place if chosen else Place()
    kept = "folder" if chosen is not None and chosen.name == "target" else "venv"
    return f"{in_place}; or keep the {kept}, with UV_LINK_MODE=symlink", place


def _pin(case: Case, verdicts: Sequence[Verdict]) -> str:
    """How to have the base's versions, with the files that its index has of them."""
    holdings = case.situation.holdings
    versions = {name: wheels[0].version for name, wheels in holdings.cached.items() if wheels}
    versions |= {one.name: one.version for one in holdings.venvs.get(BASE_VENV, {}).values()}
    pins = [f"{one.name}=={versions[one.name]}" for one in verdicts if one.name in versions]
    if case.lock == "uv.lock" and len(pins) <= _MOST_PINS:
        return " ".join(["uv lock", *(f"--upgrade-package {pin}" for pin in pins)])
    if case.base and (case.project.kind in SYNCED or len(pins) > _MOST_PINS):
        return f"warmbase adopt --base {case.base}"
    text = case.texts.get(case.lock, "")
    if compiled := compiling_command(text):
        return " ".join([compiled, *(f"--upgrade-package {pin}" for pin in pins)])
    locker = _LOCKERS.get(case.project.kind, "compile the file again, for it has hashes" if "--hash=" in text else "")
    return f"ask for {' '.join(pins[:_MOST_PINS])}, then {locker}" if locker else " ".join(pins)


def _about_obstacles(case: Case, verdicts: Sequence[Verdict], cold: tuple[str, ...]) -> Iterator[Finding]:
    for number, obstacle in enumerate(case.situation.obstacles):
        names = tuple(verdict.name for verdict in verdicts if verdict.cause == obstacle.code)
        names += cold if number == 0 else ()
        size = sum(verdict.size for verdict in verdicts if verdict.cause == obstacle.code)
        cost = "; what the base has is installed, so it costs nothing yet"
        if names:
            cost = f"; {count(len(names), 'package')} to download: {join_words(names, most=NAMED)}"
            cost += f" ({in_bytes(size)})" if size else ""
        yield Finding(
            code=obstacle.code,
            severity="error" if names else obstacle.idle,
            message=obstacle.why + ("" if obstacle.idle == "error" and not names else cost),
            fix=obstacle.fix,
            place=obstacle.place,
            packages=names,
        )


def _about_python(case: Case) -> Iterator[Finding]:
    """A Python that the base has not: uv refuses it, or takes another one than the base's."""
    python, project = case.situation.holdings.python, case.project
    told = case.situation.surroundings.last("python")
    asked: list[tuple[str, str, Place]] = []
    if project.requires_python:
        line = line_of(case.texts.get("pyproject.toml", ""), r"^\s*requires-python\s*=")
        asked.append((project.requires_python, "requires-python", Place(file="pyproject.toml", line=line)))
    if project.python:
        asked.append((project.python, ".python-version", Place(file=".python-version", line=1)))
    if told is not None:
        asked.append((told.value, f"`{told.said}`", told.place))
    for request, source, place in asked:
        if not admits_python(request, python):
            minor = ".".join(python.split(".")[:2])
            fix = f"take out `{told.said}`" if told and place == told.place else minor
            if source == "requires-python":
                fix = f'requires-python = ">={minor}"; or `warmbase choose` for a base with that Python'
            message = f"{source} asks for Python {spell_specifier(request)}, the base has {python}: uv refuses its venv"
            yield Finding(code="python", severity="error", message=message, fix=fix, place=place)
    yield from _about_managed(case)


def _about_managed(case: Case) -> Iterator[Finding]:
    """A wish for Pythons that uv has installed itself; `uv pip` does not ask for it where it has a venv."""
    told = case.situation.surroundings
    wish, switch = told.last("python-preference"), told.last("managed-python")
    said = switch if is_on(switch) else wish if wish and wish.value == "only-managed" else None
    if said and case.project.kind in SYNCED:
        message = f"`{said.said}` has uv refuse the base's venv: its Python is not one that uv manages"
        fix = f"take out `{said.said}`"
        yield Finding(code="managed-python", severity="error", message=message, fix=fix, place=said.place)


def _about_lock(case: Case) -> Iterator[Finding]:
    """A lock that does not say any more what the project asks for: an error where that is not installed, or where uv
    is told to refuse such a lock."""
    wanted = [one for one in case.drift if one.kind == "wanted"]
    locked = case.situation.surroundings.last("locked")
    for first in (*wanted, *case.drift)[:1]:
        cost = ", and `uv sync --frozen` installs what the lock has" if wanted else ""
        cost = f", which `{locked.said}` refuses" if locked and is_on(locked) else cost
        why = join_words([one.why for one in (*wanted, *(one for one in case.drift if one not in wanted))], most=NAMED)
        text, name = case.texts.get(first.file, ""), first.name.replace("-", "[-_.]")
        line = line_of(text, rf"(?i)^\s*{name}\s*=") or line_of(text, rf"(?i)[\"']{name}\b")
        yield Finding(
            code="lock-outdated",
            severity="error" if wanted or is_on(locked) else "warning",
            message=f"{case.lock} is out of date{cost}: {why}",
            fix="uv lock",
            place=Place(file=first.file, line=line),
            packages=tuple(one.name for one in wanted),
        )


def _about_venv(case: Case, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    """A venv in which the user cannot install: what `close-venv` makes, rightly where nothing is to be installed."""
    surroundings, venv = case.situation.surroundings, case.situation.venv
    closed = [one for one in surroundings.closed if one.path == venv or one.path.startswith(f"{venv}/")]
    if closed:
        names = tuple(verdict.name for verdict in verdicts if verdict.outcome != "hit")
        what = f"{count(len(names), 'package')} cannot be installed: {join_words(names, most=NAMED)}"
        message = f"uid:gid {surroundings.user} may not write to {closed[0].path} (mode {closed[0].mode})"
        yield Finding(
            code="closed-venv",
            severity="error" if names else "note",
            message=f"{message}; {what if names else 'nothing is to be installed'}",
            fix="install before `RUN /opt/warmbase/close-venv`, or as root",
            place=Place(file=closed[0].path),
            packages=names,
        )


def _about_uv(case: Case) -> Iterator[Finding]:
    required, uv = case.situation.surroundings.last("required-version"), case.situation.holdings.uv
    if required and not _admits(required.value, uv):
        message = f"the project requires uv {required.value}, the base has {uv}: uv refuses to run"
        fix = f'required-version = ">={uv}"'
        yield Finding(code="uv-required", severity="error", message=message, fix=fix, place=required.place)


def _admits(required: str, uv: str) -> bool:
    """Whether a `required-version` admits a version of uv; it refuses one that it cannot read."""
    try:
        return admits_version(required if required[:1] in ("<", ">", "=", "!", "~") else f"=={required}", uv)
    except InvalidSpecifier:
        return False


def _latent(case: Case, verdicts: Sequence[Verdict]) -> Iterator[Finding]:
    """What was said to uv and costs nothing only because everything is installed."""
    needed = {verdict.name for verdict in verdicts}
    unneeded = [name for name in case.situation.holdings.venvs.get(BASE_VENV, {}) if name not in needed]
    exact = case.situation.surroundings.last("exact")
    if exact and unneeded and case.situation.is_in_place:
        removed = f"{count(len(unneeded), 'package')} of the base that the project does not need"
        message = f"`{exact.said}` takes out {removed}, which costs time and space: {join_words(unneeded, most=NAMED)}"
        fix = f"{exact.said} --inexact"
        yield Finding(code="exact", severity="note", message=message, fix=fix, place=exact.place)
    option = next((one for one in case.situation.surroundings.all("refresh") if is_on(one)), None)
    if option and not any(verdict.cause == "refresh" for verdict in verdicts):
        message = f"`{option.said}` has uv ask indexes again for what is not installed yet"
        fix = f"take out `{option.said}`"
        yield Finding(code="refresh", severity="warning", message=message, fix=fix, place=option.place)


def _requirements(case: Case) -> Iterator[tuple[Member, str, str, str]]:
    """What building the project's own packages asks for: the package, the requirement, its name and its specifier."""
    for member in case.project.members if case.project.kind in SYNCED else ():
        for text in member.backend:
            with suppress(InvalidRequirement):
                requirement = Requirement(text)
                if not requirement.url:
                    yield member, text, str(canonicalize_name(requirement.name)), str(requirement.specifier)


def _hidden_backends(case: Case) -> frozenset[str]:
    """Build requirements that the base has, as far as can be seen behind what stands before its cache."""
    situation = case.situation
    codes = {obstacle.code for obstacle in situation.obstacles}
    if situation.surroundings.is_container and codes & {"mount", "cache-dir", "buckets"}:
        return frozenset(name for _, _, name, _ in _requirements(case))
    known = replace(situation, cached=situation.holdings.cached)
    return frozenset(
        name for _, _, name, specifier in _requirements(case) if codes and _is_warm(known, name, specifier)
    )


def _cold_backends(case: Case) -> Iterator[tuple[str, Finding]]:
    """Build requirements of the project's own packages that the cache does not have, by their names."""
    for member, text, name, specifier in _requirements(case):
        if not _is_warm(case.situation, name, specifier):
            yield name, _cold(case, member, text, name)


def _is_warm(situation: Situation, name: str, specifier: str) -> bool:
    if any(is_on(option) for option in situation.surroundings.all("no-build-isolation")):
        installed = situation.installed.get(name)
        return installed is not None and admits_version(specifier, installed.version)
    if name == "uv-build" and admits_version(specifier, situation.holdings.uv):
        return True  # uv is its own backend
    return any(wheel.is_whole and admits_version(specifier, wheel.version) for wheel in situation.cached.get(name, ()))


def judge_backends(case: Case, verdicts: Sequence[Verdict]) -> Iterator[Verdict]:
    """What becomes of the build requirements that the cache does not have, or cannot give."""
    known, hidden = {verdict.name for verdict in verdicts}, _hidden_backends(case)
    for member, _, name, specifier in _requirements(case):
        if name in known or _is_warm(case.situation, name, specifier):
            continue
        known.add(name)
        code = case.situation.obstacles[0].code if name in hidden else "backend"
        why, files = f"building {member.name} asks for it", case.situation.holdings.cached.get(name, ())
        size = next((case.situation.holdings.sizes.get(wheel.file, 0) for wheel in files), 0) if name in hidden else 0
        yield Verdict(name=name, version=specifier, outcome="downloaded", cause=code, why=why, size=size)


def _cold(case: Case, member: Member, text: str, name: str) -> Finding:
    known = case.situation.holdings.cached
    file = "pyproject.toml" if member.folder == "." else f"{member.folder}/pyproject.toml"
    place = Place(file=file, line=line_of(case.texts.get(file, ""), r"^\s*requires\s*="))
    has = ", ".join(wheel.version for wheel in known.get(name, ()))
    if has:
        why = f"the base's cache has {name} {has}"
        fix = f'requires = ["{name}"]'
    else:
        warm = [backend for backend in BACKENDS if known.get(backend)]
        why = "the base's cache has none"
        fix = f"have {name} put among the base's `backends`"
        fix += f"; or build with {join_words(warm)}, which it has" if warm else ""
    message = f"building {member.name} asks for {text}, {why}: it is downloaded each time"
    return Finding(code="backend", severity="error", message=message, fix=fix, place=place, packages=(name,))
