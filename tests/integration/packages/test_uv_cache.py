"""What is known of uv's cache holds for what the real uv writes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgpack
import pytest
from tests.wheelhouse import Mirror, Wheel, make_wheel, serve
from uv import find_uv_bin

from warmbase.packages import inside, uvcache

LONG = "py2.py3.cp39.cp310.cp311.cp312.cp313.cp314.cp315.cp316.cp317-none-any"
WHEELS = [
    make_wheel("short", "1.0", {"short.py": ""}, requires=["long-name"], requires_python=">=3.8", extras=["more"]),
    make_wheel("long-name", "1.0", {"long_name.py": ""}, tag=LONG),
]


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with serve(Mirror(wheels=WHEELS)) as served:
        yield served


@pytest.fixture(scope="module")
def cache(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that uv filled by an installation, as its default index."""
    root = tmp_path_factory.mktemp("uv")
    command: list[str | Path] = ["pip", "install", "--target", root / "target", "--cache-dir", root / "cache", "short"]
    environment = {**os.environ, "UV_DEFAULT_INDEX": mirror.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    subprocess.run([find_uv_bin(), *command], env=environment, check=True, capture_output=True)
    return root / "cache"


def entries(cache: Path) -> list[Path]:
    buckets = (cache / uvcache.PAGES, cache / uvcache.WHEELS)
    return [path for bucket in buckets for path in bucket.rglob("*") if path.suffix in (".http", ".msgpack", ".rkyv")]


def test_the_installed_uv_is_a_known_one() -> None:
    assert uvcache.is_known(version("uv"))


def test_the_buckets_are_the_ones_that_are_known(cache: Path) -> None:
    found = {path.name for path in cache.iterdir() if path.is_dir() and not path.name.startswith(("interpreter", "."))}
    assert found >= {uvcache.ARCHIVES, uvcache.WHEELS, uvcache.PAGES}
    assert found <= {uvcache.ARCHIVES, uvcache.WHEELS, uvcache.PAGES, uvcache.SOURCES, "builds-v0"}


ODD = [
    "/a%2fb/c",
    "/a%2Fb",
    "/%40team/x",
    "/me%7Eyou",
    "/@a/~b",
    "/%c3%a9/x",
    "/a!$&'()*+,;=:b",
    "/A%25b%5Bc",
    "/a.git%20",
]


@pytest.mark.parametrize("simple", ["/simple", "/root/company/+simple", "/team.git", "/Teams/a%20b", *ODD])
def test_the_bucket_of_an_index_has_the_name_that_uv_gives_it(tmp_path: Path, simple: str) -> None:
    with serve(Mirror(wheels=WHEELS, simple=simple)) as served:
        environment = {
            **os.environ,
            "UV_DEFAULT_INDEX": f"{served.url}/",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        command: list[str | Path] = [find_uv_bin(), "pip", "compile", "-", "--cache-dir", tmp_path]
        subprocess.run(command, env=environment, input=b"long-name", check=True, capture_output=True)
        bucket = uvcache.index_bucket(served.url, "")
    assert (tmp_path / uvcache.PAGES / bucket / "long-name.rkyv").is_file()
    assert list((tmp_path / uvcache.WHEELS / bucket / "long-name").glob("*.msgpack"))


def test_every_entry_is_framed_as_it_is_read_and_written(cache: Path) -> None:
    found = entries(cache)
    assert {path.suffix for path in found} == {".http", ".msgpack", ".rkyv"}
    assert len(found) == 6
    for path in found:
        content = path.read_bytes()
        assert uvcache.write_framed(uvcache.read_framed(content)) == content, path


def test_the_nonce_lies_before_the_address_and_can_be_settled(cache: Path, mirror: Mirror) -> None:
    host = f"http://127.0.0.1:{mirror.port}".encode()
    for path in entries(cache):
        framed = uvcache.read_framed(path.read_bytes())
        at = framed.policy.find(host)
        assert re.fullmatch(rb"[A-Za-z0-9_-]{16}", framed.policy[at - 16 : at]), path
        uvcache.settle(framed, hosts={host: host.replace(b"127", b"721")}, run=(0, 1), time=0)


def test_metadata_is_read_as_the_wheel_gives_it(cache: Path) -> None:
    found = {
        (core.name, core.version): core
        for core in (uvcache.read_metadata(path.read_bytes()) for path in entries(cache) if path.suffix == ".msgpack")
    }
    short = found["short", "1.0"]
    assert (short.requires_dist, short.requires_python, short.extras) == (("long-name",), ">=3.8", ("more",))
    assert ("long-name", "1.0") in found


def test_archives_are_found_by_their_wheel_s_hash(cache: Path) -> None:
    found = {sha256: (name, folder) for sha256, name, folder in uvcache.find_archives(cache)}
    assert {sha256: name for sha256, (name, _) in found.items()} == {wheel.sha256: wheel.file for wheel in WHEELS}
    assert (found[WHEELS[1].sha256][1] / "long_name.py").is_file()


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name)
def test_a_pointer_of_ours_is_uv_s_own_but_for_the_archive_s_name(cache: Path, wheel: Wheel) -> None:
    (path,) = (path for path in entries(cache) if path.suffix == ".http" and path.parent.name == wheel.name)
    theirs = uvcache.read_framed(path.read_bytes()).data
    archive = msgpack.unpackb(theirs)[0]
    ours = uvcache.pointer_data(archive=archive, sha256=wheel.sha256, filename=wheel.file, size=len(wheel.content))
    assert ours == theirs


def compile_folder(folder: Path, jobs: int = 2) -> list[str]:
    program = Path(inside.__file__).with_name("compile.py")
    finished = subprocess.run(
        [sys.executable, "-I", "-S", "-B", program, "315532800", str(jobs)],
        input=f'[["one", "{folder}"]]',
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.split()


def test_bytecode_depends_on_the_source_alone(tmp_path: Path) -> None:
    found = []
    for name, jobs in (("a", 1), ("another folder", 2)):
        folder = tmp_path / name
        (folder / "pkg").mkdir(parents=True)
        (folder / "pkg/mod.py").write_text("NAMES = {'a', 'b', 'c'}\n\ndef f(x):\n    return x in {'p', 'q'}\n")
        (folder / "broken.py").write_text("this is no Python\n")
        assert compile_folder(folder, jobs) == ["one"]
        found.append({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.pyc")})
    assert found[0] == found[1]
    assert list(found[0]) == [f"pkg/__pycache__/mod.{sys.implementation.cache_tag}.pyc"]
    assert b"another folder" not in next(iter(found[1].values()))


def test_a_wheel_s_data_folder_is_left_alone(tmp_path: Path) -> None:
    for path in ("a-1.0.data/scripts/tool.py", "pkg/inner.data/mod.py"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("X = 1\n")
    compile_folder(tmp_path)
    assert [path.parent.parent.name for path in tmp_path.rglob("*.pyc")] == ["inner.data"]
