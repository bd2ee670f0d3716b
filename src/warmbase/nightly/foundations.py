"""What foundations are today: the survey of a night.

Each foundation is looked at once for a platform and a Python, whoever stands on it, and one that fails stops no other.
First everything is asked whether it has changed: registries by HEAD, archives and local files; what has is then looked
at more closely. Nothing is pulled or made of what moved: that is for those who take it. An image that did not move is
looked into once, for its packages (see `systems`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TypeVar

from warmbase.catalog.model import (
    Catalog,
    CatalogFoundation,
    DebianFoundation,
    DockerfileFoundation,
    ImageFoundation,
    LayoutFoundation,
)
from warmbase.effects.archives import Archives, ask_archives
from warmbase.effects.process import Processes, run_process
from warmbase.effects.pythons import PythonDownload
from warmbase.errors import FoundationError, WarmbaseError
from warmbase.foundation.apt import Offer
from warmbase.foundation.debian import question_of
from warmbase.foundation.dockerfile import moving_bases
from warmbase.foundation.groundwork import Groundwork, codec_of
from warmbase.foundation.inputs import inputs_of
from warmbase.foundation.managed import choose_python, known_pythons
from warmbase.foundation.pins import DebianPin, DockerfilePin, FoundationPin, ImagePin, ManagedPin, SystemPin, system_of
from warmbase.foundation.sources import open_source
from warmbase.foundation.stage import pin_fits
from warmbase.foundation.upstream import read_image
from warmbase.nightly.archives import Answer, ArchiveMemory, Listener
from warmbase.nightly.model import FoundationKey, FoundationNews, Reason
from warmbase.nightly.pinmoves import explain_digests, explain_moves, explain_python
from warmbase.nightly.systems import ask_debian, ask_image, explain_offer, hold_offer, question_of_image, read_system
from warmbase.oci.manifest import variables_of
from warmbase.oci.reference import Reference

_TOGETHER = 4
_SHOWN = 12  # digits of a hash

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationTools:
    """What a survey of foundations needs: what foundations are made with, what starts programs, what reads archives."""

    ground: Callable[[], Groundwork]
    processes: Processes = run_process
    archives: Archives = ask_archives


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationSurvey:
    """The news of each foundation that was asked for, what to remember, and how many requests it took, those of apt
    and of pulling not counted. `security` are the packages that come from a security suite today."""

    news: Mapping[FoundationKey, FoundationNews] = field(default_factory=dict, hash=False)
    memory: ArchiveMemory = field(default_factory=ArchiveMemory)
    requests: int = 0
    security: Mapping[FoundationKey, frozenset[str]] = field(default_factory=dict, hash=False)

    def reasons(self, key: FoundationKey, old: FoundationPin) -> tuple[Reason, ...]:
        """How a foundation of today differs from any pin of it, an older one than was known, too."""
        news = self.news[key]
        return explain_moves(old, news.pin, key[2], self.security.get(key, ())) if news.pin else news.reasons


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """A foundation to look at. `pin` is what is known of it and fits the catalog, None if nothing does."""

    key: FoundationKey
    wanted: CatalogFoundation
    pin: FoundationPin | None = None

    @property
    def system(self) -> SystemPin | None:
        return system_of(self.pin) if self.pin else None

    @property
    def question(self) -> str:
        """What apt is asked about it, "" for nothing."""
        if isinstance(self.wanted, DebianFoundation):
            return question_of(self.wanted, self.key[1])
        return question_of_image(self.system) if isinstance(self.system, ImagePin | DockerfilePin) else ""


def survey_foundations(
    catalog: Catalog,
    wanted: Collection[FoundationKey],
    known: Mapping[FoundationKey, FoundationPin],
    memory: ArchiveMemory,
    tools: FoundationTools,
    now: datetime,
) -> FoundationSurvey:
    """Look at each of `wanted`; `known` are their pins of the last time, and reasons say what differs from those.

    Errors are values, in the news of the foundation that has them.
    """
    named = {foundation.name: foundation for foundation in catalog.foundations}
    news: dict[FoundationKey, FoundationNews] = {}
    looks = []
    for key in sorted(wanted):
        try:
            looks.append(_look(key, named[key[0]], known.get(key)))
        except FoundationError as error:
            news[key] = FoundationNews(error=error)
    return _Survey(catalog, looks, memory, tools, now).run(news, known)


def _look(key: FoundationKey, wanted: CatalogFoundation, known: FoundationPin | None) -> _Look:
    return _Look(key=key, wanted=wanted, pin=known if known and pin_fits(wanted, known, key[2]) else None)


class _Survey:
    """The looks of one night, and what they have in common: each thing is asked once."""

    def __init__(
        self, catalog: Catalog, looks: Iterable[_Look], memory: ArchiveMemory, tools: FoundationTools, now: datetime
    ) -> None:
        self._catalog = catalog
        self._looks = tuple(looks)
        self._tools = tools
        self._now = now
        self._listener = Listener(memory, now, tools.archives)
        self._heads: Mapping[Reference, str | WarmbaseError] = {}
        self._moves: Mapping[FoundationKey, tuple[Reason, ...] | WarmbaseError] = {}
        self._answers: Mapping[str, Answer | WarmbaseError] = {}

    def run(
        self, news: dict[FoundationKey, FoundationNews], known: Mapping[FoundationKey, FoundationPin]
    ) -> FoundationSurvey:
        """Look at everything; `news` is of what could not even be begun."""
        self._heads = _in_parallel({one: partial(self._head, one) for look in self._looks for one in _references(look)})
        self._moves = _in_parallel({look.key: partial(self._moved, look) for look in self._looks})
        self._answers = self._ask()
        for look in self._looks:
            try:
                news[look.key] = self._news(look, known.get(look.key))
            except WarmbaseError as error:
                news[look.key] = FoundationNews(error=error)
        return FoundationSurvey(
            news=news,
            memory=self._listener.memory({look.question for look in self._looks}),
            requests=self._listener.requests + len(self._heads),
            security={look.key: self._security(look) for look in self._looks},
        )

    def _head(self, reference: Reference) -> str:
        registry = self._tools.ground().registries().at(reference.registry)
        found = registry.find_manifest(reference.repository, reference.reference)
        return found.digest if found else ""

    def _digest(self, reference: Reference) -> str:
        digest = _value(self._heads[reference])
        if not digest:
            raise FoundationError(
                f"{reference} does not exist", next_step="correct its name, or log in to the registry"
            )
        return digest

    def _moved(self, look: _Look) -> tuple[Reason, ...]:
        """How an image, or one that a Dockerfile's stands on, is another one than was pinned. Raises WarmbaseError."""
        match look.wanted, look.system:
            case ImageFoundation() | LayoutFoundation(), ImagePin() as pin:
                return self._moved_image(look.wanted, pin, look.key[2])
            case DockerfileFoundation(), DockerfilePin() as pin:
                bases = [(str(base), digest, self._digest(base)) for base, digest in moving_bases(pin)]
                return tuple(explain_digests(name, old, new) for name, old, new in bases if old != new)
        return ()

    def _moved_image(
        self, wanted: ImageFoundation | LayoutFoundation, pin: ImagePin, python: str
    ) -> tuple[Reason, ...]:
        """An image whose name points to something else may still have the same manifest for the platform."""
        text = wanted.reference(python)
        if isinstance(wanted, ImageFoundation):
            reference = Reference.parse(text)
            if reference.digest or self._digest(reference) == pin.index:
                return ()
        image = read_image(open_source(wanted, text, self._tools.ground().registries), pin.platform)
        if image.digest == pin.manifest:
            return ()
        moved = [explain_digests(text, pin.index, image.index)]
        version = variables_of(image.config.run).get("PYTHON_VERSION", "")  # of the official images, and many others
        if pin.python and version.startswith(f"{python}.") and version != pin.python:
            moved.append(explain_python(pin.python, version))
        return tuple(moved)

    def _ask(self) -> dict[str, Answer | WarmbaseError]:
        """The answer to each question: apt is asked where an archive has changed, or nobody has asked yet."""
        questions: dict[str, list[_Look]] = {}
        for look in self._looks:
            if look.question and not self._moves[look.key]:
                questions.setdefault(look.question, []).append(look)
        self._listener.listen(questions)
        found = {question: answer for question in questions if (answer := self._listener.find(question))}
        asked = _in_parallel({one: partial(self._ask_apt, questions[one]) for one in questions.keys() - found.keys()})
        self._listener.keep({question: answer for question, answer in asked.items() if isinstance(answer, Answer)})
        return {**asked, **found}

    def _ask_apt(self, looks: Sequence[_Look]) -> Answer:
        look, processes = looks[0], self._tools.processes
        if isinstance(look.wanted, DebianFoundation):
            return ask_debian(look.wanted, look.key[1], self._now, processes)
        assert isinstance(look.system, ImagePin | DockerfilePin)  # or there were no question
        codecs = {codec_of(variant.compression) for variant in self._catalog.variants}
        system = self._listener.system(look.question) or read_system(
            look.wanted, look.system, self._tools.ground(), codecs
        )
        return ask_image(system, look.key[1], [_subject(one) for one in looks], self._now, processes)

    def _news(self, look: _Look, known: FoundationPin | None) -> FoundationNews:
        moved = _value(self._moves[look.key])
        reasons = [*_unfit(look, known), *moved]
        if isinstance(look.wanted, DebianFoundation):
            pin: SystemPin | None = self._debian_pin(look)
            if look.system and pin:
                python = "" if look.wanted.managed else look.key[2]
                reasons += explain_moves(look.system, pin, python, self._security(look))
            found = FoundationNews()
        else:
            found = self._look_inside(look) if look.system and not moved else FoundationNews()
            pin = None if moved or found.reasons else self._image_pin(look)
        reasons += found.reasons
        whole: FoundationPin | None = pin
        if look.wanted.managed:
            whole, more = self._managed(look, pin)
            reasons += more
        same = look.pin if whole == look.pin else whole
        return replace(found, pin=same, reasons=tuple(sorted(reasons, key=lambda one: one.axis != "security")))

    def _debian_pin(self, look: _Look) -> DebianPin:
        answer = _value(self._answers[look.question])
        assert answer.pin  # it is of a Debian foundation
        same = isinstance(look.system, DebianPin) and look.system.packages == answer.pin.packages
        return look.system if isinstance(look.system, DebianPin) and same else answer.pin

    def _image_pin(self, look: _Look) -> SystemPin | None:
        """The pin of an image that did not move. Where it lies under another index now, that is what is asked next."""
        references = _references(look)
        if isinstance(look.wanted, ImageFoundation) and isinstance(look.system, ImagePin) and references:
            return replace(look.system, index=self._digest(references[0]))
        return look.system

    def _look_inside(self, look: _Look) -> FoundationNews:
        """The packages of an image that are behind their archive. What a Dockerfile makes is made anew for them, once:
        those that are as they were then come with the images that it stands on."""
        answer = self._answers[look.question]
        if not isinstance(answer, Answer):
            said = f"the packages of {look.wanted.name} for {look.key[1]} were not looked at: {answer.message}"
            return FoundationNews(notes=(said,))
        ours: list[Offer] = []
        if isinstance(look.wanted, DockerfileFoundation):
            before = self._listener.offered_before(_subject(look), look.question)
            ours = [offer for offer in answer.offers if (offer.name, offer.version) not in before]
        theirs = [offer for offer in answer.offers if offer not in ours]
        return FoundationNews(
            reasons=tuple(map(explain_offer, ours)), held=tuple(hold_offer(offer, look.wanted.name) for offer in theirs)
        )

    def _managed(self, look: _Look, base: SystemPin | None) -> tuple[ManagedPin | None, tuple[Reason, ...]]:
        """The managed Python on a system: the newest of the platform that is pinned first, if the others have it."""
        if not isinstance(look.pin, ManagedPin):
            return None, ()
        alike = [one for one in self._looks if (one.key[0], one.key[2]) == (look.key[0], look.key[2])]
        order = [*self._catalog.platforms, look.key[1]]  # this machine's own may not be in the catalog
        first = min(alike, key=lambda one: order.index(one.key[1]) if one.key[1] in order else len(order))
        leading = choose_python(self._pythons, (first.system or look.pin.base), look.key[2])
        newest = choose_python(self._pythons, look.pin.base, look.key[2], version=leading.version if leading else "")
        if newest is None or (newest.version, newest.archive) == (look.pin.python, look.pin.archive):
            return (replace(look.pin, base=base) if base else None), ()
        if newest.version == look.pin.python:  # built anew
            return None, (Reason(axis="tool", subject="python", old=look.pin.archive, new=newest.archive),)
        return None, (explain_python(look.pin.python, newest.version),)

    @cached_property
    def _pythons(self) -> tuple[PythonDownload, ...]:
        return known_pythons(self._tools.ground())

    def _security(self, look: _Look) -> frozenset[str]:
        answer = self._answers.get(look.question)
        return (
            frozenset(offer.name for offer in answer.offers if offer.security)
            if isinstance(answer, Answer)
            else frozenset()
        )


