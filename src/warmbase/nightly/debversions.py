"""The order of Debian's versions (deb-version(7), "Sorting algorithm"). Pure."""

import re

_Part = tuple[tuple[int, ...], int]
DebianKey = tuple[int, tuple[_Part, ...], tuple[_Part, ...]]

_PARTS = re.compile(r"(\D*)(\d*)")


def debian_key(version: str) -> DebianKey:
    """A key that sorts versions as dpkg does; an epoch that is none counts as 0."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return int(epoch), _parts(upstream if dash else rest), _parts(revision if dash else "0")


def _parts(text: str) -> tuple[_Part, ...]:
    """Words and numbers in turn; each word ends in 0, which lies between a tilde and anything else."""
    return tuple(((*map(_weight, word), 0), int(number or 0)) for word, number in _PARTS.findall(text))


def _weight(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 0x110000
