"""GNU tar, zstd, gzip and skopeo agree with what warmbase writes."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import go_without

from warmbase.layers.codec import Codec
from warmbase.layers.compose import compose_pool
from warmbase.layers.layer import Layer
from warmbase.layers.pack import ModePolicy, pack_entries, pack_tree
from warmbase.layers.store import LayerStore
from warmbase.oci.digests import digest_of_file
from warmbase.oci.layout import LayoutImage, collect_garbage, publish_to_layout
from warmbase.oci.manifest import CONFIG, MANIFEST, Config, History, Manifest, Platform, describe
from warmbase.oci.tar import MTIME, Entry, file_of, read_entries

POLICY = ModePolicy(shared=("opt/venv",))
LONG = "/".join("d" * 60 for _ in range(6))


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, check=False, errors="surrogateescape")
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip() or "bytes" in done.stderr, done.stderr
    return done.stdout


def plant(root: Path) -> Path:
    """A tree with every difficulty that a wheel can bring."""
    venv, cache = root / "opt/venv/lib", root / "opt/uv/archive"
    venv.mkdir(parents=True)
    (cache / LONG).mkdir(parents=True)
    for length in (1, 99, 100, 101, 155, 200, 255):
        (cache / ("n" * length)).write_bytes(os.urandom(length * 37))
        (venv / ("n" * length)).hardlink_to(cache / ("n" * length))
    (cache / LONG / "module.py").write_bytes(b"pass\n")
    (venv / "module.py").hardlink_to(cache / LONG / "module.py")
    (venv / "日本語 naïve\n🐍.py").write_bytes(b"")
    (venv / "big").write_bytes(os.urandom(3_000_001))
    (venv / "run").write_bytes(b"#!/bin/sh\n")
    (venv / "run").chmod(0o700)
    (venv / "link").symlink_to("n" * 255)
    (venv / "far").symlink_to("../" * 50 + "日本")
    (venv / "empty").mkdir()
    return root


def described(root: Path, *, as_layer: bool) -> dict[str, tuple[object, ...]]:
    """Every path with kind, mode, target, content and the first path of its inode."""
    inodes: dict[int, str] = {}
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*"), key=lambda path: os.fsencode(path.relative_to(root))):
        name, status = str(path.relative_to(root)), path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        mode = stat.S_IMODE(status.st_mode)
        if not as_layer:
            mode = POLICY.mode(name, {stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}.get(kind, "file"), mode)  # type: ignore[arg-type]
        content = hashlib.sha256(path.read_bytes()).hexdigest() if kind == stat.S_IFREG else ""
        target = str(path.readlink()) if kind == stat.S_IFLNK else ""
        first = inodes.setdefault(status.st_ino, name)
        # GNU tar does not put back the time of a directory that gets its files later; unpackers of layers do.
        times = MTIME if not as_layer or kind == stat.S_IFDIR else int(status.st_mtime)
        found[name] = (kind, oct(mode), target, content, first, times)
    return found


@pytest.mark.parametrize("codec", [Codec(), Codec(name="gzip", level=6)], ids=str)
def test_gnu_tar_extracts_the_tree_that_was_packed(tmp_path: Path, codec: Codec) -> None:
    root = plant(tmp_path / "tree")
    packed = pack_tree(root, POLICY, codec, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    run("tar", "-C", out, "--same-permissions", f"--{codec.name}", "-xf", packed.blob)
    assert described(out, as_layer=True) == described(root, as_layer=False)
    run(codec.name, "-t", packed.blob)
    listing = run("tar", "--numeric-owner", f"--{codec.name}", "-tvf", packed.blob)
    assert {line.split()[1] for line in listing.splitlines()} == {"0/0"}
    plain = subprocess.run([codec.name, "-dc", packed.blob], capture_output=True, check=True).stdout
    assert "sha256:" + hashlib.sha256(plain).hexdigest() == packed.diff_id


def test_gnu_tar_sees_the_extended_attributes(tmp_path: Path) -> None:
    acl = (("system.posix_acl_default", b"\2\0\0\0\1\0\7\0\xff\xff\xff\xff"), ("user.note", b"hello"))
    policy = ModePolicy(xattrs=(("opt/venv", acl),))
    packed = pack_tree(plant(tmp_path / "tree"), policy, Codec(), tmp_path)
    listing = run("tar", "--zstd", "--xattrs", "--xattrs-include=*", "-tvvf", packed.blob)
    lines = listing.splitlines()
    place = next(number for number, line in enumerate(lines) if line.endswith(" opt/venv/"))
    assert lines[place + 1].split() == ["x:", "12", "system.posix_acl_default"]
    assert lines[place + 2].split() == ["x:", "5", "user.note"]
    assert not any("x:" in line for line in lines[:place])


def test_gnu_tar_reads_a_pool_of_many_wheels(tmp_path: Path) -> None:
    store = LayerStore(tmp_path / "store")
    roots = [tmp_path / f"wheel{number}" for number in range(20)]
    for root in roots:
        plant(root / "opt" / root.name)
    members = [store.put(root.name, pack_tree(root, POLICY, Codec(), tmp_path)) for root in roots]
    pool = compose_pool(store, members, "pool", Codec())
    blob = store.blob_path(pool.digest)
    out = tmp_path / "out"
    out.mkdir()
    run("zstd", "-t", blob)
    run("tar", "-C", out, "--same-permissions", "--zstd", "-xf", blob)
    merged = tmp_path / "merged"
    merged.mkdir()
    for root in roots:
        run("cp", "-a", f"{root}/.", merged)
    assert described(out, as_layer=True) == described(merged, as_layer=False)
    names = run("tar", "--zstd", "-tf", blob).splitlines()
    assert len(names) == len(set(names)) == len(described(out, as_layer=True))


def test_a_tar_of_gnu_tar_becomes_a_layer_with_its_owners_modes_and_hardlinks(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree")
    (root / "opt/venv/lib/run").chmod(0o4755)
    if os.geteuid() == 0:
        os.chown(root / "opt/venv", 8, 42)
    tar = tmp_path / "root.tar"
    run("tar", "-C", root, "--numeric-owner", "--sort=name", "-cf", tar, ".")
    packed = pack_entries(read_entries(tar), Codec(), tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    run("tar", "-C", out, "-p", "--zstd", "-xf", packed.blob)
    assert {name: item[2:5] for name, item in described(out, as_layer=True).items()} == {
        name: item[2:5] for name, item in described(root, as_layer=True).items()
    }
    assert (out / "opt/venv/lib/run").stat().st_mode & 0o7777 == 0o4755
    assert ((out / "opt/venv").stat().st_uid, (out / "opt/venv").stat().st_gid) == (
        (root / "opt/venv").stat().st_uid,
        (root / "opt/venv").stat().st_gid,
    )


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60)
paths = st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=8).map("/".join)
files = st.dictionaries(paths, st.tuples(st.binary(max_size=1500), st.integers(0, 0o777)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(files)
def test_gnu_tar_extracts_whatever_names_there_are(drawn: dict[str, tuple[bytes, int]]) -> None:
    parents = {path.rsplit("/", count)[0] for path in drawn for count in range(1, path.count("/") + 1)}
    entries = [file_of(path, content, mode) for path, (content, mode) in drawn.items() if path not in parents]
    with TemporaryDirectory() as folder:
        packed = pack_entries(entries, Codec(), Path(folder))
        out = Path(folder) / "out"
        out.mkdir()
        run("tar", "-C", out, "--same-permissions", "--zstd", "-xf", packed.blob)
        found = {
            str(path.relative_to(out)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
            for path in out.rglob("*")
            if path.is_file()
        }
    assert found == {entry.path: (entry.source, entry.mode) for entry in entries}


PACK = """
import sys
from pathlib import Path
from warmbase.layers.codec import Codec
from warmbase.layers.pack import ModePolicy, pack_tree
print(pack_tree(Path(sys.argv[1]), ModePolicy(), Codec(), Path(sys.argv[2])).digest)
"""


def test_neither_time_zone_nor_locale_nor_hash_seed_changes_a_layer(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree")
    digests = set()
    for number, environment in enumerate(
        (
            {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
            {"TZ": "America/Anchorage", "LC_ALL": "POSIX", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"},
            {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        )
    ):
        other = tmp_path / f"copy{number}"
        run("cp", "-a", root, other)
        digests.add(
            subprocess.run(
                [sys.executable, "-c", PACK, other, tmp_path],
                env={**os.environ, **environment},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )
    assert len(digests) == 1


MEASURE = """
import re, sys
from pathlib import Path
from warmbase.layers.codec import Codec
from warmbase.layers.compose import compose_pool
from warmbase.layers.pack import ModePolicy, pack_tree
from warmbase.layers.store import LayerStore
def most():  # unlike getrusage(2), which begins with the most that the parent had
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before = most()
store = LayerStore(Path(sys.argv[2]))
with store.workspace() as work:
    layers = [store.put("big", pack_tree(Path(sys.argv[1]), ModePolicy(), Codec(), work))]
