"""What the document types demand of plain data, read once from their annotations.

A `Shape` serves two readers: `schema.py` turns it into JSON Schema, and `convert` checks and converts data
in one walk. `convert` only says *that* something does not fit; what, is told by jsonschema, which costs
140 ms to import and is therefore not touched for a catalog that is right. A test holds both to one opinion.
"""

import functools
import re
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TypeVar, cast

T = TypeVar("T")


class UnexpectedShapeError(Exception):
    """Data does not have the shape of the type; `find_structural_problems` can say where and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A text with a grammar. `noun` and `advice` are for people; `pattern` must match the whole text.

    Patterns keep to what Python and ECMA 262 (JSON Schema's dialect) read alike: no \\d, no flags.
    """

    noun: str
    pattern: str = ""
    advice: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One of a few texts."""

    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeNumber:
    """An integer from `least` to `most`."""

    least: int
    most: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Entries:
    """A list; `unique` if nothing may stand in it twice."""

    item: "Shape"
    unique: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A mapping whose keys are free within a grammar."""

    key: Text
    value: "Shape"


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """One key of a record; `field` is what the dataclass calls it: a keyword of Python has an underscore after it."""

    name: str
    field: str
    shape: "Shape"
    required: bool
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A mapping with known keys, which becomes a dataclass."""

    type: type
    description: str
    properties: tuple[Property, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Either:
    """One of several shapes, of which no two are of the same JSON type."""

    options: tuple["Shape", ...]


Shape = Text | Choice | WholeNumber | Entries | Table | Record | Either

UNIQUE = "unique"  # an annotation of lists


def about(description: str) -> Mapping[str, str]:
    """Return the metadata of a field of a document type; the schema shows it in editors."""
    return {"description": description}


@functools.cache
def shape_of(annotation: object) -> Shape:
    """Read the shape of a document type. Raises `TypeError` for a type that documents do not use."""
    annotation, extras = _unwrap(annotation)
    for extra in extras:
        if isinstance(extra, Text | WholeNumber):
            return extra
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        options = tuple(shape_of(argument) for argument in arguments if argument is not types.NoneType)
        return options[0] if len(options) == 1 else Either(options=options)
    if origin is typing.Literal:
        return Choice(options=arguments)
    if origin is tuple:
        return Entries(item=shape_of(arguments[0]), unique=UNIQUE in extras)
    if origin is Mapping:
        key = shape_of(arguments[0])
        if isinstance(key, Text):
            return Table(key=key, value=shape_of(arguments[1]))
    if annotation is str:
        return Text(noun="text")
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _record_of(annotation)
    raise TypeError(f"a document cannot hold a {annotation}")


def convert(document_type: type[T], data: object) -> T:
    """Make a `document_type` of plain data. Raises `UnexpectedShapeError` if any of it does not fit."""
    return cast(T, _convert(shape_of(cast(Hashable, document_type)), data))


def _unwrap(annotation: object) -> tuple[object, tuple[object, ...]]:
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *extras = typing.get_args(annotation)
        return inner, tuple(extras)
    return annotation, ()


def _record_of(record_type: type) -> Record:
    hints = typing.get_type_hints(record_type, include_extras=True)
    properties = tuple(
        Property(
            name=item.name.removesuffix("_"),
            field=item.name,
            shape=shape_of(hints[item.name]),
            required=item.default is MISSING and item.default_factory is MISSING,
            description=item.metadata["description"],
        )
        for item in fields(record_type)
    )
    description = " ".join((record_type.__doc__ or "").split())
    return Record(type=record_type, description=description, properties=properties)


@functools.singledispatch
def _convert(shape: Shape, data: object) -> object:
    raise TypeError(f"{shape} is not a shape for {data!r}")


@_convert.register
def _(shape: Text, data: object) -> object:
    if not isinstance(data, str) or (shape.pattern and not re.fullmatch(shape.pattern, data)):
        raise UnexpectedShapeError
    return data


@_convert.register
def _(shape: Choice, data: object) -> object:
    if not isinstance(data, str) or data not in shape.options:
        raise UnexpectedShapeError
    return data


@_convert.register
def _(shape: WholeNumber, data: object) -> object:
    # JSON Schema counts 1.0 as an integer (2020-12 validation, section 6.1.1), but never true.
    if isinstance(data, float) and data.is_integer():
        data = int(data)
    if not isinstance(data, int) or isinstance(data, bool) or not shape.least <= data <= shape.most:
        raise UnexpectedShapeError
    return data


@_convert.register
def _(shape: Entries, data: object) -> object:
    if not isinstance(data, list):
        raise UnexpectedShapeError
    items = tuple(_convert(shape.item, item) for item in data)
    if shape.unique and len(set(items)) < len(items):
        raise UnexpectedShapeError
    return items


@_convert.register
def _(shape: Table, data: object) -> object:
    if not isinstance(data, dict):
        raise UnexpectedShapeError
    return {_convert(shape.key, key): _convert(shape.value, value) for key, value in data.items()}


@_convert.register
def _(shape: Record, data: object) -> object:
    if not isinstance(data, dict) or not data.keys() <= {item.name for item in shape.properties}:
        raise UnexpectedShapeError
    if any(item.required and item.name not in data for item in shape.properties):
        raise UnexpectedShapeError
    values = {item.field: _convert(item.shape, data[item.name]) for item in shape.properties if item.name in data}
    return shape.type(**values)


@_convert.register
def _(shape: Either, data: object) -> object:
    for option in shape.options:
        try:
            return _convert(option, data)
        except UnexpectedShapeError:
            continue
    raise UnexpectedShapeError
