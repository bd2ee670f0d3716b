"""Where a wheel's metadata says that more is to be read: its home page, source, changelog.

Fields: core metadata specification, `Project-URL` and the older `Home-page`. Kept with the wheel's layer as they are.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from warmbase.oci.digests import Json
from warmbase.packages.corefields import read_fields

_ADDRESS = re.compile(r"https?://[^\s@<>\"\\^`{|}\x00-\x1f]+")  # RFC 3986; one with a login is nobody's to pass on
_LONGEST = 300
_MOST = 20
_HOME = "Homepage"


def read_links(wheel: Path) -> dict[str, str]:
    """What an unpacked wheel gives as label → address, by label; anything but a plain web address is left out."""
    fields = read_fields(wheel)
    said = {_HOME: str(fields.get("Home-page") or "")}
    for line in fields.get_all("Project-URL", []):
        label, _, address = str(line).partition(",")
        said[label.strip()] = address
    found = {label: address.strip() for label, address in sorted(said.items()) if len(label) <= _LONGEST}
    usable = [(label, address) for label, address in found.items() if label and _is_usable(address)]
    return dict(usable[:_MOST])


def links_of(note: Json) -> tuple[tuple[str, str], ...]:
    """What `read_links` found, from the note of a layer; nothing where that has another form."""
    return tuple((str(label), str(address)) for label, address in note.items()) if isinstance(note, Mapping) else ()


def _is_usable(address: str) -> bool:
    return len(address) <= _LONGEST and bool(_ADDRESS.fullmatch(address))
