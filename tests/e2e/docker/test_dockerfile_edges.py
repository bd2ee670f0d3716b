"""What steps of a Dockerfile are given and must not leave, what is said when they fail, and the shipped examples."""

import hashlib
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bases import PLATFORM, Bases
from tests.e2e.docker.dockerfiles import Dockerfiles
from tests.e2e.docker.engines import DockerEngine
from tests.managedpythons import PythonMirror, debian_python

from warmbase.effects.files import CacheFolders
from warmbase.foundation.inputs import context_files
from warmbase.layers.codec import decompress
from warmbase.layers.unpack import UnpackedLayers

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[3]
TOKEN, PASSWORD, COMPANY = "t0ken-of-the-environment", "pr0xy-passw0rd", "# the company's own certificates"
ZSTD = b"\x28\xb5\x2f\xfd"
SEES = """
FROM {base}
RUN --mount=type=secret,id=token --mount=type=secret,id=warmbase-ca \\
    {{ cat /run/secrets/token; cat /run/secrets/warmbase-ca; printf %s "$HTTPS_PROXY"; }} | sha256sum > /srv/seen
"""
FAILS = """
FROM {base}
RUN --mount=type=secret,id=token echo working && echo "with $(cat /run/secrets/token)" >&2 && cat /nowhere
"""


def contents_of(*folders: Path) -> Iterator[bytes]:
    """What all files hold, compressed ones unpacked."""
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        yield content
        if content.startswith(ZSTD):
            with path.open("rb") as file:
                yield b"".join(decompress(file, "application/vnd.oci.image.layer.v1.tar+zstd"))


def test_secrets_certificates_and_proxies_reach_the_steps_and_nothing_else(
    pinned: Dockerfiles, base: str, tmp_path: Path
) -> None:
    bundle, proxy = tmp_path / "bundle.pem", f"http://joe:{PASSWORD}@proxy.example:3128"
    trusted = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    bundle.write_text(Path(trusted or "/etc/ssl/certs/ca-certificates.crt").read_text() + COMPANY)
    copy = pinned.copy(
        tmp_path / "copy", GEO_TOKEN=TOKEN, SSL_CERT_FILE=str(bundle), HTTPS_PROXY=proxy, NO_PROXY="*", no_proxy="*"
    )
    copy.write("geo", SEES.format(base=base))
    copy.write_catalog({"geo": {"secrets": {"token": {"env": "GEO_TOKEN"}}}})
    printed = copy.bases.run("build", "--print-bake")
    said = [printed, copy.bases.run("lock"), copy.bases.run("build", "--no-verify", "--json")]
    seen = hashlib.sha256(TOKEN.encode() + bundle.read_bytes() + proxy.encode()).hexdigest().encode()
    folders = CacheFolders(root=copy.bases.cache)
    everything = [
        *contents_of(copy.bases.folder, folders.store),
        *(text.encode() for one in said for text in (one.stdout, one.stderr)),
    ]
    assert any(seen in content for content in everything)
    for secret in (TOKEN, PASSWORD, COMPANY):
        assert not any(secret.encode() in content for content in everything), secret


def test_whatever_cannot_be_built_is_said_and_the_rest_is_locked(
    pinned: Dockerfiles, base: str, tmp_path: Path
) -> None:
    copy = pinned.copy(tmp_path, GEO_TOKEN=TOKEN)
    copy.write("bad", FAILS.format(base=base))
    copy.write("fine", f"FROM {base}\nRUN echo fine > /srv/fine\n")
    copy.write("baseless", f"FROM {base}-gone\n")
    for name in ("locked_out", "contextless"):
        copy.write(name, f"FROM {base}\n")
    token = {"secrets": {"token": {"env": "GEO_TOKEN"}}}
    copy.write_catalog(
        {
            "bad": token,
            "fine": {},
            "baseless": {},
            "locked_out": {"secrets": {"token": {"env": "NOT_SET"}}},
            "contextless": {"contexts": {"assets": "nowhere"}},
        }
    )
    said = copy.bases.run("lock", code=1)
    parts = said.stderr.split("error: foundation ")[1:]
    by_name = {part.split(" ")[0].rstrip(":"): part for part in parts}
    assert set(by_name) == {"bad", "baseless", "locked_out", "contextless"}
    assert f"bad for {PLATFORM}: bases/bad/Dockerfile: process" in by_name["bad"]
    assert "cat: /nowhere: No such file or directory" in by_name["bad"]
    assert "Dockerfile:3\n" in by_name["bad"]
    assert "with ***" in by_name["bad"]
    assert f"{base}-gone" in by_name["baseless"]
    assert "log in to its registry" in by_name["baseless"]
    assert "the secret token is missing: the variable NOT_SET is not set" in by_name["locked_out"]
    assert "nowhere cannot be read: No such file or directory" in by_name["contextless"]
    assert all("\n  next: " in part for part in by_name.values())
    assert TOKEN not in said.stderr + said.stdout
    assert [name for name in ("bad", "fine", "baseless", "locked_out", "contextless") if copy.pinned(name)] == ["fine"]


