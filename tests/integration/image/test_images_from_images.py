"""Images that are from other images: they have those images' layers and checks, and more."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases
from tests.images import check_same, files_of_a_plain_sync, files_of_the_image
from tests.wheelhouse import Mirror, Wheel, make_wheel, serve, uv_wheel
from uv import find_uv_bin

from warmbase.effects.files import CacheFolders
from warmbase.oci.digests import digest_of
from warmbase.verify.record import hash_smokes, read_verified

UV = version("uv")
DATA, ML, DEEP = "data:py3.13-trixie", "ml:py3.13-trixie", "deep:py3.13-trixie"
SHARED = "/opt/venv/lib/python3.13/site-packages/shared.py"
WHOSE = {name: f"WHOSE = '{name}'\n" for name in ("ground", "learn")}
IMAGES: dict[str, dict[str, Any]] = {
    "ml": {"from": "data", "requirements": ["learn"], "warm": ["tool"], "winners": {"*/shared.py": "learn"}},
    "data": {"sets": ["numbers"], "requirements": ["ground"], "warm": ["spare"]},
    "deep": {"from": "ml", "requirements": ["spare"]},
}


def wheels() -> list[Wheel]:
    return [
        uv_wheel(UV, Path(find_uv_bin())),
        make_wheel("numbers", "1.0", {"digits.py": "V = 1.0\n"}),
        make_wheel("numbers", "1.1", {"digits.py": "V = 1.1\n"}),
        make_wheel("ground", "1.0", {"ground.py": "", "shared.py": WHOSE["ground"]}),
        make_wheel("spare", "1.0", {"spare.py": ""}),
        make_wheel("tool", "1.0", {"tool.py": ""}),
        make_wheel("learn", "2.0", {"learn.py": "", "shared.py": WHOSE["learn"]}, requires=["numbers", "middle"]),
        make_wheel("middle", "0.9", {"middle.py": ""}),
        make_wheel("middle", "1.0", {"middle.py": ""}, requires=["numbers<1.1"]),
        make_wheel("rival", "1.0", {"rival.py": ""}, requires=["numbers<1.1"]),
    ]


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with serve(Mirror(wheels=wheels())) as served:
        yield served


def write(bases: Bases, **changed: dict[str, Any]) -> None:
    """The catalog of three generations; what is `changed` of an image is added to it."""
    images = {name: {**said, **changed.get(name, {})} for name, said in IMAGES.items()}
    bases.catalog.unlink(missing_ok=True)
    bases.write_catalog(images, uv=UV, sets={"numbers": ["numbers"]})


def write_smoke(bases: Bases, image: str, program: str) -> Path:
    path = bases.folder / f"bases/{image}/smoke.py"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(program)
    return path


@pytest.fixture(scope="module")
def family(foundation: Bases, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """Three generations, locked, built and verified in one run; tests that change anything work on copies."""
    environment = {"UV_DEFAULT_INDEX": mirror.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    bases = foundation.copy(tmp_path_factory.mktemp("family"), **environment)
    write(bases)
    write_smoke(bases, "data", "import digits; assert digits.V == 1.1")
    write_smoke(bases, "ml", "import learn, digits")
    rows = json.loads(bases.run("build", "--json").stdout)
    assert [(row["variant"], row["error"]) for row in rows] == [(DATA, ""), (ML, ""), (DEEP, "")]
    return bases


@pytest.fixture
def copied(family: Bases, tmp_path: Path) -> Bases:
    return family.copy(tmp_path, **family.environment)


def versions(bases: Bases, image: str) -> dict[str, str]:
    lock = json.loads((bases.folder / f"bases/{image}/py3.13-trixie.json").read_text())
    return {package["name"]: package["version"] for package in lock["packages"] if package["use"] != "index"}


def reasons(bases: Bases) -> dict[str, str]:
    return {row["variant"]: row["reason"] for row in json.loads(bases.run("plan", "--json").stdout)}


@pytest.mark.parametrize(("parent", "child"), [(DATA, ML), (ML, DEEP)])
def test_a_child_begins_with_all_layers_of_its_parent_but_the_contract(family: Bases, parent: str, child: str) -> None:
    above, below = family.manifest(child).layers, family.manifest(parent).layers[:-1]
    assert above[: len(below)] == below
    own = sum(layer.size for layer in above if layer not in below)
    assert 0 < own < 0.01 * sum(layer.size for layer in above), "what is pulled after the parent"


def test_a_child_has_what_a_plain_sync_of_its_lock_gives(family: Bases, tmp_path: Path) -> None:
    image, plain = files_of_the_image(family, DEEP), files_of_a_plain_sync(family, DEEP, tmp_path)
    assert image[SHARED][2] == digest_of(WHOSE["learn"].encode()).removeprefix("sha256:"), "the winner lies above"
    check_same({**image, SHARED: ()}, {**plain, SHARED: ()})
    assert SHARED.replace("shared", "spare") in image, "what is in the cache alone below is in the venv above"


def test_a_child_is_vouched_for_by_its_parents_checks_and_its_own(family: Bases) -> None:
    checks = [family.folder / f"bases/{image}/smoke.py" for image in ("data", "ml")]
    verified = read_verified(CacheFolders(root=family.cache).verified)
    digests = {name: build.digest for name in (ML, DEEP) for build in family.layout().builds(name)}
    assert all(verified[digest, hash_smokes(checks)] for digest in digests.values())


def test_an_image_says_what_it_is_from(family: Bases) -> None:
    configs = [json.loads(family.layout().read(family.manifest(name).config)) for name in (DATA, ML, DEEP)]
    assert [config["config"]["Labels"].get("dev.warmbase.from") for config in configs] == [None, DATA, ML]


def test_a_child_of_a_parent_that_fails_is_not_built(copied: Bases) -> None:
    before = copied.digests()
    write_smoke(copied, "data", "assert False, 'no good'")
    rows = json.loads(copied.run("build", "--json", code=1).stdout)
    errors = [(row["variant"], row["error"].splitlines()[0]) for row in rows]
    assert errors == [
        (DATA, f"{DATA} on {rows[0]['platform']}: 1 of its checks failed"),
        (ML, f"{ML} is from {DATA}, which could not be built"),
        (DEEP, f"{DEEP} is from {ML}, which could not be built"),
    ]
    assert copied.digests() == before


def test_a_child_moves_with_its_parent(copied: Bases, mirror: Mirror) -> None:
    newer = make_wheel("numbers", "1.2", {"digits.py": "V = 1.2\n"})
    mirror.wheels.append(newer)
    copied.run("lock", "data", "--upgrade-package", "numbers")
    mirror.wheels.remove(newer)
    assert [versions(copied, image)["numbers"] for image in ("data", "ml")] == ["1.2", "1.1"]
    locked_first = {name for name, reason in reasons(copied).items() if reason.startswith("to be locked first")}
    assert locked_first == {ML, DEEP}

    mirror.wheels.append(newer)
    rows = {row["variant"]: row for row in copied.build()}
    mirror.wheels.remove(newer)
    assert [rows[name]["wheels_made"] for name in (DATA, ML, DEEP)] == [1, 0, 0]
    assert versions(copied, "ml") == {**versions(copied, "data"), "learn": "2.0", "middle": "0.9", "tool": "1.0"}
    below = copied.manifest(DATA).layers[:-1]
    assert copied.manifest(DEEP).layers[: len(below)] == below


def test_what_a_child_cannot_have_beside_its_parent_is_named_with_both_places(copied: Bases) -> None:
    write(copied, ml={"requirements": ["learn", "rival"]})
    finished = copied.run("lock", "ml", code=1)
    places = re.findall(r"^  images\.yaml:\d+:\d+: (.*)", finished.stderr, re.MULTILINE)
    assert places[-2:] == ["rival", f"numbers ({DATA} has numbers 1.1)"]


def test_nothing_is_to_do_after_a_build(family: Bases) -> None:
    assert reasons(family) == dict.fromkeys((ML, DATA, DEEP), "")
