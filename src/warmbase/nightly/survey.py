"""Looking around: what foundations and packages are today, and with that the situation of every variant.

What all variants have in common is asked once for all of them. A variant's lock is read only where something differs.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import generations
from warmbase.foundation.pins import FoundationPin
from warmbase.lock.restraint import Restraint, restrain
from warmbase.lock.wheels import Libc
from warmbase.nightly.archives import ArchiveMemory
from warmbase.nightly.decide import Ground, Situation, decide
from warmbase.nightly.facts import fingerprint_of_pins, own_keys, own_pins
from warmbase.nightly.foundations import FoundationSurvey, FoundationTools, survey_foundations
from warmbase.nightly.known import Known
from warmbase.nightly.model import Decision, FoundationKey, PackageNews, Reason, VariantState
from warmbase.nightly.packages import Inquiry, PackageSurvey, PackageTools, Question, open_inquiry
from warmbase.nightly.pages import IndexMemory
from warmbase.nightly.setting import Job
from warmbase.nightly.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a night found: decisions in the order of the job's variants, what the decided variants are made from, the
    pins of today where they are known, and what to remember. `moved` are packages that have other versions now, `notes`
    say what could not be told.
    """

    decisions: tuple[Decision, ...]
    known: Known
    pins: Mapping[FoundationKey, FoundationPin]
    index: IndexMemory
    archives: ArchiveMemory
    moved: frozenset[str]
    notes: tuple[str, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict, hash=False)


def look_around(job: Job, state: State, now: datetime) -> Surroundings:
    """See what there is and decide about all variants. Raises RegistryError where the place does not answer."""
    known = Known(job, state)
    foundations = _survey_foundations(job, state, known, now)
    with ExitStack() as stack:
        view = _View(job, state, known, foundations, now, stack)
        decisions = view.decide_all()
    return Surroundings(
        decisions=decisions,
        known=known,
        pins={key: news.pin for key, news in foundations.news.items() if news.pin},
        index=view.packages.memory,
        archives=foundations.memory,
        moved=view.moved(decisions),
        notes=tuple(dict.fromkeys(note for news in foundations.news.values() for note in news.notes)),
        requests={"archives": foundations.requests, "indexes": view.packages.requests},
    )


def _survey_foundations(job: Job, state: State, known: Known, now: datetime) -> FoundationSurvey:
    wanted = {key for variant in job.variants for key in own_keys(variant)}
    pins = {**known.pins(), **({} if job.mode == "commit" else {key: each.pin for key, each in state.pins.items()})}
    before = {key: pin for key, pin in pins.items() if key in wanted}
    return survey_foundations(
        job.catalog, wanted, before, state.archives, FoundationTools(ground=job.tools.ground), now
    )


