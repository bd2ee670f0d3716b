"""What the Python packages of variants would be today: the survey of a night.

Each distinct question is answered once, whatever the number of variants that ask it, and from memory where no page that
decided it has changed (see `nightly.pages`). uv resolves all others, from pages that are fetched once for all of them.
A question that fails stops no other, and is asked anew every night; so is one about a branch of a repository, which no
page tells of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import generations
from warmbase.effects.pages import TRIES, IndexLogin, PageSource
from warmbase.effects.registry.retries import Backoff
from warmbase.effects.uv import Uv
from warmbase.errors import LockError, PackagesError, WarmbaseError
from warmbase.lock.project import Pins
from warmbase.lock.restraint import FREE, Restraint
from warmbase.lock.wheels import Libc
from warmbase.nightly.held import place_held
from warmbase.nightly.model import PackageNews
from warmbase.nightly.pages import Answer, IndexMemory
from warmbase.nightly.questions import hash_question, is_lasting
from warmbase.nightly.shelf import Shelf
from warmbase.publish.journal import format_time

if TYPE_CHECKING:
    from warmbase.nightly.resolving import Resolving


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What would `variant` be locked to today, with `libc` as the C library of each platform, within `restraint`?

    A variant that stands `from` another one is asked within the versions that this one is answered in the same survey;
    or within the versions `base`, by name, where they are given: those of a parent that does not move.
    """

    variant: Variant
    libc: Mapping[str, Libc]
    restraint: Restraint = FREE
    base: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageTools:
    """What a survey of packages needs: the uv that the catalog pins, a folder that is kept from night to night, how
    many resolutions may run at a time, and how often an index is asked that does not answer."""

    uv: Uv
    folder: Path
    jobs: int = 2
    tries: Backoff = TRIES


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSurvey:
    """The news of each variant that was asked about, by name, what to remember, and how many requests and resolutions
    it took. `news.yanked` is about the versions that are the answer: those of the baseline where the fingerprints are
    equal; for other versions ask `yanked`."""

    news: Mapping[str, PackageNews] = field(default_factory=dict, hash=False)
    memory: IndexMemory = field(default_factory=IndexMemory)
    requests: int = 0
    resolutions: int = 0

    def yanked(self, pins: Pins) -> dict[str, str]:
        """Which of these packages (name → version and the catalog's name of its index) are yanked, and why."""
        return _yanked(self.memory, pins)


@contextmanager
def open_inquiry(
    variants: Iterable[Variant], tools: PackageTools, memory: IndexMemory, now: datetime
) -> Iterator["Inquiry"]:
    """A survey in which `variants` can be asked about, more than once, while the context lasts.

    Nothing is downloaded of what is as it was, but a page that decided something and is not on this machine. Raises
    PackagesError where uv's own settings name no index that can be asked.
    """
    with ExitStack() as stack:
        yield Inquiry(_indexes_of(tools.uv, variants), tools, memory, now, stack)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """The answer to a question, or why there is none; `variant` is the one that was resolved."""

    variant: str
    answer: Answer | None = None
    error: WarmbaseError | None = None


