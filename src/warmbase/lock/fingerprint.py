"""Whether two locks put the same packages into an image, told by a hash.

It is made of what a new lock may change: each package's version, its use, and the file that is installed on each
platform, or the commit. Where these are the same a new lock keeps what the previous one says (`lock.resolve`), so a
file's own hash is not part of it: an index need not tell it without the file.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

from warmbase.lock.model import Lock
from warmbase.lock.resolution import OwnResolution


def fingerprint_of_lock(lock: Lock) -> str:
    """The fingerprint of the packages that a lock has, hex SHA-256."""
    installed = (package for package in lock.packages if package.use != "index")
    return _hash((p.name, p.version, p.use, dict(p.wheels), p.source) for p in installed)


def fingerprint_of_resolution(resolution: OwnResolution) -> str:
    """The fingerprint that a lock made from `resolution` has."""
    uses, addresses = resolution.uses, resolution.addresses
    return _hash(
        (name, version, uses[name][0], resolution.files[name], addresses.get(name, ""))
        for name, version in resolution.versions().items()
    )


def _hash(packages: Iterable[tuple[str, str, str, Mapping[str, str], str]]) -> str:
    """What no platform needs is left out."""
    needed = sorted((package for package in packages if package[3]), key=lambda package: package[:2])
    return hashlib.sha256(json.dumps(needed, sort_keys=True).encode()).hexdigest()
