"""Thirty nights of twelve variants, the first a Monday's: what the world does before each, and what the job does."""

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.faults import Action, Respond, Seen, no_fault
from tests.nights import World

from warmbase.errors import RegistryError

Told = Mapping[str, str]
"""What became of the images that are not just fresh, in words."""

IMAGES: dict[str, dict[str, Any]] = {
    "core": {"requirements": ["alpha"]},
    "kit": {"from": "core", "requirements": ["kappa"]},
    "data": {"requirements": ["gamma"]},
    "web": {"requirements": ["delta"], "refresh": {"packages": "weekly"}},
    "careful": {"requirements": ["epsilon", "zeta"], "cooldown": {"time": "3 days", "exempt": ["zeta"]}},
    "pinned": {
        "requirements": ["gamma"],
        "pins": {"gamma": {"version": "<2", "reason": "2.0 reads no old files", "until": "2026-11-27"}},
    },
    "picky": {"requirements": ["theta", "iota"]},
    "wish": {"requirements": ["omega"]},
    "thin": {"requirements": ["mu"], "foundations": ["thin"]},
    "thinner": {"requirements": ["nu"], "foundations": ["thin"]},
    "os": {"requirements": ["mu"], "foundations": ["trixie"]},
    "os-too": {"requirements": ["nu"], "foundations": ["trixie"]},
}
CATALOG = {"images": IMAGES, "defaults": {"foundations": ["slim"], "backends": []}}
PACKAGES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "iota", "kappa", "mu", "nu", "omega")
_PAUSE = Respond(503, {"Retry-After": "3600"})
SMOKE = "import theta\n\nassert theta.VERSION\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """A night: `what` happens, `prepare` lets it happen before (and may do the night), `expected` is what is told."""

    what: str
    expected: Told
    prepare: Callable[[World], Told | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What a night did: what was told, which images' rolling tags it moved, what was sent to the registry,
    and what was read of the index (and not found unchanged)."""

    told: Told
    moved: frozenset[str]
    sent: tuple[str, ...]
    read: tuple[str, ...]


CHAPTERS: list[Chapter] = []


def night(what: str, **expected: str) -> Callable[[Callable[[World], Told | None]], None]:
    """Add the next night; images are written with "_" for "-"."""

    def add(prepare: Callable[[World], Told | None]) -> None:
        said = {image.replace("_", "-"): words for image, words in expected.items()}
        CHAPTERS.append(Chapter(what=what, expected=said, prepare=prepare))

    return add


def play(world: World, chapter: Chapter) -> Record:
    """Do a night."""
    world.aside.clear()
    tags, seen = world.tags(), len(world.proxy.seen)
    asked, unchanged = Counter(world.index.asked), Counter(world.index.unchanged)
    said = chapter.prepare(world)
    if said is None:
        said = world.told(world.night())
    now = world.tags()
    read = Counter(world.index.asked) - asked - (Counter(world.index.unchanged) - unchanged)
    return Record(
        told=said,
        moved=frozenset(image for image, digest in now.items() if digest != tags.get(image)) - world.aside,
        sent=tuple(f"{one.method} {one.path}" for one in world.proxy.seen[seen:] if one.method not in ("GET", "HEAD")),
        read=tuple(read.elements()),
    )


@dataclass(slots=True)
class Story:
    """The nights so far; who asks for one has those before it done first."""

    world: World
    records: list[Record] = field(default_factory=list)

    def record(self, number: int) -> Record:
        """What the night with this number did, counted from 1."""
        while len(self.records) < number:
            self.world.evening += timedelta(days=bool(self.records))
            self.records.append(play(self.world, CHAPTERS[len(self.records)]))
        return self.records[number - 1]


def begin(world: World) -> None:
    """What is there before the first night."""
    for name in PACKAGES:
        world.release(name, "1.0", uploaded="2026-01-02T03:04:05.000000Z")
    smoke = world.bases.folder / "bases/picky/smoke.py"
    smoke.parent.mkdir(parents=True)
    smoke.write_text(SMOKE, encoding="utf-8")


_FIRST = "refreshed: nothing is published of it"
_CORE = "core:py3.13-slim (which it is from, is refreshed)"


@night(
    "everything is published for the first time",
    **dict.fromkeys((image.replace("-", "_") for image in IMAGES), _FIRST),
)
def _(world: World) -> None:
    pass


@night("nothing happens")
def _(world: World) -> None:
    pass


@night(
    "a release reaches those that have it, and what is from them in the same night",
    core="refreshed: alpha 1.0 → 1.1, beta (new) → 1.0",
    kit=f"refreshed: {_CORE}, alpha 1.0 → 1.1, beta (new) → 1.0, kappa 1.0 → 1.1",
)
def _(world: World) -> None:
    world.release("alpha", "1.1", requires=["beta"])
    world.release("kappa", "1.1")


