"""`warmbase matrix` and `--shard`, with a real registry and a real index: jobs for what is stale and nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fleets import BEGAN, Fleet, open_fleet
from tests.nights import open_job
from tests.wheelhouse import make_wheel
from typer.testing import CliRunner

from warmbase.cli import matrix
from warmbase.cli.app import app
from warmbase.cli.session import Session
from warmbase.cli.shards import own_share
from warmbase.events import ignore
from warmbase.nightly.job import NightPlan, open_night, plan_night
from warmbase.nightly.setting import Job
from warmbase.oci.digests import digest_of
from warmbase.publish.journal import Entry, format_time
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import NIGHTS

_ = matrix  # it registers its command

IMAGES = 3


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("fleet")) as fleet, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMBASE_CACHE_DIR", str(fleet.folder / f"cache-{IMAGES}"))
        fleet.bases(IMAGES)
        yield fleet


def catalog(fleet: Fleet) -> Path:
    return fleet.folder / f"bases-{IMAGES}" / "images.yaml"


def said(fleet: Fleet, *options: str) -> str:
    result = CliRunner().invoke(app, ["matrix", "--catalog", str(catalog(fleet)), *options])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def jobs(fleet: Fleet, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said(fleet, "--json", *options))
    return found


def test_before_anything_is_published_everything_is_stale_and_shared_out(fleet: Fleet) -> None:
    assert [len(job["variants"]) for job in jobs(fleet)] == [1] * 6
    shared = json.loads(said(fleet, "--format", "github", "--shards", "4"))["include"]
    assert [job["shard"] for job in shared] == ["1/4", "2/4", "3/4", "4/4"]
    names = sorted(name for job in shared for name in job["variants"].split())
    assert names == sorted(f"image-00{n}:{tag}" for n in range(IMAGES) for tag in ("py3.13", "py3.13-full"))
    (named,) = jobs(fleet, "image-001:py3.13")
    assert (named["shard"], named["variants"]) == ("1/1", ["image-001:py3.13-slim"])


def test_gitlab_takes_the_matrix_as_it_is_printed(fleet: Fleet, tmp_path: Path) -> None:
    pipeline = tmp_path / "child.yml"
    job = "refresh:\n  extends: .warmbase-matrix\n  script: [make nightly VARIANTS=$WARMBASE_VARIANTS]\n"
    pipeline.write_text(f"{said(fleet, '--format', 'gitlab', '--shards', '2')}\n{job}")
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.gitlab-ci",
        "--data-transform",
        "gitlab-ci",
        str(pipeline),
    ]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_there_is_a_job_for_what_became_stale_alone(fleet: Fleet) -> None:
    fleet.publish(IMAGES)
    assert json.loads(said(fleet, "--format", "github", "--shards", "4")) == {"include": []}
    fleet.index.wheels.append(make_wheel("package-00", "2.0", {"package_00.py": ""}))
    (job,) = jobs(fleet, "--shards", "1")
    assert sorted(job["variants"]) == ["image-000:py3.13-full", "image-000:py3.13-slim"]
    for variant in job["variants"]:
        assert "package-00" in job["reasons"][variant][0]
        assert "→ 2.0" in job["reasons"][variant][0]


def test_parts_of_a_build_cost_the_same_by_what_the_journal_says_of_older_builds(fleet: Fleet) -> None:
    """What this run may have published does not count: machines that begin later have to see the same."""
    session = Session(catalog(fleet), ignore)
    costliest = session.catalog.variants[0].name
    before = [own_share(session, [], f"{index}/2", as_json=False) for index in (1, 2)]
    assert [len(part) for part in before] == [3, 3]

    def enter(seconds: float, age: timedelta) -> None:
        for variant in session.catalog.variants:
            entry = Entry(
                variant=variant.name,
                action="publish",
                time=format_time(datetime.now(UTC) - age),
                digest=digest_of(f"{variant.name} {age}".encode()),
                rolling=variant.tags,
                content=f"{variant.tag}-{'0' * 12}",
                seconds=seconds if variant.name == costliest else 10,
            )
            Ledger(fleet.job(IMAGES).place, variant.name).write(entry)

    enter(50, timedelta(days=15))
    by_cost = [own_share(session, [], f"{index}/2", as_json=False) for index in (1, 2)]
    assert [len(part) for part in by_cost] == [1, 5]
    assert by_cost[0] == [costliest]
    enter(10, timedelta(minutes=1))
    assert [own_share(session, [], f"{index}/2", as_json=False) for index in (1, 2)] == by_cost


def test_a_quiet_monday_counts_for_the_week_where_jobs_get_stale_variants_alone(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan says nothing for the week; the matrix does, with which a night of many machines begins. None of them is
    the machine that it began on."""
    bases = fleet.write(1, {"weekly": {"sets": ["set-40"], "refresh": {"packages": "weekly"}}})
    monday = BEGAN + timedelta(weeks=1)
    fleet.publish_all(fleet.job(1), {"packages": format_time(BEGAN)})

    def plan(when: datetime, machine: str, look: Callable[[Job], NightPlan]) -> set[str]:
        monkeypatch.setenv("WARMBASE_CACHE_DIR", str(fleet.folder / machine))
        return {decision.verdict for decision in look(open_job(bases.catalog, fleet.place(1), when)).decisions}

    def records() -> int:
        place = fleet.job(1).place
        return len(place.registry.tags(place.repository(NIGHTS)))

    assert plan(monday, "planner", plan_night) == {"fresh"}
    assert records() == 1
    assert plan(monday, "begins", open_night) == {"fresh"}
    assert plan(monday, "begins", open_night) == {"fresh"}
    assert records() == 2
    fleet.index.wheels.append(make_wheel("package-40", "2.0", {"package_40.py": ""}))
    assert plan(monday + timedelta(days=2), "another", plan_night) == {"held"}
    assert plan(monday + timedelta(weeks=1), "another", plan_night) == {"stale"}
