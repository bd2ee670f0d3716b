"""What differs between two pins of a foundation, as reasons. A change of Python's patch release is one of the tool."""

from collections.abc import Collection, Iterator

from warmbase.foundation.model import Drift, find_drift
from warmbase.foundation.pins import (
    DebianPin,
    DockerfilePin,
    FoundationPin,
    ImagePin,
    ManagedPin,
    SystemPin,
    python_of,
    system_of,
)
from warmbase.nightly.model import Axis, Reason

_SHOWN = 19  # characters of a digest: "sha256:" and twelve digits


def explain_moves(
    old: FoundationPin, new: FoundationPin, python: str, security: Collection[str] = ()
) -> tuple[Reason, ...]:
    """How `new` differs from `old`, for the Python minor version `python`; what is security comes first.

    `security` are the packages of `new` whose version comes from a security suite.
    """
    before, after = system_of(old), system_of(new)
    reasons = list(_explain_systems(before, after, security))
    patches = python_of(old, python), python_of(new, python)
    if isinstance(old, ManagedPin) == isinstance(new, ManagedPin) and patches[0] != patches[1]:
        reasons.append(explain_python(*patches))
    return tuple(sorted(reasons, key=lambda reason: reason.axis != "security"))


def explain_python(old: str, new: str) -> Reason:
    """Another patch release of Python."""
    return Reason(axis="tool", subject="python", old=old, new=new)


def explain_digests(name: str, old: str, new: str) -> Reason:
    """An image whose name points to another digest; "" as `new` where it points nowhere."""
    return Reason(axis="foundation", subject=name, old=old[:_SHOWN], new=new[:_SHOWN])


def _explain(axis: Axis, moved: Drift, note: str = "") -> Reason:
    return Reason(axis=axis, subject=moved.package, old=moved.pinned, new=moved.got, note=note)


def _explain_systems(old: SystemPin, new: SystemPin, security: Collection[str]) -> Iterator[Reason]:
    match old, new:
        case DebianPin(), DebianPin():
            for moved in find_drift(old.packages, new.packages):
                if moved.got and moved.package in security:
                    yield _explain("security", moved, note="security")
                else:
                    yield _explain("foundation", moved)
        case ImagePin(), ImagePin():
            if old.manifest != new.manifest:
                yield explain_digests(new.reference, old.index, new.index)
        case DockerfilePin(), DockerfilePin():
            before = dict(old.bases)
            moved_bases = [
                (name, before[name], digest) for name, digest in new.bases if before.get(name, digest) != digest
            ]
            yield from (explain_digests(*moved_base) for moved_base in moved_bases)
            if old.image != new.image and not moved_bases:
                yield Reason(axis="foundation", subject="Dockerfile", old=old.image[:_SHOWN], new=new.image[:_SHOWN])
        case _:
            yield Reason(axis="catalog", subject="foundation", note="of another kind")
