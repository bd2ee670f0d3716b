"""The workflows that `warmbase init --ci` writes: by the schemas of who runs them, and by running their scripts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from warmbase.catalog.load import load_catalog
from warmbase.nightly.matrix import Part, plan_parts, to_github, to_gitlab
from warmbase.nightly.model import Decision

ALL = ("github", "github-locks", "gitlab", "kubernetes")
WORKFLOWS = tuple(f".github/workflows/bases-{name}.yml" for name in ("locks", "nightly", "publish", "pull-request"))
ACTION = ".github/actions/warmbase/action.yml"


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def init(folder: Path, *workflows: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    options = [option for workflow in workflows for option in ("--ci", workflow)]
    folder.mkdir(exist_ok=True)
    return run(sys.executable, "-m", "warmbase", "init", *options, cwd=folder, code=code)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bases with all workflows."""
    folder = tmp_path_factory.mktemp("workflows")
    init(folder, *ALL)
    return folder


def read(path: Path) -> Any:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 takes the key `on` for a boolean.
    return {"on" if key is True else key: value for key, value in document.items()}


def scripts_in(document: Any) -> Iterator[str]:
    """Every shell script of a document: `run` of GitHub, `script` and `before_script` of GitLab, `command` of a pod."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            if key == "run":
                yield value
            elif key in ("script", "before_script"):
                yield "\n".join(value)
            elif key == "command":
                yield value[-1]
            else:
                yield from scripts_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from scripts_in(value)


def all_scripts(folder: Path) -> dict[str, str]:
    paths = (*WORKFLOWS, ACTION, ".gitlab-ci.yml", "deploy/nightly.yaml")
    return {
        f"{path} {number}": script for path in paths for number, script in enumerate(scripts_in(read(folder / path)))
    }


def check_schema(schema: str, *paths: Path, code: int = 0) -> str:
    """Validate with the schemas that come with check-jsonschema; what it says."""
    command: tuple[str | Path, ...] = (
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        f"vendor.{schema}",
        *paths,
    )
    transform = ("--data-transform", "gitlab-ci") if schema == "gitlab-ci" else ()
    return run(*command, *transform, cwd=paths[0].parent, code=code).stdout


def test_github_s_workflows_are_what_its_schema_says(folder: Path) -> None:
    check_schema("github-workflows", *(folder / path for path in WORKFLOWS))
    check_schema("github-actions", folder / ACTION)


def test_gitlab_s_pipeline_is_what_its_schema_says(folder: Path) -> None:
    check_schema("gitlab-ci", folder / ".gitlab-ci.yml")


def test_the_cronjob_is_what_kubernetes_schema_says_to_the_last_field(folder: Path) -> None:
    run(sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", folder / "deploy/nightly.yaml", cwd=folder)


def test_the_schemas_find_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    workflow, cronjob = read(folder / WORKFLOWS[1]), read(folder / "deploy/nightly.yaml")
    workflow["jobs"]["refresh"]["strategy"]["fail_fast"] = True
    cronjob["spec"]["jobTemplate"]["spec"]["completionsMode"] = "Indexed"
    for name, document in (("workflow.yml", workflow), ("cronjob.yaml", cronjob)):
        (tmp_path / name).write_text(yaml.safe_dump(document), encoding="utf-8")
    assert "fail_fast" in check_schema("github-workflows", tmp_path / "workflow.yml", code=1)
    wrong = run(sys.executable, "-m", "kubernetes_validate", "--strict", "cronjob.yaml", cwd=tmp_path, code=1)
    assert "completionsMode" in wrong.stdout + wrong.stderr


def test_every_script_can_be_read_by_its_shell(folder: Path) -> None:
    for name, script in all_scripts(folder).items():
        # GitHub puts values in the place of its expressions.
        text = re.sub(r"\$\{\{.*?\}\}", "value", script)
        shell = "bash" if name.startswith(".github") else "sh"
        done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"


def test_no_script_has_an_expression_that_somebody_else_writes(folder: Path) -> None:
    """GitHub's "Security hardening": what comes from a pull request goes through the environment."""
    said = {found for script in all_scripts(folder).values() for found in re.findall(r"\$\{\{\s*(.*?)\s*\}\}", script)}
    assert said <= {"github.workflow"}


def test_the_scripts_call_targets_of_the_makefile_with_options_that_there_are(folder: Path) -> None:
    calls = [call for script in all_scripts(folder).values() for call in re.findall(r"^make (\w+)(.*)$", script, re.M)]
    assert {target for target, _ in calls} == {"check", "nightly", "publish"}
    for target, arguments in calls:
        said = run("make", "-n", "WARMBASE=true", target, cwd=folder).stdout
        assert f"true {target}" in said
        known = run(sys.executable, "-m", "warmbase", target, "--help", cwd=folder).stdout
        for option in re.findall(r"--[a-z-]+", arguments):
            assert option in known, f"warmbase {target} has no {option}"


