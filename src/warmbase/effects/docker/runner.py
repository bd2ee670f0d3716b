"""The runner with a container engine, Docker or Podman: a sandbox is a container, each of its commands an `exec`.

The root is loaded into the engine as an image of exactly its layers, once for all sandboxes over it. The container's
first process is a `cat` that reads from warmbase: however warmbase ends, that pipe closes, `cat` exits, the kernel
kills everything in the container, and the engine removes it. What an outright killed warmbase can leave is an image; it
is named after a folder that its owner holds locked, and whoever loads the next one removes those that nobody holds.
Where that folder is gone, too, with the machine of a CI job, anybody who uses the engine removes the image in a day.

Files of this machine are bound into a container as they are. An engine that runs elsewhere, as beside the container of
a CI job, does not have them: it gets copies of those that are only read, and cannot have the others.
"""

import atexit
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.effects.clock import now
from warmbase.effects.docker.engine import Engine
from warmbase.effects.files import make_private
from warmbase.effects.platforms import native_platform
from warmbase.effects.process import kill_group, last_lines
from warmbase.effects.runner import (
    NO_HOSTS,
    Bind,
    CommandSandbox,
    Root,
    Sandbox,
    check_binds,
    close_quietly,
    numeric_ids,
)
from warmbase.effects.workspaces import Workspaces, remove_tree
from warmbase.errors import RunnerError
from warmbase.oci.archive import ArchivedImage
from warmbase.oci.digests import hex_of
from warmbase.oci.manifest import CONFIG, MANIFEST, Config, Descriptor, Manifest, Platform, describe

if TYPE_CHECKING:
    from python_on_whales import Container

REPOSITORY = "localhost/warmbase-sandbox"
LABEL = "dev.warmbase.sandbox"
"""Images of sandboxes are tags of REPOSITORY, and containers have that tag as their LABEL."""

EXPIRES = "dev.warmbase.sandbox.expires"
"""The label of those images, and so of their containers, with the second (Unix time) after which nobody needs them."""

_LIFE = timedelta(days=1)
_IDLE_ROOTS = 2
"""How many roots stay loaded though nobody uses them: a foundation and the image that is made on it."""

_RUNTIME_VARIABLES = frozenset(("PATH", "HOME", "HOSTNAME", "TERM", "container"))
"""What engines and their runtimes add to an environment, whatever the container's own is."""

_READY = b"ready\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class _ContainerSandbox(CommandSandbox):
    """A sandbox by its container's id; `given` names the variables that commands get without asking for them."""

    engine: Engine
    id: str
    given: frozenset[str]

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], user: str = "0:0", cwd: str = "/"
    ) -> subprocess.Popen[bytes]:
        """See `Sandbox.start`."""
        uid, gid = numeric_ids(user)
        unwanted = [f"--unset={name}" for name in sorted(self.given - env.keys())]
        # A file of variables cannot hold values of several lines: those come from the client's own environment.
        by_name = {name: value for name, value in env.items() if "\n" in value}
        with _environment_file(env) as variables:
            return subprocess.Popen(
                [
                    *self.engine.command("exec", "--interactive", f"--user={uid}:{gid}", f"--workdir={cwd}"),
                    *(f"--env-file=/dev/fd/{variables}", *(f"--env={name}" for name in by_name)),
                    *(self.id, "/usr/bin/env", *unwanted, *argv),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **by_name},
                process_group=0,
                pass_fds=[variables],
            )

    def kill_everything(self) -> None:
        """See `CommandSandbox.kill_everything`."""
        # kill(-1) reaches all processes of the container but its first one and the caller.
        kill = self.engine.command("exec", "--user=0:0", self.id, "sh", "-c", "kill -KILL -1")
        if subprocess.run(kill, check=False, capture_output=True, process_group=0).returncode not in (0, 1):
            subprocess.run(self.engine.command("kill", self.id), check=False, capture_output=True, process_group=0)


@contextmanager
def _environment_file(env: Mapping[str, str]) -> Iterator[int]:
    """The variables as an open file: on a command line everybody on the machine could read their values."""
    descriptor = os.memfd_create("environment")
    try:
        lines = (f"{name}={value}\n" for name, value in env.items() if "\n" not in value)
        with open(descriptor, "wb", closefd=False) as file:
            file.write("".join(lines).encode())
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass(kw_only=True, slots=True)
class _LoadedRoot:
    """A root in the engine: its image's name, the label of its containers, how many sandboxes are open over it."""

    image: str
    label: str
    folder: Path
    loaded: ExitStack
    users: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _RootBlobs:
    """The blobs of a root's image: the layers where they lie, its own documents in `folder`."""

    folder: Path
    layers: Mapping[str, Path] = field(hash=False)

    def blob_path(self, digest: str) -> Path:
        """See `Blobs.blob_path`."""
        return self.layers.get(digest, self.folder / hex_of(digest))

    def read(self, descriptor: Descriptor) -> bytes:
        """See `Blobs.read`."""
        return self.blob_path(descriptor.digest).read_bytes()

    def write(self, content: bytes, media_type: str) -> Descriptor:
        """Add a document."""
        descriptor = describe(content, media_type, Platform.parse(native_platform()))
        self.blob_path(descriptor.digest).write_bytes(content)
        return descriptor


