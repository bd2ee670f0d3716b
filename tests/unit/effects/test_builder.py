"""What is said of builders: which is missing, what it cannot do, and where a build failed."""

import os
import re
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from warmbase.effects.docker.bake import Host, Secret, Target
from warmbase.effects.docker.builder import BuildxBuilder, find_builder
from warmbase.errors import BuilderError

SAID = """\
#0 building with "default" instance using docker driver

#7 [b internal] load .dockerignore
#7 DONE 0.0s

#8 [b 2/2] RUN make TOKEN=s3cret
#8 0.310 compiling with s3cret
#8 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
#9 [a 2/2] RUN sleep 1
#9 CANCELED
------
 > [b 2/2] RUN make TOKEN=s3cret:
0.310 compiling with s3cret
0.320 no rule to make target
------
Dockerfile:2
--------------------
   1 |     FROM debian
   2 | >>> RUN make TOKEN=s3cret
--------------------
ERROR: target b: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2
"""


def builder(said: str = "") -> BuildxBuilder:
    """A builder that fails and says `said`."""

    def bake(**_: object) -> Any:
        from python_on_whales.exceptions import DockerException

        yield from said.splitlines(keepends=True)
        raise DockerException(["docker"], 1)

    client = cast(Any, SimpleNamespace(buildx=SimpleNamespace(bake=bake)))
    return BuildxBuilder(name="cluster", platforms=frozenset({"linux/amd64"}), client=client, host=Host())


def target(name: str = "a", **more: Any) -> Target:
    return Target(**{"name": name, "context": ".", "output": {"type": "oci"}, "args": {}, "contexts": {}, **more})


def failure(of: BuildxBuilder, folder: Path, *targets: Target) -> BuilderError:
    with pytest.raises(BuilderError) as caught:
        of.bake(targets, folder)
    return caught.value


def test_a_failed_step_is_told_with_its_last_lines_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEO", "s3cret")
    secret = Secret(id="geo", env="GEO")
    error = failure(builder(SAID), tmp_path, target("a"), target("b", secrets=(secret,)))
    assert error.target == "b"
    assert error.message.splitlines() == [
        'process "/bin/sh -c make" did not complete successfully: exit code: 2',
        "------",
        " > [b 2/2] RUN make TOKEN=***:",
        "0.310 compiling with ***",
        "0.320 no rule to make target",
        "------",
        "Dockerfile:2",
        "--------------------",
        "   1 |     FROM debian",
        "   2 | >>> RUN make TOKEN=***",
        "--------------------",
    ]


def test_of_a_single_target_it_is_known_which_one_failed(tmp_path: Path) -> None:
    error = failure(builder("ERROR: failed to solve: no such stage\n"), tmp_path, target("a"))
    assert (error.target, error.message) == ("a", "no such stage")
    assert failure(builder("ERROR: cluster is away\n"), tmp_path, target("a"), target("b")).target == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("machine mirror.example login joe password pa55w0rd\n", "as pa55w0rd at once"),
        ("[pypi]\nusername = joe\npassword = p5:w\n", "password is p5:w"),
        ('{"auth": {"key": "0123"}}', "0123 is the key"),
        ("pa55w0rd\n", f"Basic {b64encode(b'pa55w0rd').decode()}"),
        ("pa55w0rd\n", f"Basic {b64encode(b'pa55w0rd' + bytes([10])).decode()}"),
        ("key=joe:pa55", f"Basic {b64encode(b'joe:pa55').decode()}"),
    ],
)
def test_no_part_of_a_secret_is_told(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    error = failure(builder(f"ERROR: {said}\n"), tmp_path, target("a", secrets=(Secret(id="geo", file=str(file)),)))
    assert "***" in error.message
    assert not set(re.findall(r"[\w:]{4,}={0,2}", error.message)) - {"Basic", "once", "password"}


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("failed to resolve source metadata for registry.example/a:1: not found", "correct the image's name, log in"),
        ('target stage "run" could not be found', "correct `target` in the catalog"),
        ('process "/bin/sh -c make" did not complete successfully: exit code: 2', "mend the step"),
    ],
)
def test_what_is_advised_fits_what_failed(tmp_path: Path, reason: str, advice: str) -> None:
    error = failure(builder(f"ERROR: failed to solve: {reason}\n"), tmp_path, target("a", stage="run"))
    assert error.next_step.startswith(advice)


def test_a_builder_that_lacks_a_platform_says_which_it_has(tmp_path: Path) -> None:
    error = failure(builder(), tmp_path, target("a"), target("b", platforms=("linux/amd64", "linux/arm64")))
    assert error.message == "the builder cluster does not build for linux/arm64, but for linux/amd64"
    assert error.target == "b"
    assert "--builder NAME" in error.next_step


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (Secret(id="token", env="NOT_SET"), "the variable NOT_SET is not set"),
        (Secret(id="token", file="/nowhere"), "/nowhere cannot be read"),
    ],
)
def test_a_secret_that_is_missing_is_said_before_anything_is_built(tmp_path: Path, secret: Secret, reason: str) -> None:
    """BuildKit would go on without it."""
    error = failure(builder(), tmp_path, target("a", secrets=(secret,)))
    assert error.message == f"the secret token is missing: {reason}"
    assert error.target == "a"


@pytest.mark.parametrize(
    ("access", "reason"),
    [
        ("default", "default is missing: the variable SSH_AUTH_SOCK is not set"),
        ("git=/nowhere", "git is missing: there is nothing at /nowhere"),
    ],
)
def test_ssh_that_is_missing_is_said_with_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access: str, reason: str
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    error = failure(builder(), tmp_path, target("a"), target("b", ssh=(access,)))
    assert (error.target, error.message) == ("b", f"the ssh access {reason}")


def test_a_definition_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEO", "s3cret")
    failure(builder("ERROR: no\n"), tmp_path, target("a", secrets=(Secret(id="geo", env="GEO"),)))
    assert "s3cret" not in (tmp_path / "bake.json").read_text()


def test_a_machine_without_docker_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(BuilderError, match="docker is not installed") as caught:
        find_builder()
    assert "Buildx plugin" in caught.value.next_step