@night("the archive is signed anew, with the same packages")
def _(world: World) -> None:
    world.archive.renew()


_WEB = "held: [delta 1.0, not 1.1: refresh until 2026-11-09, packages: weekly]"


@night("a release waits for its weekday, a Friday's", web=_WEB)
def _(world: World) -> None:
    world.release("delta", "1.1")


_CAREFUL = "[epsilon 1.0, not 1.1: cooldown until 2026-11-09]"


@night(
    "a release is too young, and its exempt neighbour is not",
    web=_WEB,
    careful=f"refreshed: zeta 1.0 → 1.1, {_CAREFUL}",
)
def _(world: World) -> None:
    world.release("epsilon", "1.1")
    world.release("zeta", "1.1")


@night("what waits goes on waiting", web=_WEB, careful=f"fresh: {_CAREFUL}")
def _(world: World) -> None:
    pass


@night("on Monday the week's releases are taken", web="refreshed: delta 1.0 → 1.1", careful=f"fresh: {_CAREFUL}")
def _(world: World) -> None:
    pass


@night("a cooldown ends", careful="refreshed: epsilon 1.0 → 1.1")
def _(world: World) -> None:
    pass


_PINNED = "fresh: [gamma 1.0, not 2.0: pin until 2026-11-27, 2.0 reads no old files]"


@night("a release is taken but where it is pinned", data="refreshed: gamma 1.0 → 2.0", pinned=_PINNED)
def _(world: World) -> None:
    world.release("gamma", "2.0")


@night(
    "a release is yanked and goes",
    kit="refreshed: kappa 1.1 → 1.0 (yanked: it loses files)",
    pinned=_PINNED,
)
def _(world: World) -> None:
    world.yank("kappa", "1.1", "it loses files")


_BROKEN = "[theta 1.0, not 2.0: broken, smoke.py: it ended with code 1, since 2026-11-13]"


@night(
    "a release that breaks the image is found and left, its neighbour is taken",
    picky="refreshed: iota 1.0 → 1.1, [theta 1.0, not 2.0: broken, smoke.py: it ended with code 1], broken theta 2.0",
    pinned=_PINNED,
)
def _(world: World) -> None:
    world.release("theta", "2.0", "VERSION = ''\n")
    world.release("iota", "1.1")


@night("what broke is not tried again", picky=f"fresh: {_BROKEN}", pinned=_PINNED)
def _(world: World) -> None:
    pass


@night("a mended release is taken", picky="refreshed: theta 1.0 → 2.1", pinned=_PINNED)
def _(world: World) -> None:
    world.release("theta", "2.1")


@night(
    "the registry is down, then it goes down in the middle, and nothing is lost and no variant's failure",
    core="left: alpha 1.1 → 1.2",
    kit=f"left: {_CORE}, alpha 1.1 → 1.2",
    pinned=_PINNED,
)
def _(world: World) -> Told:
    world.release("alpha", "1.2", requires=["beta"])
    try:
        world.proxy.fault = lambda _: _PAUSE
        with pytest.raises(RegistryError, match="asks for a pause"):
            world.night()
        down = threading.Event()

        def go_down(seen: Seen) -> Action | None:
            if seen.method == "PUT" and seen.path.startswith("/v2/bases/core/manifests/"):
                down.set()
            return _PAUSE if down.is_set() else None

        world.proxy.fault = go_down
        return world.told(world.night())
    finally:
        world.proxy.fault = no_fault


@night(
    "a night is killed between two publications, and the next run has the rest",
    kit="refreshed: alpha 1.1 → 1.2",
    pinned=_PINNED,
)
def _(world: World) -> Told | None:
    killed = _kill_at(world, "PUT", "/v2/bases/kit/manifests/")
    assert killed.returncode < 0
    world.aside.add("core")
    return None


_MOVED = "refreshed: registry/team/python:thin image 2 → image 3"