class EngineRunner:
    """Opens sandboxes with a container engine; `scratch` is the folder of the machine's other sandboxes.

    What it has loaded is removed by `close`, which at the latest the end of the program calls.
    """

    def __init__(self, engine: Engine, scratch: Path) -> None:
        self._engine = engine
        place = scratch.with_name(f"{scratch.name}-{engine.name}") / engine.identify()
        make_private(place)
        self._swept = False
        self._folders = Workspaces(place, remove=self._remove)
        self._roots: dict[tuple[str, ...], _LoadedRoot] = {}
        self._shares: bool | None = None
        self._loading = threading.Lock()
        atexit.register(self.close)

    @property
    def name(self) -> str:
        """See `Runner.name`."""
        return self._engine.name

    @contextmanager
    def open(
        self,
        root: Root,
        *,
        binds: Sequence[Bind] = (),
        hosts: Mapping[str, str] = NO_HOSTS,
        network: bool = False,
        hostname: str = "warmbase",
    ) -> Iterator[Sandbox]:
        """See `Runner.open`."""
        check_binds(binds)
        with self._loaded(root) as loaded:
            container = self._create(loaded, binds, hosts, network=network, hostname=hostname)
            try:
                with self._hold(container):
                    given = {str(pair).partition("=")[0] for pair in container.config.env or ()}
                    sandbox = _ContainerSandbox(
                        engine=self._engine, id=container.id, given=_RUNTIME_VARIABLES | frozenset(given)
                    )
                    self._check_owner(sandbox, binds)
                    yield sandbox
            finally:
                self._remove_containers([container])

    def close(self) -> None:
        """Remove what was loaded."""
        with self._loading:
            for loaded in self._roots.values():
                loaded.loaded.close()
            self._roots.clear()
        atexit.unregister(self.close)

    @contextmanager
    def _loaded(self, root: Root) -> Iterator[_LoadedRoot]:
        """The root in the engine, for as long as the context lasts and perhaps longer."""
        key = tuple(blob.diff_id for blob in root.blobs)
        with self._loading:
            if key not in self._roots:
                self._forget_idle()
                self._roots[key] = self._load(root)
            loaded = self._roots[key]
            loaded.users += 1
        try:
            yield loaded
        finally:
            with self._loading:
                loaded.users -= 1

    def _forget_idle(self) -> None:
        idle = [key for key, loaded in self._roots.items() if not loaded.users]
        for key in idle[: len(idle) - _IDLE_ROOTS + 1]:
            self._roots.pop(key).loaded.close()

    def _load(self, root: Root) -> _LoadedRoot:
        if not root.blobs:
            raise RunnerError(f"{self.name} cannot open a sandbox: its root has no packed layers")
        self._remove_expired()
        with ExitStack() as stack:
            folder = stack.enter_context(self._folders.open())
            blobs = _RootBlobs(folder=folder, layers={blob.descriptor.digest: blob.path for blob in root.blobs})
            diff_ids = tuple(blob.diff_id for blob in root.blobs)
            labels = {EXPIRES: str(round((now() + _LIFE).timestamp()))}
            platform = Platform.parse(native_platform())
            config = Config(platform=platform, created="", diff_ids=diff_ids, run={"Labels": labels})
            manifest = Manifest(
                config=blobs.write(config.to_bytes(), CONFIG), layers=tuple(blob.descriptor for blob in root.blobs)
            )
            image = f"{REPOSITORY}:{folder.name}"
            archived = ArchivedImage(manifest=blobs.write(manifest.to_bytes(), MANIFEST), names=(image,))
            self._engine.load(blobs, [archived])
            return _LoadedRoot(image=image, label=folder.name, folder=folder, loaded=stack.pop_all())

    def _create(
        self, loaded: _LoadedRoot, binds: Sequence[Bind], hosts: Mapping[str, str], *, network: bool, hostname: str
    ) -> "Container":
        from python_on_whales.exceptions import DockerException

        shared = self._shares_files(loaded)
        if not shared:
            self._check_copies(binds)
        with self._explained():
            container = self._engine.client.container.create(
                loaded.image,
                ["/bin/cat"],
                interactive=True,
                remove=True,
                pull="never",
                hostname=hostname,
                networks=["host" if network else "none"],
                add_hosts=[(hostname, "127.0.0.1"), *hosts.items()],
                labels={LABEL: loaded.label},
                log_driver="none",
                mounts=[mount_fields(bind) for bind in binds if shared],
            )
            try:
                for bind in () if shared else binds:
                    self._engine.client.container.copy(bind.source, (container, bind.target))
            except DockerException:
                self._remove_containers([container])
                raise
        return container

    def _shares_files(self, loaded: _LoadedRoot) -> bool:
        """Whether the engine sees this machine's files: it refuses to bind what it does not see."""
        from python_on_whales.exceptions import DockerException

        if self._shares is None:
            probe = mount_fields(Bind(source=loaded.folder, target="/mnt", read_only=True))
            try:
                created = self._engine.client.container.create(
                    loaded.image, ["/bin/cat"], pull="never", labels={LABEL: loaded.label}, mounts=[probe]
                )
                self._remove_containers([created])
                self._shares = True
            except DockerException:
                self._shares = False
        return self._shares

    def _check_copies(self, binds: Sequence[Bind]) -> None:
        for bind in binds:
            if not bind.read_only:
                raise RunnerError(
                    f"{self.name} runs elsewhere and cannot write to {bind.source} on this machine",
                    next_step="verification works so; to build, allow namespaces here (docker run --privileged), or let"
                    " WARMBASE_CACHE_DIR be a folder that the engine sees under the same path",
                )

    def _check_owner(self, sandbox: Sandbox, binds: Sequence[Bind]) -> None:
        """See that what a sandbox writes to this machine belongs to who runs warmbase."""
        for bind in binds:
            if bind.read_only or not bind.source.is_dir():
                continue
            probe = bind.source / ".written-by-the-engine"
            sandbox.run(["sh", "-c", ': > "$0"', f"{bind.target}/{probe.name}"], env={})
            owner = probe.stat().st_uid if probe.exists() else None
            with suppress(OSError):
                probe.unlink()
            if owner != os.geteuid():
                raise RunnerError(
                    f"what {self.name} writes to {bind.source} does not belong to you",
                    next_step="run warmbase as root, use a rootless engine, or allow namespaces on this machine",
                )

    @contextmanager
    def _hold(self, container: "Container") -> Iterator[None]:
        """Start a container, and let it end when the context or this process does."""
        command = self._engine.command("start", "--attach", "--interactive", container.id)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
        ) as lifeline:
            assert lifeline.stdin and lifeline.stdout  # noqa: PT018 - pipes were asked for
            assert lifeline.stderr
            try:
                with suppress(BrokenPipeError):
                    lifeline.stdin.write(_READY)
                    lifeline.stdin.flush()
                if lifeline.stdout.readline() != _READY:
                    raise self._failure(last_lines(lifeline.stderr.read()))
                yield
            finally:
                kill_group(lifeline)
                close_quietly(lifeline.stdin)

    def _remove(self, folder: Path) -> None:
        """Remove a root's containers, its image and its folder; the folder stays where the engine does not answer."""
        from python_on_whales.exceptions import DockerException

        with suppress(DockerException):
            self._remove_image(folder.name)
            remove_tree(folder)

    def _remove_expired(self) -> None:
        """Remove what others left in the engine who are gone, with the folders that would tell; once."""
        from python_on_whales.exceptions import DockerException

        if self._swept:
            return
        self._swept = True
        with suppress(DockerException):
            for image in self._engine.client.image.list(filters=[("label", EXPIRES)]):
                expires = (image.config.labels or {}).get(EXPIRES, "")
                if expires.isdecimal() and int(expires) < now().timestamp():
                    for repository, _, tag in (name.rpartition(":") for name in image.repo_tags):
                        if repository == REPOSITORY:
                            self._remove_image(tag)

    def _remove_image(self, tag: str) -> None:
        client = self._engine.client
        self._remove_containers(client.container.list(all=True, filters=[("label", f"{LABEL}={tag}")]))
        if client.image.exists(f"{REPOSITORY}:{tag}"):
            client.image.remove(f"{REPOSITORY}:{tag}")

    def _remove_containers(self, containers: Sequence["Container"]) -> None:
        from python_on_whales.exceptions import DockerException

        for container in containers:
            with suppress(DockerException):  # the engine removes it by itself as soon as it ends
                self._engine.client.container.remove(container, force=True, volumes=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from python_on_whales.exceptions import DockerException

        try:
            yield
        except DockerException as error:
            raise self._failure(error.stderr or f"exit code {error.return_code}") from None

    def _failure(self, said: str) -> RunnerError:
        return RunnerError(
            f"{self.name} cannot open a sandbox: {said.strip()}",
            next_step=f"see that {self.name} can start containers, that the image has /bin/cat, sh and env, or choose"
            " another runner with --engine",
        )


def mount_fields(bind: Bind) -> list[str]:
    """The fields of `--mount`, which are those of a line of CSV."""
    fields = ["type=bind", f"source={bind.source.resolve()}", f"target={bind.target}"]
    fields += ["readonly"] if bind.read_only else []
    return ['"' + field.replace('"', '""') + '"' if {",", '"'} & set(field) else field for field in fields]
