"""Builders: BuildKit wherever the user has it, reached through Docker Buildx by python-on-whales.

A builder is what `docker buildx ls` lists: the engine's own, a container, pods in a cluster, or a BuildKit daemon
elsewhere. All that it is asked for goes through one `docker buildx bake`, so that the steps of all targets run at once
on all the nodes it has.
"""

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from warmbase.effects.docker.bake import Host, Target, bake_definition, find_host
from warmbase.effects.process import mask_secrets, secrets_in
from warmbase.errors import BuilderError

if TYPE_CHECKING:
    from python_on_whales import DockerClient
    from python_on_whales.components.buildx.cli_wrapper import Builder as Found

Metadata = Mapping[str, Any]
"""What Buildx says about a target that it has built (Docker's manual, "docker buildx build", --metadata-file)."""

Advance = Callable[[int, int, str], object]
"""Is told how many of how many steps are done, and the name of the last one that began."""

_INSTALL = "install Docker with its Buildx plugin; the engine may be elsewhere: `--builder NAME` takes any builder"
_CONTAINERD = "io.containerd.snapshotter.v1"
_LAST_LINES = 40
_SHORTEST_WORD = 6  # of a secret: shorter ones are brackets, keys and the like
_SHORTEST_VALUE = 4  # after a "=" or a ":", or in quotes
_QUOTED = re.compile(r"""(?<=")[^"\n]+(?=")|(?<=')[^'\n]+(?=')""")


def ignore_steps(_done: int, _total: int, _name: str) -> None:
    """Tell nobody."""


class Builder(Protocol):
    """Builds targets. `platforms` are those that it can build for."""

    @property
    def name(self) -> str:
        """The builder's name, as `docker buildx ls` has it."""
        ...

    @property
    def platforms(self) -> frozenset[str]:
        """The platforms that its nodes build for."""
        ...

    def bake(
        self, targets: Sequence[Target], folder: Path, *, advance: Advance = ignore_steps
    ) -> Mapping[str, Metadata]:
        """Build all `targets` at once; metadata by the target's name. `folder` is for the builder's own files.

        Raises BuilderError, whose `target` is the one that failed. Nothing is built if one of them fails.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildxBuilder:
    """A builder that answers."""

    name: str
    platforms: frozenset[str]
    client: "DockerClient"
    host: Host

    def bake(
        self, targets: Sequence[Target], folder: Path, *, advance: Advance = ignore_steps
    ) -> Mapping[str, Metadata]:
        """See `Builder`."""
        from python_on_whales.exceptions import DockerException

        self._check_platforms(targets)
        _check_ssh(targets)
        secrets = _read_secrets(targets)
        definition, metadata = folder / "bake.json", folder / "metadata.json"
        definition.write_text(json.dumps(bake_definition(targets, self.host)), encoding="utf-8")
        said: list[str] = []
        try:
            lines: Any = self.client.buildx.bake(
                builder=self.name,
                files=definition,
                metadata_file=metadata,
                progress="plain",
                stream_logs=True,
                # The definition is ours: what it reads and writes is what the catalog names.
                variables={"BUILDX_BAKE_ENTITLEMENTS_FS": "0", "BUILDX_METADATA_PROVENANCE": "min"},
            )
            _follow(lines, said, advance)
        except DockerException:
            raise _failure(said, targets, secrets) from None
        found: dict[str, Metadata] = json.loads(metadata.read_text(encoding="utf-8"))
        return found

    def _check_platforms(self, targets: Iterable[Target]) -> None:
        for target in targets:
            missing = sorted(set(target.platforms) - self.platforms)
            if missing:
                raise BuilderError(
                    f"the builder {self.name} does not build for {', '.join(missing)}, but for"
                    f" {', '.join(sorted(self.platforms)) or 'no platform'}",
                    next_step="name one that does with `--builder NAME` or the catalog's `builder`, or register qemu"
                    " with binfmt_misc where the builder runs",
                    target=target.name,
                )


def find_builder(name: str = "") -> Builder:
    """The Buildx builder called `name`, or the current one. Raises BuilderError that says what is missing.

    A builder that is not running yet is started, which in a cluster may take its time.
    """
    if not shutil.which("docker"):
        raise BuilderError("docker is not installed", next_step=_INSTALL)
    from python_on_whales import DockerClient
    from python_on_whales.exceptions import DockerException

    client = DockerClient(client_call=_leash(["docker"]))
    try:
        client.buildx.version()
    except DockerException:
        raise BuilderError("docker has no Buildx", next_step=_INSTALL) from None
    try:
        found = client.buildx.inspect(name or None, bootstrap=True)
    except (DockerException, ValueError) as error:
        raise _unusable(name, getattr(error, "stderr", None) or str(error)) from None
    _check_output(found, client)
    running = [node for node in found.nodes or () if node.status == "running"]
    if not running:
        raise _unusable(found.name or name, "none of its nodes runs")
    platforms = frozenset(platform.rstrip("*") for node in running for platform in node.platforms or ())
    return BuildxBuilder(name=found.name or name, platforms=platforms, client=client, host=find_host(os.environ))


def _check_output(found: "Found", client: "DockerClient") -> None:
    """The engine's own builder writes OCI layouts with the containerd store alone."""
    if found.driver != "docker":
        return
    status = client.system.info().driver_status or []
    if not any(_CONTAINERD in pair for pair in status):
        raise BuilderError(
            f"the builder {found.name} cannot write OCI layouts: its engine does not use the containerd image store",
            next_step='turn that on (`"features": {"containerd-snapshotter": true}` in daemon.json), or make another'
            " builder with `docker buildx create --name NAME` and name it with `--builder NAME`",
        )


