"""The uv that works on foundations with musl."""

from pathlib import Path

from warmbase.effects.files import CacheFolders
from warmbase.effects.runner import Bind, Root, find_runner
from warmbase.effects.uv import find_uv

UV = "0.13.8"


def test_uv_for_musl_is_the_same_version_and_runs_where_there_is_no_library_at_all(tmp_path: Path) -> None:
    uv = find_uv(UV, cache=tmp_path)
    binary = uv.binary_for("musl")
    assert uv.binary_for("glibc") == uv.binary != binary
    scratch, empty = CacheFolders(root=tmp_path).scratch, tmp_path / "empty"
    scratch.mkdir(parents=True)
    empty.mkdir()
    root, binds = Root(folders=(empty,)), [Bind(source=binary, target="/uv", read_only=True)]
    with find_runner(scratch).open(root, binds=binds) as sandbox:
        finished = sandbox.run(["/uv", "--version"], env={})
    assert finished.text.startswith(f"uv {UV}"), finished.stderr.decode()


def test_uv_for_musl_is_fetched_once(tmp_path: Path) -> None:
    binary = find_uv(UV, cache=tmp_path).binary_for("musl")
    fetched = binary.stat()
    assert find_uv(UV, cache=tmp_path, environment={"UV_OFFLINE": "1"}).binary_for("musl") == binary
    assert binary.stat() == fetched
    assert [path.name for path in (tmp_path / "uv").iterdir()] == [f"{UV}-musl"]
