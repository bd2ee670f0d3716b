"""Developing in a container on a base: with docker compose, and in a dev container."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
"""What the reference (containers.dev, "Dev Container metadata reference") says of the keys that are used here; others
are not admitted. It is no copy of the schema that is published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DevContainer:
    """A container that runs, `said` is its devcontainer.json, `started` the seconds of its start."""

    workshop: Workshop
    said: Mapping[str, Any]
    id: str
    started: float

    def run(self, *command: str) -> str:
        """What a command says, run by the remote user."""
        return self.workshop.engine.docker("exec", "--user", self.said["remoteUser"], self.id, *command)


def compose(workshop: Workshop, folder: Path, *arguments: str) -> str:
    environment = {**workshop.engine.environment, "PORT": "0", "COMPOSE_PROJECT_NAME": "warmbase-children"}
    done = run("docker", "compose", *arguments, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_compose_runs_a_bind_mount_and_sees_what_to_watch(workshop: Workshop, tmp_path: Path) -> None:
    """What is edited on the host is served at once, from the base's venv."""
    folder = tmp_path / "service"
    shutil.copytree(workshop.folder / "compose", folder)
    (folder / "compose.override.yaml").write_text("services: {web: {build: {network: none}}}\n", encoding="utf-8")
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


@pytest.fixture
def dev_container(workshop: Workshop, tmp_path: Path) -> Iterator[DevContainer]:
    """As the tools do it: build, mount the folder, wait; what is run in it is the remote user's."""
    said: dict[str, Any] = json.loads((FOLDER / "devcontainer/.devcontainer/devcontainer.json").read_bytes())
    jsonschema.Draft202012Validator(DEV_CONTAINER).validate(said)
    folder = tmp_path / "report"
    shutil.copytree(workshop.folder / "lock-in-place", folder)
    shutil.copytree(FOLDER / "devcontainer", folder, dirs_exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 1000, 1000)
    docker, build = workshop.engine.docker, folder / ".devcontainer"
    dockerfile = build / said["build"]["dockerfile"]
    docker("build", "--quiet", "--network=none", "--tag=dev-container", "--file", dockerfile, build)
    place = ("--volume", f"{folder}:/workspaces/report", "--workdir", "/workspaces/report")
    begun = time.monotonic()
    container = docker("run", "--detach", "--network=none", *place, "dev-container", "sleep", "infinity")
    try:
        yield DevContainer(workshop=workshop, said=said, id=container, started=time.monotonic() - begun)
    finally:
        docker("rm", "--force", container)


def test_a_dev_container_syncs_in_place_as_its_own_user(
    workshop: Workshop, dev_container: DevContainer, results: list[Measured]
) -> None:
    settings = dev_container.said["customizations"]["vscode"]["settings"]
    assert settings["python.defaultInterpreterPath"] == "/opt/venv/bin/python"
    begun = time.monotonic()
    dev_container.run("sh", "-c", dev_container.said["postCreateCommand"])
    seconds = time.monotonic() - begun
    assert "Oslo,7" in dev_container.run("python", "report.py")
    size = int(workshop.engine.docker("inspect", "--size", "--format", "{{.SizeRw}}", dev_container.id))
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
            start=dev_container.started,
        )
    )
