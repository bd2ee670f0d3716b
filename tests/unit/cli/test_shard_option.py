"""`--shard`: what of the work is this machine's, and when the environment has a say."""

from pathlib import Path

import pytest
import typer

from warmbase.cli.session import Session
from warmbase.cli.shards import own_share
from warmbase.errors import SelectionError
from warmbase.events import ignore

CATALOG = """
uv: 0.13.8
foundations:
  trixie: {debian: trixie, python: "3.13"}
defaults: {foundations: [trixie], python: ["3.13"]}
images:
  one: {description: One., requirements: [idna]}
  two: {description: Two., requirements: [idna]}
  three: {description: Three., requirements: [idna]}
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI_NODE_INDEX", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX", "WARMBASE_SHARDS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    path = tmp_path / "images.yaml"
    path.write_text(CATALOG)
    return Session(path, ignore)


def share(session: Session, *names: str, text: str = "") -> list[str]:
    return own_share(session, names, text, as_json=False)


def test_without_a_part_what_is_named_is_built(session: Session) -> None:
    assert share(session, "one", "two") == ["one", "two"]
    assert share(session) == [], "which means all"


def test_the_parts_of_several_machines_are_all_of_it(session: Session) -> None:
    parts = [share(session, text=f"{index}/2") for index in (1, 2)]
    assert sorted(name for part in parts for name in part) == sorted(v.name for v in session.catalog.variants)
    assert all(parts)


def test_the_environment_says_the_part_unless_variants_are_named(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_NODE_INDEX", "2")
    monkeypatch.setenv("CI_NODE_TOTAL", "3")
    assert share(session) == share(session, text="2/3")
    assert share(session, "one", "two") == ["one", "two"], "as in a job of GitLab's parallel:matrix"
    assert share(session, text="1/1") == [variant.name for variant in session.catalog.variants]


@pytest.mark.parametrize(("as_json", "printed"), [(True, "[]\n"), (False, "")])
def test_a_machine_without_work_ends_well(
    session: Session, capsys: pytest.CaptureFixture[str], as_json: bool, printed: str
) -> None:
    with pytest.raises(typer.Exit) as ended:
        own_share(session, ["one"], "2/2", as_json=as_json)
    assert ended.value.exit_code == 0
    assert capsys.readouterr() == (printed, "part 2/2: 0 of 1 variants\n")


def test_what_is_no_part_is_refused(session: Session) -> None:
    with pytest.raises(SelectionError, match="no part 3/2"):
        share(session, text="3/2")
