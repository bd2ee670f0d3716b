"""What nights remember of archives: which answers hold, what is asked with which validator, and how two merge."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from warmbase.effects.archives import Release
from warmbase.foundation.apt import AptSystem, Offer, content_of
from warmbase.foundation.pins import ArchiveState, DebianPin
from warmbase.nightly.archives import Answer, ArchiveMemory, Listener, SuiteMemory

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
MAIN = "http://archive.example/debian/dists/trixie/InRelease"
SECURITY = "http://archive.example/debian-security/dists/trixie-security/InRelease"
PIN = DebianPin(
    suite="trixie",
    platform="linux/amd64",
    epoch=1795140670,
    archives=(ArchiveState(suite="trixie", date="2026-11-20T00:00:00Z", sha256="0" * 64),),
    packages=(("apt", "3.0.3"), ("libc6", "2.41-12")),
)


def release(amd64: str, arm64: str = "1") -> bytes:
    """A Release file by the first digits of its lists' hashes."""
    lines = [f" {digit * 64} 10 main/binary-{name}/Packages" for name, digit in (("amd64", amd64), ("arm64", arm64))]
    return "\n".join(("SHA256:", *lines)).encode()


def answer(*addresses: str, content: bytes, architecture: str = "amd64") -> Answer:
    suites = dict.fromkeys(addresses, content_of(content, architecture))
    return Answer(asked="2026-11-20T02:00:00Z", architecture=architecture, suites=suites, pin=PIN)


class Archive:
    """Stands for what is asked over HTTP: files by address, each with a validator; `asked` is what was said to it."""

    def __init__(self, files: Mapping[str, tuple[bytes, str]]) -> None:
        self.files = dict(files)
        self.asked: list[dict[str, str]] = []

    def __call__(self, known: Mapping[str, str]) -> Mapping[str, Release]:
        self.asked.append(dict(known))
        return {
            address: Release(
                content=None if validator and known[address] == validator else content, validator=validator
            )
            for address, (content, validator) in self.files.items()
            if address in known
        }


def listen(memory: ArchiveMemory, archive: Archive, *questions: str, now: datetime = NOW) -> Listener:
    listener = Listener(memory, now, archive)
    listener.listen(questions)
    return listener


def remembered(archive: Archive, **answers: Answer) -> ArchiveMemory:
    """What is remembered after a night in which apt gave these answers."""
    listener = listen(ArchiveMemory(), archive)
    listener.keep(answers)
    return listener.memory(answers.keys())


def test_an_answer_holds_while_all_its_suites_say_the_same() -> None:
    archive = Archive({MAIN: (release("a"), '"1"'), SECURITY: (release("a"), '"1"')})
    memory = remembered(archive, q=answer(MAIN, SECURITY, content=release("a")))
    assert listen(memory, archive, "q").find("q") == memory.answers["q"]
    archive.files[SECURITY] = (release("b"), '"2"')
    assert listen(memory, archive, "q").find("q") is None


def test_a_suite_is_asked_with_its_validator_and_nothing_changes_in_memory() -> None:
    archive = Archive({MAIN: (release("a"), '"1"')})
    memory = remembered(archive, q=answer(MAIN, content=release("a")))
    listener = listen(memory, archive, "q")
    assert archive.asked[-1] == {MAIN: '"1"'}
    assert listener.memory({"q"}) == memory
    assert listener.requests == 1


def test_a_suite_that_is_signed_anew_gives_a_new_validator_and_the_answer_holds() -> None:
    archive = Archive({MAIN: (release("a"), '"1"')})
    memory = remembered(archive, q=answer(MAIN, content=release("a")))
    archive.files[MAIN] = (release("a"), '"2"')
    listener = listen(memory, archive, "q", now=NOW + timedelta(days=1))
    assert listener.find("q")
    assert listener.memory({"q"}) == memory  # there is nothing to tell others
    suite = listener.memory({"q"}).suites[MAIN]
    assert (suite.seen, suite.validator) == ("2026-11-22T02:00:00Z", '"2"')


def test_an_answer_does_not_hold_when_its_archive_cannot_be_asked() -> None:
    archive = Archive({MAIN: (release("a"), '"1"')})
    memory = remembered(archive, q=answer(MAIN, content=release("a")))
    listener = listen(memory, Archive({}), "q")
    assert listener.find("q") is None
    assert listener.memory({"q"}) == memory


def test_what_apt_read_while_the_archive_changed_is_asked_again() -> None:
    archive = Archive({MAIN: (release("b"), '"2"')})
    memory = remembered(archive, q=answer(MAIN, content=release("a")))
    assert listen(memory, archive, "q").find("q") is None


def test_another_architecture_makes_the_whole_file_needed_once() -> None:
    archive = Archive({MAIN: (release("a"), '"1"')})
    memory = remembered(archive, q=answer(MAIN, content=release("a")))
    both = replace(memory, answers={**memory.answers, "r": answer(MAIN, content=release("a"), architecture="arm64")})
    listener = listen(both, archive, "q", "r")
    assert archive.asked[-1] == {MAIN: ""}
    assert listener.find("q")
    assert listener.find("r")
    listen(listener.memory({"q", "r"}), archive, "q", "r")
    assert archive.asked[-1] == {MAIN: '"1"'}


