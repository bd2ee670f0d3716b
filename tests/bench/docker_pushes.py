"""Cases against Docker of what one moved package costs: building and pushing it, and pulling it elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.bench.docker_builds import GUIDE
from tests.bench.model import Row, Took, in_unit, median_of, rival_row, rival_size_row
from tests.bench.publishing import PREFIX, published, registry_of
from tests.bench.rivals import NAME, Rivals, open_rivals
from tests.bench.traffic import Traffic, counted
from tests.bench.usage import run_measured
from tests.bench.workbench import BUMPED, BUMPED_LARGE, Bases, Workbench, bench_environment
from tests.registries import RunningRegistry

from warmbase.lock.model import lock_from_json

_BEFORE = f"{NAME}/before"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """What one of the two took: to build and push, bytes sent for that, bytes that a client then receives."""

    took: list[Took] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    pulled: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moved:
    """A package that moves: W before and after, on both sides."""

    bench: Workbench
    rivals: Rivals
    lock: Path
    after: Path
    checks: list[float] = field(default_factory=list)

    def push_ours(self, traffic: Traffic, registry: RunningRegistry, side: _Side) -> None:
        """Publish W, move the package, build and publish; the verification between the two is timed by itself."""
        bases = published(self.bench).copy(self.bench.new_folder("moved"))
        target = f"{traffic.host}/{PREFIX}"
        first = _publish(bases, target)
        bases.take_lock(self.lock)
        sent, built = traffic.sent, bases.build()
        self.checks.append(bases.run("verify", "w").seconds)
        pushed = bases.run("publish", "w", "--registry", target, "--json")
        side.took.append(Took(seconds=built.seconds + pushed.seconds, cpu=built.cpu + pushed.cpu))
        side.sent.append(traffic.sent - sent)
        (row,) = json.loads(pushed.output)
        side.pulled.append(self._pull(registry, f"{PREFIX}/w@{first}", f"{PREFIX}/w@{row['digest']}"))

    def push_rival(self, traffic: Traffic, registry: RunningRegistry, side: _Side) -> None:
        """Push the image that is there, then build the one after it and push that."""
        old, new = (f"{traffic.host}/rival/w:{tag}" for tag in (1, 2))
        self.rivals.engine.docker("tag", _BEFORE, old)
        self.rivals.engine.docker("push", old)
        sent = traffic.sent
        side.took.append(self.rivals.build("guide", self.after, name=new, push=True))
        side.sent.append(traffic.sent - sent)
        self.rivals.remove(old, new)
        side.pulled.append(self._pull(registry, "rival/w:1", "rival/w:2"))

    def _pull(self, registry: RunningRegistry, old: str, new: str) -> int:
        """The bytes that a client with the image `old` receives to have `new`."""
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
    ours, rival, checked = _measure(bench, BUMPED)
    note = _note(checked)
    yield rival_row("small package moved, pushed", ours.took, rival.took, 0.08, GUIDE, note)
    yield rival_size_row("small package moved: sent", ours.sent, rival.sent, 0.05, GUIDE, "counted on the wire")
    note = "counted on the wire; a client with the version before, that keeps blobs by digest as docker pull does"
    yield rival_size_row("small package moved: pulled", ours.pulled, rival.pulled, 0.1, GUIDE, note)


def measure_pandas(bench: Workbench) -> Iterator[Row]:
    """pandas moved."""
    ours, rival, checked = _measure(bench, BUMPED_LARGE)
    yield rival_row("pandas moved, pushed", ours.took, rival.took, 0.2, GUIDE, _note(checked))
    yield rival_size_row("pandas moved: sent", ours.sent, rival.sent, 0.15, GUIDE, "counted on the wire")


def _measure(bench: Workbench, lock: Path, times: int = 3) -> tuple[_Side, _Side, float]:
    rivals = open_rivals(bench)
    before = _build_before(rivals)
    after = rivals.bump(before, lock_from_json(lock.with_suffix(".json").read_text()))
    rivals.fill_mount(after)
    moved = _Moved(bench=bench, rivals=rivals, lock=lock, after=after)
    ours, rival = _Side(), _Side()
    for push, side in [(moved.push_ours, ours), (moved.push_rival, rival)] * times:
        with registry_of(bench) as registry, counted(registry.host) as traffic:
            push(traffic, registry, side)
    return ours, rival, median_of([Took(seconds=seconds, cpu=0) for seconds in moved.checks]).seconds


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


def _note(checked: float) -> str:
    return (
        "a registry that has the version before; ours: build and publish, with attestations, shared layers and the"
        f" journal; its verification, which the rival has none of, takes {in_unit(checked, 's')} more; the rival's"
        " cache mount has both versions"
    )