def test_actions_are_pinned_by_major_version(folder: Path) -> None:
    texts = [(folder / path).read_text(encoding="utf-8") for path in (*WORKFLOWS, ACTION)]
    used = [action for text in texts for action in re.findall(r"uses: (.*)", text)]
    assert used
    others = [action for action in used if action != "./.github/actions/warmbase"]
    assert [action for action in others if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_as_many_pods_run_as_there_are_parts(folder: Path) -> None:
    job = read(folder / "deploy/nightly.yaml")["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert (job["completionMode"], str(job["completions"])) == ("Indexed", variables["WARMBASE_SHARDS"])
    assert job["podFailurePolicy"]["rules"][1]["onExitCodes"]["containerName"] == container["name"]


def test_make_nightly_is_well_when_time_ran_out_and_fails_when_a_variant_did(tmp_path: Path) -> None:
    init(tmp_path)
    warmbase = tmp_path / "warmbase"
    warmbase.write_text('#!/bin/sh\necho "$@" >said\nexit $CODE\n', encoding="utf-8")
    warmbase.chmod(0o755)
    for code, result in {"0": 0, "75": 0, "3": 2, "1": 2}.items():
        command = ("make", f"WARMBASE={warmbase}", "nightly", "VARIANTS=core", "OPTIONS=--max-time 2h")
        run(*command, cwd=tmp_path, env={"CODE": code}, code=result)
        assert (tmp_path / "said").read_text() == "nightly core --report report --max-time 2h\n"


def test_workflows_come_to_a_catalog_that_is_there(tmp_path: Path) -> None:
    init(tmp_path)
    catalog = tmp_path / "images.yaml"
    catalog.write_text(catalog.read_text() + "# ours\n", encoding="utf-8")
    said = init(tmp_path, "gitlab").stdout
    assert said.startswith("wrote .gitlab-ci.yml\n")
    assert catalog.read_text().endswith("# ours\n")


@pytest.fixture
def checkout(folder: Path, tmp_path: Path) -> Path:
    """A repository with an origin, new locks that are not committed, and a `gh` that writes down what it is asked."""
    work = tmp_path / "work"
    run("git", "init", "--quiet", "--bare", "--initial-branch=main", tmp_path / "origin", cwd=tmp_path)
    run("git", "clone", "--quiet", tmp_path / "origin", work, cwd=tmp_path)
    (work / "bases/core").mkdir(parents=True)
    (work / "bases/core/py3.13.txt").write_text("numpy==1\n", encoding="utf-8")
    run("git", "add", ".", cwd=work)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b.invalid", "commit", "-qm", "Start", cwd=work)
    run("git", "push", "--quiet", "origin", "main", cwd=work)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$*" >>"$SAID"\n[ "$2" = create ]\n', encoding="utf-8")
    (programs / "gh").chmod(0o755)
    (work / "report").mkdir()
    (work / "report/message.txt").write_text("core: numpy 1 → 2\n\nIt moved.\n", encoding="utf-8")
    (work / "report/changelog.md").write_text("# numpy\n", encoding="utf-8")
    return work


def propose(folder: Path, checkout: Path) -> list[str]:
    """Run the step that proposes new locks; what it asked `gh` for."""
    steps = read(folder / WORKFLOWS[0])["jobs"]["locks"]["steps"]
    (script,) = (step["run"] for step in steps if step.get("name") == "Propose")
    said = checkout.with_name("said")
    said.touch()
    env = {
        "PATH": f"{checkout.with_name('programs')}:{os.environ['PATH']}",
        "SAID": str(said),
        "BRANCH": "bases-nightly",
        "HOME": str(checkout),
    }
    text = script.replace("${{ github.workflow }}", "locks of the bases")
    run("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text, cwd=checkout, env=env)
    return said.read_text(encoding="utf-8").splitlines()


def test_new_locks_are_proposed_with_their_message(folder: Path, checkout: Path) -> None:
    (checkout / "bases/core/py3.13.txt").write_text("numpy==2\n", encoding="utf-8")
    said = propose(folder, checkout)
    title = "--title core: numpy 1 → 2 --body-file body.md"
    assert said == [f"pr edit bases-nightly {title}", f"pr create --head bases-nightly {title}"]
    origin = checkout.with_name("origin")
    assert run("git", "log", "-1", "--format=%B", "bases-nightly", cwd=origin).stdout.strip().endswith("It moved.")
    changed = run("git", "diff", "--name-only", "main", "bases-nightly", cwd=origin).stdout.split()
    assert changed == ["bases/core/py3.13.txt"]


def test_no_new_locks_propose_nothing(folder: Path, checkout: Path) -> None:
    assert propose(folder, checkout) == []
    assert run("git", "branch", "--format=%(refname:short)", cwd=checkout.with_name("origin")).stdout == "main\n"


def parts_of(folder: Path) -> tuple[Part, ...]:
    """Every variant of the started catalog, stale."""
    variants = load_catalog(folder / "images.yaml").variants
    return plan_parts(variants, [Decision(variant=variant.name, verdict="stale") for variant in variants], {})


def test_github_s_job_has_what_the_matrix_gives_it(folder: Path, tmp_path: Path) -> None:
    printed = json.loads(to_github(parts_of(folder)))
    path = folder / ".github/workflows/bases-nightly.yml"
    used = set(re.findall(r"\bmatrix\.(\w+)\s*\}\}", path.read_text(encoding="utf-8")))
    assert used == set(printed["include"][0]) == {"shard", "variants"}
    workflow = read(path)
    workflow["jobs"]["refresh"]["strategy"]["matrix"] = printed
    (tmp_path / "workflow.yml").write_text(json.dumps(workflow), encoding="utf-8")
    check_schema("github-workflows", tmp_path / "workflow.yml")


def test_nothing_stale_starts_no_job_of_github_s(folder: Path) -> None:
    assert json.loads(to_github(())) == {"include": []}
    job = read(folder / ".github/workflows/bases-nightly.yml")["jobs"]["refresh"]
    assert job["if"] == "fromJSON(needs.stale.outputs.matrix).include[0]"


def test_gitlab_can_include_its_matrix(folder: Path, tmp_path: Path) -> None:
    for parts in (parts_of(folder), ()):
        (tmp_path / "matrix.yml").write_text(to_gitlab(parts), encoding="utf-8")
        check_schema("gitlab-ci", tmp_path / "matrix.yml")
