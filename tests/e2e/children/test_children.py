"""What people build on a base: each way of the guides, built by a real engine on a published base, run and measured.

The FROM line differs from what stands in the guides, and nothing else, unless the project declares a change. No step
has a network: what is not in the base cannot come. Where uv resolves, it would ask the index for what it has; those
projects (`offline`) get a line more behind the FROM line, `ENV UV_OFFLINE=1`.
"""

import re

import pytest
from tests.e2e.children.projects import PROJECTS, Project
from tests.e2e.children.workshop import NAMES, Measured, Workshop

pytestmark = pytest.mark.docker


def names(project: Project) -> str:
    return project.name


@pytest.mark.parametrize("project", [project for project in PROJECTS if project.change], ids=names)
def test_what_does_not_work_on_a_base_names_the_line_to_change(workshop: Workshop, project: Project) -> None:
    change = project.change
    assert change
    build = workshop.build(project, changed=False)
    if build.image:  # then it is the start that fails
        code, said = workshop.run(build.image, project.runs[0])
        assert code != 0, said
    else:
        said = build.said
        if change.file == "Dockerfile" and not change.line.startswith("ENV"):
            assert f">>> {change.line}" in said
    assert re.search(change.says, said), said


def test_uv_venv_that_is_refused_leaves_the_base_alone(workshop: Workshop) -> None:
    command = "uv venv && exit 1; python -c 'import httpx, pandas; print(pandas.__file__)'"
    place = ("--volume", f"{workshop.folder / 'venv-then-pip'}:/app", "--workdir", "/app")
    said = workshop.engine.docker("run", "--rm", "--network=none", *place, f"{NAMES}/data:py3.13", "sh", "-c", command)
    assert said.startswith("/opt/venv/lib/")


@pytest.mark.parametrize("project", PROJECTS, ids=names)
def test_what_people_write_works_and_costs_little(
    workshop: Workshop, project: Project, results: list[Measured]
) -> None:
    measured = workshop.measure(project)
    results.append(measured)
    assert not project.most_bytes or measured.bytes <= project.most_bytes, measured
    assert not project.most_times or measured.seconds <= project.most_times * measured.nothing, measured
