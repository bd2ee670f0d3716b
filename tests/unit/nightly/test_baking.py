"""Which Dockerfiles a night builds: those that somebody takes anew, for whom nobody has built them."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.publishing import describe_variant
from tests.unit.nightly.jobs import idle_job

from warmbase.catalog.model import DockerfileFoundation
from warmbase.nightly.baking import Baked, bake, takes_dockerfile
from warmbase.nightly.facts import own_keys
from warmbase.nightly.model import Decision

GEO = DockerfileFoundation(name="geo", dockerfile="bases/geo/Dockerfile", folder=Path("catalog"), pythons=("3.13",))
DEBIAN = describe_variant("debian")
APP = replace(describe_variant("app"), foundation=GEO)
KIT = replace(describe_variant("kit"), foundation=GEO, made_from=APP)
TAKES = Decision(variant=APP.name, verdict="stale", takes_foundation=True)


def test_a_dockerfile_is_built_for_whom_it_is_new_and_a_failure_of_it_is_theirs_alone() -> None:
    assert takes_dockerfile(APP, TAKES)
    assert not takes_dockerfile(APP, replace(TAKES, takes_foundation=False)), "its foundation is not due"
    assert not takes_dockerfile(APP, replace(TAKES, verdict="waiting"))
    assert not takes_dockerfile(KIT, TAKES), "it stands on what the image has that it is from"
    assert not takes_dockerfile(DEBIAN, TAKES)


def test_nothing_is_built_of_which_it_is_known_what_it_is(tmp_path: Path) -> None:
    job = idle_job(tmp_path, APP)
    assert bake(job, [APP], {APP.name: TAKES}, own_keys(APP)) == Baked()
    with pytest.raises(AssertionError, match="no tool is needed"):
        bake(job, [APP], {APP.name: TAKES}, ())