def _leash(command: Sequence[str]) -> list[str]:
    """`command` so that it does not outlive this process (setpriv(1))."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else list(command)


def _unusable(name: str, said: str) -> BuilderError:
    reason = said.strip().splitlines()[-1].removeprefix("ERROR: ") if said.strip() else "it says nothing"
    return BuilderError(
        f"{f'the builder {name}' if name else 'the current builder'} cannot be used: {reason}",
        next_step="see `docker buildx ls`, start it, or name another one with `--builder NAME`",
    )


def _follow(lines: Iterable[str], said: list[str], advance: Advance) -> None:
    """Read Buildx's plain progress to its end: "#5 [target 2/3] RUN …", "#5 1.2 …", "#5 DONE 1.3s"."""
    begun: dict[str, str] = {}
    done = set[str]()
    for line in lines:
        said.append(line.rstrip("\n"))
        number, _, rest = line.strip().partition(" ")
        if not number.startswith("#"):
            continue
        if rest.startswith("[") and number not in begun:
            begun[number] = rest
        elif rest.startswith(("DONE", "CACHED")):
            done.add(number)
        else:
            continue
        advance(len(done), len(begun), begun.get(number, ""))


def _failure(said: Sequence[str], targets: Sequence[Target], secrets: Iterable[str]) -> BuilderError:
    """What Buildx said in the end: the last lines of the step that failed, where it is, and why."""
    last = next((line for line in reversed(said) if line.startswith("ERROR: ")), "ERROR: it said nothing")
    reason = last.removeprefix("ERROR: ")
    failed = next((one.name for one in targets if reason.startswith(f"target {one.name}: ")), "")
    if not failed and len(targets) == 1:
        failed = targets[0].name
    start = next((number for number, line in enumerate(said) if line == "------"), len(said))
    excerpt = [line for line in said[start:] if not line.startswith("ERROR: ")][-_LAST_LINES:]
    message = "\n".join([reason.removeprefix(f"target {failed}: ").removeprefix("failed to solve: "), *excerpt])
    return BuilderError(
        mask_secrets(message.rstrip(), [*secrets, *secrets_in(os.environ)]),
        next_step=_advise(reason, next((one for one in targets if one.name == failed), None)),
        target=failed,
    )


def _advise(reason: str, target: Target | None) -> str:
    """What to do about a reason in BuildKit's words; nothing else tells what kind of failure it is."""
    if "failed to resolve source metadata for" in reason:
        return (
            "correct the image's name, log in to its registry with `docker login`, or name a mirror of it under"
            " `contexts` in the catalog"
        )
    if target and target.stage and "target stage" in reason:
        return f"correct `target` in the catalog, or give a stage of the Dockerfile the name {target.stage}"
    return "mend the step; `docker build` of the same folder shows all that it says"


def _check_ssh(targets: Iterable[Target]) -> None:
    """Raise BuilderError for an agent or a key that is not there: Buildx would not say which target it is for."""
    for target in targets:
        for access in target.ssh:
            name, _, paths = access.partition("=")
            variable = os.environ.get("SSH_AUTH_SOCK", "")
            missing = [path for path in (paths or variable).split(",") if not Path(path).exists() or not path]
            if missing:
                where = f"there is nothing at {missing[0]}" if missing[0] else "the variable SSH_AUTH_SOCK is not set"
                raise BuilderError(
                    f"the ssh access {name} is missing: {where}",
                    next_step="start ssh-agent and add a key, or correct `ssh` in the catalog",
                    target=target.name,
                )


def _read_secrets(targets: Iterable[Target]) -> list[str]:
    """The values of the targets' secrets, which no message may tell. Raises BuilderError for one that is not there."""
    values = []
    for target in targets:
        for secret in target.secrets:
            value = os.environ.get(secret.env, "") if secret.env else _read(secret.file)
            if not value:
                where = f"the variable {secret.env} is not set" if secret.env else f"{secret.file} cannot be read"
                raise BuilderError(
                    f"the secret {secret.id} is missing: {where}",
                    next_step="provide it, or take it out of `secrets` in the catalog",
                    target=target.name,
                )
            values += _parts_of(value)
    return values


def _parts_of(secret: str) -> list[str]:
    """What a message may hold of a secret: all of it, or a line, a word or a value in it, also as base64."""
    lines = [line.strip() for line in secret.splitlines()]
    values = [line[found.end() :].strip() for line in lines for found in re.finditer("[=:]", line)]
    values = [value for value in (*values, *_QUOTED.findall(secret)) if len(value) >= _SHORTEST_VALUE]
    words = [word for word in (*lines, *secret.split()) if len(word) >= _SHORTEST_WORD]
    coded = [base64.b64encode(part.encode()).decode() for part in (secret, secret.strip(), *lines, *values) if part]
    return [secret, secret.strip(), *values, *words, *coded, *(code.rstrip("=") for code in coded)]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