@night(
    "a foundation's tag moves, and two machines begin the same night at once",
    thin=_MOVED,
    thinner=_MOVED,
    pinned=_PINNED,
)
def _(world: World) -> Told:
    world.push_image("thin")
    other = world.bases.copy(world.bases.folder.parent / "other-machine")
    both_are_there = threading.Barrier(2)

    def meet(seen: Seen) -> None:
        """Let neither move the tag of `thin` before both have made it."""
        if (seen.method, seen.path) == ("PUT", "/v2/bases/thin/manifests/py3.13"):
            both_are_there.wait(timeout=100)

    world.proxy.fault = meet
    try:
        with world.start(other.cache) as process:
            here = world.told(world.night())
            said, errors = process.communicate()
    finally:
        world.proxy.fault = no_fault
    assert process.returncode == 0, errors
    there = {image: world.named(words) for image, words in json.loads(said).items()}
    assert (here["thin"], there["thin"]) == (_MOVED, _MOVED)
    # Who comes later to the next one finds it published, or publishes the same.
    assert {told["thinner"].partition(":")[0] for told in (here, there)} <= {"refreshed", "fresh"}
    assert [image for told in (here, there) for image in told if image not in ("thin", "thinner", "pinned")] == []
    return {image: max(here.get(image, ""), there.get(image, "")) for image in {*here, *there}}


@night("doubled work came to the same", pinned=_PINNED)
def _(world: World) -> None:
    pass


_OPENSSL = "refreshed: openssl old → new (security)"
_OLD = "fresh: [openssl old, not new: upstream, security update, comes with the next image of thin]"


@night(
    "the archive has a security update",
    os=_OPENSSL,
    os_too=_OPENSSL,
    thin=_OLD,
    thinner=_OLD,
    pinned=_PINNED,
)
def _(world: World) -> None:
    world.update_system("openssl")


_LATER = {"thin": _OLD, "thinner": _OLD, "pinned": _PINNED}
_WISH = "wish:py3.13-slim cannot be resolved:"


@night("a variant cannot be resolved, the others go on", wish=f"failed: {_WISH}", **_LATER)
def _(world: World) -> None:
    world.edit("wish", requirements=["omega>=2"])


@night("it is tried again the next night", wish=f"failed: {_WISH}", **_LATER)
def _(world: World) -> None:
    pass


@night("then it waits", wish=f"waiting: {_WISH}", **_LATER)
def _(world: World) -> None:
    pass


@night("two nights later it is tried once more", wish=f"failed: {_WISH}", **_LATER)
def _(world: World) -> None:
    pass


@night("a candidate for a release is no release", wish=f"waiting: {_WISH}", **_LATER)
def _(world: World) -> None:
    world.release("alpha", "2.0rc1")


_GAMMA = "[gamma 2.0, not 3.0: wheels, no wheel for linux/amd64]"
_NOW_PINNED = "fresh: [gamma 1.0, not 3.0: pin until 2026-11-27, 2.0 reads no old files]"


@night(
    "a release has no wheel for the platform",
    wish=f"waiting: {_WISH}",
    data=f"fresh: {_GAMMA}",
    pinned=_NOW_PINNED,
    thin=_OLD,
    thinner=_OLD,
)
def _(world: World) -> None:
    world.release("gamma", "3.0", tag="cp313-cp313-win_amd64")


@night(
    "what it waited for comes, and it is tried at once",
    wish="refreshed: what the catalog says of it, omega 1.0 → 2.0",
    data=f"fresh: {_GAMMA}",
    pinned=_NOW_PINNED,
    thin=_OLD,
    thinner=_OLD,
)
def _(world: World) -> None:
    world.release("omega", "2.0")


@night(
    "a pin expires",
    pinned=f"refreshed: gamma 1.0 → 2.0, {_GAMMA}",
    data=f"fresh: {_GAMMA}",
    thin=_OLD,
    thinner=_OLD,
)
def _(world: World) -> None:
    pass


_LAST = {
    "data": f"held: {_GAMMA}, [gamma 1.0, not 2.0: rollback, it was rolled back from]",
    "pinned": f"fresh: {_GAMMA}",
    "thin": _OLD,
    "thinner": _OLD,
}


@night("somebody rolled back, and that stays", **_LAST)
def _(world: World) -> None:
    world.bases.run("rollback", "data", "--registry", world.place)
    world.aside.add("data")


@night("there is no time", picky="left: iota 1.1 → 1.2", web="left: delta 1.1 → 1.2", **_LAST)
def _(world: World) -> Told:
    world.release("iota", "1.2")
    world.release("delta", "1.2")
    return world.told(world.night(max_seconds=0))


@night("the next night has the time", picky="refreshed: iota 1.1 → 1.2", web="refreshed: delta 1.1 → 1.2", **_LAST)
def _(world: World) -> None:
    pass


def _kill_at(world: World, method: str, path: str) -> subprocess.Popen[str]:
    """Do a night in a process of its own, and kill it at the first such request to the registry."""
    process = world.start()

    def kill(seen: Seen) -> Action | None:
        if seen.method == method and seen.path.startswith(path):
            process.kill()
        return None

    world.proxy.fault = kill
    with process:
        process.communicate()
    world.proxy.fault = no_fault
    return process
