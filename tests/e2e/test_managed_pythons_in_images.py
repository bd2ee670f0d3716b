"""Images on systems without a Python: with glibc built and run here, with musl for another platform."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.baseimages import Blob, elf, entry, folder_entry, gzip_blob, link_entry, tar_blob, write_image
from tests.bases import FOREIGN, PLATFORM, Bases
from tests.grounds import ground_at
from tests.images import environment_of, opened
from tests.managedpythons import DEBIAN, PythonMirror, debian_python, tiny_python

from warmbase.catalog.load import load_catalog
from warmbase.effects.files import CacheFolders
from warmbase.effects.platforms import MACHINES
from warmbase.foundation.pins import ManagedPin
from warmbase.foundation.stage import make_foundation
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.files import read_pins

HOME = "/usr/local/cpython-3.13"
MUSL = f"/lib/ld-musl-{MACHINES[FOREIGN]}.so.1"
ASK = """
import json, sys, sysconfig, markupsafe, requests
print(json.dumps([sys.base_prefix, sys.version.split()[0], json.__cached__, sysconfig.get_config_var("BINDIR")]))
"""


def python_free(system: Blob) -> list[Blob]:
    """Debian's system without its Python; what a real archive brings itself, the one made of it finds here."""
    gone = [entry(f"usr/bin/.wh.{name}") for name in ("python3", "python3.13")]
    return [system, tar_blob([*gone, entry("usr/lib/.wh.python3.13"), entry("usr/lib/.wh.python3")])]


def musl_system() -> Blob:
    """What tells that a system of the foreign platform has musl; none of it runs."""
    members = [
        folder_entry("etc"),
        entry("etc/os-release", b'ID=alpine\nVERSION_ID=3.22\nPRETTY_NAME="Alpine Linux v3.22"\n'),
        entry(MUSL.lstrip("/"), elf(FOREIGN) + b"\x001.2.5\0"),
        link_entry(f"lib/libc.musl-{MACHINES[FOREIGN]}.so.1", MUSL.rpartition("/")[2]),
        entry("bin/busybox", elf(FOREIGN, MUSL)),
        *(link_entry(f"bin/{name}", "busybox") for name in ("sh", "env")),
    ]
    return tar_blob(members)


@pytest.fixture(scope="module")
def system(foundation: Bases) -> Blob:
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    return gzip_blob(foundation.store, layer)


