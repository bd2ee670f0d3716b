"""Debian's versions are in dpkg's order."""

import itertools

from warmbase.nightly.debversions import debian_key

# Examples of deb-version(7) and of Debian Policy 5.6.12, the oldest first; none equals another.
ORDERED = [
    "0.9", "1.0~~", "1.0~~a", "1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1~deb12u1", "1.0-1", "1.0-1+b1",
    "1.0-1+deb12u1", "1.0-1.1", "1.0-2", "1.0-10", "1.0a", "1.0+dfsg", "1.0.1", "1.2.3", "1.10", "9a", "1:0.1", "2:0.0",
]  # fmt: skip


def test_older_versions_come_first() -> None:
    for older, newer in itertools.combinations(ORDERED, 2):
        assert debian_key(older) < debian_key(newer), (older, newer)


def test_zeros_and_a_missing_revision_make_no_difference() -> None:
    assert debian_key("1.02-0") == debian_key("1.2")
    assert debian_key("0:1.2") == debian_key("1.2")