def _unfit(look: _Look, known: FoundationPin | None) -> tuple[Reason, ...]:
    """Why what is known of a foundation is of no use: the catalog asks for something else now."""
    if known is None or look.pin:
        return ()
    system = system_of(known)
    if isinstance(look.wanted, DockerfileFoundation) and isinstance(system, DockerfilePin):
        inputs = inputs_of(look.wanted, look.key[2])
        if inputs != system.inputs:
            old, new = (text[:_SHOWN] for text in (system.inputs, inputs))
            return (Reason(axis="catalog", subject=look.wanted.dockerfile, old=old, new=new, note="what goes in"),)
    return (Reason(axis="catalog", subject=f"foundation {look.wanted.name}", note="the catalog asks for another"),)


def _references(look: _Look) -> tuple[Reference, ...]:
    """The images that are asked by HEAD what they are now."""
    match look.wanted, look.system:
        case ImageFoundation(), ImagePin():
            reference = Reference.parse(look.wanted.reference(look.key[2]))
            return () if reference.digest else (reference,)
        case DockerfileFoundation(), DockerfilePin() as pin:
            return tuple(reference for reference, _ in moving_bases(pin))
    return ()


def _subject(look: _Look) -> str:
    return " ".join(look.key)


def _in_parallel(jobs: Mapping[K, Callable[[], T]]) -> dict[K, T | WarmbaseError]:
    """The results of jobs, or the errors that they ended with."""
    if len(jobs) < 2:  # in this thread, so that Ctrl-C ends what it starts at once
        return {key: _attempt(job) for key, job in jobs.items()}
    with ThreadPoolExecutor(min(_TOGETHER, len(jobs)), thread_name_prefix="survey") as pool:
        return dict(zip(jobs, pool.map(_attempt, jobs.values()), strict=True))


def _attempt(job: Callable[[], T]) -> T | WarmbaseError:
    try:
        return job()
    except WarmbaseError as error:
        return error


def _value(found: T | WarmbaseError) -> T:
    if isinstance(found, WarmbaseError):
        raise found
    return found
