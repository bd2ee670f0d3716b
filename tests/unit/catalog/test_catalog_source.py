"""Reading YAML: what is said about files that are no catalogs, and which place each value has."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.catalog.source import LARGEST_FILE, Source, read_source, resolve_plain_scalar
from warmbase.errors import CatalogError

Read = Callable[[bytes | str], Source]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_bytes(content: bytes | str) -> Source:
        path = tmp_path / "images.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_source(path)

    return read_bytes


@pytest.fixture
def complaints(read: Read, tmp_path: Path) -> Callable[[bytes | str], list[str]]:
    def complaints_about(content: bytes | str) -> list[str]:
        try:
            problems: tuple[object, ...] = read(content).problems
        except CatalogError as error:
            problems = error.problems
        return [str(problem).removeprefix(f"{tmp_path}/images.yaml:") for problem in problems]

    return complaints_about


EMPTY = "1:1: the catalog is empty; name `uv`, `foundations` and `images`; see the schema"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", EMPTY),
        ("# nothing but words\n", EMPTY),
        ("\ufeff", EMPTY),
        (
            "a: [1",
            "1:6: YAML syntax error: while parsing a flow sequence, did not find expected ',' or ']'; "
            "close the bracket, or put a comma between the entries",
        ),
        (
            "a: b: c",
            "1:5: YAML syntax error: mapping values are not allowed in this context; "
            "put a text that contains ': ' in quotes, or mend the indentation",
        ),
        (
            'a: "x\n',
            "1:6: YAML syntax error: while scanning a quoted scalar, found unexpected end of stream; close the quote",
        ),
        (
            "a: @x",
            "1:4: YAML syntax error: '@' cannot stand here; put a text that begins with this character in quotes",
        ),
        ("a:\n\tb: 1\n", "2:1: a tab in the indentation; indent with spaces, as YAML demands"),
        ("a:\n  b: 1\n \t c: 1\n", "3:2: a tab in the indentation; indent with spaces, as YAML demands"),
        ("a: 1\n---\nb: 2\n", "2:1: a second YAML document begins here; keep one document in a catalog"),
        ("a: 1\na: 2\n", "2:1: the key 'a' stands twice; the first is in line 1; keep one of the two"),
        ("? [a]\n: 1\n", "1:3: a list or a mapping cannot be a key here; write the key as a text"),
        ("a: &x [*x]\n", "1:8: the anchor '&x' contains itself; write the value out"),
        ("a: *x\n", "1:4: there is no anchor '&x' above; write the value out"),
        ("[" * 100_000, "1:42: more than 40 levels of nesting; write it flat"),
        (b"a: 1\nb: \xff\n", "2:4: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "1:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a: 1\nb: x\0y\n", "2:5: the control character U+0000 is not allowed in YAML; delete it"),
        (
            b"x" * 5_000_000,
            "1:1: the file has 5,000,000 bytes, a catalog at most 1,048,576; "
            "check that this is a catalog; move what repeats to `defaults` and `sets`",
        ),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_file_that_is_no_catalog_is_refused_with_the_reason(
    complaints: Callable[[bytes | str], list[str]], content: bytes | str, complaint: str
) -> None:
    assert complaints(content) == [complaint]


def test_every_tab_in_the_indentation_is_reported(complaints: Callable[[str], list[str]]) -> None:
    assert [line[:4] for line in complaints("a:\n\tb: 1\n\tc: |\n\t  x\n")] == ["2:1:", "3:1:", "4:1:"]


def test_tabs_are_fine_where_yaml_allows_them(read: Read) -> None:
    assert read("a: |\n  x\ty\nb:\t1 #\tnote\n").data == {"a": "x\ty\n", "b": 1}


def test_anchors_that_explode_are_refused(complaints: Callable[[str], list[str]]) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 12):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
    [complaint] = complaints(text)
    assert "the document has more than 100,000 values" in complaint


def test_anchors_that_only_nest_are_refused_too(complaints: Callable[[str], list[str]]) -> None:
    text = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [[[[[*a{n - 1}]]]]]\n" for n in range(1, 20))
    [complaint] = complaints(text)
    assert "more than 40 levels of nesting" in complaint


def test_anchors_that_stay_small_are_read(read: Read) -> None:
    source = read("a: &x\n  - 1\n  - 2\nb: *x\n")
    assert source.data == {"a": [1, 2], "b": [1, 2]}
    assert source.position(("b",)).line == 4
    assert source.position(("b", 1)).line == 3  # where it is written


def test_the_largest_file_is_read(read: Read) -> None:
    text = "a: " + "x" * (LARGEST_FILE - 4) + "\n"
    assert len(read(text).data["a"]) == LARGEST_FILE - 4  # type: ignore[arg-type,call-overload,index]


def test_every_value_and_key_has_its_place(read: Read) -> None:
    source = read("images:\n  data:\n    sets: [a, größe, c]\n")
    place = source.position(("images", "data", "sets", 2))
    assert (place.line, place.column) == (3, 22)
    key = source.position(("images", "data"), key=True)
    assert (key.line, key.column) == (2, 3)
    nearest = source.position(("images", "data", "labels", "x"))
    assert (nearest.line, nearest.column) == (3, 5)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-11-21", "2026-11-21"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0.13.8", "0.13.8"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0o10", 8),
        ("0xff", 255),
        ("-7", -7),
        ("3.10", 3.1),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("9" * 5000, math.inf),
    ],
)
def test_scalars_follow_yaml_1_2_as_editors_read_it(written: str, value: object) -> None:
    got = resolve_plain_scalar(written)
    assert got == value
    assert type(got) is type(value)


def test_quoted_scalars_are_texts(read: Read) -> None:
    assert read("a: '3.10'\nb: \"true\"\nc: |-\n  1\n").data == {"a": "3.10", "b": "true", "c": "1"}


def test_a_folder_or_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r":1:1: this is not a file; give the path of an images\.yaml"):
        read_source(tmp_path)
    with pytest.raises(CatalogError, match=r"nowhere:1:1: the catalog cannot be read: No such file"):
        read_source(tmp_path / "nowhere")
