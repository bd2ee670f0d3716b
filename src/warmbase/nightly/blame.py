"""Who is to blame for an image that its verification refused, and the best image there is without that.

Nobody is blamed for what happens once: a failure that does not repeat was the machine's (a full disk, a slow network),
and with none of the new versions the image has to work. Only then the packages are searched (`bisect`). Where time is
over before the end of that, the best that worked is taken, and what was not tried is left for another night.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from warmbase.errors import LockError, OverlapError, VerificationError
from warmbase.nightly.bisect import find_culprits

BREAKS = (VerificationError, OverlapError)
"""What a package's new version may be to blame for."""

Refusal = VerificationError | OverlapError

_Image = TypeVar("_Image")

Make = Callable[[frozenset[str]], _Image]
"""Makes the image in which these packages have their new versions and the others their old ones. Raises one of BREAKS
where it does not work, and LockError where there is no such image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Salvage(Generic[_Image]):
    """The best `image` that works. It is without the new versions of `culprits`, which break it (what each of them said
    by its name), and of `untried`, for which trials or time did not suffice."""

    image: _Image
    culprits: Mapping[str, Refusal] = field(default_factory=dict, hash=False)
    untried: tuple[str, ...] = ()


class _Trials(Generic[_Image]):
    """Makes images, and keeps the last that worked: a bisection only ever adds to what works."""

    def __init__(self, make: Make[_Image]) -> None:
        self._make = make
        self._refused: list[tuple[frozenset[str], Refusal]] = []
        self.best: _Image | None = None

    def works(self, names: frozenset[str]) -> bool | None:
        """As `bisect.Works`."""
        try:
            self.best = self._make(names)
        except BREAKS as error:
            self._refused.append((names, error))
            return False
        except LockError:
            return None
        return True

    def said_of(self, name: str) -> Refusal | None:
        """What the smallest image with a package was refused for."""
        with_it = [(len(names), number, error) for number, (names, error) in enumerate(self._refused) if name in names]
        return min(with_it, key=lambda one: one[:2])[2] if with_it else None


def salvage(
    moved: Sequence[str], make: Make[_Image], refused: Refusal, may_go_on: Callable[[], bool]
) -> Salvage[_Image] | None:
    """The best image where the one with all of the packages `moved` was `refused`.

    None where time is over before anything works: it `may_go_on` no longer. Raises a refusal where the new versions of
    packages are not what breaks it, and what `make` raises beside.
    """
    trials = _Trials(make)
    if not may_go_on():
        return None
    if trials.works(frozenset(moved)) and trials.best is not None:
        return Salvage(image=trials.best)
    if not may_go_on():
        return None
    if not trials.works(frozenset()) or trials.best is None:
        raise refused
    found = find_culprits(moved, trials.works, may_go_on=may_go_on)
    culprits = {name: trials.said_of(name) or refused for name in found.culprits}
    return Salvage(image=trials.best, culprits=culprits, untried=found.untried)
