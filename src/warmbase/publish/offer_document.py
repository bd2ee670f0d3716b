"""Offers as JSON. Pure.

What many images have in common, packages and layers, stands once in tables of the document, and an image names it by
its position there: two hundred variants are then about a megabyte, and read into as few objects. A row leaves out what
is empty. Keys that this version does not know are passed over; a change that it would misread raises the format.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from operator import itemgetter
from typing import Any, TypeVar, get_origin

from warmbase.oci.digests import Json, canonical_json
from warmbase.oci.manifest import Descriptor
from warmbase.oci.records import embed, pack, unpack
from warmbase.publish.offer import Offer, OfferedLayer, OfferedPackage, OfferedPlatform, SystemPackage

FORMAT = 1
OFFER = "offer"
"""The kind of a packed offer, among the layers of a journal's entry."""

_TOO_LARGE = 2**63  # bytes; OCI image specification, "Descriptors": an int64
_Row = OfferedPackage | SystemPackage | OfferedLayer
_CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
R = TypeVar("R", OfferedPackage, SystemPackage, OfferedLayer)


def pack_offer(offer: Offer) -> tuple[Descriptor, bytes]:
    """An offer as a layer of a journal's entry, whose manifest has it too."""
    writer = OfferWriter()
    written = writer.write(offer)
    layer, content = pack(OFFER, canonical_json({"format": FORMAT, "offer": written, **writer.tables()}))
    return embed(layer, content), content


def unpack_offer(content: bytes) -> Offer:
    """Read `pack_offer`'s bytes back. Raises ValueError."""
    document = json.loads(unpack(content))
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("an offer of another format")
    return OfferReader(document).read(document.get("offer"))


class OfferWriter:
    """Writes offers, one after the other, and then the tables that they refer to."""

    def __init__(self) -> None:
        self._packages: dict[OfferedPackage, int] = {}
        self._system: dict[SystemPackage, int] = {}
        self._layers: dict[OfferedLayer, int] = {}

    def write(self, offer: Offer) -> dict[str, Json]:
        """The document of an offer, but for what the tables have."""
        return {
            "variant": offer.variant,
            "description": offer.description,
            "python": offer.python,
            "foundation": offer.foundation,
            "uv": offer.uv,
            "contract": offer.contract,
            "created": offer.created,
            "parent": offer.parent,
            "indexes": {name: list(addresses) for name, addresses in offer.indexes.items()},
            "platforms": [self._write(platform) for platform in offer.platforms],
        }

    def _write(self, platform: OfferedPlatform) -> dict[str, Json]:
        return {
            "platform": platform.platform,
            "digest": platform.digest,
            "python": platform.python,
            "system": platform.system,
            "verified": platform.verified,
            "layers": [self._layers.setdefault(each, len(self._layers)) for each in platform.layers],
            "packages": [self._packages.setdefault(each, len(self._packages)) for each in platform.packages],
            "places": list(platform.places),
            "system_packages": [self._system.setdefault(each, len(self._system)) for each in platform.system_packages],
        }

    def tables(self) -> dict[str, Json]:
        """What the offers so far refer to."""
        return {
            "packages": [_row(each) for each in self._packages],
            "system_packages": [_row(each) for each in self._system],
            "layers": [_row(each) for each in self._layers],
        }


