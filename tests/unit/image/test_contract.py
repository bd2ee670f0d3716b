"""What every image promises its children."""

import json
from pathlib import Path

import pytest

from warmbase.image.contract import Identity, contract_entries
from warmbase.image.promises import ENVIRONMENT
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.oci.tar import OPEN_TO_ALL, Entry, directory
from warmbase.packages.entries import SHARED_FOLDER
from warmbase.packages.warm import WarmCache

LEAKING = (
    "VIRTUAL_ENV", "UV_LINK_MODE", "UV_COMPILE_BYTECODE", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_OFFLINE", "UV_NO_CACHE",
    "UV_CONSTRAINT", "UV_OVERRIDE", "UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_INDEX_URL", "UV_DEFAULT_INDEX",
    "PYTHONDONTWRITEBYTECODE", "PYTHONPATH",
)  # fmt: skip


def package(name: str, use: str = "venv") -> LockedPackage:
    file = LockedFile(name=f"{name}-1.0-py3-none-any.whl", sha256="a" * 64, path=f"packages/{name}")
    return LockedPackage(
        name=name,
        version="1.0",
        use=use,
        requires_dist=(),
        requires_python="",
        extras=(),
        files=(file,),
        wheels=(("linux/amd64", file.name),) if use != "index" else (),
    )


LOCK = Lock(
    variant="data:py3.13-trixie",
    python="3.13",
    inputs="",
    uv=package("uv"),
    packages=(package("colorama", "index"), package("numpy"), package("wheel", "warm")),
)
IDENTITY = Identity(
    name="data:py3.13-trixie",
    python="3.13.5",
    uv="0.13.8",
    platform="linux/amd64",
    index="https://index.example/simple",
    recipe="f" * 64,
)


@pytest.fixture
def entries(tmp_path: Path) -> dict[str, Entry]:
    venv = tmp_path / "venv"
    (venv / "lib/python3.13/site-packages").mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin/python").symlink_to("/usr/bin/python3.13")
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (venv / ".lock").touch()
    warm = WarmCache(
        entries=(directory("opt/uv/cache", SHARED_FOLDER), directory("opt/uv/cache/inner", 0o755)),
        uv_lock="version = 1\n",
        pylock='lock-version = "1.0"\n',
    )
    found = contract_entries(LOCK, IDENTITY, warm, venv, "/usr/lib/python3.13", "{}\n")
    return {entry.path: entry for entry in found}


def text(entry: Entry) -> str:
    assert isinstance(entry.source, bytes)
    return entry.source.decode()


@pytest.mark.parametrize("name", LEAKING)
def test_a_variable_that_leaks_into_users_locks_is_not_set(name: str) -> None:
    assert name not in ENVIRONMENT


def test_the_environment_leads_to_the_venv_and_the_cache() -> None:
    assert ENVIRONMENT["PATH"].split(":")[0] == "/opt/venv/bin"
    assert {"/usr/local/bin", "/usr/bin", "/bin"} < set(ENVIRONMENT["PATH"].split(":"))
    assert ENVIRONMENT["UV_PROJECT_ENVIRONMENT"] == "/opt/venv"
    assert ENVIRONMENT["UV_CACHE_DIR"] == "/opt/uv/cache"
    assert ENVIRONMENT["UV_PYTHON_DOWNLOADS"] == "manual"
    assert ENVIRONMENT["UV_SYSTEM_CERTS"] == "1"


def test_a_default_acl_is_what_linux_keeps_in_its_extended_attribute() -> None:
    """Version 2, then tag, permissions and id of each entry (linux/posix_acl_xattr.h), in the order of their tags."""
    ((name, value),) = OPEN_TO_ALL
    assert name == "system.posix_acl_default"
    assert value == bytes.fromhex("0200000001000700ffffffff04000700ffffffff20000700ffffffff")


def test_the_bucket_folders_pass_their_openness_on_and_no_other_folder_does(entries: dict[str, Entry]) -> None:
    assert entries["opt/uv/cache"].xattrs == OPEN_TO_ALL
    assert entries["opt/uv/cache/inner"].xattrs == ()


def test_the_venv_is_open_to_all_and_stays_so(entries: dict[str, Entry]) -> None:
    for path in ("opt/venv", "opt/venv/bin", "opt/venv/lib/python3.13/site-packages"):
        assert (entries[path].mode, entries[path].xattrs) == (0o777, OPEN_TO_ALL)
    assert entries["opt/venv/pyvenv.cfg"].mode == 0o644
    assert entries["opt/venv/.lock"].mode == 0o666


def test_base_json_says_what_the_image_is(entries: dict[str, Entry]) -> None:
    said = json.loads(text(entries["opt/warmbase/base.json"]))
    assert (
        said.items()
        >= {
            "name": "data:py3.13-trixie",
            "python": "3.13.5",
            "uv": "0.13.8",
            "platform": "linux/amd64",
            "index": "https://index.example/simple",
            "recipe": "f" * 64,
        }.items()
    )
    assert said["buckets"]["wheels"].startswith("wheels-v")


def test_constraints_are_what_is_installed(entries: dict[str, Entry]) -> None:
    assert text(entries["opt/warmbase/constraints.txt"]) == "numpy==1.0\n"
    assert text(entries["opt/warmbase/uv.lock"]) == "version = 1\n"
    assert text(entries["opt/warmbase/pylock.toml"]) == 'lock-version = "1.0"\n'


def test_the_system_s_python_says_where_packages_belong(entries: dict[str, Entry]) -> None:
    said = text(entries["usr/lib/python3.13/EXTERNALLY-MANAGED"])
    assert said.startswith("[externally-managed]\nError=")
    assert "Leave out --system" in said
    assert "RUN uv pip install -r requirements.txt" in said
    assert all(line.startswith((" ", "Error=", "[")) for line in said.splitlines())


def test_login_shells_keep_the_venv_on_the_path(entries: dict[str, Entry]) -> None:
    assert "/opt/venv/bin" in text(entries["etc/profile.d/warmbase.sh"])


def test_pip_is_a_program_behind_the_venv_on_the_path(entries: dict[str, Entry]) -> None:
    assert entries["usr/local/bin/pip"].mode == 0o755
    assert text(entries["usr/local/bin/pip"]).startswith("#!/opt/venv/bin/python -IS\n")
    assert entries["usr/local/bin/pip3"].target == "pip"


def test_python_finds_a_pip_module_and_root_a_way_to_close_the_venv(entries: dict[str, Entry]) -> None:
    (module,) = [path for path in entries if path.endswith("/site-packages/pip.py")]
    assert module.startswith("opt/venv/lib/python")
    assert "/usr/local/bin/pip" in text(entries[module])
    assert entries["opt/warmbase/close-venv"].mode == 0o755
    assert text(entries["opt/warmbase/close-venv"]).startswith("#!/opt/venv/bin/python -IS\n")
