"""The JSON Schema: checked in, named by the catalog, described for editors."""

import json
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from warmbase.catalog.load import load_catalog
from warmbase.catalog.schema import SCHEMA_PATH, generate_schema, render_schema
from warmbase.catalog.shape import shape_of

REPOSITORY = Path(__file__).parents[3]
SCHEMA = generate_schema()


def test_the_checked_in_schema_is_what_the_types_say() -> None:
    """If this fails: python -m warmbase.catalog.schema."""
    assert SCHEMA_PATH.read_text(encoding="utf-8") == render_schema()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_is_described() -> None:
    records = [SCHEMA, *(SCHEMA["$defs"].values())]
    assert len(records) > 5
    for record in records:
        assert record["description"]
        for schema in record["properties"].values():
            assert schema["description"].endswith(".")


def test_the_first_line_of_the_catalog_points_editors_at_the_schema() -> None:
    first_line = (REPOSITORY / "images.yaml").read_text().splitlines()[0]
    name = first_line.removeprefix("# yaml-language-server: $schema=")
    assert name != first_line
    assert (REPOSITORY / name).samefile(SCHEMA_PATH)


def test_patterns_keep_to_what_python_and_ecmascript_read_alike() -> None:
    text = json.dumps(SCHEMA)
    for only_python in ("(?P", "\\\\A", "\\\\Z", "\\\\d", "\\\\w", "(?i", "(?x"):
        assert only_python not in text


def test_a_catalog_that_is_right_does_without_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing it takes longer than all the rest of a plan in which nothing is to be done."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)  # any import of it fails
    assert load_catalog(REPOSITORY / "images.yaml").variants


def test_a_type_that_documents_do_not_use_is_refused() -> None:
    with pytest.raises(TypeError, match="a document cannot hold"):
        shape_of(complex)
