"""What the packages of a catalog would be today, asked of an index night by night."""

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.bases import PLATFORM, Bases
from tests.faults import Cut, Seen, fault_proxy
from tests.wheelhouse import Answer, Mirror, Wheel, make_wheel, serve, serve_answers

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog
from warmbase.effects.http import ask_size
from warmbase.effects.process import Finished, Processes
from warmbase.effects.registry.retries import Backoff
from warmbase.effects.uv import find_uv
from warmbase.errors import PackagesError
from warmbase.lock.fingerprint import fingerprint_of_lock
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.restraint import restrain
from warmbase.nightly.packages import PackageSurvey, PackageTools, Question, open_inquiry
from warmbase.nightly.pages import IndexMemory

LIBC = {PLATFORM: ("glibc", "2.41")}
FIRST_NIGHT = datetime(2026, 3, 2, 3, tzinfo=UTC)
OLD = "2026-01-02T03:04:05.000000Z"


def wheel(
    name: str, version: str, requires: Sequence[str] = (), *, time: str = OLD, tag: str = "py3-none-any"
) -> Wheel:
    return make_wheel(name, version, {f"{name}.py": ""}, requires=requires, time=time, tag=tag)


@dataclass(slots=True)
class World:
    """An index, a catalog and the nights over them. `memory` is what the last night remembered, and `commands` what uv
    was asked to do."""

    mirror: Mirror
    folder: Path
    night: datetime = FIRST_NIGHT
    memory: IndexMemory = field(default_factory=IndexMemory)
    commands: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    home: str = "machine"

    def release(self, *wheels: Wheel) -> None:
        self.mirror.wheels += wheels

    def catalog(self, images: Mapping[str, Sequence[str] | Mapping[str, Any]], **more: Any) -> None:
        Bases(folder=self.folder, cache=self.folder).write_catalog(images, **more)

    def load(self) -> Catalog:
        return load_catalog(self.folder / "images.yaml")

    def tools(self) -> PackageTools:
        catalog = self.load()
        environment = {**os.environ, "HOME": str(self.folder), "UV_DEFAULT_INDEX": self.mirror.url, **self.environment}
        uv = find_uv(catalog.uv, cache=self.folder, environment=environment, indexes=catalog.index_addresses)
        listened = replace(uv, processes=self._listen(uv.processes))
        return PackageTools(uv=listened, folder=self.folder / self.home, tries=Backoff(sleep=lambda _: None))

    def survey(self, *, later: timedelta = timedelta(days=1), memory: IndexMemory | None = None) -> PackageSurvey:
        """The survey of the next night. What it took is in the mirror and in `commands`, and of no night before."""
        self.night += later
        for told in (self.mirror.asked, self.mirror.unchanged, self.commands):
            told.clear()
        catalog = self.load()
        questions = [
            Question(variant=variant, libc=LIBC, restraint=restrain(variant, self.night, None))
            for variant in catalog.variants
        ]
        with open_inquiry(catalog.variants, self.tools(), memory or self.memory, self.night) as inquiry:
            survey = inquiry.ask(questions)
        self.memory = survey.memory
        return survey

    def lock(self, image: str) -> Lock:
        """What `warmbase lock` makes of an image now."""
        (variant,) = (one for one in self.load().variants if one.image == image)
        tools = self.tools()
        resolver = Resolver(uv=tools.uv, cache=tools.folder / "locks", ask_size=ask_size)
        upgrade = Upgrade(everything=True, restraint=restrain(variant, self.night, None))
        return resolver.resolve(variant, libc=LIBC, previous=None, upgrade=upgrade)

    def pages_asked(self) -> list[str]:
        return sorted(path.strip("/").rpartition("/")[2] for path in self.mirror.asked if "/simple/" in path)

    def _listen(self, processes: Processes) -> Processes:
        def run(
            argv: Sequence[str | Path],
            *,
            env: Mapping[str, str] | None = None,
            cwd: Path | None = None,
            input: bytes = b"",
            timeout: float | None = None,
            check: bool = True,
        ) -> Finished:
            self.commands.append(str(argv[1]))
            return processes(argv, env=env, cwd=cwd, input=input, timeout=timeout, check=check)

        return run


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two applications that share a library, which is at 1.0."""
    wheels = [
        wheel("uv", "0.13.8"),
        wheel("frame", "1.0", ["lib"]),
        wheel("tool", "1.0", ["lib>=1", "extra"]),
        wheel("lib", "1.0"),
        wheel("extra", "1.0"),
    ]
    with serve(Mirror(wheels=wheels, conditional=True)) as mirror:
        made = World(mirror=mirror, folder=tmp_path)
        made.catalog({"app": ["frame"], "tool": ["tool"], "twin": ["frame"]})
        yield made


def test_variants_that_ask_the_same_are_resolved_once_and_all_pages_are_fetched_once(world: World) -> None:
    survey = world.survey()
    assert survey.resolutions == 2
    assert world.pages_asked() == ["extra", "frame", "lib", "tool"]
    assert dict(survey.news["app:py3.13-trixie"].versions) == {"frame": "1.0", "lib": "1.0"}
    assert dict(survey.news["tool:py3.13-trixie"].versions) == {"extra": "1.0", "lib": "1.0", "tool": "1.0"}
    assert survey.news["twin:py3.13-trixie"] == survey.news["app:py3.13-trixie"]


def test_what_is_asked_again_in_a_night_asks_for_no_page_again(world: World) -> None:
    """A parent stays as it is: what is from it is asked about within its versions, and what is from that as well."""
    child, grandchild = {"from": "app", "requirements": ["tool"]}, {"from": "child", "requirements": ["leaf"]}
    world.catalog({"app": ["frame"], "child": child, "grandchild": grandchild})
    world.release(wheel("lib", "1.1"), wheel("leaf", "1.0", ["lib"]))
    variants = world.load().variants
    questions = {variant.image: Question(variant=variant, libc=LIBC) for variant in variants}
    with open_inquiry(variants, world.tools(), IndexMemory(), FIRST_NIGHT) as inquiry:
        first = inquiry.ask(tuple(questions.values()))
        assert {news.versions["lib"] for news in first.news.values()} == {"1.1"}
        world.release(wheel("lib", "1.2"))
        within = replace(questions["child"], base={"frame": "1.0", "lib": "1.0"})
        second = inquiry.ask([within, questions["grandchild"]])
    assert {name.partition(":")[0]: news.versions["lib"] for name, news in second.news.items()} == {
        "app": "1.1",
        "child": "1.0",
        "grandchild": "1.0",
    }
    assert set(Counter(world.pages_asked()).values()) == {1}
    assert len(second.memory.answers) == 5


def test_where_nothing_changed_pages_say_so_and_uv_is_not_asked(world: World) -> None:
    before = world.survey()
    again = world.survey()
    assert world.mirror.asked == world.mirror.unchanged
    assert world.pages_asked() == ["extra", "frame", "lib", "tool"]
    assert "lock" not in world.commands
    assert (again.requests, again.resolutions) == (4, 0)
    assert again.news == before.news
    assert again.memory == before.memory


def test_what_was_remembered_does_for_a_machine_that_has_nothing_else(world: World) -> None:
    before = world.survey()
    world.home = "another"
    again = world.survey(memory=IndexMemory.from_json(before.memory.to_json()))
    assert world.mirror.asked == world.mirror.unchanged
    assert again.news == before.news


def test_only_what_read_a_page_that_changed_is_resolved_anew(world: World) -> None:
    before = world.survey()
    world.release(wheel("extra", "1.1"))
    survey = world.survey()
    assert survey.resolutions == 1
    assert world.commands.count("lock") == 1
    changed = set(world.pages_asked()) - {path.strip("/").rpartition("/")[2] for path in world.mirror.unchanged}
    assert changed == {"extra"}
    assert survey.news["tool:py3.13-trixie"].versions["extra"] == "1.1"
    assert survey.news["tool:py3.13-trixie"].fingerprint != before.news["tool:py3.13-trixie"].fingerprint
    assert survey.news["app:py3.13-trixie"] == before.news["app:py3.13-trixie"]


def test_a_page_that_changed_in_nothing_that_counts_starts_no_uv(world: World) -> None:
    before = world.survey()
    world.mirror.sparse = True  # sizes and metadata are gone from its pages
    survey = world.survey()
    assert survey.resolutions == 0
    assert survey.news == before.news
    assert survey.memory == before.memory  # there is nothing to tell others
    world.survey()
    assert world.mirror.asked == world.mirror.unchanged  # but new validators to tell this machine


def test_the_fingerprint_is_that_of_the_lock_which_would_be_made(world: World) -> None:
    survey = world.survey()
    assert survey.news["tool:py3.13-trixie"].fingerprint == fingerprint_of_lock(world.lock("tool"))


def test_a_yanked_release_is_told_with_its_reason(world: World) -> None:
    world.release(wheel("lib", "1.1"))
    assert world.survey().news["app:py3.13-trixie"].versions["lib"] == "1.1"
    world.mirror.yanked["lib-1.1-py3-none-any.whl"] = "it deletes files"
    survey = world.survey()
    assert survey.news["app:py3.13-trixie"].versions["lib"] == "1.0"
    assert survey.news["app:py3.13-trixie"].yanked == {}
    baseline = {"lib": ("1.1", ""), "frame": ("1.0", "")}
    assert survey.yanked(baseline) == {"lib": "it deletes files"}
    assert world.survey().yanked(baseline) == {"lib": "it deletes files"}


def test_a_young_release_waits_for_its_cooldown_and_no_longer(world: World) -> None:
    world.catalog({"app": {"requirements": ["frame"], "cooldown": "3 days"}})
    world.survey()
    world.release(wheel("lib", "1.1", time="2026-03-03T12:00:00Z"))
    nights = [world.survey() for _ in range(5)]
    assert [night.news["app:py3.13-trixie"].versions["lib"] for night in nights] == ["1.0", "1.0", "1.0", "1.1", "1.1"]
    assert [night.resolutions for night in nights] == [1, 0, 0, 1, 0]
    (held,) = nights[1].news["app:py3.13-trixie"].held
    assert (held.subject, held.current, held.offered, held.by) == ("lib", "1.0", "1.1", "cooldown")
    assert held.until == "2026-03-06T12:00:00Z"
    assert nights[3].news["app:py3.13-trixie"].held == ()


@pytest.mark.parametrize("sparse", [False, True])
def test_what_others_hold_back_is_named(world: World, *, sparse: bool) -> None:
    world.mirror.sparse = sparse
    world.release(wheel("strict", "1.0", ["lib<2"]), wheel("lib", "2.0"), wheel("extra", "3.0"))
    world.release(wheel("extra", "2.0", tag="py3-none-win_amd64"))
    world.catalog({"app": ["frame", "strict", "extra<3"]})
    held = {one.subject: one for one in world.survey().news["app:py3.13-trixie"].held}
    assert str(held["lib"]) == "lib 1.0, not 2.0: conflict, strict 1.0 wants lib<2"
    assert held["extra"].offered == "3.0"
    assert held["extra"].detail.startswith("images.yaml:")
    assert held["extra"].detail.endswith(": extra<3")


def test_what_cannot_be_resolved_stops_no_other_and_says_the_real_address(world: World) -> None:
    world.catalog({"app": ["frame"], "lost": ["frame", "lib>7"], "again": ["frame", "lib>7"]})
    survey = world.survey()
    assert survey.news["app:py3.13-trixie"].error is None
    error = survey.news["lost:py3.13-trixie"].error
    assert error
    assert "lost:py3.13-trixie cannot be resolved" in error.message
    assert survey.news["again:py3.13-trixie"].error
    assert "again:py3.13-trixie cannot be resolved" in str(survey.news["again:py3.13-trixie"].error)
    assert "127.0.0.1" not in error.message.replace(f"127.0.0.1:{world.mirror.port}/simple", "")


def test_an_index_without_validators_is_believed_by_what_it_says(world: World) -> None:
    with serve(Mirror(wheels=world.mirror.wheels)) as world.mirror:
        before = world.survey()
        again = world.survey()
    assert again.resolutions == 0
    assert again.memory == before.memory
    assert world.mirror.unchanged == []
    assert world.pages_asked() == ["extra", "frame", "lib", "tool"]


def test_an_index_that_is_down_is_told_of_every_variant_and_nothing_is_forgotten(world: World) -> None:
    before = world.survey()
    port, world.mirror.port = world.mirror.port, 9  # nobody is there (RFC 863)
    survey = world.survey()
    assert {type(news.error).__name__ for news in survey.news.values()} == {"PackagesError"}
    assert survey.memory == before.memory
    world.mirror.port = port
    assert world.survey().news == before.news


def test_a_child_is_asked_within_what_its_parent_is_answered(world: World) -> None:
    world.release(wheel("lib", "1.1", time="2026-03-03T12:00:00Z"))
    world.catalog(
        {
            "base": {"requirements": ["frame"], "cooldown": "3 days"},
            "child": {"from": "base", "requirements": ["tool"], "cooldown": "0 days"},
        }
    )
    survey = world.survey()
    assert survey.news["base:py3.13-trixie"].versions["lib"] == "1.0"
    assert survey.news["child:py3.13-trixie"].versions["lib"] == "1.0"
    assert survey.news["child:py3.13-trixie"].held == ()  # its parent tells


def test_a_private_index_is_asked_with_its_login_and_first(world: World) -> None:
    private = Mirror(wheels=[wheel("ours", "1.0", ["lib"])], simple="/team/simple", secret=True, sparse=True)
    with ExitStack() as stack:
        stack.enter_context(serve(private))
        world.catalog(
            {"app": ["frame", "ours"]},
            indexes={"team": f"http://127.0.0.1:{private.port}/team/simple"},
        )
        world.environment = {"UV_INDEX_TEAM_USERNAME": "somebody", "UV_INDEX_TEAM_PASSWORD": "hunter2-of-the-mirror"}
        survey = world.survey()
        assert survey.news["app:py3.13-trixie"].error is None
        assert survey.news["app:py3.13-trixie"].versions["ours"] == "1.0"
        assert "lib" in {path.strip("/").rpartition("/")[2] for path in private.asked}  # and has none
        again = world.survey()
        assert again.resolutions == 0
        assert again.memory == survey.memory
        assert "hunter2" not in str(survey.memory.to_json())
        private.wheels.append(wheel("lib", "7.0"))  # from now on it is the private index's
        assert world.survey().news["app:py3.13-trixie"].versions["lib"] == "7.0"


def test_behind_a_proxy_the_index_is_asked_through_it_and_the_front_is_not(world: World) -> None:
    def answer(address: str) -> Answer | None:
        return world.mirror.answer(address.removeprefix("http://index.example"))

    with serve_answers(answer, lambda path, allowed: None) as port:
        world.environment = {
            "UV_DEFAULT_INDEX": "http://index.example/simple",
            "HTTP_PROXY": f"http://127.0.0.1:{port}",
            "http_proxy": f"http://127.0.0.1:{port}",
            "NO_PROXY": "",
            "no_proxy": "",
        }
        survey = world.survey()
    assert dict(survey.news["app:py3.13-trixie"].versions) == {"frame": "1.0", "lib": "1.0"}
    assert world.mirror.asked == []


def test_what_uv_has_read_it_reads_no_second_time(world: World) -> None:
    world.survey()
    world.release(wheel("lib", "1.1"))
    survey = world.survey()
    assert survey.resolutions == 2
    assert sum(path.endswith((".metadata", ".whl")) for path in world.mirror.asked) == 1


def test_two_surveys_at_once_do_not_meet(world: World) -> None:
    first = world.survey()
    front = json.loads((world.folder / "machine/indexes/front.json").read_text())
    world.release(wheel("lib", "1.1"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", front["port"]))
        other.listen()
        survey = world.survey()
    assert survey.news["app:py3.13-trixie"].versions["lib"] == "1.1"
    assert first.news["app:py3.13-trixie"].versions["lib"] == "1.0"
    assert json.loads((world.folder / "machine/indexes/front.json").read_text()) == front


def test_an_index_that_is_a_folder_is_refused_before_anything(world: World) -> None:
    world.environment = {"UV_DEFAULT_INDEX": f"file://{world.folder}/simple"}
    with pytest.raises(PackagesError, match="not reached by http"):
        world.survey()


def test_two_forms_of_a_page_are_one_page(world: World) -> None:
    """As from an index behind which are several servers, one of which says less."""
    validators = []
    with serve(Mirror(wheels=world.mirror.wheels)) as world.mirror:
        before = world.survey()
        for night in range(4):
            world.mirror.sparse = night % 2 == 0
            survey = world.survey()
            assert (survey.resolutions, survey.memory) == (0, before.memory)
            validators.append({key: page.validator for key, page in survey.memory.pages.items()})
    assert validators[1] == validators[2] == validators[3]  # both are known


def test_a_file_that_breaks_off_is_asked_for_again(world: World) -> None:
    """Where an index has no metadata apart uv reads wheels."""
    broken: list[str] = []

    def break_once(seen: Seen) -> Cut | None:
        if not seen.path.endswith(".whl") or broken:
            return None
        broken.append(seen.path)
        return Cut("answer body", after=10)

    world.mirror.sparse = True
    with fault_proxy(f"127.0.0.1:{world.mirror.port}", break_once) as proxy:
        world.environment = {"UV_DEFAULT_INDEX": f"http://{proxy.host}/simple"}
        survey = world.survey()
    assert {str(news.error) for news in survey.news.values()} == {"None"}
    assert len(broken) == 1
