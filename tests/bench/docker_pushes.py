"""Cases against Docker of what one moved package costs: building and pushing it, and pulling it elsewhere.

Times are taken without a proxy between the engine and the registry; bytes are counted in a round of their own.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.bench.docker_builds import GUIDE
from tests.bench.model import Row, Took, rival_row, rival_size_row, together
from tests.bench.publishing import PREFIX, published, registry_of
from tests.bench.rivals import NAME, Rivals, open_rivals
from tests.bench.traffic import Traffic, counted
from tests.bench.usage import run_measured
from tests.bench.workbench import BUMPED, BUMPED_LARGE, Bases, Workbench, bench_environment
from tests.registries import RunningRegistry

from warmbase.lock.model import lock_from_json

SINGLE = "a Dockerfile of a single RUN"
_BEFORE = f"{NAME}/before"
_NOTE = (
    "a registry that has the version before; ours: build and publish, with attestations, shared layers and the journal,"
    " {}; the rival's cache mount has both versions"
)
_PULLED = (
    "counted on the wire; the client is skopeo, which has the version before and keeps blobs by digest, as docker pull"
    " does; not docker pull itself, as the one engine here has just built the rival's images and may keep their blobs"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pushed:
    """What one round of a side took: building and pushing; with the verification, if it has one; the bytes sent; and
    what is in the registry then, the image before and the one after."""

    took: Took
    verified: Took
    sent: int
    images: tuple[str, str]


_Push = Callable[[Traffic], _Pushed]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moved:
    """A package that moves: W before and after, on both sides."""

    bench: Workbench
    rivals: Rivals
    lock: Path
    before: Path
    after: Path

    def push_ours(self, traffic: Traffic) -> _Pushed:
        """Publish W, move the package, build, verify and publish."""
        bases = published(self.bench).copy(self.bench.new_folder("moved"))
        target = f"{traffic.host}/{PREFIX}"
        first = _publish(bases, target)
        bases.take_lock(self.lock)
        sent, built = traffic.sent, bases.build()
        checked = bases.run("verify", "w")
        pushed = bases.run("publish", "w", "--registry", target, "--json")
        (row,) = json.loads(pushed.output)
        return _Pushed(
            took=together(built, pushed),
            verified=together(built, checked, pushed),
            sent=traffic.sent - sent,
            images=(f"{PREFIX}/w@{first}", f"{PREFIX}/w@{row['digest']}"),
        )

    def push_rival(self, traffic: Traffic) -> _Pushed:
        """Push the image that is there, then build the one after it and push that."""
        old, new = (f"{traffic.host}/rival/w:{tag}" for tag in (1, 2))
        self.rivals.engine.docker("tag", _BEFORE, old)
        self.rivals.engine.docker("push", old)
        sent = traffic.sent
        took = self.rivals.build("guide", self.after, name=new, push=True)
        self.rivals.remove(old, new)
        return _Pushed(took=took, verified=took, sent=traffic.sent - sent, images=("rival/w:1", "rival/w:2"))

    def time(self, push: _Push) -> _Pushed:
        """One round of a side, as it is."""
        with registry_of(self.bench) as registry:
            return push(Traffic(registry.host))

    def count(self, push: _Push, *, pull: bool = False) -> tuple[int, int]:
        """The bytes that a side sends, and those that a client with the image before receives to have the one after."""
        with registry_of(self.bench) as registry, counted(registry.host) as traffic:
            pushed = push(traffic)
            return pushed.sent, self._pull(registry, *pushed.images) if pull else 0

    def pull_single(self) -> int:
        """What that client receives where the images are of a single RUN."""
        with registry_of(self.bench) as registry:
            for tag, project in enumerate((self.before, self.after)):
                name = f"{registry.host}/single/w:{tag}"
                self.rivals.build("single", project, name=name, push=True)
                self.rivals.remove(name)
            return self._pull(registry, "single/w:0", "single/w:1")

    def _pull(self, registry: RunningRegistry, old: str, new: str) -> int:
        kept = self.bench.new_folder("client")
        with counted(registry.host) as traffic:
            for image, tag in ((old, "old"), (new, "new")):
                before = traffic.received
                command = ["skopeo", "--insecure-policy", "copy", "--src-tls-verify=false"]
                run_measured(
                    [*command, f"docker://{traffic.host}/{image}", f"oci:{kept}:{tag}"],
                    env=bench_environment(), cwd=self.bench.folder,
                )  # fmt: skip
            return traffic.received - before


def measure_small_package(bench: Workbench) -> Iterator[Row]:
    """One small package moved."""
    moved = _move(bench, BUMPED)
    yield from _time(moved, "small package moved", 0.08)
    sent, pulled = moved.count(moved.push_ours, pull=True)
    yield _compare_sent(moved, "small package moved", sent, 0.05)
    case = "small package moved: pulled, by skopeo"
    yield rival_size_row(case, [pulled], [moved.pull_single()], 0.1, SINGLE, _PULLED)


def measure_pandas(bench: Workbench) -> Iterator[Row]:
    """pandas moved."""
    moved = _move(bench, BUMPED_LARGE)
    yield from _time(moved, "pandas moved", 0.2)
    yield _compare_sent(moved, "pandas moved", moved.count(moved.push_ours)[0], 0.15)


def _move(bench: Workbench, lock: Path) -> _Moved:
    rivals = open_rivals(bench)
    before = _build_before(rivals)
    after = rivals.bump(before, lock_from_json(lock.with_suffix(".json").read_text()))
    rivals.fill_mount(after)
    return _Moved(bench=bench, rivals=rivals, lock=lock, before=before, after=after)


def _time(moved: _Moved, case: str, most: float, times: int = 1) -> Iterator[Row]:
    """Both sides by turns; the rival has no verification, so that ours is compared without it and with it."""
    rounds = [(moved.time(moved.push_ours), moved.time(moved.push_rival)) for _ in range(times)]
    rival = [theirs.took for _, theirs in rounds]
    note = _NOTE.format("not verified, as the rival's is not")
    yield rival_row(f"{case}, pushed", [ours.took for ours, _ in rounds], rival, most, GUIDE, note)
    note = _NOTE.format("verified between the two, which the rival has nothing like")
    yield rival_row(f"{case}, verified, pushed", [ours.verified for ours, _ in rounds], rival, most, GUIDE, note)


def _compare_sent(moved: _Moved, case: str, sent: int, most: float) -> Row:
    note = "counted on the wire, in a round that is not timed"
    return rival_size_row(f"{case}: sent", [sent], [moved.count(moved.push_rival)[0]], most, GUIDE, note)


@cache
def _build_before(rivals: Rivals) -> Path:
    """The project whose packages move, once for all of them; its image is there as `_BEFORE`."""
    project = rivals.project()
    rivals.fill_mount(project)
    rivals.build("guide", project, name=_BEFORE)
    rivals.bench.stack.callback(rivals.remove, _BEFORE)
    return project


def _publish(bases: Bases, target: str) -> str:
    (row,) = json.loads(bases.run("publish", "w", "--registry", target, "--json").output)
    return str(row["digest"])
