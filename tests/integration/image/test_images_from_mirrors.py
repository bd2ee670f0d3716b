"""Images of hand-made wheels: whichever mirror serves them, and whatever is odd about them."""

import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.bases import Bases
from tests.images import (
    check_same,
    environment_of,
    files_of_a_plain_sync,
    files_of_the_image,
    opened,
    unpacked_blobs,
)
from tests.wheelhouse import PASSWORD, USER, Mirror, Wheel, make_wheel, serve, uv_wheel
from uv import find_uv_bin

from warmbase.effects.runner import Bind

UV = version("uv")
NAME = "odd:py3.13-trixie"
LONG = "py2.py3.cp39.cp310.cp311.cp312.cp313.cp314.cp315.cp316.cp317-none-any"  # uv hashes longer stems
REQUIREMENTS = ["tiny-app[more]", "ns-one", "ns-two", "data-files", "same-a", "same-b", "long-name", "Dotted.Name"]


def make_wheels() -> list[Wheel]:
    app = "def main():\n    print('tiny app')\n"
    tool = "#!python\nimport data_files\nprint(data_files.__name__)\n"
    return [
        make_wheel(
            "tiny-app",
            "1.0",
            {"tiny_app/__init__.py": app, "tiny_app/broken.py": "this is no Python\n"},
            requires=["tiny-lib>=1", "tiny-win ; sys_platform == 'win32'", "tiny-extra ; extra == 'more'"],
            extras=["more"],
            scripts={"tiny-app": "tiny_app:main"},
        ),
        make_wheel("tiny-lib", "1.0+local.1", {"tiny_lib.py": "", "tiny lib data/a file.txt": "x"}),
        make_wheel("tiny-extra", "1.0", {"tiny_extra.py": ""}),
        make_wheel("tiny-win", "1.0", {"tiny_win.py": ""}, tag="py3-none-win_amd64"),
        make_wheel("ns-one", "1.0", {"ns/one.py": "ONE = 1\n"}),
        make_wheel("ns-two", "1.0", {"ns/two.py": "TWO = 2\n"}),
        make_wheel(
            "data-files",
            "1.0",
            {
                "data_files.py": "",
                "DATA/scripts/data-tool": tool,
                "DATA/scripts/data_script.py": "#!python\nprint('script')\n",
                "DATA/scripts/data-tool.sh": "#!/bin/sh\necho shell\n",
                "DATA/data/share/data-files/read me.txt": "hello\n",
                "DATA/data/etc/data-files.conf": "a = 1\n",
                "DATA/purelib/data_pure.py": "",
                "DATA/headers/data.h": "int a;\n",
            },
        ),
        make_wheel("same-a", "1.0", {"shared/common.py": "X = 1\n", "shared/a.py": ""}),
        make_wheel("same-b", "1.0", {"shared/common.py": "X = 1\n", "shared/b.py": ""}),
        make_wheel("clash-a", "1.0", {"clash/__init__.py": "WHO = 'a'\n", "clash/same.py": ""}),
        make_wheel("clash-b", "1.0", {"clash/__init__.py": "WHO = 'b'\n", "clash/same.py": ""}),
        make_wheel("long-name", "1.0", {"long_name.py": ""}, tag=LONG),
        make_wheel("Dotted.Name", "1.0", {"dotted/name.py": ""}),
    ]


@pytest.fixture(scope="module")
def wheels() -> list[Wheel]:
    return [uv_wheel(UV, Path(find_uv_bin())), *make_wheels()]


@pytest.fixture(scope="module")
def mirror(wheels: list[Wheel]) -> Iterator[Mirror]:
    with serve(Mirror(wheels=wheels)) as served:
        yield served


@pytest.fixture(scope="module")
def other_mirror(wheels: list[Wheel]) -> Iterator[Mirror]:
    other = Mirror(wheels=wheels, simple="/api/team/simple", storage="/files/of/team", secret=True, sparse=True)
    with serve(other) as served:
        yield served


def copy(foundation: Bases, root: Path, mirror: Mirror) -> Bases:
    environment = {"UV_DEFAULT_INDEX": mirror.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return foundation.copy(root, **environment)


@pytest.fixture(scope="module")
def odd(foundation: Bases, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    bases = copy(foundation, tmp_path_factory.mktemp("odd"), mirror)
    bases.catalog.unlink()
    bases.write_catalog({"odd": REQUIREMENTS}, uv=UV)
    bases.run("lock")
    (row,) = bases.build()
    assert (row["error"], row["wheels"]) == ("", 10)
    return bases


def test_odd_wheels_are_installed_as_uv_installs_them(odd: Bases, tmp_path: Path) -> None:
    check_same(files_of_the_image(odd, NAME), files_of_a_plain_sync(odd, NAME, tmp_path))


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (["tiny-app"], "tiny app"),
        (["data-tool"], "data_files"),
        (["data-tool.sh"], "shell"),
        (["data_script.py"], "script"),
        (["cat", "/opt/venv/share/data-files/read me.txt"], "hello"),
        (["python", "-c", "import ns.one, ns.two; print(ns.one.ONE + ns.two.TWO)"], "3"),
        (["python", "-c", "import shared.a, shared.b, shared.common; print(shared.common.X)"], "1"),
        (["python", "-c", "import data_pure, long_name, dotted.name; print('all')"], "all"),
        (["sh", "-c", "head -1 /opt/venv/bin/tiny-app"], "#!/bin/sh"),
    ],
)
def test_what_they_bring_works(odd: Bases, command: list[str], output: str) -> None:
    with opened(odd, odd.layers(NAME)) as sandbox:
        finished = sandbox.run(command, env=environment_of(odd, NAME))
    assert (finished.text.strip(), finished.code) == (output, 0), finished.stderr.decode()


