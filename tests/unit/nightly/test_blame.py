"""Who is blamed for an image that was refused, and what is made of it: nobody for what does not repeat, nobody for what
was not tried, and the best that works is kept whenever it ends."""

from collections.abc import Collection

import pytest

from warmbase.errors import LockError, RegistryError, VerificationError
from warmbase.nightly.blame import Salvage, salvage

MOVED = tuple("abcdefgh")
REFUSED = VerificationError("app does not keep its contract:\n  smoke.py: it ended with code 1")

Image = frozenset[str]


class Machine:
    """Makes images as long as there is time. Those with any of `culprits` are refused, and the first `flakes` too."""

    def __init__(self, *culprits: str, flakes: int = 0, most: int = 100, grounded: bool = True) -> None:
        self.culprits = frozenset(culprits)
        self.flakes = flakes
        self.most = most
        self.grounded = grounded
        self.made: list[Image] = []

    def make(self, names: Image) -> Image:
        assert self.has_time(), "nothing is begun when time is over"
        self.made.append(names)
        if len(self.made) <= self.flakes or names & self.culprits or not self.grounded:
            raise VerificationError(f"refused with {''.join(sorted(names))}")
        return names

    def has_time(self) -> bool:
        return len(self.made) < self.most

    def salvage(self, moved: Collection[str] = MOVED) -> Salvage[Image] | None:
        return salvage(tuple(moved), self.make, REFUSED, self.has_time)


def test_a_failure_that_does_not_repeat_is_nobodys() -> None:
    machine = Machine()
    found = machine.salvage()
    assert found == Salvage(image=frozenset(MOVED))
    assert machine.made == [frozenset(MOVED)]


@pytest.mark.parametrize("culprit", MOVED)
def test_a_culprit_is_found_and_the_others_are_kept(culprit: str) -> None:
    machine = Machine(culprit)
    found = machine.salvage()
    assert found
    assert (list(found.culprits), found.image, found.untried) == ([culprit], frozenset(MOVED) - {culprit}, ())


def test_the_only_package_that_moved_is_blamed_after_its_failure_repeated() -> None:
    machine = Machine("a")
    found = machine.salvage("a")
    assert found
    assert (list(found.culprits), found.image) == (["a"], frozenset())
    assert machine.made == [frozenset("a"), frozenset()]


def test_what_is_kept_is_the_last_image_that_worked_and_is_not_made_again() -> None:
    for culprit in MOVED:
        machine = Machine(culprit)
        found = machine.salvage()
        assert found
        assert machine.made.count(found.image) == 1


def test_a_culprit_is_told_with_what_the_smallest_image_with_it_said() -> None:
    found = Machine("b").salvage()
    assert found
    assert found.culprits["b"].message == "refused with ab"


def test_packages_are_not_blamed_for_what_breaks_without_them() -> None:
    with pytest.raises(VerificationError, match="does not keep its contract"):
        Machine(grounded=False).salvage()


@pytest.mark.parametrize("most", [0, 1])
def test_nothing_is_said_where_time_is_over_before_anything_works(most: int) -> None:
    machine = Machine("c", most=most)
    assert machine.salvage() is None
    assert len(machine.made) == most


@pytest.mark.parametrize("most", range(2, 8))
@pytest.mark.parametrize("culprit", MOVED)
def test_when_time_is_over_the_best_that_worked_is_kept(culprit: str, most: int) -> None:
    machine = Machine(culprit, most=most)
    found = machine.salvage()
    assert found
    assert set(found.culprits) <= {culprit}
    assert not found.image & {culprit}
    assert sorted([*found.image, *found.culprits, *found.untried]) == list(MOVED)
    worked = [names for names in machine.made if culprit not in names]
    assert found.image == max(worked, key=len)


def test_versions_that_cannot_be_installed_apart_are_no_failure() -> None:
    def make(names: Image) -> Image:
        if len(names & {"c", "d"}) == 1:
            raise LockError("d wants a newer c")
        if "f" in names:
            raise VerificationError("no")
        return names

    found = salvage(MOVED, make, REFUSED, lambda: True)
    assert found
    assert list(found.culprits) == ["f"]


def test_what_is_nobodys_fault_ends_the_search() -> None:
    def make(names: Image) -> Image:
        raise RegistryError("registry.example does not answer")

    with pytest.raises(RegistryError):
        salvage(MOVED, make, REFUSED, lambda: True)
