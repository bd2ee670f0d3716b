"""The workflows that `warmbase init --ci` writes: by the schemas of who runs them, and by running their scripts."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.workflows import ACTION, ALL, CRONJOBS, NIGHTLY, WORKFLOWS, init, read, run

from warmbase import __version__
from warmbase.catalog.load import load_catalog
from warmbase.nightly.matrix import Part, plan_parts, to_github, to_gitlab
from warmbase.nightly.model import Decision


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bases with all workflows."""
    folder = tmp_path_factory.mktemp("workflows")
    init(folder, *ALL)
    return folder


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
    paths = (*WORKFLOWS, ACTION, ".gitlab-ci.yml", *CRONJOBS)
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
    for path in CRONJOBS:
        run(sys.executable, "-m", "kubernetes_validate", "--strict", "--quiet", folder / path, cwd=folder)


def test_the_schemas_find_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    workflow, cronjob = read(folder / NIGHTLY), read(folder / "deploy/nightly.yaml")
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
    scripts = all_scripts(folder).values()
    calls = [call for script in scripts for call in re.findall(r"^make (?:--silent )?(\w+)(.*)$", script, re.M)]
    assert {target for target, _ in calls} == {"check", "nightly", "plan", "publish"}
    for target, arguments in calls:
        said = run("make", "-n", "WARMBASE=true", target, cwd=folder).stdout
        assert f"true {target}" in said
        known = run(sys.executable, "-m", "warmbase", target, "--help", cwd=folder).stdout
        for option in re.findall(r"--[a-z-]+", arguments):
            assert option in known, f"warmbase {target} has no {option}"


def test_the_scripts_call_commands_of_warmbase_s_with_options_that_there_are(folder: Path) -> None:
    scripts = all_scripts(folder).values()
    calls = [call for script in scripts for call in re.findall(r"(?:^|\()warmbase ([a-z]+)([^)\n]*)", script, re.M)]
    assert {command for command, _ in calls} == {"matrix", "gc"}
    for command, arguments in calls:
        known = run(sys.executable, "-m", "warmbase", command, "--help", cwd=folder).stdout
        assert [option for option in re.findall(r"--[a-z-]+", arguments) if option not in known] == []


def test_the_workflows_install_the_warmbase_that_wrote_them(folder: Path) -> None:
    for path in (ACTION, ".gitlab-ci.yml", "deploy/Dockerfile"):
        assert f"'warmbase=={__version__}'" in (folder / path).read_text(encoding="utf-8")


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


def parts_of(folder: Path) -> tuple[Part, ...]:
    """Every variant of the started catalog, stale."""
    variants = load_catalog(folder / "images.yaml").variants
    return plan_parts(variants, [Decision(variant=variant.name, verdict="stale") for variant in variants], {})


def test_github_s_job_has_what_the_matrix_gives_it(folder: Path, tmp_path: Path) -> None:
    printed = json.loads(to_github(parts_of(folder)))
    path = folder / NIGHTLY
    used = set(re.findall(r"\bmatrix\.(\w+)\s*\}\}", path.read_text(encoding="utf-8")))
    assert used == set(printed["include"][0]) == {"shard", "variants"}
    workflow = read(path)
    workflow["jobs"]["refresh"]["strategy"]["matrix"] = printed
    (tmp_path / "workflow.yml").write_text(json.dumps(workflow), encoding="utf-8")
    check_schema("github-workflows", tmp_path / "workflow.yml")


def test_nothing_stale_starts_no_job_of_github_s(folder: Path) -> None:
    assert json.loads(to_github(())) == {"include": []}
    job = read(folder / NIGHTLY)["jobs"]["refresh"]
    condition = job["if"].removeprefix("${{ ").removesuffix(" }}").split(" && ")
    assert condition[-1] == "fromJSON(needs.stale.outputs.matrix).include[0]"
    # `stale` also ends with a failure where something waits after one, and has no matrix where it found none.
    assert condition[:-1] == ["!cancelled()", "needs.stale.outputs.matrix"]


def test_gitlab_can_include_its_matrix(folder: Path, tmp_path: Path) -> None:
    for parts in (parts_of(folder), ()):
        (tmp_path / "matrix.yml").write_text(to_gitlab(parts), encoding="utf-8")
        check_schema("gitlab-ci", tmp_path / "matrix.yml")
