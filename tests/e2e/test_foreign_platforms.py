"""Images for this machine's platform and a foreign one, made in one run, without an emulator."""

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.baseimages import TAR, Blob, entry, folder_entry, gzip_blob, link_entry, tar_blob, write_image, write_index
from tests.bases import FOREIGN, PLATFORM, Bases

from warmbase.effects.files import CacheFolders
from warmbase.effects.platforms import runs_by
from warmbase.layers.elf import HEAD, MACHINES, read_elf
from warmbase.layers.tree import merge_layers
from warmbase.layers.unpack import UnpackedLayers

NAME = "pair:py3.13-both"
PACKAGES = "python3,dash,libstdc++6"


def foreign_system(work: Path) -> list[Blob]:
    """The files of Debian's packages for the foreign platform: not installed, for that their scripts would have to run.

    What those would have done for a Python to start is done here. Unlike this machine's, it is in /usr/local, too.
    """
    tar = work / "system.tar"
    architecture = FOREIGN.partition("/")[2]
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--architectures={architecture}", "--components=main"]
    environment = {**os.environ, "TMPDIR": str(work)}
    subprocess.run([*command, f"--include={PACKAGES}", "trixie", tar], check=True, env=environment)
    content = tar.read_bytes()
    with tarfile.open(tar) as files:
        python = files.extractfile("./usr/bin/python3.13")
        assert python
        moved = [entry("usr/local/bin/python3.13", python.read()), entry("usr/local/lib/python3.13/os.py")]
    links = [link_entry(name, f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")]
    system = Blob(content=content, media_type=TAR, diff_id="sha256:" + hashlib.sha256(content).hexdigest())
    return [system, tar_blob([folder_entry("usr/lib64"), *links, *moved])]


@pytest.fixture(scope="module")
def locked(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """A catalog on a foundation that has both platforms, with its lock."""
    root = tmp_path_factory.mktemp("platforms")
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    native = write_image(root / "native", [gzip_blob(foundation.store, layer)], platform=PLATFORM)
    foreign = write_image(root / "foreign", foreign_system(root), platform=FOREIGN)
    bases = Bases(folder=root / "bases", cache=root / "cache")
    bases.write_catalog(
        {"pair": ["numpy", "packaging"]},
        platforms=[PLATFORM, FOREIGN],
        foundations={"both": {"oci": "python", "python": "3.13"}},
        defaults={"foundations": ["both"], "backends": []},
    )
    write_index(bases.folder / "python", native, foreign)
    write_index(bases.folder / "foreign", foreign)
    bases.run("lock")
    return bases


@pytest.fixture(scope="module")
def built(locked: Bases, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bases, dict[str, str]]:
    """The catalog, built in one run, and what was said of each platform's verification."""
    bases = locked.copy(tmp_path_factory.mktemp("built"))
    rows = json.loads(bases.run("build", "--json").stdout)
    return bases, {row["platform"]: row["verified"] for row in rows}


def test_what_was_only_looked_at_or_emulated_is_said_to_be_so(
    built: tuple[Bases, dict[str, str]],
) -> None:
    bases, said = built
    assert said.keys() == {PLATFORM, FOREIGN}
    assert said[PLATFORM].endswith(" not run")
    emulated = runs_by(FOREIGN)
    assert f" under {emulated}" in said[FOREIGN] if emulated else said[FOREIGN].startswith("static only: ")
    again = bases.run("build")
    assert again.stderr == ""
    words = {line.split()[1]: line.split("  ")[-1] for line in again.stdout.splitlines() if line.startswith(NAME)}
    assert words == {PLATFORM: "yes", FOREIGN: "yes" if emulated else "static only"}
    assert f"{NAME} ({FOREIGN})" in bases.run("verify", "--platform", FOREIGN).stdout


@pytest.mark.parametrize("platform", [PLATFORM, FOREIGN])
def test_every_program_of_an_image_is_for_its_platform(built: tuple[Bases, dict[str, str]], platform: str) -> None:
    bases, _ = built
    layers = bases.layers(NAME, platform)
    unpacked = UnpackedLayers(CacheFolders(root=bases.cache).unpacked, bases.store)
    tree = merge_layers(unpacked.listings(layers), unpacked.folders(layers))
    machines = {}
    for path, node in tree.nodes.items():
        if node.kind == "file" and node.size:
            with node.open() as file:
                elf = read_elf(file.read(HEAD))
            if elf:
                machines[path] = elf.machine
    assert {path for path in machines if path.startswith("opt/venv/") and "numpy" in path}
    assert "usr/local/bin/uv" in machines
    assert set(machines.values()) == {MACHINES[platform]}


def test_the_venv_belongs_to_the_foundation_s_own_interpreter(built: tuple[Bases, dict[str, str]]) -> None:
    bases, _ = built
    unpacked = UnpackedLayers(CacheFolders(root=bases.cache).unpacked, bases.store)
    for platform, folder in ((PLATFORM, "/usr/bin"), (FOREIGN, "/usr/local/bin")):
        (contract,) = unpacked.folders(bases.layers(NAME, platform)[-1:])
        assert str((contract / "opt/venv/bin/python").readlink()) == f"{folder}/python3.13"
        assert f"home = {folder}\n" in (contract / "opt/venv/pyvenv.cfg").read_text()
        base = json.loads((contract / "opt/warmbase/base.json").read_text())
        assert base["platform"] == platform
        assert f"version_info = {base['python']}\n" in (contract / "opt/venv/pyvenv.cfg").read_text()
    assert (contract / "usr/local/lib/python3.13/EXTERNALLY-MANAGED").is_file()


def test_layers_with_the_same_bytes_are_shared(built: tuple[Bases, dict[str, str]]) -> None:
    bases, _ = built
    _, uv, numpy, packaging, contract = zip(
        *(bases.layers(NAME, platform)[-5:] for platform in (PLATFORM, FOREIGN)), strict=True
    )
    assert [layer.notes.get("package") for layer in (*numpy, *packaging)] == ["numpy"] * 2 + ["packaging"] * 2
    assert packaging[0] == packaging[1]
    assert all(one.diff_id != other.diff_id for one, other in (uv, numpy, contract))


def test_a_platform_alone_on_another_machine_gives_the_same_image(
    built: tuple[Bases, dict[str, str]], locked: Bases, tmp_path: Path
) -> None:
    """In the one run the shared layer came of the build for the native platform, here of that for the foreign one."""
    bases, _ = built
    alone = locked.copy(tmp_path)
    (row,) = alone.build("--platform", FOREIGN)
    assert row["error"] == ""
    assert alone.manifest(NAME, FOREIGN) == bases.manifest(NAME, FOREIGN)


def test_a_foundation_without_this_machine_s_platform_gets_its_packages_on_another(
    built: tuple[Bases, dict[str, str]], locked: Bases, tmp_path: Path
) -> None:
    """The image is the same, but for what it is called: on which foundation packages were installed leaves no trace."""
    bases, _ = built
    other = locked.copy(tmp_path)
    other.write_catalog(
        {"pair": ["numpy", "packaging"]},
        platforms=[FOREIGN],
        foundations={
            "foreign": {"oci": "foreign", "python": "3.13"},
            "both": {"oci": "python", "python": "3.13"},
        },
        defaults={"foundations": ["foreign"], "backends": []},
    )
    finished = other.run("build", "--no-verify")
    assert f"foundation both for {PLATFORM}, to install packages on" in finished.stderr
    assert "2 of 2 wheels" in finished.stderr  # none comes from the other build
    layers = [
        [layer.digest for layer in one.manifest(name, FOREIGN).layers]
        for one, name in ((bases, NAME), (other, "pair:py3.13-foreign"))
    ]
    assert layers[0][:-1] == layers[1][:-1]


def test_a_foundation_alone_without_this_machine_s_platform_is_an_error(locked: Bases, tmp_path: Path) -> None:
    alone = locked.copy(tmp_path)
    alone.write_catalog(
        {"pair": ["packaging"]},
        platforms=[FOREIGN],
        foundations={"foreign": {"oci": "foreign", "python": "3.13"}},
        defaults={"foundations": ["foreign"], "backends": []},
    )
    finished = alone.run("lock", code=1)
    assert f"none with Python 3.13 has it:\n  foreign is not there for {PLATFORM}, but for {FOREIGN}" in finished.stderr
    assert f"add a foundation to the catalog that has {PLATFORM} and Python 3.13" in finished.stderr