IGNORED = {
    "everything but some": "*\n!keep\n!sub/**/*.txt\nsub/deep/no.txt\n",
    "some": "# comment\n*.log\n**/*.tmp\nsub/deep\n!sub/deep/yes.txt\nkee?\n",
    "nothing": "",
}


@pytest.mark.parametrize("patterns", IGNORED.values(), ids=IGNORED)
def test_what_counts_of_a_context_is_what_buildkit_is_sent(engine: DockerEngine, tmp_path: Path, patterns: str) -> None:
    context, out = tmp_path / "context", tmp_path / "out"
    for path in (
        "keep",
        "a.log",
        "a.tmp",
        "sub/a.log",
        "sub/a.tmp",
        "sub/a.txt",
        "sub/deep/no.txt",
        "sub/deep/yes.txt",
    ):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).write_text(path)
    (context / "sub" / "link").symlink_to("a.txt")
    (context / "sub" / "folder").symlink_to("deep")
    (context / ".dockerignore").write_text(patterns)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    engine.docker("build", "--quiet", "--output", f"type=local,dest={out}", "--file", tmp_path / "Dockerfile", context)
    sent = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_symlink() or not path.is_dir())
    assert list(context_files(context)) == sent


def test_an_engine_that_cannot_write_layouts_is_said_with_the_way_out(
    pinned: Dockerfiles, older_engine: DockerEngine, tmp_path: Path
) -> None:
    copy = pinned.copy(tmp_path, DOCKER_HOST=older_engine.environment["DOCKER_HOST"])
    copy.write("geo", "FROM scratch\n")
    copy.write_catalog({"geo": {}})
    said = copy.bases.run("lock", code=1).stderr
    assert "its engine does not use the containerd image store" in said
    assert "docker buildx create" in said


def test_the_shipped_examples_are_built(
    pinned: Dockerfiles, base: str, engine: DockerEngine, foundation: Bases, tmp_path: Path
) -> None:
    """On a stand-in for their images, with fewer packages, as mirrors and arguments of a catalog would have it."""
    folders = CacheFolders(root=foundation.cache)
    layers = tuple(stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    (tree,) = UnpackedLayers(folders.unpacked, foundation.store).folders(layers)
    mirror = PythonMirror(tmp_path / "mirror")
    mirror.offer(debian_python(tree), PLATFORM)
    copy = pinned.copy(tmp_path / "copy", **mirror.environment)
    shutil.rmtree(copy.bases.folder / "bases")
    for name in ("cuda", "geo"):
        shutil.copytree(ROOT / "bases" / name, copy.bases.folder / "bases" / name)
    copy.write_catalog(
        {
            "cuda": {
                "python": "managed",
                "contexts": {"nvidia/cuda:12.8.1-runtime-ubuntu24.04": f"docker-image://{base}"},
                "args": {"PACKAGES": "ca-certificates"},
            },
            "geo": {
                "contexts": {"debian:trixie-slim": f"docker-image://{base}"},
                "args": {"PACKAGES": "libgomp1"},
            },
        },
        defaults={"backends": [], "python": ["3.13"]},
    )
    copy.bases.run("lock")
    assert copy.bakes() == 1
    unpacked = CacheFolders(root=copy.bases.cache).unpacked
    assert [path for path in unpacked.rglob("libgomp.so.1") if not path.is_relative_to(tree)]
    copy.bases.build("cuda")
    assert engine.warmbase("load", "cuda", cwd=copy.bases.folder).returncode == 0
    script = "touch $HOME/mine && python -c 'import packaging, sys; print(sys.base_prefix)' && ls /var/lib/apt/lists"
    for user in ("12345:0", "4711:4711"):
        run = ("run", "--rm", "--user", user, "registry.example/bases/cuda:py3.13", "sh", "-c", script)
        assert engine.docker(*run).splitlines() == ["/usr/local/cpython-3.13"]