compose_pool(store, layers, "pool", Codec())
print((most() - before) // 1024, layers[0].unpacked_size)
"""


@pytest.mark.parametrize("kind", ["sparse", "random"])
def test_a_file_of_300_mb_is_packed_and_pooled_in_little_memory(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    with (root / "big").open("wb") as file:
        if kind == "sparse":
            file.truncate(300_000_000)
        else:
            block = os.urandom(1_000_000)
            for _ in range(300):
                file.write(block)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, root, tmp_path / "store"], capture_output=True, check=True, text=True
    )
    grown_mib, unpacked = map(int, done.stdout.split())
    assert unpacked > 300_000_000
    assert grown_mib < 100


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return tmp_path / "dist"


def image_of(layers: list[Layer], name: str, platform: Platform) -> LayoutImage:
    config = Config(
        platform=platform,
        created="2026-11-21T00:00:00Z",
        diff_ids=tuple(layer.diff_id for layer in layers),
        run={"Env": ["PATH=/opt/venv/bin"], "Labels": {"kind": "base"}},
        history=tuple(History(created_by=layer.recipe) for layer in layers),
    ).to_bytes()
    descriptors = tuple(layer.descriptor() for layer in layers)
    manifest = Manifest(config=describe(config, CONFIG), layers=descriptors).to_bytes()
    return LayoutImage(
        image=name,
        tags=("py3.13-trixie", "py3.13"),
        root=describe(manifest, MANIFEST, platform),
        documents=(config, manifest),
        layers=descriptors,
    )


def stored_layers(tmp_path: Path, store: LayerStore, codec: Codec = Codec()) -> list[Layer]:  # noqa: B008
    plant(tmp_path / "tree")
    with store.workspace() as work:
        tree = store.put("tree", pack_tree(tmp_path / "tree", POLICY, codec, work))
        memory = store.put("memory", pack_entries([file_of("etc/x", b"x")], codec, work))
    return [tree, memory]


def test_skopeo_reads_validates_and_copies_an_image_by_its_name(tmp_path: Path, dist: Path) -> None:
    store = LayerStore(tmp_path / "store")
    layers = stored_layers(tmp_path, store)
    data = image_of(layers, "data", Platform())
    publish_to_layout(dist, [data, image_of(layers[:1], "small", Platform())], store)
    seen = json.loads(run("skopeo", "inspect", f"oci:{dist}:data:py3.13"))
    assert seen["Digest"] == data.root.digest
    assert seen["Layers"] == [layer.digest for layer in layers]
    assert seen["Labels"] == {"kind": "base"}
    run("skopeo", "copy", "--all", f"oci:{dist}:data:py3.13-trixie", f"dir:{tmp_path / 'copy'}")
    run("skopeo", "copy", "--dest-decompress", f"oci:{dist}:data:py3.13", f"dir:{tmp_path / 'plain'}")
    for layer in layers:
        copied = tmp_path / "copy" / layer.digest.removeprefix("sha256:")
        assert copied.read_bytes() == store.blob_path(layer.digest).read_bytes()
        plain = tmp_path / "plain" / layer.diff_id.removeprefix("sha256:")
        assert digest_of_file(plain) == layer.diff_id


def test_skopeo_makes_a_docker_archive_of_gzip_layers(tmp_path: Path, dist: Path) -> None:
    store = LayerStore(tmp_path / "store")
    layers = stored_layers(tmp_path, store, Codec(name="gzip"))
    publish_to_layout(dist, [image_of(layers, "data", Platform())], store)
    run("skopeo", "copy", f"oci:{dist}:data:py3.13", f"docker-archive:{tmp_path / 'a.tar'}:data:py3.13")


def test_skopeo_finds_the_platforms_of_an_image(tmp_path: Path, dist: Path) -> None:
    store = LayerStore(tmp_path / "store")
    layers = stored_layers(tmp_path, store)
    builds = [image_of(layers, "data", Platform(architecture=name)) for name in ("amd64", "arm64")]
    for build in builds:
        publish_to_layout(dist, [build], store)
    assert collect_garbage(dist) == 0
    for name in ("amd64", "arm64"):
        seen = json.loads(run("skopeo", "--override-arch", name, "inspect", f"oci:{dist}:data:py3.13"))
        assert seen["Architecture"] == name


def test_a_layout_on_another_file_system_gets_copies(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        go_without("no second file system here")
    store = LayerStore(tmp_path / "store")
    layers = stored_layers(tmp_path, store)
    dist = other / f"warmbase-test-{os.getpid()}"
    try:
        publish_to_layout(dist, [image_of(layers, "data", Platform())], store)
        assert json.loads(run("skopeo", "inspect", f"oci:{dist}:data:py3.13"))["Architecture"] == "amd64"
    finally:
        shutil.rmtree(dist)


def test_a_layer_from_a_part_of_a_host_file_is_that_part(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(b"before" + b"content" + b"after")
    entry = Entry(path="x", kind="file", mode=0o644, size=7, source=tmp_path / "archive", offset=6)
    part = pack_entries([entry], Codec(), tmp_path)
    assert part.diff_id == pack_entries([file_of("x", b"content")], Codec(), tmp_path).diff_id
