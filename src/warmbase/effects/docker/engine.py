"""The container engines of this machine, Docker and Podman, reached through their command lines by python-on-whales."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from warmbase.effects.process import last_lines, run_process
from warmbase.errors import RunnerError
from warmbase.oci.archive import ArchivedImage, Blobs, archive_entries, known_ids, stream_tar
from warmbase.oci.digests import digest_of, hex_of

if TYPE_CHECKING:
    from python_on_whales import DockerClient

EngineName = Literal["docker", "podman"]

_INSTALL = "install Docker Engine 23 or newer, or Podman 4 or newer, or push the image to a registry with skopeo"


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """An engine that answers. Which one it is decides what its archives look like."""

    name: EngineName
    client: "DockerClient"

    def command(self, *arguments: str) -> list[str]:
        """A command line of the engine, for what needs a process of its own and not an answer."""
        return [*map(str, self.client.client_config.docker_cmd), *arguments]

    def identify(self) -> str:
        """A name for this engine among all that this machine reaches. Raises RunnerError if it does not answer."""
        said = {"docker": "{{.ID}}", "podman": "{{.Host.Hostname}} {{.Store.GraphRoot}}"}[self.name]
        answer = run_process(self.command("info", "--format", said), check=False, timeout=60)
        if answer.code:
            said = last_lines(answer.stderr)
            raise RunnerError(f"{self.name} does not answer: {said}", next_step="start it, or name another `--engine`")
        return hex_of(digest_of(answer.stdout.strip()))[:16]

    def load(self, blobs: Blobs, images: Sequence[ArchivedImage]) -> None:
        """Load images under their names. Raises RunnerError, StoreError for a blob that is missing or damaged."""
        from python_on_whales.exceptions import DockerException

        entries = archive_entries(blobs, images, with_layout=self.name == "docker")
        try:
            self.client.image.load(stream_tar(entries), quiet=True)
        except BrokenPipeError:  # what the engine said, it said on standard error
            raise self._failure("it stopped reading") from None
        except DockerException as error:
            raise self._failure(f"exit code {error.return_code}") from None
        for image in images:
            self._check_loaded(image.names, known_ids(blobs, image))

    def _check_loaded(self, names: Iterable[str], ids: Sequence[str]) -> None:
        """See that each name means an image that the engine calls by one of `ids` (digests)."""
        from python_on_whales.exceptions import DockerException

        for name in names:
            try:
                found = str(self.client.image.inspect(name).id)
            except DockerException:
                raise self._failure(f"it has no {name} afterwards") from None
            if found.removeprefix("sha256:") not in {digest.removeprefix("sha256:") for digest in ids}:
                raise self._failure(f"{name} is another image afterwards, {found}")

    def _failure(self, reason: str) -> RunnerError:
        return RunnerError(
            f"{self.name} could not load the image: {reason}",
            next_step=f"read what {self.name} said above: is its disk full, or is it older than zstd layers?",
        )


def find_engine(wanted: Sequence[EngineName]) -> Engine:
    """The first of the engines that is installed and answers. Raises RunnerError that says what is wrong with each."""
    problems = []
    for name in wanted:
        found = _open_engine(name)
        if isinstance(found, Engine):
            return found
        problems.append(found)
    installed = any(shutil.which(name) for name in wanted)
    raise RunnerError("\n".join(problems), next_step="start it and see that you may use it" if installed else _INSTALL)


def _open_engine(name: EngineName) -> Engine | str:
    if not shutil.which(name):
        return f"{name} is not installed"
    from python_on_whales import DockerClient
    from python_on_whales.exceptions import DockerException

    client = DockerClient(client_call=[name], client_type=name)
    try:
        client.image.list()  # `info` succeeds without a daemon
    except DockerException as error:
        said = (error.stderr or "").strip().splitlines()
        return f"{name} does not answer: {said[-1] if said else f'exit code {error.return_code}'}"
    return Engine(name=name, client=client)
