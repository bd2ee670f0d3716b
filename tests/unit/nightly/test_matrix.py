"""What is stale as the jobs of a CI system, within what each of them can take."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
import yaml
from tests.publishing import describe_variant

from warmbase.catalog.model import Variant
from warmbase.nightly.matrix import MOST_OF_GITLAB, Part, plan_parts, to_github, to_gitlab, to_json
from warmbase.nightly.model import Decision, Reason, Verdict

NUMPY = Reason(axis="packages", subject="numpy", old="2.5.5", new="2.5.6")
OPENSSL = Reason(axis="security", subject="openssl", old="3.5.1-1", new="3.5.1-2", note="security")

DATA = describe_variant("data")
NOTEBOOK = replace(describe_variant("notebook"), made_from=DATA)
WEB = describe_variant("web")
CORE = describe_variant("core")
CATALOG = (DATA, NOTEBOOK, WEB, CORE)


def decide(verdict: Verdict, *variants: Variant) -> list[Decision]:
    return [Decision(variant=variant.name, verdict=verdict, reasons=(NUMPY, OPENSSL)) for variant in variants]


def names(parts: Sequence[Part]) -> list[str]:
    return [" ".join(part.names) for part in parts]


def test_each_stale_variant_is_a_job_with_what_is_made_from_it_and_nothing_else_is() -> None:
    decisions = [*decide("stale", DATA, NOTEBOOK, WEB), *decide("fresh", CORE)]
    assert sorted(names(plan_parts(CATALOG, decisions, {}))) == ["data:py3.13 notebook:py3.13", "web:py3.13"]
    for verdict in ("fresh", "held", "waiting"):
        assert plan_parts(CATALOG, decide(verdict, *CATALOG), {}) == ()


def test_so_many_jobs_as_are_asked_for_cost_about_the_same() -> None:
    seconds = {DATA.name: 10.0, NOTEBOOK.name: 20.0, WEB.name: 40.0, CORE.name: 10.0}
    parts = plan_parts(CATALOG, decide("stale", *CATALOG), seconds, count=2)
    assert names(parts) == ["web:py3.13", "data:py3.13 notebook:py3.13 core:py3.13"]
    assert [part.seconds for part in parts] == [40, 40]


def test_there_is_no_job_without_work() -> None:
    parts = plan_parts(CATALOG, decide("stale", WEB), {}, count=4)
    assert names(parts) == ["web:py3.13"]
    assert json.loads(to_github(parts)) == {"include": [{"shard": "1/1", "variants": "web:py3.13"}]}


def test_there_are_no_more_jobs_than_a_system_can_have() -> None:
    many = [describe_variant(f"image{number}") for number in range(300)]
    assert len(plan_parts(many, decide("stale", *many), {})) == 256
    assert len(plan_parts(many, decide("stale", *many), {}, count=300, most=MOST_OF_GITLAB)) == 200


def test_github_gets_one_line_that_is_empty_where_nothing_is_stale() -> None:
    text = to_github(plan_parts(CATALOG, decide("stale", WEB, CORE), {}))
    assert "\n" not in text
    assert [job["shard"] for job in json.loads(text)["include"]] == ["1/2", "2/2"]
    assert json.loads(to_github(())) == {"include": []}


def test_json_has_the_reasons() -> None:
    (part,) = to_json(plan_parts(CATALOG, decide("stale", WEB), {WEB.name: 12.34}))
    assert part == {
        "shard": "1/1",
        "variants": ["web:py3.13-trixie"],
        "seconds": 12.3,
        "reasons": {"web:py3.13-trixie": ["numpy 2.5.5 → 2.5.6", "openssl 3.5.1-1 → 3.5.1-2 (security)"]},
    }


def matrix_of(text: str) -> list[dict[str, str]]:
    jobs: list[dict[str, str]] = yaml.safe_load(text)[".warmbase-matrix"]["parallel"]["matrix"]
    return jobs


def test_gitlab_gets_a_hidden_job_with_a_matrix() -> None:
    text = to_gitlab(plan_parts(CATALOG, decide("stale", WEB, CORE), {}, count=1))
    assert matrix_of(text) == [{"WARMBASE_VARIANTS": "web:py3.13 core:py3.13"}]


def test_gitlab_gets_one_job_where_nothing_is_stale_as_it_knows_no_empty_matrix() -> None:
    assert matrix_of(to_gitlab(())) == [{"WARMBASE_VARIANTS": ""}]


def test_that_job_ends_before_it_takes_no_variants_for_all_of_them() -> None:
    assert yaml.safe_load(to_gitlab(()))[".warmbase-matrix"]["before_script"] == ["exit 0"]
    some = yaml.safe_load(to_gitlab(plan_parts(CATALOG, decide("stale", WEB), {}, count=1)))
    assert "before_script" not in some[".warmbase-matrix"]


@pytest.mark.parametrize("count", [1, 3])
def test_no_job_of_gitlab_has_a_name_that_is_too_long(count: int) -> None:
    long = [describe_variant(f"an-image-with-a-rather-long-name-{number:03}") for number in range(40)]
    child = replace(describe_variant("its-child"), made_from=long[0])
    variants = [long[0], child, *long[1:]]
    jobs = [
        job["WARMBASE_VARIANTS"]
        for job in matrix_of(to_gitlab(plan_parts(variants, decide("stale", *variants), {}, count=count)))
    ]
    assert max(map(len, jobs)) <= 200
    assert sorted(name for job in jobs for name in job.split()) == sorted(f"{v.image}:py3.13" for v in variants)
    assert [job for job in jobs if "its-child" in job] == [job for job in jobs if "-000:" in job]
