"""The scripts of the workflows that `warmbase init --ci` writes, run where `gh`, `make` and others only say what they
were asked."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.workflows import ALL, LOCKS, NIGHTLY, PULL_REQUEST, init, read, run

BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How GitHub runs a step that says `shell: bash`; without it there is no pipefail."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bases with all workflows."""
    folder = tmp_path_factory.mktemp("workflows")
    init(folder, *ALL)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs that stand in for others: each writes down what it is asked, and fails if FAILS names it.

    `gh` answers what a file of the same folder says, by its first two words: `gh-pr-list`, say.
    """
    programs = tmp_path / "programs"
    programs.mkdir()
    says = 'printf "%s\\n" "$name $*" >>"$SAID"\ncase " $FAILS " in *" $name "*) exit 2 ;; esac\n'
    bodies = {
        "gh": 'cat "$(dirname "$0")/gh-$1-$2" 2>/dev/null || true\n',
        "curl": 'case "$*" in *per_page*) cat "$(dirname "$0")/notes" ;; esac\n',
        "make": (
            'case "$*" in *nightly*) mkdir -p report; echo "# The report" >report/report.md ;; *) echo moved ;; esac\n'
        ),
        "warmbase": "echo '{\"include\": []}'\n",
    }
    for name, body in bodies.items():
        (programs / name).write_text(f"#!/bin/sh\nname={name}\n{says}{body}", encoding="utf-8")
        (programs / name).chmod(0o755)
    (programs / "notes").write_text("[]", encoding="utf-8")
    return programs


@pytest.fixture
def checkout(tmp_path: Path, programs: Path) -> Path:
    """A repository with an origin, and a night's report with new locks to come."""
    work = tmp_path / "work"
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", tmp_path / "origin", cwd=tmp_path)
    run("git", "clone", "--quiet", tmp_path / "origin", work, cwd=tmp_path)
    commit(work, "core", "numpy==1\n")
    commit(work, "data", "pandas==1\n")
    (work / "report").mkdir()
    (work / "report/message.txt").write_text("core: numpy 1 → 2\n\nIt moved.\n", encoding="utf-8")
    (work / "report/changelog.md").write_text("# numpy\n", encoding="utf-8")
    return work


def lock(work: Path, image: str) -> Path:
    return work / f"bases/{image}/py3.13.txt"


def commit(work: Path, image: str, text: str) -> None:
    """Merge a lock, as somebody else does."""
    lock(work, image).parent.mkdir(parents=True, exist_ok=True)
    lock(work, image).write_text(text, encoding="utf-8")
    run("git", "add", "bases", cwd=work)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", "commit", "-qm", f"Lock {image}", cwd=work)
    run("git", "push", "--quiet", "origin", "main", cwd=work)


