"""The JSON Schema (2020-12) of `images.yaml`, generated from the types in `document.py`.

It is checked in beside this module, because the first line of a catalog names it for editors; a test fails
when the file and the types drift apart. `title` and `patternErrorMessage`, which validators ignore, carry
what a text is and how to write it: the YAML language server shows them, and so does `warmbase check`.
"""

import json
from pathlib import Path
from typing import Any

from warmbase.catalog.document import CatalogDocument
from warmbase.catalog.shape import Choice, Either, Entries, Record, Shape, Table, Text, WholeNumber, shape_of

SCHEMA_PATH = Path(__file__).with_name("images.schema.json")

Schema = dict[str, Any]


def generate_schema() -> Schema:
    """Return the schema as plain data."""
    definitions: dict[str, Schema] = {}
    document = _reference(shape_of(CatalogDocument), definitions)
    name = document["$ref"].rpartition("/")[2]
    top = definitions.pop(name)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "warmbase catalog",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def render_schema() -> str:
    """Return the text of the checked-in file."""
    return json.dumps(generate_schema(), indent=2, ensure_ascii=False) + "\n"


def _reference(shape: Shape, definitions: dict[str, Schema]) -> Schema:
    if not isinstance(shape, Record):
        return _schema_of(shape, definitions)
    name = shape.type.__name__
    if name not in definitions:
        definitions[name] = _schema_of(shape, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _schema_of(shape: Shape, definitions: dict[str, Schema]) -> Schema:
    match shape:
        case Text():
            return _text_schema(shape)
        case Choice():
            return {"type": "string", "enum": list(shape.options)}
        case WholeNumber():
            return {"type": "integer", "minimum": shape.least, "maximum": shape.most}
        case Entries():
            unique = {"uniqueItems": True} if shape.unique else {}
            return {"type": "array", "items": _reference(shape.item, definitions), **unique}
        case Table():
            values = _reference(shape.value, definitions)
            return {
                "type": "object",
                "propertyNames": _text_schema(shape.key),
                "additionalProperties": values,
            }
        case Either():
            return {"anyOf": [_reference(option, definitions) for option in shape.options]}
        case Record():
            return _record_schema(shape, definitions)


def _text_schema(text: Text) -> Schema:
    schema: Schema = {"type": "string", "title": text.noun}
    if text.pattern:
        schema |= {"pattern": f"^(?:{text.pattern})$"}
    if text.advice:
        schema |= {"patternErrorMessage": text.advice}
    if text.examples:
        schema |= {"examples": list(text.examples)}
    return schema


def _record_schema(record: Record, definitions: dict[str, Schema]) -> Schema:
    properties = {
        item.name: {"description": item.description, **_reference(item.shape, definitions)}
        for item in record.properties
    }
    required = [item.name for item in record.properties if item.required]
    return {
        "type": "object",
        "description": record.description,
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


if __name__ == "__main__":
    SCHEMA_PATH.write_text(render_schema(), encoding="utf-8")
