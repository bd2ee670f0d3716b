"""What a diagnosis is made of: facts with their places, verdicts, findings. Values, pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""An error costs downloads, copies or a failed build now, and a line mends it; a warning will, or concerns the base; a
note only explains."""

Outcome = Literal["hit", "copied", "built", "downloaded", "refused"]
"""What becomes of a package: it is there already or linked from the cache; its files are copied into the child's layer;
it is built; it is downloaded; uv fails instead of installing it."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where something stands: a file (or "the environment") and its line, 0 where it has none."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """Something that uv was told. `name` is uv's in its configuration, e.g. "no-cache", or a variable's that has none;
    `said` is how it was said, e.g. "ENV UV_NO_CACHE=1"."""

    name: str
    value: str
    said: str
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Mount:
    """Something that lies over the image's files at `target`. `source` says what it is, for people; `is_seeded` that it
    begins with the base's own files."""

    target: str
    source: str
    place: Place
    is_seeded: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """The uv that runs: its path, and its version ("" where that is not known)."""

    path: str
    version: str
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A requirement that a command names, or a file of requirements, below the folder that it runs in."""

    text: str
    place: Place
    is_file: bool = False
    folder: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedWheel:
    """A wheel that a cache can give. `bucket` is its index's (`uvcache.index_bucket`); `is_whole` says that its files
    are there and can be read."""

    name: str
    version: str
    file: str
    sha256: str
    bucket: str
    is_whole: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """A package in a venv. `origin` is what it was installed from in place of an index: an address, "" none."""

    name: str
    version: str
    origin: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """What there is to hit. `uv` is the version that made the cache, `python` the interpreter's full one; `tags` are
    those of wheels that fit, the best first. `venvs` has, by folder, what is installed; `cached` what is in the cache
    that uv is told to use, `cache`. `sizes` are the bytes of files by name, as far as they are known, `lacking` the
    buckets that the cache should have and has not."""

    uv: str
    cache: str
    python: str
    tags: tuple[str, ...] = field(repr=False)
    venvs: Mapping[str, Mapping[str, Installed]] = field(hash=False)
    cached: Mapping[str, tuple[CachedWheel, ...]] = field(hash=False)
    default_index: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A folder that uv writes into, as the current user finds it."""

    path: str
    is_there: bool
    is_writable: bool
    mode: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """How uv is run on a base. `options` are in the order in which they come to count, the last wins. `programs` are
    each uv that comes before the image's own. `folders` are looked at in a container alone, and `user` is "uid:gid"
    there. `project` is the folder in which uv runs, `base` how its image is named. `requests` are what commands install
    beside what the project needs; `carried` are the paths that other images get, so that they need files of their
    own."""

    options: tuple[Option, ...] = ()
    mounts: tuple[Mount, ...] = ()
    programs: tuple[Program, ...] = ()
    folders: tuple[Folder, ...] = ()
    user: str = ""
    project: str = "/app"
    is_container: bool = False
    base: str = "BASE"
    requests: tuple[Request, ...] = ()
    carried: frozenset[str] = frozenset()

    @property
    def closed(self) -> tuple[Folder, ...]:
        """What the user may not write to."""
        return tuple(folder for folder in self.folders if folder.is_there and not folder.is_writable)

    def last(self, name: str) -> Option | None:
        """What counts of an option; None where nothing was said."""
        return next((option for option in reversed(self.options) if option.name == name), None)

    def all(self, name: str) -> tuple[Option, ...]:
        """Everything that was said of an option."""
        return tuple(option for option in self.options if option.name == name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What becomes of a package, and why. `cause` is the code of the finding that it belongs to, which has the line
    that mends it, "" for a hit. `size` is what is downloaded or copied, as far as that is known."""

    name: str
    version: str
    outcome: Outcome
    cause: str = ""
    why: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something to know or to change. `code` names its kind, the same in every version; `fix` is the line to write or
    to run, `place` where. `packages` are those that it costs."""

    code: str
    severity: Severity
    message: str
    fix: str
    place: Place = field(default_factory=Place)
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """All that was found. `base` is what was examined against, a reference."""

    project: str
    base: str
    platform: str
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]

    @property
    def hits(self) -> int:
        """How many packages cost nothing."""
        return sum(verdict.outcome == "hit" for verdict in self.verdicts)

    @property
    def to_download(self) -> int:
        """The bytes that will be downloaded, as far as sizes are known."""
        return sum(verdict.size for verdict in self.verdicts if verdict.outcome == "downloaded")

    @property
    def severity(self) -> Severity | None:
        """The weight of the gravest finding, None without any."""
        return gravest(self.findings)


def gravest(findings: Iterable[Finding]) -> Severity | None:
    """The weight of the gravest of them, None without any."""
    present = {finding.severity for finding in findings}
    return next((severity for severity in SEVERITIES if severity in present), None)