@pytest.fixture(scope="module")
def mirror(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> PythonMirror:
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    (folder,) = UnpackedLayers(CacheFolders(root=foundation.cache).unpacked, foundation.store).folders([layer])
    made = PythonMirror(tmp_path_factory.mktemp("pythons") / "mirror")
    made.offer(debian_python(folder), PLATFORM)
    made.offer(tiny_python(FOREIGN, loader=MUSL), FOREIGN, libc="musl")
    return made


@pytest.fixture(scope="module")
def bases(system: Blob, mirror: PythonMirror, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """A catalog whose Pythons are managed, locked."""
    root = tmp_path_factory.mktemp("managed")
    made = Bases(folder=root / "bases", cache=root / "cache", environment=mirror.environment)
    write_image(made.folder / "plain", python_free(system), {"Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]})
    write_image(made.folder / "alpine", [musl_system()], platform=FOREIGN)
    made.write_catalog(
        {"small": ["requests", "markupsafe"]},
        foundations={"plain": {"oci": "plain", "python": "managed"}, "alpine": {"oci": "alpine", "python": "managed"}},
        defaults={"foundations": ["plain"], "python": ["3.13"], "backends": []},
    )
    made.run("lock")
    return made


@pytest.fixture(scope="module")
def built(bases: Bases) -> dict[str, Any]:
    (row,) = json.loads(bases.run("build", "--json").stdout)
    return dict(row)


def test_an_image_on_a_system_without_python_is_verified(built: dict[str, Any]) -> None:
    assert built["error"] == ""
    assert " not run" in built["verified"]


def test_its_python_is_the_managed_one_inside_of_the_venv_and_outside(bases: Bases, built: dict[str, Any]) -> None:
    variables = environment_of(bases, built["variant"])
    with opened(bases, bases.layers(built["variant"])) as sandbox:
        said = json.loads(sandbox.run(["python", "-c", ASK], env=variables).text)
        assert said[:2] == [HOME, DEBIAN]
        assert said[2].startswith(f"{HOME}/lib/python3.13/json/__pycache__/")
        assert said[3].startswith(f"{HOME}/")
        for name in ("python", "python3", "python3.13"):
            path = f"/usr/local/bin/{name}"
            assert sandbox.run([path, "-c", "import sys; print(sys.prefix)"], env=variables).text == f"{HOME}\n"
        refused = sandbox.run(["uv", "pip", "install", "--offline", "--system", "six"], env=variables)
        assert refused.code
        assert f"{HOME}` is externally managed" in refused.stderr.decode()
        assert "/opt/venv" in refused.stderr.decode()
        fresh = ["uv", "venv", "--offline", "--python", "3.13", "/tmp/other"]
        assert sandbox.run(fresh, env=variables).code == 0


def test_nothing_of_its_library_has_to_be_compiled_again(bases: Bases, built: dict[str, Any]) -> None:
    """Python says of each module whether bytecode matches its source."""
    with opened(bases, bases.layers(built["variant"])) as sandbox:
        program = ["/usr/local/bin/python3", "-v", "-B", "-c", "import json, email.message, asyncio"]
        said = sandbox.run(program, env={"PATH": "/usr/bin"}).stderr.decode()
    assert f"# {HOME}/lib/python3.13/json/__pycache__/decoder.cpython-313.pyc matches" in said
    assert "# code object from /" not in said  # that is said of what was compiled, with quotes of what was loaded


def test_labels_the_bill_and_the_history_name_what_it_was_installed_from(bases: Bases, built: dict[str, Any]) -> None:
    config = json.loads(bases.layout().read(bases.manifest(built["variant"]).config))
    (pin,) = read_pins(load_catalog(bases.catalog), load_catalog(bases.catalog).foundations[0]).values()
    assert isinstance(pin, ManagedPin)
    labels = config["config"]["Labels"]
    assert labels["dev.warmbase.python"] == DEBIAN
    assert labels["dev.warmbase.python.archive"] == pin.archive
    assert f"warmbase: managed Python {pin.archive}" in [step["created_by"] for step in config["history"]]
    with opened(bases, bases.layers(built["variant"])) as sandbox:
        bill = json.loads(sandbox.run(["cat", "/opt/warmbase/sbom.cdx.json"], env={"PATH": "/usr/bin"}).text)
    (python,) = (part for part in bill["components"] if part["name"] == "python")
    assert (python["version"], python["hashes"][0]["content"]) == (DEBIAN, pin.sha256)


def test_its_layer_is_the_same_on_another_machine_without_a_network(
    bases: Bases, built: dict[str, Any], tmp_path: Path
) -> None:
    """Only the archive is there, in the folder where uv keeps such, and no list of archives."""
    catalog = load_catalog(bases.catalog)
    pin = read_pins(catalog, catalog.foundations[0])[PLATFORM, "3.13"]
    kept = {"UV_PYTHON_CACHE_DIR": str(bases.cache / "pythons"), "UV_OFFLINE": "1"}
    ground = ground_at(tmp_path / "another place", **kept)
    CacheFolders(root=tmp_path / "another place").scratch.mkdir(parents=True)
    made = make_foundation(catalog.foundations[0], pin, PLATFORM, ground, locked=True)
    names = [layer.diff_id for layer in made.layers]
    assert names == [layer.diff_id for layer in bases.layers(built["variant"])[: len(names)]]
    assert made.foundation.interpreter == f"{HOME}/bin/python3.13"


def test_a_system_with_musl_gets_musl_s_wheels_and_python(bases: Bases, mirror: PythonMirror, tmp_path: Path) -> None:
    """For another platform than this machine's, as it is compiled and installed on a system with glibc."""
    other = bases.copy(tmp_path, **mirror.environment)
    other.write_catalog(
        {"small": ["requests", "markupsafe"]},
        platforms=[FOREIGN],
        foundations={"alpine": {"oci": "alpine", "python": "managed"}, "plain": {"oci": "plain", "python": "managed"}},
        defaults={"foundations": ["alpine", "plain"], "python": ["3.13"], "backends": []},
    )
    (row,) = json.loads(other.run("build", "--json", "small:py3.13-alpine").stdout)
    assert (row["error"], row["verified"].split(":")[0]) == ("", "static only")
    name = "small:py3.13-alpine"
    unpacked = UnpackedLayers(CacheFolders(root=other.cache).unpacked, other.store)
    _, python, *above = unpacked.folders(other.layers(name, FOREIGN))
    compiled = {path.name for folder in above for path in (folder / "opt/venv").rglob("*.so")}
    assert f"_speedups.cpython-313-{MACHINES[FOREIGN]}-linux-musl.so" in compiled
    assert f"home = {HOME}/bin\n" in (above[-1] / "opt/venv/pyvenv.cfg").read_text()
    assert list((python / HOME.lstrip("/")).rglob("os.cpython-313.pyc"))
