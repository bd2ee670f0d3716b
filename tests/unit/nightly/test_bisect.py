"""Finding the packages that break an image: all of them, no other, in few trials, and what is kept was tried."""

from math import ceil, log2

from hypothesis import given
from hypothesis import strategies as st

from warmbase.nightly.bisect import find_culprits

NAMES = [f"package-{number}" for number in range(100)]


class Images:
    """Images that break where `breaks` says so, and that remember what was tried."""

    def __init__(self, *culprits: str, together: tuple[frozenset[str], ...] = ()) -> None:
        self.culprits = frozenset(culprits)
        self.together = together
        self.tried: dict[frozenset[str], bool | None] = {}

    def works(self, names: frozenset[str]) -> bool | None:
        apart = any(0 < len(group & names) < len(group) for group in self.together)
        self.tried[names] = None if apart else not names & self.culprits
        return self.tried[names]


def test_the_only_package_that_moved_is_to_blame_without_a_trial() -> None:
    images = Images("numpy")
    found = find_culprits(["numpy"], images.works)
    assert (found.culprits, found.kept, found.trials) == (("numpy",), frozenset(), 0)


def test_one_culprit_among_a_hundred_costs_eight_trials() -> None:
    for culprit in NAMES:
        images = Images(culprit)
        found = find_culprits(NAMES, images.works)
        assert found.culprits == (culprit,)
        assert found.kept == frozenset(NAMES) - {culprit}
        assert found.trials == len(images.tried) <= 8


def test_three_culprits_among_a_hundred_are_found_within_the_usual_budget() -> None:
    images = Images("package-3", "package-50", "package-99")
    found = find_culprits(NAMES, images.works)
    assert found.culprits == ("package-3", "package-50", "package-99")
    assert found.untried == ()


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_every_culprit_is_found_and_nobody_else(drawn: tuple[int, set[int]]) -> None:
    count, numbers = drawn
    names = NAMES[:count]
    images = Images(*(names[number] for number in numbers))
    found = find_culprits(names, images.works, most=1000)
    assert set(found.culprits) == images.culprits
    assert found.kept == frozenset(names) - images.culprits
    assert found.trials <= len(numbers) * (ceil(log2(count)) + 1)


@given(
    st.integers(1, 12),
    st.integers(0, 30),
    st.dictionaries(st.integers(0, 2**12), st.sampled_from([True, False, None])),
)
def test_what_is_kept_works_however_packages_act_on_each_other(
    count: int, most: int, said: dict[int, bool | None]
) -> None:
    names = NAMES[:count]
    tried: dict[frozenset[str], bool | None] = {}

    def works(subset: frozenset[str]) -> bool | None:
        tried[subset] = said.get(sum(1 << names.index(name) for name in subset), False)
        return tried[subset]

    found = find_culprits(names, works, most=most)
    assert not found.kept or tried[found.kept]
    assert sorted([*found.culprits, *found.kept, *found.untried]) == sorted(names)
    assert found.trials <= most


def test_of_two_that_break_together_one_is_left_out() -> None:
    found = find_culprits(NAMES[:8], lambda names: not {"package-1", "package-6"} <= names)
    assert found.culprits == ("package-6",)
    assert len(found.kept) == 7


def test_packages_that_only_move_together_are_kept_or_left_out_together() -> None:
    pair = frozenset({"package-2", "package-3"})
    innocent = Images("package-6", together=(pair,))
    assert find_culprits(NAMES[:8], innocent.works).culprits == ("package-6",)
    guilty = Images("package-3", together=(pair,))
    found = find_culprits(NAMES[:8], guilty.works)
    assert found.culprits == ("package-2", "package-3")
    assert found.kept == frozenset(NAMES[:8]) - pair


def test_used_up_trials_blame_nobody() -> None:
    images = Images("package-70")
    found = find_culprits(NAMES, images.works, most=3)
    assert found.culprits == ()
    assert "package-70" in found.untried
    assert images.tried[found.kept]
    assert found.trials == 3


def test_trials_that_end_with_a_culprit_leave_the_others_untried() -> None:
    found = find_culprits(["a", "b", "c", "d"], Images("a").works, most=2)
    assert (found.culprits, found.untried) == (("a",), ("b", "c", "d"))