def test_an_image_without_sources_has_nothing_that_could_change_and_a_foundation_without_is_asked_again() -> None:
    image = Answer(asked="2026-11-20T02:00:00Z", architecture="amd64")
    listener = listen(ArchiveMemory(answers={"image": image, "debian": replace(image, pin=PIN)}), Archive({}))
    assert listener.find("image") == image
    assert listener.find("debian") is None


def test_what_nobody_has_asked_for_a_month_is_forgotten_with_its_suites() -> None:
    archive = Archive({MAIN: (release("a"), '"1"'), SECURITY: (release("a"), '"1"')})
    old, young = answer(MAIN, content=release("a")), answer(SECURITY, content=release("a"))
    memory = remembered(archive, old=old, young=replace(young, asked="2026-12-20T02:00:00Z"))
    later = NOW + timedelta(days=40)
    assert set(listen(memory, archive, now=later).memory(()).answers) == {"young"}
    assert set(listen(memory, archive, now=later).memory(()).suites) == {SECURITY}
    assert set(listen(memory, archive, now=later).memory({"old"}).answers) == {"old", "young"}


def test_what_other_images_of_a_foundation_were_offered_is_known() -> None:
    offers = (Offer(name="openssl", version="2", installed="1"),)
    first = Answer(asked="2026-11-20T02:00:00Z", architecture="amd64", offers=offers, subjects=("own", "other"))
    listener = listen(ArchiveMemory(answers={"first": first}), Archive({}))
    assert listener.offered_before("own", "second") == {("openssl", "2")}
    assert listener.offered_before("own", "first") == frozenset()
    assert listener.offered_before("third", "second") == frozenset()


TIMES = st.sampled_from(["2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z"])
SUITES = st.builds(
    SuiteMemory,
    seen=TIMES,
    validator=st.sampled_from(['"1"', '"2"']),
    contents=st.dictionaries(st.sampled_from(["amd64", "arm64"]), st.sampled_from(["a", "b"])),
)
SYSTEMS = st.builds(
    AptSystem,
    installed=st.just((("apt", "all", "3"),)),
    files=st.dictionaries(st.sampled_from(["a", "b"]), st.binary(max_size=3)),
)
ANSWERS = st.builds(
    Answer,
    asked=TIMES,
    architecture=st.sampled_from(["amd64", "arm64"]),
    suites=st.dictionaries(st.sampled_from([MAIN, SECURITY]), st.sampled_from(["a", "b"])),
    pin=st.sampled_from([None, PIN]),
    offers=st.sampled_from([(), (Offer(name="a", version="2", installed="1", security=True),)]),
    system=st.none() | SYSTEMS,
    subjects=st.sampled_from([(), ("own linux/amd64 3.13",)]),
)
MEMORIES = st.builds(
    ArchiveMemory,
    suites=st.dictionaries(st.sampled_from([MAIN, SECURITY]), SUITES),
    answers=st.dictionaries(st.sampled_from(["q", "r"]), ANSWERS),
)


@given(MEMORIES)
def test_a_memory_that_is_written_is_read_back(memory: ArchiveMemory) -> None:
    read = ArchiveMemory.from_json(json.loads(json.dumps(memory.to_json())))
    assert (read, read.to_json()) == (memory, memory.to_json())


@given(MEMORIES, MEMORIES, MEMORIES)
def test_memories_merge_to_the_same_in_any_order(a: ArchiveMemory, b: ArchiveMemory, c: ArchiveMemory) -> None:
    assert a.merge(b).to_json() == b.merge(a).to_json()
    assert a.merge(b).merge(c).to_json() == a.merge(b.merge(c)).to_json()
    assert a.merge(a) == a


@given(MEMORIES)
def test_what_cannot_be_read_is_forgotten_and_nothing_else(memory: ArchiveMemory) -> None:
    document = json.loads(json.dumps(memory.to_json()))
    document["suites"]["damaged"] = {"validator": 1}
    document["answers"]["damaged"] = {"asked": "yesterday"}
    assert ArchiveMemory.from_json(document) == memory
    assert ArchiveMemory.from_json({"suites": [], "answers": None}) == ArchiveMemory()


def test_files_that_apt_would_obey_are_not_taken_from_what_is_remembered() -> None:
    for path in ("../../etc/cron.d/job", "/etc/cron.d/job", "etc/apt/apt.conf.d/99hook"):
        system = AptSystem(installed=(), files={path: b"x"})
        document = ArchiveMemory(
            answers={"q": Answer(asked="2026-11-20T02:00:00Z", architecture="amd64", system=system)}
        )
        assert ArchiveMemory.from_json(document.to_json()) == ArchiveMemory()
