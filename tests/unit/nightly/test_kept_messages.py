"""What of a failure's message others get to read: nothing of the machine that it happened on, and not without end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.nightly.jobs import idle_job

from warmbase.nightly.messages import as_kept, shorten, without_folders
from warmbase.nightly.setting import Job

UV = """wish:py3.13 cannot be resolved:
Using CPython 3.11.7 interpreter at: {python}
  × No solution found when resolving dependencies in {scratch}/pyproject.toml:
asked for in the catalog:
  {catalog}/images.yaml:15:5: frame>=2"""


@pytest.fixture
def job_in(tmp_path: Path) -> Callable[[str], Job]:
    return lambda name: idle_job(tmp_path / name)


def test_two_machines_keep_the_same_of_the_same_failure(job_in: Callable[[str], Job]) -> None:
    kept = set()
    for name in ("one", "another"):
        job = job_in(name)
        scratch = f"/var/{name}/warmbase-lock-{name}"
        said = UV.format(python=f"/opt/{name}/bin/python", scratch=scratch, catalog=job.catalog.folder)
        kept.add(as_kept(said, job))
    assert kept == {
        "wish:py3.13 cannot be resolved:\n"
        "  × No solution found when resolving dependencies in pyproject.toml:\n"
        "asked for in the catalog:\n"
        "  images.yaml:15:5: frame>=2"
    }


def test_paths_of_the_cache_are_relative_to_it(job_in: Callable[[str], Job]) -> None:
    job = job_in("one")
    assert as_kept(f"no room in {job.folders.root}/store/blobs", job) == "no room in store/blobs"


def test_nobodys_name_is_told(job_in: Callable[[str], Job]) -> None:
    assert as_kept(f"{Path.home()}/netrc cannot be read", job_in("one")) == "~/netrc cannot be read"


def test_the_names_of_repositories_stay(job_in: Callable[[str], Job]) -> None:
    said = "registry.example:5000/bases/warmbase-journal:data-py3.13: format 2 instead of 1"
    assert as_kept(said, job_in("one")) == said


@pytest.mark.parametrize("text", ["/srv/cat2/x", "/mnt/srv/cat/x", "/srv/cat-x", "/srv/cat.old/x", "https://srv/cat"])
def test_a_path_that_only_looks_alike_stays(text: str) -> None:
    assert without_folders(text, [Path("/srv/cat")]) == text


def test_the_root_is_no_folder_to_leave_out() -> None:
    assert without_folders("/usr/bin/python3", [Path("/")]) == "/usr/bin/python3"


def test_of_a_long_message_its_beginning_and_its_end_are_kept() -> None:
    kept = shorten("\n".join(map(str, range(2000)))).splitlines()
    assert (kept[0], kept[-1], len(kept)) == ("0", "1999", 41)
    assert "… 1960 more lines …" in kept
    letters = shorten("a" + "x" * 100_000 + "z")
    assert (letters[0], letters[-1]) == ("a", "z")
    assert len(letters) < 5000


def test_a_short_message_is_kept_as_it_is() -> None:
    assert shorten("app: no\n  smoke.py: it ended with code 1") == "app: no\n  smoke.py: it ended with code 1"
