"""`warmbase init` and `load` as people run them, and the wheel of warmbase away from its repository."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.bases import Bases

ROOT = Path(__file__).parents[3]
STARTED = [".gitignore", "Makefile", "bases/images.schema.json", "images.yaml"]


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def warmbase(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "warmbase", *arguments, cwd=cwd, env=os.environ | variables)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_init_starts_a_folder_whose_catalog_has_nothing_wrong(tmp_path: Path) -> None:
    done = warmbase("init", "bases-of-ana", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "bases-of-ana"
    assert files_in(folder) == STARTED
    assert "next: cd bases-of-ana && warmbase build" in done.stdout
    checked = warmbase("check", "--json", cwd=folder)
    assert json.loads(checked.stdout) == {"valid": True, "problems": []}
    first = (folder / "images.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=bases/images.schema.json"
    schema = ROOT / "src" / "warmbase" / "catalog" / "images.schema.json"
    assert (folder / "bases" / "images.schema.json").read_bytes() == schema.read_bytes()


def test_every_commented_line_of_the_catalog_can_be_switched_on(tmp_path: Path) -> None:
    warmbase("init", cwd=tmp_path)
    catalog = tmp_path / "images.yaml"
    text = catalog.read_text(encoding="utf-8")
    switched = text.replace("# registry:", "registry:").replace("# bookworm:", "bookworm:")
    for line in ("data:", "  description: Data", "  sets: [basics, testing]\n  #", "  requirements: [numpy"):
        assert f"  # {line}" in switched
        switched = switched.replace(f"  # {line}", f"  {line}")
    catalog.write_text(switched, encoding="utf-8")
    listed = json.loads(warmbase("list", "--json", cwd=tmp_path).stdout)
    assert [variant["variant"] for variant in listed] == ["core:py3.13-trixie", "data:py3.13-trixie"]


def test_init_names_everything_that_is_in_the_way_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("mine:\n", encoding="utf-8")
    (tmp_path / "images.yaml").symlink_to("nowhere")
    done = warmbase("init", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path} already has Makefile, images.yaml; nothing was written." in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "images.yaml"]
    assert (tmp_path / "Makefile").read_text(encoding="utf-8") == "mine:\n"


def test_init_goes_on_where_an_interrupted_one_stopped(tmp_path: Path) -> None:
    warmbase("init", cwd=tmp_path)
    (tmp_path / "images.yaml").unlink()
    assert warmbase("init", cwd=tmp_path).returncode == 0
    assert files_in(tmp_path) == STARTED


def test_the_makefile_says_how_to_get_warmbase(tmp_path: Path) -> None:
    warmbase("init", cwd=tmp_path)
    done = run("make", "WARMBASE=no-such-warmbase", cwd=tmp_path)
    assert done.returncode == 2
    assert "warmbase is not installed here: `uv tool install warmbase`" in done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    warmbase("init", cwd=tmp_path)
    return tmp_path


def engine_path(folder: Path, *engines: str) -> str:
    """A PATH with nothing but engines that say what a client without a daemon says."""
    programs = folder / "programs"
    programs.mkdir()
    for engine in engines:
        (programs / engine).write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n")
        (programs / engine).chmod(0o755)
    (programs / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    return str(programs)


def write_layout(folder: Path, name: str) -> None:
    """A layout with an image of one small layer."""
    from warmbase.layers.codec import Codec
    from warmbase.layers.pack import pack_entries
    from warmbase.oci.layout import LayoutImage, publish_to_layout
    from warmbase.oci.manifest import CONFIG, MANIFEST, Config, Descriptor, Manifest, Platform, describe
    from warmbase.oci.tar import file_of

    packed = pack_entries([file_of("hello", b"hello\n")], Codec(), folder)
    layer = Descriptor(media_type=packed.media_type, digest=packed.digest, size=packed.size)
    config = Config(platform=Platform(), created="", diff_ids=(packed.diff_id,)).to_bytes()
    manifest = Manifest(config=describe(config, CONFIG), layers=(layer,)).to_bytes()

    class Source:
        def blob_path(self, digest: str) -> Path:
            return packed.blob

    image, _, tag = name.partition(":")
    publish_to_layout(
        folder / "dist",
        [LayoutImage(image=image, tags=(tag,), root=describe(manifest, MANIFEST, Platform()),
                     documents=(manifest, config), layers=(layer,))],
        Source(),
    )  # fmt: skip


def test_load_without_a_layout_says_to_build(folder: Path) -> None:
    done = warmbase("load", "core", cwd=folder)
    assert done.returncode == 74
    assert done.stderr == (
        "error: there is no OCI layout at dist\n  next: run `warmbase build core`, or name the layout with --output\n"
    )


def test_load_of_what_is_not_built_names_it(folder: Path) -> None:
    write_layout(folder, "other:py3.13-trixie")
    done = warmbase("load", "core:py3.13", cwd=folder)
    assert done.returncode == 74
    assert done.stderr == (
        "error: core:py3.13-trixie is not built in dist\n  next: run `warmbase build core:py3.13-trixie`\n"
    )


def test_load_without_an_engine_says_what_to_install(folder: Path) -> None:
    write_layout(folder, "core:py3.13-trixie")
    done = warmbase("load", "core", cwd=folder, PATH=engine_path(folder))
    assert done.returncode == 69
    assert done.stderr.startswith("error: docker is not installed\npodman is not installed\n  next: install Docker")


def test_load_says_why_each_engine_does_not_answer(folder: Path) -> None:
    write_layout(folder, "core:py3.13-trixie")
    done = warmbase("load", "core", cwd=folder, PATH=engine_path(folder, "docker", "podman"))
    assert done.returncode == 69
    assert "docker does not answer: Cannot connect to the daemon" in done.stderr
    assert "podman does not answer: Cannot connect to the daemon" in done.stderr
    assert "next: start it" in done.stderr


def test_load_asks_the_named_engine_only(folder: Path) -> None:
    write_layout(folder, "core:py3.13-trixie")
    done = warmbase("load", "core", "--engine", "podman", cwd=folder, PATH=engine_path(folder, "docker"))
    assert done.stderr.startswith("error: podman is not installed\n  next:")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A `warmbase` installed from its wheel, with the locked packages, in a venv of its own."""
    uv = Path(sys.executable).with_name("uv")
    place = tmp_path_factory.mktemp("installed")
    source = place / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source / name)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache")
    shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
    env = os.environ | {"UV_SYSTEM_CERTS": "1", "UV_CACHE_DIR": str(place / "uv-cache"), "UV_PYTHON_DOWNLOADS": "never"}
    venv = place / "venv"
    for command in (
        (uv, "build", "--quiet", "--wheel", "--out-dir", place, "--python", sys.executable, source),
        (uv, "venv", "--quiet", "--python", sys.executable, venv),
        (uv, "pip", "install", "--quiet", "--python", venv, "--require-hashes", "-r", ROOT / "requirements.txt"),
    ):
        done = run(*command, cwd=place, env=env)
        assert done.returncode == 0, done.stderr
    (wheel,) = place.glob("*.whl")
    done = run(uv, "pip", "install", "--quiet", "--python", venv, "--no-deps", wheel, cwd=place, env=env)
    assert done.returncode == 0, done.stderr
    yield venv / "bin" / "warmbase"
    shutil.rmtree(place)


