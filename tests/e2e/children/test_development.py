"""Developing in a container on a base: with docker compose, and in a dev container."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.e2e.children.projects import FOLDER
from tests.e2e.children.workshop import ASK, Measured, Workshop
from tests.e2e.docker.engines import run

pytestmark = pytest.mark.docker

_COMMAND = {"type": ["string", "array", "object"]}
DEV_CONTAINER = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string"},
        "build": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("dockerfile", "context", "target")},
            "required": ["dockerfile"],
            "additionalProperties": False,
        },
        "remoteUser": {"type": "string"},
        "postCreateCommand": _COMMAND,
        "postStartCommand": _COMMAND,
        "customizations": {"type": "object"},
    },
    "oneOf": [{"required": ["image"]}, {"required": ["build"]}],
    "additionalProperties": False,
}
"""What the reference (containers.dev, "Dev Container metadata reference") says of the keys that are used here."""


def compose(workshop: Workshop, folder: Path, *arguments: str) -> str:
    environment = {**workshop.engine.environment, "PORT": "0", "COMPOSE_PROJECT_NAME": "warmbase-children"}
    done = run("docker", "compose", *arguments, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_runs_a_bind_mount_and_sees_what_to_watch(workshop: Workshop, tmp_path: Path) -> None:
    """What is edited on the host is served at once, from the base's venv."""
    folder = tmp_path / "service"
    shutil.copytree(workshop.folder / "compose", folder)
    (service,) = json.loads(compose(workshop, folder, "config", "--format", "json"))["services"].values()
    assert [volume["type"] for volume in service["volumes"]] == ["bind"]
    assert [watch["action"] for watch in service["develop"]["watch"]] == ["sync", "rebuild"]
    try:
        compose(workshop, folder, "up", "--build", "--detach", "--quiet-pull")
        ask = ("exec", "-T", "web", "python", "-c", ASK, "/")
        assert "world" in compose(workshop, folder, *ask, "world")
        source = folder / "app" / "main.py"
        source.write_text(source.read_text(encoding="utf-8").replace("world", "bind mount"), encoding="utf-8")
        assert "bind mount" in compose(workshop, folder, *ask, "bind mount")
    finally:
        compose(workshop, folder, "down", "--timeout", "1")


def test_a_dev_container_syncs_in_place_as_its_own_user(
    workshop: Workshop, tmp_path: Path, results: list[Measured]
) -> None:
    """As the tools do it: build, mount the folder, run postCreateCommand as the remote user."""
    said: dict[str, Any] = json.loads((FOLDER / "devcontainer/.devcontainer/devcontainer.json").read_bytes())
    jsonschema.Draft202012Validator(DEV_CONTAINER).validate(said)
    assert said["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] == "/opt/venv/bin/python"
    folder = tmp_path / "report"
    shutil.copytree(workshop.folder / "lock-in-place", folder)
    shutil.copytree(FOLDER / "devcontainer", folder, dirs_exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1000, 1000)
    docker = workshop.engine.docker
    build = folder / ".devcontainer"
    docker(
        "build",
        "--quiet",
        "--network=none",
        "--tag=dev-container",
        "--file",
        build / said["build"]["dockerfile"],
        build,
    )
    place = f"/workspaces/{said['name']}"
    begun = time.monotonic()
    container = docker(
        "run", "--detach", "--network=none", "--volume", f"{folder}:{place}", "--workdir", place, "dev-container",
        "sleep", "infinity",
    )  # fmt: skip
    started = time.monotonic() - begun
    try:
        begun = time.monotonic()
        docker("exec", "--user", said["remoteUser"], container, "sh", "-c", said["postCreateCommand"])
        seconds = time.monotonic() - begun
        asked = docker("exec", "--user", said["remoteUser"], container, "python", "report.py")
        size = int(docker("inspect", "--size", "--format", "{{.SizeRw}}", container))
    finally:
        docker("rm", "--force", container)
    assert "Oslo,7" in asked
    assert size < 1_000_000
    results.append(
        Measured(
            project="devcontainer",
            inherits="a dev container: `postCreateCommand` is `uv sync --frozen`, by a user of its own",
            change="",
            seconds=seconds,
            nothing=workshop.nothing,
            bytes=size,
            compressed=0,
            start=started,
        )
    )
