"""What is remembered of Debian archives from night to night, so that apt is asked only when one has changed.

A suite is known by the address of its InRelease file, which apt says. That file is asked for with its validator; an
answer of apt's holds as long as all the suites that it came from say the same. An archive is signed anew several times
a day: what counts is what InRelease says of the package lists for an architecture (`foundation.apt.content_of`).

An answer about an image keeps what apt has to know of it, so that a machine which has nothing of the image can ask
again without pulling it.
"""

import base64
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from warmbase.effects.archives import Archives, Release
from warmbase.errors import FoundationError
from warmbase.foundation.apt import AptSystem, Offer, Suites, content_of, is_harmless
from warmbase.foundation.pins import DebianPin, pins_from_json, pins_to_json
from warmbase.publish.journal import format_time, parse_time

_KEPT = timedelta(days=30)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteMemory:
    """A suite since the RFC 3339 time `seen`: the validator of its InRelease, and what counts in it by architecture.

    That alone is compared: a suite that was only signed anew is nothing that other machines had to be told of.
    """

    seen: str = field(compare=False)
    validator: str = field(compare=False)
    contents: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What apt said at the RFC 3339 time `asked`, and from which suites.

    `pin` is what a Debian foundation would be pinned to, and `offers` what of it comes from the security suite. Of an
    image there is no pin: `offers` are newer than what it has, `system` is what apt was told of it, None if that must
    not be kept, and `subject` says which foundation it was an image of.
    """

    asked: str
    architecture: str
    suites: Suites = field(default_factory=dict, hash=False)
    pin: DebianPin | None = None
    offers: tuple[Offer, ...] = ()
    system: AptSystem | None = None
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveMemory:
    """Suites by the address of their InRelease, and apt's answers by question.

    The same memory comes from the same archives: nothing in it changes in a night on which no archive did.
    """

    suites: Mapping[str, SuiteMemory] = field(default_factory=dict, hash=False)
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)

    def merge(self, other: "ArchiveMemory") -> "ArchiveMemory":
        """What both know; of what they say differently the later one's counts. The order does not matter."""
        return ArchiveMemory(
            suites=_merge(self.suites, other.suites, lambda suite: (suite.seen, _text(_suite_to_json(suite)))),
            answers=_merge(self.answers, other.answers, lambda answer: (answer.asked, _text(_answer_to_json(answer)))),
        )

    def to_json(self) -> dict[str, Any]:
        """The memory as a JSON object."""
        return {
            "suites": {address: _suite_to_json(suite) for address, suite in sorted(self.suites.items())},
            "answers": {question: _answer_to_json(answer) for question, answer in sorted(self.answers.items())},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ArchiveMemory":
        """Read `to_json` back; what cannot be read is forgotten, as it can be asked for anew."""
        return cls(
            suites=_readable(document.get("suites"), lambda value: SuiteMemory(**value)),
            answers=_readable(document.get("answers"), _answer_from_json),
        )


class Listener:
    """What archives say in one night, over the `memory` of the nights before."""

    def __init__(self, memory: ArchiveMemory, now: datetime, ask: Archives) -> None:
        self._suites = dict(memory.suites)
        self._answers = dict(memory.answers)
        self._now = now
        self._ask = ask
        self._heard: set[str] = set()
        self.requests = 0

    def listen(self, questions: Iterable[str]) -> None:
        """Ask, once, for the suites that the answers to `questions` came from."""
        needed = self._needed(questions)
        known = {address: self._validator(address, needed[address]) for address in needed.keys() - self._heard}
        self.requests += len(known)
        for address, release in self._ask(known).items():
            self._heard.add(address)
            self._take(address, release, needed[address])

    def find(self, question: str) -> Answer | None:
        """The answer to a question, None where there is none, or a suite that it came from says something else now."""
        answer = self._answers.get(question)
        return answer if answer and self._holds(answer) else None

    def system(self, question: str) -> AptSystem | None:
        """What apt was told of an image when it was last asked."""
        answer = self._answers.get(question)
        return answer.system if answer else None

    def offered_before(self, subject: str, question: str) -> frozenset[tuple[str, str]]:
        """The names and versions that were offered for other images of the foundation `subject`."""
        others = (answer for key, answer in self._answers.items() if key != question and subject in answer.subjects)
        return frozenset((offer.name, offer.version) for answer in others for offer in answer.offers)

    def keep(self, answers: Mapping[str, Answer]) -> None:
        """Remember new answers, and of the suites that they came from what the next night asks with."""
        self._answers |= answers
        self.listen(answers)

    def memory(self, questions: Collection[str]) -> ArchiveMemory:
        """What to remember: old answers to other questions than this night's go, and suites that no answer needs."""
        oldest = format_time(self._now - _KEPT)
        answers = {key: one for key, one in self._answers.items() if key in questions or one.asked >= oldest}
        needed = {address for answer in answers.values() for address in answer.suites}
        suites = {address: suite for address, suite in self._suites.items() if address in needed}
        return ArchiveMemory(suites=suites, answers=answers)

    def _holds(self, answer: Answer) -> bool:
        if not answer.suites:
            return answer.pin is None  # an image may have none that could be asked
        return all(
            address in self._heard and self._suites[address].contents.get(answer.architecture) == content
            for address, content in answer.suites.items()
        )

    def _needed(self, questions: Iterable[str]) -> dict[str, set[str]]:
        """The addresses of suites, each with the architectures that the answers to `questions` ask it for."""
        needed: dict[str, set[str]] = {}
        for question in questions:
            if answer := self._answers.get(question):
                for address in answer.suites:
                    needed.setdefault(address, set()).add(answer.architecture)
        return needed

    def _validator(self, address: str, architectures: set[str]) -> str:
        """What to ask with; "" where what is known is not enough, and the whole file is needed."""
        suite = self._suites.get(address)
        return suite.validator if suite and architectures <= suite.contents.keys() else ""

    def _take(self, address: str, release: Release, architectures: set[str]) -> None:
        if release.content is None:
            return
        known = self._suites.get(address)
        names = architectures | set(known.contents if known else ())
        contents = {name: content_of(release.content, name) for name in sorted(names)}
        if known is None or (known.validator, known.contents) != (release.validator, contents):
            seen = format_time(self._now)
            self._suites[address] = SuiteMemory(seen=seen, validator=release.validator, contents=contents)


def _merge(left: Mapping[str, T], right: Mapping[str, T], age: Callable[[T], tuple[str, str]]) -> dict[str, T]:
    both = {key: max((left[key], right[key]), key=age) for key in left.keys() & right.keys()}
    return {**left, **right, **both}


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _suite_to_json(suite: SuiteMemory) -> dict[str, Any]:
    return {"seen": suite.seen, "validator": suite.validator, "contents": dict(suite.contents)}


def _answer_to_json(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "asked": answer.asked,
        "architecture": answer.architecture,
        "suites": dict(answer.suites),
        "offers": [[one.name, one.version, one.installed, one.security] for one in answer.offers],
        "subjects": list(answer.subjects),
    }
    if answer.pin:
        found["pin"] = json.loads(pins_to_json({(answer.pin.platform, ""): answer.pin}))
    if answer.system:
        files = {path: base64.b64encode(content).decode() for path, content in answer.system.files.items()}
        found["system"] = {"installed": [list(one) for one in answer.system.installed], "files": files}
    return found


def _answer_from_json(value: Mapping[str, Any]) -> Answer:
    parse_time(value["asked"])
    return Answer(
        asked=value["asked"],
        architecture=value["architecture"],
        suites=dict(value["suites"]),
        pin=_pin_from_json(value["pin"]) if "pin" in value else None,
        offers=tuple(
            Offer(name=name, version=version, installed=installed, security=security)
            for name, version, installed, security in value["offers"]
        ),
        system=_system_from_json(value["system"]) if "system" in value else None,
        subjects=tuple(value["subjects"]),
    )


def _pin_from_json(value: Mapping[str, Any]) -> DebianPin:
    (pin,) = pins_from_json(json.dumps(value), source="a pin that is remembered").values()
    if not isinstance(pin, DebianPin):
        raise TypeError("it is no Debian pin")
    return pin


def _system_from_json(value: Mapping[str, Any]) -> AptSystem:
    if not all(map(is_harmless, value["files"])):
        raise ValueError("it has files that no answer has")
    return AptSystem(
        installed=tuple((name, architecture, version) for name, architecture, version in value["installed"]),
        files={path: base64.b64decode(content) for path, content in value["files"].items()},
    )


def _readable(values: object, read: Callable[[Any], T]) -> dict[str, T]:
    found = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        try:
            found[key] = read(value)
        except (FoundationError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return found