def test_the_wheel_has_every_file_of_the_package(installed: Path) -> None:
    (packages,) = installed.parents[1].glob("lib/python*/site-packages")
    own = files_in(installed.parents[2] / "source" / "src" / "warmbase")
    assert "init/images.yaml" in own
    assert [name for name in files_in(packages / "warmbase") if "__pycache__" not in name] == own


def test_the_installed_tool_builds_in_a_folder_of_its_own(installed: Path, foundation: Bases, tmp_path: Path) -> None:
    """From nothing but the wheel: init, then make, in a folder that has nothing to do with the repository. The machine
    knows the foundation: making one takes the same files, and half a minute."""
    env = os.environ | {
        "PATH": f"{installed.parent}{os.pathsep}{os.environ['PATH']}",
        "WARMBASE_CACHE_DIR": str(foundation.copy(tmp_path / "known").cache),
    }
    env.pop("PYTHONPATH", None)
    folder = tmp_path / "bases"
    started = run("warmbase", "init", folder, cwd=tmp_path, env=env)
    assert started.returncode == 0, started.stderr
    made = run("make", "OPTIONS=--no-verify --json", cwd=folder, env=env)
    assert made.returncode == 0, made.stderr
    index = json.loads((folder / "dist" / "index.json").read_bytes())
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]
    assert names == ["core:py3.13", "core:py3.13-trixie"]
    assert (folder / "bases" / "core" / "py3.13-trixie.txt").exists()
    again = run("warmbase", "plan", "--json", cwd=folder, env=env)
    assert [step["variant"] for step in json.loads(again.stdout)] == ["core:py3.13-trixie"]