class Inquiry:
    """A survey under way: however often something is asked, a page is asked for once, and counts as it was then. What
    it opens is closed with `stack`; see `open_inquiry`."""

    def __init__(
        self,
        indexes: Mapping[str, IndexLogin],
        tools: PackageTools,
        memory: IndexMemory,
        now: datetime,
        stack: ExitStack,
    ) -> None:
        self._indexes = indexes
        self._tools = tools
        self._memory = memory
        self._now = now
        self._stack = stack
        self._folder = tools.folder / "indexes"
        self._source = PageSource(tools.uv.environment, tries=tools.tries)
        stack.callback(self._source.close)
        self._shelf = Shelf(self._source, indexes, self._folder, memory, format_time(now))
        self._resolving: Resolving | None = None
        self._asked: dict[str, tuple[Question, str]] = {}  # by variant, with the question's hash
        self._outcomes: dict[str, _Outcome] = {}  # by the question's hash
        self._resolved: dict[str, Answer] = {}
        self._errors: dict[str, WarmbaseError] = {}  # of variants that cannot even be asked about
        self._keys: set[str] = set()  # of all questions so far
        self._resolutions = 0

    def ask(self, questions: Sequence[Question]) -> PackageSurvey:
        """Answer questions, at most one for a variant; what everything that was asked so far came to. Of several
        questions about a variant the last one counts, also for what is from it and is asked about then or later. Errors
        are values, in the news of the variant that has them."""
        by_name = {question.variant.name: question for question in questions}
        for generation in generations(question.variant for question in questions):
            self._answer([by_name[variant.name] for variant in generation])
        return self._result()

    def _answer(self, questions: Iterable[Question]) -> None:
        """Answer questions about variants none of which is from another."""
        distinct: dict[str, Question] = {}
        for question in questions:
            name = question.variant.name
            for known in (self._asked, self._errors):
                known.pop(name, None)
            try:
                within = self._within(question)
            except LockError as error:
                self._errors[name] = error
                continue
            key = hash_question(within.variant, within.libc, within.restraint, self._tools.uv.version)
            self._asked[name] = within, key
            self._keys.add(key)
            if key not in self._outcomes:
                distinct.setdefault(key, within)
        self._outcomes |= self._remembered(distinct)
        self._resolve({key: question for key, question in distinct.items() if key not in self._outcomes})

    def _result(self) -> PackageSurvey:
        answers = {**self._memory.answers, **self._resolved}
        pages = {**self._memory.pages, **self._shelf.found}
        everything = IndexMemory(pages=pages, answers=answers)
        kept = everything.keep(self._keys)
        news = {name: self._news(question.variant, key, everything) for name, (question, key) in self._asked.items()}
        failed = {name: PackageNews(error=error) for name, error in self._errors.items()}
        return PackageSurvey(
            news=news | failed,
            memory=kept,
            requests=self._source.requests,
            resolutions=self._resolutions,
        )

    def _within(self, question: Question) -> Question:
        """The question, held to the versions of the image that its variant is from. Raises LockError where that one
        could not be resolved."""
        variant = question.variant
        base = question.base
        if variant.parent in self._errors or variant.parent in self._asked:
            outcome = self._outcomes.get(self._asked[variant.parent][1]) if variant.parent in self._asked else None
            if not base and (outcome is None or outcome.answer is None):
                raise LockError(
                    f"{variant.name} is from {variant.parent}, which cannot be resolved",
                    next_step=f"see what is said of {variant.parent}",
                )
            base = base or (outcome.answer.versions if outcome and outcome.answer else {})
        direct = _direct(variant)
        restraint = question.restraint
        held = restraint.without_limit(base) if restraint.newest else restraint
        exact = (f"{name}=={version}" for name, version in sorted(base.items()) if name not in direct)
        constraints = tuple(dict.fromkeys((*held.constraints, *exact)))
        return replace(question, restraint=replace(held, constraints=constraints), base=base)

    def _remembered(self, questions: Mapping[str, Question]) -> dict[str, _Outcome]:
        """The outcomes of questions whose answer is as it was, and of those of which nobody can tell."""
        known = self._memory.answers
        remembered = {
            key: known[key] for key, question in questions.items() if key in known and is_lasting(question.variant)
        }
        failures = self._shelf.check({page for answer in remembered.values() for page in answer.visited})
        current = IndexMemory(pages=self._shelf.found, answers=remembered)
        outcomes = {}
        for key, answer in remembered.items():
            variant = questions[key].variant.name
            error = next((failures[page] for page in answer.visited if page in failures), None)
            if error:
                outcomes[key] = _Outcome(variant=variant, error=error)
            elif current.find_answer(key, self._now):
                outcomes[key] = _Outcome(variant=variant, answer=answer)
        return outcomes

    def _resolve(self, questions: Mapping[str, Question]) -> None:
        """Have uv answer questions, some at a time."""
        if not questions:
            return
        from warmbase.nightly.resolving import open_resolving

        if self._resolving is None:
            opened = open_resolving(self._tools.uv, self._shelf, self._indexes, self._folder, self._now)
            self._resolving = self._stack.enter_context(opened)
        resolving = self._resolving

        def resolve(key: str) -> _Outcome:
            one = questions[key]
            try:
                answer = resolving.resolve(one.variant, one.libc, one.restraint, one.base, key)
            except WarmbaseError as error:
                return _Outcome(variant=one.variant.name, error=error)
            return _Outcome(variant=one.variant.name, answer=answer)

        with ThreadPoolExecutor(self._tools.jobs) as pool:
            outcomes = dict(zip(questions, pool.map(resolve, questions), strict=True))
        self._outcomes |= outcomes
        self._resolutions += len(outcomes)
        self._resolved |= {
            key: outcome.answer
            for key, outcome in outcomes.items()
            if outcome.answer and outcome.answer.content and is_lasting(questions[key].variant)
        }

    def _news(self, variant: Variant, key: str, memory: IndexMemory) -> PackageNews:
        outcome = self._outcomes[key]
        answer, error = outcome.answer, outcome.error
        if answer is None:
            return PackageNews(error=_for_variant(error, outcome.variant, variant.name) if error else None)
        direct = _direct(variant)
        pins = {
            name: (version, answer.origins.get(name, ""))
            for name, version in answer.versions.items()
            if name not in direct
        }
        return PackageNews(
            fingerprint=answer.fingerprint,
            versions=answer.versions,
            yanked=_yanked(memory, pins),
            held=tuple(place_held(held, variant) for held in answer.held),
        )


def _yanked(memory: IndexMemory, pins: Pins) -> dict[str, str]:
    yanked = {}
    for name, (version, index) in pins.items():
        page = memory.pages.get((index, name))
        if page and version in page.yanked:
            yanked[name] = page.yanked[version] or "no reason is given"
    return yanked


def _indexes_of(uv: Uv, variants: Iterable[Variant]) -> dict[str, IndexLogin]:
    """Where the indexes of variants are asked, and as whom. Raises PackagesError for one that is a folder."""
    names = {index.name for variant in variants for index in variant.indexes if index.url}
    indexes = {}
    for name in ("", *sorted(names)):
        address, (user, password) = uv.address_of(name), uv.login_of(name)
        if not address.startswith(("http://", "https://")):
            raise PackagesError(
                f"the index {name or 'of uv'} at {address} is not reached by http or https",
                next_step="name an index that is in UV_DEFAULT_INDEX, or where the catalog does",
            )
        indexes[name] = IndexLogin(address=address, user=user, password=password)
    return indexes


def _direct(variant: Variant) -> frozenset[str]:
    """The packages that a variant asks for by an address."""
    asked = (one.requirement for one in (*variant.requirements, *variant.warm))
    return frozenset(str(canonicalize_name(one.name)) for one in asked if one.url)


def _for_variant(error: WarmbaseError, resolved: str, variant: str) -> WarmbaseError:
    """What is said of a variant, of another one that asks the same."""
    if variant == resolved or resolved not in error.message:
        return error
    return LockError(error.message.replace(resolved, variant), next_step=error.next_step.replace(resolved, variant))
