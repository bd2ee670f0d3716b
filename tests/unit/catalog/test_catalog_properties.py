"""Whatever stands in the file: a catalog or an error that says where, never a traceback."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, example, given
from hypothesis import strategies as st

from warmbase.catalog.document import CatalogDocument, CompressionEntry
from warmbase.catalog.load import load_catalog
from warmbase.catalog.problems import Problem
from warmbase.catalog.schema import generate_schema
from warmbase.catalog.shape import UnexpectedShapeError, convert
from warmbase.catalog.structure import find_violations
from warmbase.errors import CatalogError

SCHEMA = generate_schema()
YAML_CHARACTERS = "ab:- \n\t[]{}&*!|>'\"#%@`,?~<=/\\013.\u00e9\u2028\x85\ufeff"


FULL: dict[str, Any] = {
    "uv": "0.13.8",
    "registry": "localhost:5000/bases",
    "platforms": ["linux/amd64", "linux/arm64"],
    "compression": {"codec": "gzip", "level": 6},
    "mirrors": {"docker.io": "mirror.example/hub"},
    "insecure": ["registry.example:5000"],
    "foundations": {
        "trixie": {"debian": "trixie", "packages": ["git"], "mirror": "https://mirror.example/debian"},
        "slim": {"image": "python:{python}-slim", "python": ["3.12", "3.13"]},
        "taken": {"oci": "layouts/{python}.tar", "python": ["3.13"]},
        "sid": {"debian": "sid", "python": "3.14", "snapshot": "file:///srv/{timestamp}"},
    },
    "sets": {"a": ["requests"], "b": {"include": ["a"], "requirements": ["numpy>=2"]}},
    "defaults": {"foundations": ["trixie", "sid"], "labels": {"com.example.team": "data"}},
    "images": {
        "team/data": {
            "description": "for data",
            "python": ["3.13"],
            "exclude": [{"foundation": "sid", "python": "3.14"}],
            "sets": ["b"],
            "warm": ["ruff"],
            "backends": ["hatchling"],
            "winners": {"tests/*": "numpy"},
            "smoke": "bases/data/smoke.py",
            "config": {"user": "app:app", "workdir": "/app", "entrypoint": [], "command": ["python"]},
            "overrides": [{"match": {"python": "3.13"}, "requirements": ["polars"], "config": {"user": ""}}],
        }
    },
}

WORDS = [
    "trixie", "3.13", "3.13\n", "linux/amd64", "requests", "/app", "../x", "a b", "Data", "team/data", "", "\n",
    "zstd", "debian", "image", "oci", "{python}", "uv", "sets", "python", "requirements", "match", "0.13.8", "https://mirror.example",
]  # fmt: skip
scalars = st.sampled_from([*WORDS, None, True, 0, 1, 1.0, 3.1, -1, 23]) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=4,
)


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every container of `data` with each of its keys or indexes."""
    children = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    return [(data, key) for key, _ in children] + [place for _, child in children for place in places(child)]


@st.composite
def damaged_catalogs(draw: st.DrawFn) -> Any:
    """A full catalog with a few entries replaced, deleted or added."""
    data = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(0, 3))):
        container, key = draw(st.sampled_from(places(data)))
        action = draw(st.sampled_from(["replace", "delete", "add"]))
        if action == "replace":
            container[key] = draw(values)
        elif action == "delete":
            del container[key]
        elif isinstance(container, dict):
            container[draw(st.sampled_from(WORDS))] = draw(values)
        else:
            container.append(draw(values))
        if not places(data):
            break
    return data


def load_bytes(content: bytes) -> None:
    """Load the content and check that an error is fit to print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.yaml"
        path.write_bytes(content)
        problems = problems_of(path)
    event("accepted" if problems is None else "refused")
    # line breaks as YAML counts them: LF, CR, NEL, LS and PS
    breaks = sum(content.count(end) for end in (b"\n", b"\r", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9"))
    for problem in problems or ():
        assert isinstance(problem, Problem)
        assert 1 <= problem.position.line <= breaks + 1
        assert problem.position.column >= 1
        assert str(problem).isprintable()
        assert len(str(problem)) < 1000


def problems_of(path: Path) -> tuple[object, ...] | None:
    """Return what is wrong with the catalog, None for nothing."""
    try:
        catalog = load_catalog(path)
    except CatalogError as error:
        return error.problems or ("nothing is said",)
    return None if catalog.path == path else ("this is another catalog",)


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"%YAML 1.2\n---\n")
@example(b'"\\ud800"')
@example(b'"\\0"')
@example(b"a: !!binary x")
@example(b"--- >\n")
def test_any_bytes(content: bytes) -> None:
    load_bytes(content)


@given(st.text(YAML_CHARACTERS, max_size=80))
def test_any_text_that_looks_like_yaml(text: str) -> None:
    load_bytes(text.encode())


@given(damaged_catalogs())
def test_any_damage_to_a_catalog(data: Any) -> None:
    load_bytes(yaml.safe_dump(data, allow_unicode=True).encode())


@given(st.data())
def test_any_cut_through_the_catalog_of_this_repository(data: st.DataObject) -> None:
    content = (Path(__file__).parents[3] / "images.yaml").read_bytes()
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 400)))
    load_bytes(content[:start] + data.draw(st.binary(max_size=5)) + content[end:])


@pytest.mark.parametrize("key", ["description", "smoke", "requirements", "labels", "winners", "config", "python"])
@given(value=st.recursive(st.text(max_size=20) | st.none(), lambda it: st.lists(it, max_size=2), max_leaves=3))
def test_any_value_of_an_image(key: str, value: Any) -> None:
    image = {"foundation": "trixie", key: value}
    catalog = {"uv": "0.13.8", "foundations": {"trixie": {"debian": "trixie"}}, "images": {"i": image}}
    load_bytes(yaml.safe_dump(catalog, allow_unicode=True).encode())


def test_a_full_document_fits_types_and_schema() -> None:
    assert find_violations(SCHEMA, FULL) == ()
    document = convert(CatalogDocument, FULL)
    assert document.images["team/data"].overrides is not None
    assert document.sets["a"] == ("requests",)
    assert document.compression == CompressionEntry(codec="gzip", level=6)


@given(damaged_catalogs())
def test_types_and_schema_are_of_one_opinion(data: Any) -> None:
    violations = find_violations(SCHEMA, data)
    try:
        convert(CatalogDocument, data)
    except UnexpectedShapeError:
        event("refused")
        assert violations
    else:
        event("accepted")
        assert not violations