@pytest.mark.parametrize("requirement", ["tiny-app[more]", "long-name", "dotted-name", "data-files", "same-a"])
def test_a_child_finds_them_in_the_cache_offline(odd: Bases, tmp_path: Path, requirement: str) -> None:
    """In an environment of its own: a wheel that the cache does not hold cannot be there."""
    folder = tmp_path / "child"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "child"\nversion = "1"\nrequires-python = ">=3.13"\ndependencies = ["{requirement}"]\n'
    )
    with opened(odd, odd.layers(NAME), [Bind(source=folder, target="/app")]) as sandbox:
        environment = environment_of(odd, NAME) | {"UV_PROJECT_ENVIRONMENT": "/app/.venv"}
        finished = sandbox.run(["uv", "sync", "--offline"], env=environment, cwd="/app")
    assert finished.code == 0, finished.stderr.decode()
    assert list((folder / ".venv/lib/python3.13/site-packages").glob("*.dist-info"))


def test_another_mirror_gives_the_same_lock_and_the_same_image_and_its_credentials_are_nowhere(
    odd: Bases, other_mirror: Mirror, foundation: Bases, tmp_path: Path
) -> None:
    """Other paths, a name and a password, no sizes and no metadata; and a cache of its own."""
    other = copy(foundation, tmp_path, other_mirror)
    other.catalog.unlink()
    other.catalog.write_bytes(odd.catalog.read_bytes())
    finished = [other.run("lock"), other.run("build", "--no-verify"), other.run("plan")]
    for name in ("bases/odd/py3.13-trixie.json", "bases/odd/py3.13-trixie.txt"):
        assert (other.folder / name).read_bytes() == (odd.folder / name).read_bytes()
    assert other.digests() == odd.digests()
    assert any(path.startswith("/files/of/team/packages/") for path in other_mirror.asked)
    said = "".join(each.stdout + each.stderr for each in finished)
    assert PASSWORD not in said
    traces = [PASSWORD.encode(), f"{USER}:".encode(), b"127.0.0.1:%d" % other_mirror.port, b"/api/team/simple"]
    for content in (*unpacked_blobs(other), *(path.read_bytes() for path in other.cache.glob("store/records/*"))):
        for trace in traces:
            assert trace not in content


def test_wheels_that_disagree_need_a_winner_and_it_wins(mirror: Mirror, foundation: Bases, tmp_path: Path) -> None:
    bases = copy(foundation, tmp_path, mirror)
    bases.catalog.unlink()
    requirements = ["clash-a", "clash-b"]
    bases.write_catalog({"clash": requirements, "fine": ["ns-one"]}, uv=UV)
    bases.run("lock")
    rows = {row["variant"]: row for row in bases.build(code=1)}
    path = "lib/python3.13/site-packages/clash/__init__.py"
    assert f"{path}: clash-a, clash-b" in rows["clash:py3.13-trixie"]["error"]
    assert "clash/same.py" not in rows["clash:py3.13-trixie"]["error"]
    assert rows["fine:py3.13-trixie"]["error"] == ""
    for winner, letter in (("clash-a", "a"), ("clash-b", "b")):
        image = {"requirements": requirements, "winners": {path: winner}}
        bases.write_catalog({"clash": image, "fine": ["ns-one"]}, uv=UV)
        assert not any(row["error"] for row in bases.build())
        name = "clash:py3.13-trixie"
        with opened(bases, bases.layers(name)) as sandbox:
            program = ["python", "-c", "import clash; print(clash.WHO)"]
            assert sandbox.run(program, env=environment_of(bases, name)).text == f"{letter}\n"


def test_a_wheel_that_the_index_replaced_is_refused(
    odd: Bases, foundation: Bases, wheels: list[Wheel], tmp_path: Path
) -> None:
    """The lock's hash decides, and the message names the package; the others' images are as they were."""
    changed = [wheel for wheel in wheels if wheel.name != "tiny-lib"]
    changed.append(make_wheel("tiny-lib", "1.0+local.1", {"tiny_lib.py": "import os\n"}))
    with serve(Mirror(wheels=changed)) as served:
        bases = copy(foundation, tmp_path, served)
        subprocess.run(["cp", "-r", odd.folder / "bases/odd", bases.folder / "bases"], check=True)
        bases.catalog.unlink()
        bases.catalog.write_bytes(odd.catalog.read_bytes())
        (row,) = bases.build("--locked", code=1)
    assert "tiny-lib" in row["error"]
    assert "hash" in row["error"].lower()
    assert not bases.output.exists()
