"""Whether two locks put the same packages into an image, told by a hash.

It is made of what a new lock may change: each package's version, its use, and the file that is installed on each
platform, or the commit. Where these are the same a new lock keeps what the previous one says (`lock.resolve`), so a
file's own hash is not part of it: an index need not tell it without the file.
"""

from warmbase.lock.model import Lock
from warmbase.lock.resolution import OwnResolution


def fingerprint_of_lock(lock: Lock) -> str:
    """The fingerprint of the packages that a lock has, hex SHA-256."""
    raise NotImplementedError


def fingerprint_of_resolution(resolution: OwnResolution) -> str:
    """The fingerprint that a lock made from `resolution` has."""
    raise NotImplementedError
