"""The platform that a base is chosen for: as people write it, and where nobody says it."""

from collections.abc import Iterable

from warmbase.downstream.listing import Base
from warmbase.effects.platforms import MACHINES, native_platform
from warmbase.errors import SelectionError

_SAME = {"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64"}
_USUAL = {"amd64": "v1", "arm64": "v8"}
"""The variant of an architecture that goes without saying (OCI image index, "platform")."""


def parse_platform(text: str) -> str:
    """The OCI platform that a text names, as indexes write it: "linux/arm64" for "arm64", "linux/arm64/v8" or
    "Linux/AArch64"; "" for "". Raises SelectionError for one that there are no bases for."""
    words = text.strip().lower().split("/")
    if words == [""]:
        return ""
    system, machine, *variant = words if len(words) > 1 else ["linux", *words]
    machine = _SAME.get(machine, machine)
    if f"{system}/{machine}" not in MACHINES or variant not in ([], [_USUAL[machine]]):
        raise SelectionError(
            f"{text!r} is no platform that bases are made for", next_step=f"write {' or '.join(MACHINES)}"
        )
    return f"{system}/{machine}"


def default_platform(bases: Iterable[Base]) -> str:
    """That of this machine's containers; the only one there is, where all bases have the same one."""
    platforms = {each.platform for base in bases for each in base.offer.platforms}
    return platforms.pop() if len(platforms) == 1 else native_platform()
