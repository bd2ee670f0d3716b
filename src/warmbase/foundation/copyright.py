"""The licences of a Debian package, from the copyright file that it installs.

Most of these files are made for machines ("Machine-readable debian/copyright file", version 1.0): `License` fields hold
short names. The others are prose that points into /usr/share/common-licenses. A short name that means a licence of
SPDX's list (specification 2.3, annex D) is said in SPDX's words, any other as Debian wrote it.
"""

import re

_FIELD = re.compile(r"^License:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")
_JOINED = re.compile(r" (?:or|and|and/or) ")
_GNU = re.compile(r"(A?GPL|LGPL|GFDL)-?v?(\d+)(\.\d+)?(\+?)", re.IGNORECASE)
_LONGEST = 80  # a longer "short name", or one with a comma, is a sentence of the licence's text
_SPDX = {"expat": "MIT", "artistic": "Artistic-1.0-Perl", "psf-2": "PSF-2.0", "bsl-1": "BSL-1.0"}


def licences_of(text: str) -> tuple[str, ...]:
    """The licences that a copyright file names for any part of the package, alternatives included, sorted."""
    if text.startswith("Format"):
        fields = [name for name in _FIELD.findall(text) if len(name) <= _LONGEST and ", " not in name]
        names = [name for field in fields for name in _JOINED.split(field)]
    else:
        names = [name.rstrip(".") for name in _COMMON.findall(text)]
    return tuple(sorted({_in_spdx(name) for name in names}))


def _in_spdx(name: str) -> str:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return canonicalize_license_expression(_identifier(name))
    except InvalidLicenseExpression:
        return name


def _identifier(name: str) -> str:
    gnu = _GNU.fullmatch(name)
    if not gnu:
        return _SPDX.get(name.lower(), name)
    family, major, minor, later = gnu.groups()
    return f"{family.upper()}-{major}{minor or '.0'}-{'or-later' if later else 'only'}"
