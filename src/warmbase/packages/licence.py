"""What a wheel's metadata says of its licence, and what that means in SPDX's words.

What is said is kept as it is with the wheel's layer; what it means is decided when it is read, so that a better answer
makes no layer anew. Fields: core metadata specification, `License-Expression` (PEP 639), `License` and `Classifier`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from warmbase.oci.digests import Json
from warmbase.packages.corefields import read_fields

_PREFIX = "License :: "
_LONGEST = 100  # some put the licence's whole text into the field

# Names whose version is clear. "BSD License" and "Apache Software License" mean several (PEP 639, "Mapping license
# classifiers to SPDX identifiers") and are left as they are.
_SPDX = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "boost software license 1.0 (bsl-1.0)": "BSL-1.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "gnu affero general public license v3 or later (agplv3+)": "AGPL-3.0-or-later",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0-or-later",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "gnu lesser general public license v3 or later (lgplv3+)": "LGPL-3.0-or-later",
    "historical permission notice and disclaimer (hpnd)": "HPND",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
    "the unlicense (unlicense)": "Unlicense",
    "zlib/libpng license": "Zlib",
}


def read_declared(wheel: Path) -> Json:
    """What an unpacked wheel says of its licence: `expression`, `text` and `classifiers`, empty where it is silent."""
    fields = read_fields(wheel)
    first = next(iter((fields.get("License") or "").strip().splitlines()), "")
    return {
        "expression": (fields.get("License-Expression") or "").strip(),
        "text": "" if first.upper() == "UNKNOWN" else first[:_LONGEST],
        "classifiers": sorted({c for c in fields.get_all("Classifier", []) if c.startswith(_PREFIX)}),
    }


def licences_of(declared: Json) -> tuple[str, ...]:
    """What `read_declared` found, as SPDX expressions where it is clear, else in the wheel's own words.

    An expression goes before the free text where that means one, and this before the classifiers.
    """
    if not isinstance(declared, Mapping):
        return ()
    expression, text, classifiers = (declared.get(key) or "" for key in ("expression", "text", "classifiers"))
    for said in (str(expression), str(text)):
        if spdx := _in_spdx(said):
            return (spdx,)
    named = [str(name).rpartition(" :: ")[2] for name in classifiers] if isinstance(classifiers, Sequence) else []
    specific = [name for name in named if name != "OSI Approved"]
    found = {_in_spdx(name) or name for name in specific} or {str(text or expression)}
    return tuple(sorted(found - {""}))


def _in_spdx(said: str) -> str:
    """The canonical SPDX expression, "" where the text is none."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    known = _SPDX.get(said.lower())
    if known:
        return known
    try:
        return canonicalize_license_expression(said) if said else ""
    except InvalidLicenseExpression:
        return ""
