"""Files of any content are read or refused in words, never with a traceback."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.projects.samples import FOLDER, HERE

from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

SAMPLES = (
    "forks/uv.lock", "virtual/pyproject.toml", "forks/pyproject.toml", "poetry1/pyproject.toml", "piplock/pylock.toml",
    "poetry2/poetry.lock", "poetry1/poetry.lock", "pipenv/Pipfile.lock", "byhand/requirements.txt",
    "conda/environment.yml", "script/report.py",
)  # fmt: skip
PIECES = (
    '"', "'", "[", "]", "{", "}", "=", "==", "^", "~", "*", "\\", "\n", ";", "-e ", "-r ", "#", "://", "http://[", "\0",
    "0", "-1", "1e999", "null", "true", "&a ", "*a", "|", "||", "extra == 'x'", "é", "git+", "file:", "..", "/", "@",
)  # fmt: skip
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(PIECES) | st.text(max_size=4)),
    min_size=1,
    max_size=4,
)


def read_or_refuse(path: Path) -> None:
    refused = None
    try:
        read_project(path).needs(HERE)
    except ProjectError as error:
        refused = error
    assert refused is None or (str(path.parent) in refused.message and refused.next_step)


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=edits)
def test_a_damaged_file_is_read_or_refused(name: str, changes: list[tuple[float, int, str]], tmp_path: Path) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for place, cut, piece in changes:
        start = int(place * len(text))
        text = text[:start] + piece + text[start + cut :]
    path = tmp_path / Path(name).name
    path.write_text(text, encoding="utf-8")
    read_or_refuse(path)


def replace_one(data: object, steps: list[int], value: object) -> object:
    """The document with one of its values, found by taking steps downwards, replaced."""
    if not steps or not isinstance(data, dict | list) or not data:
        return value
    if isinstance(data, list):
        place = steps[0] % len(data)
        return [*data[:place], replace_one(data[place], steps[1:], value), *data[place + 1 :]]
    key = sorted(data)[steps[0] % len(data)]
    return data | {key: replace_one(data[key], steps[1:], value)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    steps=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    value=st.sampled_from([None, 1, -1, 1.5, True, "", "x", "==", [], [1], ["x"], {}, {"x": 1}, {"x": {}}, [{}]]),
)
def test_a_value_of_another_type_is_refused(steps: list[int], value: object, tmp_path: Path) -> None:
    document = json.loads((FOLDER / "pipenv/Pipfile.lock").read_text(encoding="utf-8"))
    path = tmp_path / "Pipfile.lock"
    path.write_text(json.dumps(replace_one(document, steps, value)), encoding="utf-8")
    read_or_refuse(path)


@pytest.mark.parametrize("name", [Path(name).name for name in SAMPLES])
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\xff\xfe\x00", b"[" * 50_000, b"a: &a [*a]\n", b"\xef\xbb\xbf"]
)
def test_what_is_no_such_file_at_all_is_read_or_refused(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    read_or_refuse(path)


NOWHERE = ("a\\u0000b", "x" * 5000, "a/" * 3000, "//[", "C:\\\\x", "~nobody/x")


@pytest.mark.parametrize("place", NOWHERE)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\nname = "a"\ndependencies = ["b"]\n[tool.uv.sources]\nb = {{ path = "{}" }}\n'),
        ("pyproject.toml", '[tool.uv.workspace]\nmembers = ["{}"]\n'),
        ("uv.lock", 'version = 1\n[[package]]\nname = "a"\nsource = {{ editable = "{}" }}\n'),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "a"\ndirectory = {{ path = "{}" }}\n'),
        ("requirements.txt", "-r {}\n"),
        ("requirements.txt", "-e {}\n"),
        ("requirements.txt", "-i {}\nnumpy\n"),
        ("Pipfile.lock", '{{"default": {{"a": {{"path": "{}"}}}}}}'),
    ],
)
def test_a_place_that_no_system_has_is_none(name: str, text: str, place: str, tmp_path: Path) -> None:
    plain = place.replace("\\u0000", "\0") if name == "requirements.txt" else place
    (tmp_path / name).write_text(text.format(plain), encoding="utf-8")
    read_or_refuse(tmp_path / name)
