"""The constraints in people's pyproject.toml: what adopting writes, takes back, and leaves alone."""

import tomllib

import pytest

from warmbase.downstream.adopt.constraints import (
    BUILD_CONSTRAINTS,
    CONSTRAINTS,
    has_constraints,
    set_constraints,
    without_constraints,
)
from warmbase.errors import ProjectError

WANTED = {
    CONSTRAINTS: ["numpy==2.5.5", "pandas==2.2.3 ; python_full_version >= '3.12'"],
    BUILD_CONSTRAINTS: ["hatchling==1.27.0"],
}
BLOCK = """constraint-dependencies = [
  # warmbase adopt: what data:py3.13 has
  "numpy==2.5.5",
  "pandas==2.2.3 ; python_full_version >= '3.12'",
  # warmbase adopt: end
]
build-constraint-dependencies = [
  # warmbase adopt: what data:py3.13 has
  "hatchling==1.27.0",
  # warmbase adopt: end
]
"""
FILES = {
    "no settings of uv": '[project]\nname = "x"   # its name\n',
    "a table": '[tool.uv]  # uv\ndev-dependencies=["a"]\n\n[tool.ruff]\nx = 1\n',
    "a table without an end of line": "[tool.uv]",
    "only tables below it": '[tool.uv.sources]\ny = {path = "a"}\n[tool.ruff]\nx=1\n',
    "constraints of its own": '[tool.uv]\nconstraint-dependencies = ["urllib3<3"] # mine\nx = 1\n',
    "commented constraints": (
        '[tool.uv]\nconstraint-dependencies = [\n    "urllib3<3", # mine\n    # second\n    "a"\n]\n# end\n'
    ),
    "lines that end as on Windows": '[project]\r\nname="x"\r\n[tool.uv]\r\nx=1\r\n',
    "nothing at all": "",
}


def test_constraints_stand_between_two_comments() -> None:
    assert set_constraints(FILES["no settings of uv"], WANTED, "data:py3.13") == (
        f"{FILES['no settings of uv']}\n[tool.uv]\n{BLOCK}"
    )
    assert set_constraints(FILES["a table"], WANTED, "data:py3.13") == (
        FILES["a table"].replace("# uv\n", f"# uv\n{BLOCK}")
    )


@pytest.mark.parametrize("name", FILES)
def test_constraints_are_written_once_and_replaced_when_the_base_moves(name: str) -> None:
    text = FILES[name]
    once = set_constraints(text, WANTED, "data:py3.13")
    assert set_constraints(once, WANTED, "data:py3.13") == once
    assert has_constraints(once)
    moved = set_constraints(once, {CONSTRAINTS: ["numpy==2.6.0"]}, "data:py3.14")
    own = tomllib.loads(text).get("tool", {}).get("uv", {}).get(CONSTRAINTS, [])
    settings = tomllib.loads(moved)["tool"]["uv"]
    assert settings[CONSTRAINTS] == ["numpy==2.6.0", *own]
    assert BUILD_CONSTRAINTS not in settings
    assert "data:py3.13" not in moved


@pytest.mark.parametrize("name", FILES)
def test_what_was_written_can_be_taken_back(name: str) -> None:
    text = FILES[name]
    back = without_constraints(set_constraints(text, WANTED, "data:py3.13"))
    assert not has_constraints(back)
    before, after = (tomllib.loads(each).get("tool", {}) for each in (text, back))
    assert after | {"uv": after.get("uv", {})} == before | {"uv": before.get("uv", {})}


@pytest.mark.parametrize("name", FILES)
def test_every_other_line_stays(name: str) -> None:
    text = FILES[name]
    lines = set_constraints(text, WANTED, "data:py3.13").splitlines(keepends=True)
    rest = iter(lines)
    kept = [line for line in text.splitlines(keepends=True) if "constraint-dependencies" not in line]
    assert all(any(line.rstrip("\r\n") == other.rstrip("\r\n") for other in rest) for line in kept)
    assert {line.endswith("\r\n") for line in lines} == {"\r\n" in text}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.uv", "pyproject.toml: Expected"),
        ('[tool]\nuv = {x = 1}\n', "cannot be written without changing more"),
    ],
)  # fmt: skip
def test_a_file_that_would_be_damaged_is_refused(text: str, said: str) -> None:
    with pytest.raises(ProjectError, match=said) as caught:
        set_constraints(text, WANTED, "data:py3.13")
    assert caught.value.next_step