def step_of(folder: Path, workflow: str, job: str, name: str) -> str:
    """The script of a step."""
    (script,) = (step["run"] for step in read(folder / workflow)["jobs"][job]["steps"] if step.get("name") == name)
    return str(script)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a script asked of programs, what it gave to steps after it, and its summary."""

    said: list[str]
    outputs: dict[str, str]
    summary: str


def run_script(
    script: str,
    where: Path,
    programs: Path,
    env: Mapping[str, str] | None = None,
    *,
    shell: Sequence[str] = BASH,
    code: int = 0,
) -> Ran:
    """Run a script as its runner does, with `programs` before the machine's."""
    files = {name: programs / name.lower() for name in ("SAID", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("", encoding="utf-8")
    all_env = {
        **{name: str(file) for name, file in files.items()},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(where),
        "FAILS": "",
        **(env or {}),
    }
    run(*shell, script.replace("${{ github.workflow }}", "locks of the bases"), cwd=where, env=all_env, code=code)
    said, outputs, summary = (file.read_text(encoding="utf-8") for file in files.values())
    return Ran(
        said=said.splitlines(), outputs=dict(line.split("=", 1) for line in outputs.splitlines()), summary=summary
    )


def night_of_locks(folder: Path, checkout: Path, programs: Path, **locks: str) -> list[str]:
    """A night of the workflow that proposes locks, on a runner's new copy: it finds `locks`. What it asked `gh` for."""
    fresh = checkout.with_name("runner")
    shutil.rmtree(fresh, ignore_errors=True)
    run("git", "clone", "--quiet", checkout.with_name("origin"), fresh, cwd=checkout)
    shutil.copytree(checkout / "report", fresh / "report")
    branch = {"BRANCH": "bases-nightly"}
    begun = run_script(step_of(folder, LOCKS, "locks", "Go on from what is proposed"), fresh, programs, branch)
    for image, text in locks.items():
        lock(fresh, image).write_text(text, encoding="utf-8")
    given = {"NUMBER": begun.outputs["number"], "CONTINUED": begun.outputs.get("continued", "")}
    proposed = run_script(step_of(folder, LOCKS, "locks", "Propose"), fresh, programs, branch | given)
    return [asked for asked in (*begun.said, *proposed.said) if not asked.startswith("gh pr list")]


def log_of(checkout: Path) -> list[str]:
    """The subjects of what is proposed."""
    origin = checkout.with_name("origin")
    return run("git", "log", "--format=%s", "main..bases-nightly", cwd=origin).stdout.splitlines()


TITLE = "--title core: numpy 1 → 2 --body-file body.md"


def test_new_locks_are_proposed_with_their_message(folder: Path, checkout: Path, programs: Path) -> None:
    said = night_of_locks(folder, checkout, programs, core="numpy==2\n")
    assert said == [f"gh pr create --head bases-nightly {TITLE}"]
    origin = checkout.with_name("origin")
    assert run("git", "log", "-1", "--format=%B", "bases-nightly", cwd=origin).stdout.strip().endswith("It moved.")
    changed = run("git", "diff", "--name-only", "main", "bases-nightly", cwd=origin).stdout.split()
    assert changed == ["bases/core/py3.13.txt"]


def test_no_new_locks_propose_nothing(folder: Path, checkout: Path, programs: Path) -> None:
    assert night_of_locks(folder, checkout, programs) == []
    assert run("git", "branch", "--format=%(refname:short)", cwd=checkout.with_name("origin")).stdout == "main\n"


def test_a_second_night_goes_on_from_what_is_proposed(folder: Path, checkout: Path, programs: Path) -> None:
    night_of_locks(folder, checkout, programs, core="numpy==2\n")
    (programs / "gh-pr-list").write_text("7\n", encoding="utf-8")
    commit(checkout, "data", "pandas==2\n")
    assert night_of_locks(folder, checkout, programs) == []
    (checkout / "report/message.txt").write_text("core: numpy 2 → 3\n", encoding="utf-8")
    assert night_of_locks(folder, checkout, programs, core="numpy==3\n") == ["gh pr comment 7 --body-file body.md"]
    assert log_of(checkout) == ["core: numpy 2 → 3", "core: numpy 1 → 2"]
    origin = checkout.with_name("origin")
    assert run("git", "show", "bases-nightly:bases/data/py3.13.txt", cwd=origin).stdout == "pandas==2\n"


def test_what_is_proposed_and_cannot_be_put_on_top_of_what_was_merged_is_proposed_anew(
    folder: Path, checkout: Path, programs: Path
) -> None:
    night_of_locks(folder, checkout, programs, core="numpy==2\n")
    (programs / "gh-pr-list").write_text("7\n", encoding="utf-8")
    commit(checkout, "core", "numpy==1.5\n")
    assert night_of_locks(folder, checkout, programs, core="numpy==2\n") == [f"gh pr edit 7 {TITLE}"]
    assert log_of(checkout) == ["core: numpy 1 → 2"]


def test_after_a_merge_the_next_locks_are_a_new_proposal(folder: Path, checkout: Path, programs: Path) -> None:
    """The branch is still there, and `gh` lists no open pull request of it."""
    night_of_locks(folder, checkout, programs, core="numpy==2\n")
    commit(checkout, "core", "numpy==2\n")
    said = night_of_locks(folder, checkout, programs, core="numpy==3\n")
    assert said == [f"gh pr create --head bases-nightly {TITLE}"]
    assert len(log_of(checkout)) == 1


def test_only_open_pull_requests_of_this_repository_are_asked_for(folder: Path) -> None:
    script = step_of(folder, LOCKS, "locks", "Go on from what is proposed")
    (query,) = re.findall(r'--jq "(.*)"', script)
    assert "--state open" in script
    fork, own = {"number": 3, "isCrossRepository": True}, {"number": 7, "isCrossRepository": False}
    for listed, number in (([], ""), ([fork], ""), ([fork, own], "7")):
        found = subprocess.run(
            ["jq", "-r", query], input=json.dumps(listed), capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == number


def test_what_is_stale_is_found_or_the_step_fails(folder: Path, tmp_path: Path, programs: Path) -> None:
    script = step_of(folder, NIGHTLY, "stale", "Find what is stale")
    shell = ("bash", "-e", "-c")
    assert run_script(script, tmp_path, programs, shell=shell).outputs == {"matrix": '{"include": []}'}
    failed = run_script(script, tmp_path, programs, {"FAILS": "warmbase"}, shell=shell, code=2)
    assert failed.outputs == {}


def test_a_night_in_which_nothing_is_stale_has_a_report_too(folder: Path, tmp_path: Path, programs: Path) -> None:
    script = step_of(folder, NIGHTLY, "stale", "Keep what was found")
    assert run_script(script, tmp_path, programs).said == ["make nightly REPORT=report OPTIONS=--max-time 0s"]
    assert run_script(step_of(folder, NIGHTLY, "stale", "Report"), tmp_path, programs).summary == "# The report\n"


def test_a_pull_request_s_plan_is_one_comment(folder: Path, tmp_path: Path, programs: Path) -> None:
    plan, comment = (step_of(folder, PULL_REQUEST, "plan", name) for name in ("Plan", "Comment"))
    assert run_script(plan, tmp_path, programs).summary == "# The report\n"
    env = {"NUMBER": "5", "GITHUB_REPOSITORY": "team/bases"}
    assert run_script(comment, tmp_path, programs, env).said[1:] == ["gh pr comment 5 --body-file comment.md"]
    assert (tmp_path / "comment.md").read_text() == "<!-- plan of the bases -->\n# The report\n"
    (programs / "gh-api---paginate").write_text("11\n12\n", encoding="utf-8")
    (edited,) = run_script(comment, tmp_path, programs, env).said[1:]
    assert edited.startswith("gh api --silent --method PATCH repos/team/bases/issues/comments/11 ")


def test_the_comment_is_found_among_those_of_others(folder: Path) -> None:
    (query,) = re.findall(r'"(\.\[\].*)"\)', step_of(folder, PULL_REQUEST, "plan", "Comment"))
    query = query.replace('\\"', '"').replace("$mark", "<!-- plan of the bases -->")
    ours = "<!-- plan of the bases -->\n# A plan"
    said = [("User", ours), ("Bot", "Hello"), ("Bot", ours)]
    comments = [{"id": i, "user": {"type": who}, "body": body} for i, (who, body) in enumerate(said)]
    found = subprocess.run(["jq", "-r", query], input=json.dumps(comments), capture_output=True, text=True, check=True)
    assert found.stdout == "2\n"


def test_where_locks_are_reviewed_a_pull_request_says_what_its_locks_change(
    folder: Path, checkout: Path, programs: Path
) -> None:
    """GitHub checks out the merge: its first parent is what is merged into."""
    commit(checkout, "core", "numpy==2\n")
    ran = run_script(step_of(folder, PULL_REQUEST, "plan", "Compare"), checkout, programs)
    assert ran.said == ["make --silent plan OPTIONS=--against ../before/images.yaml"]
    assert lock(checkout.with_name("before"), "core").read_text() == "numpy==1\n"
    assert ran.summary == "Merging this publishes, as it is locked here:\n\n    moved\n"
    plan, compare = (
        next(step["if"] for step in read(folder / PULL_REQUEST)["jobs"]["plan"]["steps"] if step.get("name") == name)
        for name in ("Plan", "Compare")
    )
    assert (plan, compare) == (
        "hashFiles('.github/workflows/bases-locks.yml') == ''",
        "hashFiles('.github/workflows/bases-locks.yml') != ''",
    )
    run_script(step_of(folder, PULL_REQUEST, "plan", "Compare"), checkout, programs, code=128)


def test_a_merge_request_s_plan_is_one_comment(folder: Path, tmp_path: Path, programs: Path) -> None:
    script = "\n".join(read(folder / ".gitlab-ci.yml")["plan"]["script"])
    env = dict.fromkeys(("COMMENT_TOKEN", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID"), "1")
    env |= {"CI_API_V4_URL": "https://git.example/api/v4"}
    notes = "https://git.example/api/v4/projects/1/merge_requests/1/notes"
    shell = ("sh", "-e", "-c")
    said = run_script(script, tmp_path, programs, env, shell=shell).said
    assert said[:2] == ["make check", "make nightly REPORT=report OPTIONS=--plan"]
    assert said[-1].endswith(f"--request POST --data-urlencode body@comment.md {notes}")
    comment = (tmp_path / "comment.md").read_text()
    assert comment == "<!-- plan of the bases -->\n# The report\n"
    (programs / "notes").write_text(json.dumps([{"id": 3, "body": "Hello"}, {"id": 4, "body": comment}]))
    said = run_script(script, tmp_path, programs, env, shell=shell).said
    assert said[-1].endswith(f"--request PUT --data-urlencode body@comment.md {notes}/4")
    run_script(script, tmp_path, programs, {**env, "FAILS": "curl"}, shell=shell, code=2)
    assert len(run_script(script, tmp_path, programs, {"COMMENT_TOKEN": ""}, shell=shell).said) == 2
