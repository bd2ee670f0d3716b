"""Large catalogs: many images over a few package sets, and a registry in which all of them are already published.

Their images are empty and what is known of them is written down by hand, as the nightly job would have: five hundred
real ones would take half an hour. What the job then looks at is real: tags, index pages, foundations, its own state.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.baseimages import system_blob, write_image
from tests.bases import PLATFORM, Bases
from tests.faults import FaultProxy, fault_proxy
from tests.grounds import UV
from tests.nights import loopback, open_job
from tests.registries import RunningRegistry, client_of, copy_with_skopeo, running_registry
from tests.wheelhouse import Mirror, make_wheel, serve, uv_wheel
from uv import find_uv_bin

from warmbase.foundation.stage import pin_foundation
from warmbase.lock.restraint import restrain
from warmbase.nightly.facts import fingerprint_of_pins, own_keys, own_pins
from warmbase.nightly.model import VariantState
from warmbase.nightly.packages import PackageTools, Question, open_inquiry
from warmbase.nightly.pages import IndexMemory
from warmbase.nightly.record import write_state
from warmbase.nightly.setting import Job
from warmbase.nightly.state import KnownPin, State
from warmbase.nightly.survey import look_around
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import INDEX, Index
from warmbase.publish.journal import format_time

FOUNDATIONS = ("slim", "full")
SETS = 60
BEGAN = datetime(2026, 11, 2, 2, 23, tzinfo=UTC)


@dataclass(slots=True)
class Fleet:
    """Where fleets are: a registry behind a proxy that counts, an index that counts, and a folder. `answers` are those
    of the index to what has been asked so far."""

    folder: Path
    index: Mirror
    registry: RunningRegistry
    proxy: FaultProxy
    answers: IndexMemory = field(default_factory=IndexMemory)

    def bases(self, images: int) -> Bases:
        """A catalog of that many images, each on both foundations."""
        return self.write(
            images, {f"image-{number:03}": {"sets": [f"set-{number % SETS:02}"]} for number in range(images)}
        )

    def write(self, number: int, images: Mapping[str, Mapping[str, Any]], **said: Any) -> Bases:
        """The catalog with this number, of these images, each on both foundations, which may say more."""
        bases = Bases(folder=self.folder / f"bases-{number}", cache=self.folder / f"cache-{number}")
        bases.write_catalog(
            images,
            uv=UV,
            registry=self.place(number),
            sets=package_sets(),
            foundations={
                name: {"image": f"{self.proxy.host}/team/python:{name}", "python": ["3.13"]} for name in FOUNDATIONS
            },
            defaults={"foundations": list(FOUNDATIONS), "backends": []},
            **said,
        )
        return bases

    def place(self, images: int) -> str:
        """Where a catalog of that many images is published."""
        return f"{self.proxy.host}/{self._prefix(images)}"

    def direct(self, images: int) -> str:
        """The same place, not through the proxy."""
        return f"{self.registry.host}/{self._prefix(images)}"

    def _prefix(self, images: int) -> str:
        return f"fleet-{images}"

    def job(self, images: int, when: datetime = BEGAN) -> Job:
        """A night's job on a catalog whose size was asked for before."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WARMBASE_CACHE_DIR", str(self.folder / f"cache-{images}"))
            return open_job(self.folder / f"bases-{images}/images.yaml", self.place(images), when)

    def publish(self, images: int) -> None:
        """Let the registry have every variant of a catalog, and the job know it."""
        self.publish_all(self.job(images))

    def publish_all(self, job: Job, taken: Mapping[str, str] | None = None) -> None:
        """Let the registry have every variant of a job, and the job know it, and when each axis was last taken."""
        content = Index(manifests=(), annotations={"org.opencontainers.image.title": str(job.place)}).to_bytes()
        client = client_of(self.registry.host)
        tags = [(job.place.repository(variant.image), tag) for variant in job.variants for tag in variant.tags]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda named: client.write_manifest(named[0], named[1], content, INDEX), tags))
        state = _state_of(job, digest_of(content), self.answers, taken or {})
        self.answers = state.index
        write_state(job.place, job.folders.nights, state, BEGAN)


def package_sets() -> dict[str, list[str]]:
    """Sixty sets of four packages, of a hundred; neighbours have some in common."""
    return {
        f"set-{number:02}": [f"package-{(number + step) % 100:02}" for step in (0, 1, 7, 31)] for number in range(SETS)
    }


@contextmanager
def open_fleet(folder: Path) -> Iterator[Fleet]:
    """Serve the index and the registry, and let programs find them, while the context lasts."""
    wheels = [uv_wheel(UV, Path(find_uv_bin()))]
    wheels += [make_wheel(f"package-{number:02}", "1.0", {f"package_{number:02}.py": ""}) for number in range(100)]
    with ExitStack() as stack:
        index = stack.enter_context(serve(Mirror(wheels=wheels, conditional=True)))
        registry = stack.enter_context(running_registry(folder / "registry"))
        proxy = stack.enter_context(fault_proxy(registry.host))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for variable, value in loopback(index, folder).items():
            patch.setenv(variable, value)
        for name in FOUNDATIONS:
            image = write_image(folder / name, [system_blob()], {"Cmd": ["python3"]}, created=_CREATED[name])
            copy_with_skopeo(f"oci:{image}", f"docker://{registry.host}/team/python:{name}")
        yield Fleet(folder=folder, index=index, registry=registry, proxy=proxy)


_CREATED = {"slim": "2026-10-01T00:00:00Z", "full": "2026-10-02T00:00:00Z"}


def _state_of(job: Job, digest: str, answers: IndexMemory, taken: Mapping[str, str]) -> State:
    """What the job would know, had it published all of its variants as they are to be today."""
    then, ground = format_time(BEGAN), job.tools.ground()
    pins = {
        (foundation.name, PLATFORM, "3.13"): pin_foundation(foundation, PLATFORM, "3.13", ground)
        for foundation in job.catalog.foundations
    }
    state = State(pins={key: KnownPin(time=then, pin=pin) for key, pin in pins.items()}, index=answers)
    found = look_around(job, state, BEGAN)
    questions = [
        Question(
            variant=variant,
            libc={key[1]: pins[key].libc for key in own_keys(variant)},
            restraint=restrain(variant, BEGAN, None),
        )
        for variant in job.variants
    ]
    tools = PackageTools(uv=job.tools.uv(), folder=job.folders.nights)
    with open_inquiry(job.variants, tools, found.index, BEGAN) as inquiry:
        news = inquiry.ask(questions).news
    variants = {
        variant.name: VariantState(
            time=then,
            digest=digest,
            facts=found.known.facts[variant.name],
            tool=found.known.tool,
            packages=news[variant.name].fingerprint,
            pins=fingerprint_of_pins(own_pins(variant, pins)),
            taken=taken,
        )
        for variant in job.variants
    }
    return replace(state, variants=variants, index=found.index, archives=found.archives)