class OfferReader:
    """Reads offers of one document. Equal packages and layers of several are one object."""

    def __init__(self, tables: Mapping[str, Any]) -> None:
        """`tables` is the document. Raises ValueError where it is something else."""
        self._packages = _read_rows(OfferedPackage, tables.get("packages"))
        self._system = _read_rows(SystemPackage, tables.get("system_packages"))
        self._layers = _read_rows(OfferedLayer, tables.get("layers"))

    def read(self, value: object) -> Offer:
        """Read `OfferWriter.write` back. Raises ValueError."""
        known = mapping_of(value)
        indexes = mapping_of(known.get("indexes", {}))
        return Offer(
            **{name: text_of(known, name) for name in ("variant", "description", "python", "foundation", "uv")},
            contract=number_of(known, "contract"),
            created=text_of(known, "created"),
            parent=text_of(known, "parent"),
            indexes={harmless(name): texts_of(addresses) for name, addresses in indexes.items()},
            platforms=tuple(self._read(each) for each in list_of(known.get("platforms"))),
        )

    def _read(self, value: object) -> OfferedPlatform:
        known = mapping_of(value)
        layers = _chosen(self._layers, known.get("layers"))
        packages = _chosen(self._packages, known.get("packages"))
        places = tuple(list_of(known.get("places")))
        if len(places) != len(packages) or not all(type(each) is int and -1 <= each < len(layers) for each in places):
            raise ValueError("the places of packages are no numbers of layers")
        return OfferedPlatform(
            **{name: text_of(known, name) for name in ("platform", "digest", "python", "system", "verified")},
            layers=layers,
            packages=packages,
            places=places,
            system_packages=_chosen(self._system, known.get("system_packages")),
        )


def mapping_of(value: object) -> Mapping[str, Any]:
    """A JSON object. Raises ValueError for what is none."""
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is expected, not {type(value).__name__}")  # noqa: TRY004 - it is input
    return value


def list_of(value: object) -> Sequence[Any]:
    """A JSON array, none being an empty one. Raises ValueError for what is something else."""
    if value is not None and not isinstance(value, list):
        raise ValueError(f"a JSON array is expected, not {type(value).__name__}")
    return value or ()


def texts_of(value: object) -> tuple[str, ...]:
    """A JSON array of texts. Raises ValueError."""
    found = tuple(list_of(value))
    if not all(isinstance(each, str) for each in found):
        raise ValueError("an array of texts is expected")
    return tuple(map(harmless, found))


def text_of(value: Mapping[str, Any], name: str) -> str:
    """The text under a key, "" where there is none. Raises ValueError for what is no text."""
    found = value.get(name, "")
    if not isinstance(found, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - it is input
    return harmless(found)


def harmless(text: str) -> str:
    """A text of others without what terminals obey: control characters, and what turns the direction of writing; and
    without halves of characters, which no file can hold."""
    return text if text.isprintable() else _CONTROLS.sub("\ufffd", text)


def number_of(value: Mapping[str, Any], name: str) -> int:
    """The whole number under a key, 0 where there is none. Raises ValueError for what is none."""
    found = value.get(name, 0)
    if type(found) is not int or not 0 <= found < _TOO_LARGE:
        raise ValueError(f"{name} is no whole number")
    return found


def _row(item: _Row) -> dict[str, Json]:
    """Its fields but for those that are as they are by default."""
    return {
        field.name: list(value) if isinstance(value, tuple) else value
        for field in fields(item)
        if (value := getattr(item, field.name)) != field.default
    }


def _read_rows(kind: type[R], rows: object) -> list[R]:
    """The rows of a table. Reading many offers spends its time here: types are compared, and nothing more."""
    shape = {field.name: _JSON_TYPES[get_origin(field.type) or field.type] for field in fields(kind)}
    required = {field.name for field in fields(kind) if field.default is MISSING}
    found = []
    for row in map(mapping_of, list_of(rows)):
        known = {name: value for name, value in row.items() if name in shape}
        for name, value in known.items():
            if type(value) is not shape[name] or (type(value) is int and not 0 <= value < _TOO_LARGE):
                raise ValueError(f"{name} is not what it should be")
            if type(value) is list:
                known[name] = texts_of(value)
            elif type(value) is str:
                known[name] = harmless(value)
        if not known.keys() >= required:
            raise ValueError(f"{', '.join(sorted(required - known.keys()))} is missing")
        found.append(kind(**known))
    return found


_JSON_TYPES: Mapping[Any, type] = {str: str, int: int, tuple: list}


def _chosen(rows: Sequence[R], numbers: object) -> tuple[R, ...]:
    chosen = list_of(numbers)
    if not chosen:
        return ()
    if not all(type(each) is int for each in chosen) or not 0 <= min(chosen) <= max(chosen) < len(rows):
        raise ValueError("a number stands for no row of its table")
    found = itemgetter(*chosen)(rows)
    return found if len(chosen) > 1 else (found,)
