"""What the probe finds below a folder, and what is said of the base that is found there."""

import ast
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.needing import project
from tests.offered import INDEX, base, edition, offered, published, wheel_hash, wheel_name

from warmbase.downstream.doctor.containers import Survey, read_identity
from warmbase.downstream.doctor.examine import examine_container
from warmbase.downstream.doctor.model import Diagnosis
from warmbase.downstream.doctor.probing import survey_root
from warmbase.downstream.inside import probe
from warmbase.downstream.listing import Base
from warmbase.errors import ProjectError
from warmbase.image.promises import BUCKETS, CACHE, IDENTITY, VENV
from warmbase.packages.uvcache import ARCHIVES, WHEELS, Framed, archive_id, pointer_data, write_framed

PACKAGES = {"numpy": "2.3.4", "pandas": "2.2.3"}
BASE = base("data:py3.13-trixie", PACKAGES)
TODAY = date(2026, 11, 21)


def write(folder: Path, path: str, content: str | bytes) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def image(folder: Path, recipe: str = "", installed: Mapping[str, str] = PACKAGES) -> Path:
    """The files of a base that doctor looks at."""
    identity = {"name": BASE.variant, "python": "3.13", "uv": "0.13.8", "platform": "linux/amd64", "index": INDEX}
    write(folder, IDENTITY, json.dumps({**identity, "recipe": recipe or BASE.content.rpartition("-")[2] + "0" * 52}))
    write(folder, f"{VENV}/pyvenv.cfg", "home = /usr/bin\nversion_info = 3.13.5\n")
    for name, version in installed.items():
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nNumbers.\n"
        write(folder, f"{VENV}/lib/python3.13/site-packages/{name}-{version}.dist-info/METADATA", metadata)
    for bucket in BUCKETS.values():
        (folder / CACHE / bucket).mkdir(parents=True)
    for name, version in PACKAGES.items():
        file = wheel_name(name, version)
        sha256 = wheel_hash(file)
        data = pointer_data(archive=archive_id(sha256), sha256=sha256, filename=file, size=1)
        pointer = write_framed(Framed(data=data, policy=b""))
        write(folder, f"{CACHE}/{WHEELS}/pypi/{name}/{version}-py3-none-any.http", pointer)
        write(folder, f"{CACHE}/{ARCHIVES}/{archive_id(sha256)}/{name}/__init__.py", "")
    return folder


def examine(folder: Path, *bases: Base, needs: Mapping[str, str] | None = PACKAGES) -> Diagnosis:
    asked = project(needs) if needs else None
    return examine_container(asked, survey_root(folder), published(*(bases or (BASE,))), today=TODAY, is_image=True)


def test_the_files_of_a_base_serve_its_packages(tmp_path: Path) -> None:
    diagnosis = examine(image(tmp_path))
    assert diagnosis.findings == ()
    assert [(one.name, one.outcome) for one in diagnosis.verdicts] == [("numpy", "hit"), ("pandas", "hit")]


def test_what_is_in_the_cache_alone_is_told_apart(tmp_path: Path) -> None:
    (found,) = examine(image(tmp_path, installed={"numpy": "2.3.4"})).findings
    assert (found.code, found.packages) == ("not-installed", ("pandas",))


def test_a_uv_in_front_of_the_image_s_own_is_found_without_being_run(tmp_path: Path) -> None:
    folder = image(tmp_path)
    write(folder, "usr/local/bin/uv", "the image's own")
    assert examine(folder).findings == ()
    (folder / VENV / "bin").mkdir()
    (folder / VENV / "bin" / "uv").symlink_to("/nowhere")
    (found,) = examine(folder).findings
    assert (found.code, found.severity) == ("other-uv", "warning")
    assert "uv of unknown version at /opt/venv/bin/uv" in found.message


def test_without_a_project_the_base_s_own_packages_are_looked_at(tmp_path: Path) -> None:
    folder = image(tmp_path)
    assert examine(folder, needs=None).hits == 2
    pandas = wheel_hash(wheel_name("pandas", "2.2.3"))
    (folder / CACHE / ARCHIVES / archive_id(pandas)).rename(folder / "gone")
    (folder / VENV / "lib/python3.13/site-packages/pandas-2.2.3.dist-info").rename(folder / "gone too")
    (found,) = examine(folder, needs=None).findings
    assert (found.code, found.packages) == ("archive", ("pandas",))