class _View:
    """The world of one night, as each variant sees it. What it opens is closed with `stack`."""

    def __init__(
        self,
        job: Job,
        state: State,
        known: Known,
        foundations: FoundationSurvey,
        now: datetime,
        stack: ExitStack,
    ) -> None:
        self._job = job
        self._stack = stack
        self._known = known
        self._foundations = foundations
        self._now = now
        self._pins = {**known.pins(), **{key: each.pin for key, each in state.pins.items()}}
        self._pins |= {key: news.pin for key, news in foundations.news.items() if news.pin}
        self._questions = {
            variant.name: Question(variant=variant, libc=libc, restraint=self._restrain(variant, baseline=False))
            for variant in job.variants
            if (libc := self._libc(variant)) is not None
        }
        self._below: set[str] = set()
        self.packages = PackageSurvey(memory=state.index)
        self._ask(self._questions)

    def decide_all(self) -> tuple[Decision, ...]:
        """What is done about each variant; that of what it is from is known before."""
        moved = [variant for variant in self._job.variants if self._moves(variant)]
        self._known.read_bases(moved)
        self._ask_again(moved)
        decisions: dict[str, Decision] = {}
        for generation in generations(self._job.variants):
            self._ask_below(generation, decisions)
            for variant in generation:
                decisions[variant.name] = decide(self._situation(variant, decisions.get(variant.parent)), self._now)
        return tuple(decisions[variant.name] for variant in self._job.variants)

    def moved(self, decisions: Iterable[Decision]) -> frozenset[str]:
        """The packages of stale variants that have other versions now than what is published."""
        stale = {decision.variant for decision in decisions if decision.verdict == "stale"}
        return frozenset(
            name
            for variant in self._job.variants
            if variant.name in stale and variant.name in self.packages.news
            for name, version in self.packages.news[variant.name].versions.items()
            if self._known.versions(variant).get(name) != version
        )

    def _situation(self, variant: Variant, parent: Decision | None) -> Situation:
        news = self.packages.news.get(variant.name) or self._unasked(variant)
        moves = self._moves(variant)
        if moves:
            news = replace(news, yanked=self._yanked(variant))
        ground = self._ground(variant, parent)
        versions = self._known.versions(variant) if moves or news.yanked else {}
        known = self._known.states.get(variant.name)
        if error := self._known.errors.get(variant.name):  # known by now, if anything had to be read
            news, known = PackageNews(error=error), replace(known, packages="") if known else None
        return Situation(
            variant=variant,
            facts=self._known.facts[variant.name],
            tool=self._known.tool,
            packages=news,
            ground=ground,
            known=known,
            versions=versions,
            parent=parent,
            strays=variant.name in self._known.strays,
        )

    def _unasked(self, variant: Variant) -> PackageNews:
        """What is said of the packages of a variant that cannot be asked about yet: nothing."""
        known = self._published(variant)
        return PackageNews(fingerprint=known.packages if known else "")

    def _published(self, variant: Variant) -> VariantState | None:
        known = self._known.states.get(variant.name)
        return known if known and known.packages else None

    def _moves(self, variant: Variant) -> bool:
        """Whether resolving a variant anew came to something else than what is published."""
        known, news = self._published(variant), self.packages.news.get(variant.name)
        return known is not None and news is not None and not news.error and news.fingerprint != known.packages

    @cached_property
    def _inquiry(self) -> Inquiry:
        """The survey of the night's packages. Raises PackagesError where no index can be asked."""
        tools = PackageTools(uv=self._job.tools.uv(), folder=self._job.folders.nights, jobs=self._job.tools.jobs)
        variants = [question.variant for question in self._questions.values()]
        return self._stack.enter_context(open_inquiry(variants, tools, self.packages.memory, self._now))

    def _ask(self, questions: Mapping[str, Question]) -> None:
        if questions:
            self._questions |= questions
            self.packages = self._inquiry.ask(tuple(questions.values()))

    def _ask_again(self, moved: Iterable[Variant]) -> None:
        """Ask with the limits that what is published sets: a cooldown takes nothing back."""
        changed = {}
        for variant in moved:
            restraint = self._restrain(variant, baseline=True)
            if restraint != self._questions[variant.name].restraint:
                changed[variant.name] = replace(self._questions[variant.name], restraint=restraint)
        for variant in self._job.variants:  # a child is asked beside its parent
            if variant.parent in changed and variant.name in self._questions:
                changed.setdefault(variant.name, self._questions[variant.name])
        self._ask(changed)

    def _ask_below(self, children: Iterable[Variant], decisions: Mapping[str, Decision]) -> None:
        """Ask what children would be on parents that stay as they are although there is something newer for them, and
        what is from those children in its turn."""
        changed = {}
        for child in children:
            parent, question = child.made_from, self._questions.get(child.name)
            if parent is None or question is None:
                continue
            if decisions[parent.name].verdict != "stale" and self._moves(parent):
                changed[child.name] = replace(question, base=self._known.versions(parent))
            elif parent.name in self._below:
                changed[child.name] = question
        self._below |= changed.keys()
        self._ask(changed)

    def _restrain(self, variant: Variant, *, baseline: bool) -> Restraint:
        known = self._known.states.get(variant.name)
        basis = self._known.basis(variant) if baseline else None
        broken = [(each.package, each.version) for each in known.broken] if known else []
        return restrain(variant, self._now, basis.lock if basis else None, broken)

    def _yanked(self, variant: Variant) -> Mapping[str, str]:
        """What of a variant's published packages is yanked, and why."""
        basis = self._known.basis(variant)
        if basis is None:
            return {}
        pins = {p.name: (p.version, p.index) for p in basis.lock.packages if p.use != "index" and not p.source}
        return self.packages.yanked(pins)

    def _libc(self, variant: Variant) -> dict[str, Libc] | None:
        """The C library of each platform; None where only making the foundation would tell."""
        pins = {key: self._pins.get(key) for key in own_keys(variant)}
        known = {key[1]: pin.libc for key, pin in pins.items() if pin}
        return known if len(known) == len(pins) else None

    def _ground(self, variant: Variant, parent: Decision | None) -> Ground:
        """What a variant's foundation is today. That of a child is its parent's, and moves when that does."""
        known, keys = self._published(variant), own_keys(variant)
        news = {key: self._foundations.news[key] for key in keys}
        error = next((each.error for each in news.values() if each.error), None)
        held = tuple(dict.fromkeys(held for each in news.values() for held in each.held))
        pins = fingerprint_of_pins({key: each.pin for key, each in news.items()})
        if error or known is None:
            return Ground(pins=pins, held=held, error=error)
        made_from = variant.made_from
        if made_from and not (parent and parent.verdict == "stale" and parent.takes_foundation):
            below = self._published(made_from)
            pins = below.pins if below else pins
        if pins == known.pins:
            return Ground(pins=pins, held=held)
        reasons = tuple(dict.fromkeys(reason for key in keys for reason in self._moved(variant, key)))
        if not reasons:
            missing = ", ".join(key[1] for key, each in news.items() if each.pin is None)
            note = f"not pinned yet for {missing}" if missing else "pinned anew"
            reasons = (Reason(axis="foundation", subject=variant.foundation.name, note=note),)
        return Ground(pins=pins, reasons=reasons, held=held)

    def _moved(self, variant: Variant, key: FoundationKey) -> tuple[Reason, ...]:
        """How a foundation differs from the one that a variant stands on."""
        news, basis = self._foundations.news[key], self._known.basis(variant)
        old = own_pins(variant, basis.pins)[key] if basis else None
        if news.pin is None or old is None:
            return news.reasons
        return self._foundations.reasons(key, old)
