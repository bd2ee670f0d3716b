"""Whether a project's own packages are built without an index: where the base has all that this takes."""

import pytest
from tests.needing import project
from tests.offered import base

from warmbase.downstream.adopt.locking import builds_offline
from warmbase.downstream.adopt.model import ProjectFiles, Wishes
from warmbase.downstream.adopt.plan import plan_adoption
from warmbase.downstream.projects.model import Member
from warmbase.downstream.seeding import base_packages

BASE = base(packages={"editables": "0.6", "hatchling": "1.27.0", "numpy": "2.3.4", "setuptools": "80.1"})


@pytest.mark.parametrize(
    ("backends", "offline"),
    [
        ((), True),
        (("hatchling",), True),
        (("hatchling>=1.20,<2", "setuptools>=61"), True),
        (("hatchling>=2",), False),
        (("setuptools>=61", "wheel"), False),
        (("hatchling", "hatch-vcs"), False),
        (("maturin>=1",), False),
        (("setuptools @ https://index.example/x.whl", "no requirement at all"), False),
    ],
)
def test_all_backends_have_to_be_there_and_known(backends: tuple[str, ...], offline: bool) -> None:
    asked = project({"numpy": "2.3.4"}, members=(Member(name="app", backend=backends),))
    assert builds_offline(asked, base_packages(BASE.offer, "linux/amd64")) is offline


def test_hatchling_needs_editables_too() -> None:
    asked = project({}, members=(Member(name="app", backend=("hatchling",)),))
    assert not builds_offline(asked, base_packages(base(packages={"hatchling": "1.27.0"}).offer, "linux/amd64"))


def test_the_last_step_of_a_dockerfile_is_the_one_that_asks_nobody() -> None:
    asked = project({"numpy": "2.3.4"}, members=(Member(name="app", backend=("hatchling",)),))
    texts = {"pyproject.toml": '[project]\nname = "app"\nversion = "1"\n', "uv.lock": ""}
    planned = plan_adoption(asked, BASE, Wishes(), ProjectFiles(texts=texts, names=frozenset(texts)))
    (written,) = (change.new for change in planned.changes if change.path == "Dockerfile")
    steps = [line for line in written.splitlines() if line.startswith("RUN")]
    assert steps == [
        "RUN uv sync --frozen --inexact --no-install-project",
        "RUN uv sync --frozen --inexact --offline",
    ]
