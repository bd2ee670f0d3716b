"""Finding the packages whose new versions break an image, in few trials. Pure: `works` does the trying.

Packages are added in their order to what is known to work. Where all of them break it, halving finds the first whose
addition does; it is left out, and the search goes on behind it. One culprit among n packages costs about log2(n)
trials, and one more that shows that the others work together.

What is kept has always been tried as a whole, so nothing is assumed of how packages act on each other: of two that
only break together, one is left out. A search can end at any time; what is kept by then works.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_TRIALS = 24
"""Enough for three culprits among a hundred packages."""

Works = Callable[[frozenset[str]], bool | None]
"""Whether an image works in which these packages have their new versions and the others their old ones. None where
there is no such image: these versions cannot be installed without others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bisection:
    """What a search came to. `kept` works as a whole; each of `culprits` breaks what was kept before it; `untried` are
    left out because trials or time were used up, and not to blame. `trials` is how many there were."""

    culprits: tuple[str, ...]
    kept: frozenset[str]
    untried: tuple[str, ...] = ()
    trials: int = 0


class _Search:
    """Tries subsets as long as it may."""

    def __init__(self, works: Works, most: int, may_go_on: Callable[[], bool]) -> None:
        self._works = works
        self._most = most
        self._may_go_on = may_go_on
        self.trials = 0

    @property
    def is_over(self) -> bool:
        """Whether there is no other trial."""
        return self.trials >= self._most or not self._may_go_on()

    def attempt(self, names: Sequence[str]) -> bool | None:
        """The outcome for `names`."""
        self.trials += 1
        return self._works(frozenset(names))

    def narrow(self, kept: Sequence[str], rest: Sequence[str]) -> tuple[int, int]:
        """Between which two prefixes of `rest` it stops working: that of the first length works, that of the second
        does not. They are one package apart unless what lies between cannot be installed apart, or no trial is left.
        """
        low, high = 0, len(rest)
        between = list(range(1, high))
        while between and not self.is_over:
            middle = between[len(between) // 2]
            match self.attempt([*kept, *rest[:middle]]):
                case True:
                    low = middle
                case False:
                    high = middle
                case None:
                    between.remove(middle)
            between = [length for length in between if low < length < high]
        return low, high


def find_culprits(
    moved: Sequence[str], works: Works, *, most: int = MOST_TRIALS, may_go_on: Callable[[], bool] = lambda: True
) -> Bisection:
    """Which of the packages `moved` break an image that works with none of them moved, and not with all.

    Neither of the two is tried. At most `most` trials are made, each only if the search `may_go_on`.
    """
    search = _Search(works, most, may_go_on)
    kept: list[str] = []
    culprits: list[str] = []
    rest = list(moved)
    while rest:
        low, high = search.narrow(kept, rest)
        kept += rest[:low]
        if search.is_over and high - low > 1:
            rest = rest[low:]
            break
        culprits += rest[low:high]
        rest = rest[high:]
        if search.is_over:
            break
        if rest and search.attempt([*kept, *rest]):
            kept, rest = [*kept, *rest], []
    return Bisection(culprits=tuple(culprits), kept=frozenset(kept), untried=tuple(rest), trials=search.trials)