def test_what_is_kept_warm_is_nobody_s_to_install_without_a_project(tmp_path: Path) -> None:
    warm = base("data:py3.13-trixie", [offered("numpy", "2.3.4"), offered("pandas", "2.2.3", use="warm")])
    folder = image(tmp_path, installed={"numpy": "2.3.4"})
    for bases in ((warm,), (base("web:py3.13-trixie"),)):
        diagnosis = examine(folder, *bases, needs=None)
        assert [(one.name, one.outcome) for one in diagnosis.verdicts] == [("numpy", "hit")]
    (folder / CACHE / ARCHIVES / archive_id(wheel_hash(wheel_name("pandas", "2.2.3")))).rename(folder / "gone")
    (found,) = examine(folder, warm, needs=None).findings
    assert (found.code, found.packages) == ("archive", ("pandas",))


def test_an_older_image_names_the_newer_one(tmp_path: Path) -> None:
    newer, older = edition(BASE), edition(BASE, days=30)
    known = replace(BASE, history=(newer, older))
    folder = image(tmp_path, recipe=older.content.rpartition("-")[2] + "0" * 52)
    (found,) = examine(folder, known).findings
    assert (found.code, found.severity) == ("stale", "warning")
    assert f"FROM {BASE.reference}" in found.fix


@pytest.mark.parametrize("bases", [(replace(BASE, yanked="its openssl is broken"),)])
def test_a_yanked_image_is_found(tmp_path: Path, bases: tuple[Base, ...]) -> None:
    (found,) = examine(image(tmp_path), *bases).findings
    assert (found.code, found.severity) == ("yanked", "error")


def test_a_base_that_cannot_be_looked_up_is_only_a_note(tmp_path: Path) -> None:
    folder = image(tmp_path)
    other = base("web:py3.13-trixie")
    asked = project(PACKAGES)
    for where in (published(other), None):
        (found,) = examine_container(asked, survey_root(folder), where, today=TODAY, is_image=True).findings
        assert (found.code, found.severity) == ("not-looked-up", "note")


def test_what_is_no_base_is_refused() -> None:
    surveys: list[Survey] = [{"identity": None}, {"identity": []}, {"identity": "data"}]
    for survey in surveys:
        with pytest.raises(ProjectError, match="no container of a base"):
            read_identity(survey)


def test_secrets_stay_in_the_container(tmp_path: Path) -> None:
    environment = {
        "UV_INDEX_MINE_PASSWORD": "hunter22",
        "UV_PUBLISH_TOKEN": "hunter22",
        "UV_DEFAULT_INDEX": "https://me:hunter22@index.example/simple",
        "AWS_SESSION": "hunter22",
        "PATH": "",
    }
    wanted = {"venv": "/v", "cache": "/c", "identity": "/i", "root": str(tmp_path), "environment": environment}
    found = probe.survey(wanted)
    assert "hunter22" not in json.dumps(found)
    assert found["environment"]["UV_DEFAULT_INDEX"] == "https://index.example/simple"


def test_damaged_metadata_and_pointers_are_passed_over(tmp_path: Path) -> None:
    folder = image(tmp_path)
    write(folder, f"{VENV}/lib/python3.13/site-packages/broken-1.dist-info/METADATA", b"\xff\x00 no name")
    (folder / VENV / "lib/python3.13/site-packages/empty-1.dist-info").mkdir()
    write(folder, f"{CACHE}/{WHEELS}/pypi/broken/1-py3-none-any.http", b"no pointer")
    write(folder, f"{CACHE}/{WHEELS}/stray.http", b"")
    assert examine(folder).findings == ()


def test_the_probe_runs_on_every_python_of_a_base() -> None:
    text = Path(probe.__file__).read_text()
    tree = ast.parse(text, feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert "warmbase" not in text.split('"""', 2)[2]
    assert imported == {"base64", "json", "os", "re", "stat", "subprocess", "sys"}
