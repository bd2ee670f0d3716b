"""Real registries on loopback, Debian's `docker-registry`, and skopeo as an independent reader and writer of them."""

import io
import json
import random
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.registries import open_registries
from warmbase.effects.registry.retries import Backoff
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import CONFIG, MANIFEST, TAR, Config, Descriptor, Manifest, Platform, describe


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningRegistry:
    """A registry that runs: `host` begins references, `storage` is its folder of files, `log` what it said."""

    host: str
    storage: Path
    process: int
    log: list[str]

    def blobs(self) -> int:
        """How many blobs and manifests it stores."""
        return sum(1 for _ in self.storage.glob("docker/registry/v2/blobs/sha256/*/*/data"))


@contextmanager
def running_registry(
    folder: Path,
    *,
    htpasswd: str = "",
    auth: dict[str, Any] | None = None,
    tls: tuple[Path, Path] | None = None,
    delete: bool = True,
) -> Iterator[RunningRegistry]:
    """Run a `docker-registry` on a free port of loopback while the context lasts, with its files in `folder`.

    `htpasswd`: the content of such a file (bcrypt), which it then asks for; `auth`: its `auth` section as a whole;
    `tls`: its certificate and key; `delete`: whether its API deletes. Started again on a folder, it has what it had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    storage = folder / "storage"
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd, encoding="utf-8")
        auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    config = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": delete}},
        "http": {
            "addr": "127.0.0.1:0",
            "secret": "only for tests",
            **({"tls": {"certificate": str(tls[0]), "key": str(tls[1])}} if tls else {}),
        },
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with subprocess.Popen(
        ["docker-registry", "serve", folder / "config.yml"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr
        said: list[str] = []
        try:
            port = _port(process.stderr, said)
            drain = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
            drain.start()
            yield RunningRegistry(host=f"127.0.0.1:{port}", storage=storage, process=process.pid, log=said)
        finally:
            process.kill()
        drain.join()


def _port(output: Iterable[str], said: list[str]) -> str:
    """The port that a starting registry says it listens on."""
    for line in output:
        said.append(line)
        if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
            return found[1]
    raise AssertionError("docker-registry does not start:\n" + "".join(said))


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for the host `name`, signed by itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate],
        capture_output=True,
        check=True,
    )  # fmt: skip
    return certificate, key


def copy_with_skopeo(source: str, target: str, *options: str) -> None:
    """Copy all platforms of an image between transports of skopeo, without TLS, keeping its digest."""
    skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false",
           *options, source, target)  # fmt: skip


def inspect_with_skopeo(image: str, *options: str) -> dict[str, Any]:
    """What skopeo says of "host/repository:tag"."""
    value: dict[str, Any] = json.loads(skopeo("inspect", "--tls-verify=false", *options, f"docker://{image}"))
    return value


def skopeo(*arguments: str | Path) -> str:
    """Run skopeo with a policy that accepts unsigned images."""
    argv: Sequence[str | Path] = ("skopeo", "--insecure-policy", *arguments)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def client_of(
    host: str, *, environment: Mapping[str, str] | None = None, pauses: list[float] | None = None
) -> RegistryClient:
    """A client that waits for nothing: the seconds it would have waited go to `pauses`."""
    sleep = (pauses if pauses is not None else []).append
    return open_registries(environment or {}, backoff=Backoff(sleep=sleep)).at(host)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallImage:
    """An image of one layer, uncompressed."""

    layer: bytes
    config: bytes
    manifest: bytes

    @property
    def blobs(self) -> tuple[tuple[Descriptor, bytes], ...]:
        """The layer and the config."""
        return (describe(self.layer, TAR), self.layer), (describe(self.config, CONFIG), self.config)

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digest_of(self.manifest)

    def push(self, registry: Registry, repository: str, tag: str) -> str:
        """Push it with our client and return its digest."""
        for blob, content in self.blobs:
            registry.push_blob(repository, blob, content)
        return registry.write_manifest(repository, tag, self.manifest, MANIFEST)


def small_image(seed: int = 0, *, size: int = 10_000, subject: Descriptor | None = None) -> SmallImage:
    """An image with a file of `size` bytes, which `seed` decides; with `subject` it refers to another manifest."""
    content = random.Random(seed).randbytes(size)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = size
        archive.addfile(entry, io.BytesIO(content))
    layer = packed.getvalue()
    config = Config(platform=Platform(), created="2026-01-02T03:04:05Z", diff_ids=(digest_of(layer),)).to_bytes()
    manifest = Manifest(
        config=describe(config, CONFIG),
        layers=(describe(layer, TAR),),
        subject=subject,
        artifact_type="application/vnd.example.note" if subject else "",
    )
    return SmallImage(layer=layer, config=config, manifest=manifest.to_bytes())
