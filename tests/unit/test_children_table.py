"""The README's table of ways to inherit: written from all results or not at all."""

import json
from pathlib import Path

import pytest
from tests.e2e.children.projects import PROJECTS
from tests.e2e.children.table import BEGIN, END, write

README = f"before\n{BEGIN}\nold\n{END}\nafter\n"


def measured(project: str, nothing: float) -> dict[str, str | float]:
    return {"project": project, "inherits": f"way {project}", "change": "", "nothing": nothing, "seconds": 1.0,
            "bytes": 2048, "compressed": 100, "start": 1.0}  # fmt: skip


def test_the_table_is_replaced_by_a_whole_one(tmp_path: Path) -> None:
    results, readme = tmp_path / "results.json", tmp_path / "README.md"
    readme.write_text(README)
    results.write_text(json.dumps([measured(p.name, 0.2 + n / 100) for n, p in enumerate(PROJECTS)]))
    write(results, readme)
    written = readme.read_text()
    assert written.startswith(f"before\n{BEGIN}\n| way")
    assert "old" not in written
    assert written.count("| way ") == len(PROJECTS) + 1
    assert f"in {sum(project.offline for project in PROJECTS)} of them uv resolves" in written
    assert f"took 0.20 to {0.2 + (len(PROJECTS) - 1) / 100:.2f} s there.)" in written


def test_a_part_of_the_results_does_not_replace_the_table(tmp_path: Path) -> None:
    results, readme = tmp_path / "results.json", tmp_path / "README.md"
    readme.write_text(README)
    results.write_text(json.dumps([measured(project.name, 0.2) for project in PROJECTS[1:]]))
    with pytest.raises(ValueError, match=rf"only a part of the table: {PROJECTS[0].name} was not measured"):
        write(results, readme)
    assert readme.read_text() == README
