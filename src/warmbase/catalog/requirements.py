"""Requirements as the catalog writes them (PEP 508), and the sets they come in."""

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from warmbase.catalog.document import SetEntry
from warmbase.catalog.model import CatalogRequirement
from warmbase.catalog.problems import DocumentPath, Report, quote, suggest_nearest
from warmbase.catalog.source import Source
from warmbase.errors import mask_userinfo

LONGEST_REQUIREMENT = 500  # characters; packaging's parser recurses into parentheses
DIRECT = ("git+https", "git+ssh", "git+http", "https", "http")
"""The schemes of direct references that a catalog may hold."""

_QUERY = re.compile(r"(?<=://)([^\s?#]*)\?[^\s#]*")  # RFC 3986, section 3.4


class RequirementReader:
    """Parses the requirements of a document, each place once."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._read: dict[DocumentPath, CatalogRequirement | None] = {}

    def read(self, texts: Sequence[str], path: DocumentPath) -> tuple[CatalogRequirement, ...]:
        """Parse the list at `path`; what is invalid is reported and left out."""
        found = (self._read_one(text, (*path, index)) for index, text in enumerate(texts))
        return tuple(requirement for requirement in found if requirement is not None)

    def _read_one(self, text: str, path: DocumentPath) -> CatalogRequirement | None:
        if path not in self._read:
            self._read[path] = self._parse(text, path)
        return self._read[path]

    def _parse(self, text: str, path: DocumentPath) -> CatalogRequirement | None:
        stripped = text.strip()
        if stripped.startswith("-"):
            message = f"{quote(text)} is an option, not a requirement"
            self._report.add(path, message, "name packages only; set the index with uv's own settings")
            return None
        if len(text) > LONGEST_REQUIREMENT:
            message = f"{quote(text)} is {len(text):,} characters long"
            self._report.add(path, message, f"a requirement has at most {LONGEST_REQUIREMENT}")
            return None
        try:
            requirement = Requirement(stripped)
        except (InvalidRequirement, RecursionError) as error:
            reason = (str(error) or "it nests too deep").splitlines()[0]
            if "://" in stripped or stripped.startswith((".", "/")):
                message = f"{quote(_mask(text))} does not name its package"
                self._report.add(path, message, "write NAME @ ADDRESS, as in PEP 508")
            else:
                advice = "write it as in PEP 508, e.g. numpy>=2"
                self._report.add(path, f"{quote(text)} is not a requirement: {reason}", advice)
            return None
        if requirement.url is not None and not self._check_address(requirement.url, text, path):
            return None
        position = self._source.position(path)
        group = str(path[1]) if path[0] == "sets" else ""
        return CatalogRequirement(requirement=requirement, text=stripped, position=position, group=group)

    def _check_address(self, address: str, text: str, path: DocumentPath) -> bool:
        """Report the address of a direct reference that not everybody who builds can follow, or that holds a secret."""
        scheme, user = address.partition("://")[0], urlsplit(address).netloc.rpartition("@")[0]
        said = quote(_mask(text))
        if scheme not in DIRECT:
            message = f"{said} refers to what containers and other machines cannot read"
            self._report.add(path, message, f"name an address that begins with one of {', '.join(DIRECT)}")
            return False
        if user and (":" in user or scheme != "git+ssh"):
            advice = "give them in netrc or to git, on the machine that locks and builds"
            self._report.add(path, f"{said} holds credentials", advice)
            return False
        if urlsplit(address).query:
            advice = (
                "name an address without one; if it is a password or a token, give that in netrc or to git, on the"
                " machine that locks and builds"
            )
            self._report.add(path, f"{said} has a query, which locks and images would tell everybody", advice)
            return False
        return True


def _mask(text: str) -> str:
    """A requirement without what its address may hold of secrets."""
    return _QUERY.sub(r"\1?***", mask_userinfo(text))


class PackageSets:
    """The catalog's sets, with what they include."""

    def __init__(
        self,
        entries: Mapping[str, tuple[str, ...] | SetEntry],
        declared: frozenset[str],
        reader: RequirementReader,
        report: Report,
    ) -> None:
        self._declared = declared
        self._report = report
        self._includes: dict[str, tuple[str, ...]] = {}
        self._requirements: dict[str, tuple[CatalogRequirement, ...]] = {}
        self._empty: set[str] = set()
        for name, entry in entries.items():
            if isinstance(entry, SetEntry):
                own: tuple[str, ...] = entry.requirements
                path: DocumentPath = ("sets", name, "requirements")
                self._includes[name] = self.check_names(entry.include, ("sets", name, "include"))
            else:
                own, path = entry, ("sets", name)
                self._includes[name] = ()
            self._requirements[name] = reader.read(own, path)
            if not own:
                self._empty.add(name)
        self._report_cycles()

    def check_names(self, names: Sequence[str], path: DocumentPath) -> tuple[str, ...]:
        """Report names in the list at `path` that are no sets; return the others."""
        for index, name in enumerate(names):
            if name not in self._declared:
                advice = suggest_nearest(name, self._declared) or "define it under `sets`"
                self._report.add((*path, index), f"there is no set {quote(name)}", advice)
        return tuple(name for name in names if name in self._declared)

    def expand(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the sets with all that they include, each once, includes first."""
        expanded: dict[str, None] = {}
        pending: list[tuple[str, bool]] = [(name, False) for name in reversed(tuple(names))]
        opened: set[str] = set()
        while pending:
            name, complete = pending.pop()
            if complete:
                expanded[name] = None
            elif name in self._requirements and name not in opened:
                opened.add(name)
                pending.append((name, True))
                pending.extend((inner, False) for inner in reversed(self._includes[name]))
        return tuple(expanded)

    def requirements(self, names: Iterable[str]) -> tuple[CatalogRequirement, ...]:
        """Return the own requirements of the named sets."""
        return tuple(requirement for name in names for requirement in self._requirements.get(name, ()))

    def say_anything(self, names: Iterable[str]) -> bool:
        """Whether the named sets, with all that they include, name a package, rightly or wrongly."""
        names = tuple(names)
        return any(name not in self._requirements for name in names) or not self._empty.issuperset(self.expand(names))

    def _report_cycles(self) -> None:
        """Report each circle of includes once, at the include that closes it."""
        done: set[str] = set()
        for start in self._includes:
            trail: list[str] = []
            pending: list[tuple[str, int]] = [(start, 0)] if start not in done else []
            while pending:
                name, position = pending.pop()
                if position == 0:
                    trail.append(name)
                includes = self._includes.get(name, ())
                if position == len(includes):
                    done.add(trail.pop())
                    continue
                pending.append((name, position + 1))
                inner = includes[position]
                if inner in trail:
                    circle = " → ".join([*trail[trail.index(inner) :], inner])
                    message = f"sets include each other: {circle}"
                    self._report.add(("sets", name, "include"), message, "take one of the includes out")
                elif inner not in done:
                    pending.append((inner, 0))


def drop_duplicates(
    requirements: Iterable[CatalogRequirement], *, known: Iterable[CatalogRequirement] = ()
) -> tuple[CatalogRequirement, ...]:
    """Return the requirements without those that were said before, or are among the `known`."""
    seen = {str(item.requirement) for item in known}
    kept = []
    for item in requirements:
        normal = str(item.requirement)
        if normal not in seen:
            seen.add(normal)
            kept.append(item)
    return tuple(kept)
