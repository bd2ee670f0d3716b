"""Static checks: a right image passes them all, and each fault is found and named."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.verify.conftest import Tiny

from warmbase.image.assemble import BuiltImage
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.listing import ListedEntry, Listing
from warmbase.oci.manifest import Config
from warmbase.oci.tar import Entry, directory, file_of, symlink
from warmbase.packages.uvcache import ARCHIVES
from warmbase.verify.static import ImageFiles, SearchedLayers, check_image, find_traces, traces_of

SECRET = {"the secret in TOKEN": b"correct-horse"}


def failures(tiny: Tiny, image: BuiltImage, traces: dict[str, bytes] | None = None) -> dict[str, str]:
    found = check_image(image, tiny.lock, tiny.files(image), traces or {})
    return {finding.check: finding.detail for finding in found if finding.outcome == "failed"}


def test_a_right_image_passes_every_check(tiny: Tiny) -> None:
    image = tiny.build([file_of(f"{VENV}/lib/a.py", b"a = 1\n")])
    findings = list(check_image(image, tiny.lock, tiny.files(image), SECRET))
    assert {finding.outcome for finding in findings} == {"passed"}
    assert len(findings) == 9


@pytest.mark.parametrize(
    ("closed", "problem"),
    [
        (directory(f"{VENV}/share"), f"layer 0: {VENV}/share has the mode 755"),
        (directory(f"{CACHE}/wheels-v7/a"), f"layer 0: {CACHE}/wheels-v7/a has the mode 755"),
        (directory(f"{VENV}/lib", 0o777), f"layer 0: what is made in {VENV}/lib does not become open to all"),
        (directory(f"{CACHE}/git-v0", 0o777), f"layer 0: what is made in {CACHE}/git-v0 does not become open to all"),
    ],
)
def test_a_folder_that_is_not_for_everybody_is_named(tiny: Tiny, closed: Entry, problem: str) -> None:
    assert failures(tiny, tiny.build([closed])) == {"venv and cache open to all": problem}


def test_the_topmost_layer_decides_who_may_write(tiny: Tiny) -> None:
    assert failures(tiny, tiny.build([directory(f"{VENV}/bin"), directory(f"{CACHE}/{ARCHIVES}")])) == {}
    assert failures(tiny, tiny.build([directory(f"{CACHE}/{ARCHIVES}/{'0' * 24}")])) == {}


@pytest.mark.parametrize(
    "path", ["opt/warmbase/uv.lock", "usr/local/bin/uvx", f"{VENV}/pyvenv.cfg", "etc/profile.d/warmbase.sh"]
)
def test_a_missing_contract_file_is_named(tiny: Tiny, path: str) -> None:
    assert failures(tiny, tiny.build(missing=path)) == {"contract files": f"{path} is missing"}


def test_the_system_python_has_to_say_where_to_install(tiny: Tiny) -> None:
    image = tiny.build(missing="usr/lib/python3.13/EXTERNALLY-MANAGED")
    assert "EXTERNALLY-MANAGED" in failures(tiny, image)["contract files"]


def test_base_json_has_to_tell_the_truth(tiny: Tiny) -> None:
    base = json.loads(tiny.contract["opt/warmbase/base.json"]) | {"platform": "linux/arm64"}
    image = tiny.build(**{"base.json": json.dumps(base)})
    assert failures(tiny, image) == {"contract files": "base.json says platform 'linux/arm64', not 'linux/amd64'"}
    assert "no JSON" in failures(tiny, tiny.build(**{"base.json": "{"}))["contract files"]


def test_constraints_have_to_be_the_lock(tiny: Tiny) -> None:
    image = tiny.build(**{"constraints.txt": "alpha==1.0\nbeta==2.0\ndelta==1.0\n"})
    assert failures(tiny, image)["contract files"].splitlines() == [
        "constraints.txt and the lock differ in beta==1.0",
        "constraints.txt and the lock differ in beta==2.0",
    ]


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("UV_LINK_MODE=copy", "UV_LINK_MODE is set, which reaches into the children's locks and environments"),
        ("PYTHONHOME=/usr", "PYTHONHOME is set, which reaches into the children's locks and environments"),
        ("PIP_INDEX_URL=https://a:b@index.example", "PIP_INDEX_URL is set, which holds credentials"),
        ("UV_CACHE_DIR=/tmp", "UV_CACHE_DIR is '/tmp', not '/opt/uv/cache'"),
        (
            "PATH=/opt/venv/bin:/root/.local/bin:/usr/local/bin",
            "PATH is '/opt/venv/bin:/root/.local/bin:/usr/local/bin', its first folders are not"
            " /opt/venv/bin:/usr/local/bin",
        ),
    ],
)
def test_variables_that_break_children_are_found(tiny: Tiny, variable: str, expected: str) -> None:
    image = tiny.build()
    config = Config.from_bytes(image.documents[1])
    environment = config.run["Env"]
    assert isinstance(environment, list)
    changed = replace(config, run={**config.run, "Env": [*environment, variable]})
    found = failures(tiny, replace(image, documents=(image.documents[0], changed.to_bytes())))
    assert found["variables"] == expected
    assert "the config is sha256:" in found["documents"]


def test_documents_have_to_name_the_layers(tiny: Tiny) -> None:
    image = tiny.build([file_of("a", b"1")], [file_of("b", b"2")])
    swapped = replace(image, layers=(image.layers[1], image.layers[0], image.layers[2]))
    assert failures(tiny, swapped)["documents"].splitlines() == [
        "the manifest names other layers than the image has",
        "the config's diff_ids are not those of the layers",
    ]
    other = replace(image, manifest=replace(image.manifest, digest="sha256:" + "0" * 64), platform="linux/arm64")
    assert "the config is for linux/amd64, not for linux/arm64" in failures(tiny, other)["documents"]


def test_paths_come_once_and_hardlinks_stay_inside(tiny: Tiny) -> None:
    image = tiny.build([file_of("a", b"1")])
    files = tiny.files(image)
    listing = Listing(
        entries=(
            ListedEntry("a", "file", 0o644),
            ListedEntry("a", "file", 0o644),
            ListedEntry("b", "hardlink", 0o644, "usr/local/bin/uv"),
        ),
        size=0,
    )
    spoilt = ImageFiles(listings=(listing, *files.listings[1:]), folders=files.folders)
    found = {f.check: f.detail for f in check_image(image, tiny.lock, spoilt, {}) if f.outcome == "failed"}
    assert found == {
        "no path twice in a layer": "layer 0: a",
        "hardlinks inside their layer": "layer 0: b points to usr/local/bin/uv",
    }


def test_everyone_can_read_the_cache_and_the_venv(tiny: Tiny) -> None:
    image = tiny.build(
        [directory(f"{CACHE}/private", 0o700), file_of(f"{VENV}/f", b"", 0o640), directory("root", 0o700)]
    )
    assert failures(tiny, image)["readable by everyone"].splitlines() == [
        f"layer 0: {CACHE}/private has the mode 700",
        f"layer 0: {VENV}/f has the mode 640",
    ]


def test_what_an_upper_layer_took_away_is_not_in_the_image(tiny: Tiny) -> None:
    status = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    with_status = [file_of("var/lib/dpkg/status", status)]
    assert "a 1 is in the layers" in failures(tiny, tiny.build(with_status))["bill of materials"]
    assert failures(tiny, tiny.build(with_status, [file_of("var/lib/.wh.dpkg", b"")])) == {}


def test_no_link_of_an_image_is_followed_on_this_machine(tiny: Tiny, tmp_path: Path) -> None:
    secret = tmp_path / "status"
    secret.write_bytes(b"Package: ours\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n")
    assert failures(tiny, tiny.build([symlink("var/lib/dpkg/status", str(secret))])) == {}


def test_secrets_are_found_in_files_links_and_history(tiny: Tiny) -> None:
    image = tiny.build([file_of("a.pyc", b"\0" * 5_000 + b"correct-horse"), symlink("s", "/correct-horse/x")])
    assert failures(tiny, image, SECRET)["no secret and no path of the build machine"].splitlines() == [
        "layer 0: a.pyc holds the secret in TOKEN",
        "layer 0: s points to the secret in TOKEN",
    ]
    image = tiny.build()
    told = replace(Config.from_bytes(image.documents[1]), created="correct-horse")
    image = replace(image, documents=(image.documents[0], told.to_bytes()))
    found = failures(tiny, image, SECRET)["no secret and no path of the build machine"]
    assert found == "the manifest or the config holds the secret in TOKEN"


def test_a_layer_is_not_read_again_for_the_same_secrets(tiny: Tiny) -> None:
    def find(content: bytes) -> str:
        (found,) = (f for f in check_image(image, tiny.lock, files, {"it": content}, searched) if "secret" in f.check)
        return found.detail

    image, searched = tiny.build([file_of("a.txt", b"correct-horse")]), SearchedLayers()
    files = tiny.files(image)
    assert find(b"battery-staple") == ""
    (files.folders[0] / "a.txt").write_bytes(b"battery-staple")
    assert find(b"battery-staple") == ""
    (files.folders[0] / "a.txt").write_bytes(b"correct-horse")
    for _ in range(2):
        assert find(b"correct-horse") == "layer 0: a.txt holds it"


def test_secrets_come_from_variables_and_addresses() -> None:
    environment = {
        "GITHUB_TOKEN": "abcdefgh12",
        "UV_INDEX_URL": "https://user:sword-fish@index.example/simple",
        "HOME": "/home/somebody",
        "DB_PASSWORD": "short",
        "TOKEN_CHECK": "disabled",
        "TOKEN_FILE": "/run/secrets/token",
    }
    assert traces_of(environment, [Path("/var/build/store"), Path("/home/user")]) == {
        "the path /var/build/store": b"/var/build/store",
        "the secret in GITHUB_TOKEN": b"abcdefgh12",
        "the secret in UV_INDEX_URL": b"sword-fish",
    }


@pytest.mark.parametrize(
    ("proxy", "trace"),
    [
        ("http://proxy.company.example:3128", b"proxy.company.example:3128"),
        ("socks5h://proxy.company.example:1080/", b"proxy.company.example:1080"),
        ("proxy.company.example:3128", b"proxy.company.example:3128"),
        ("http://clerk:sword-fish@proxy.company.example:3128", b"proxy.company.example:3128"),
        ("http://proxy:3128", None),
        ("http://127.0.0.1:3128", None),
    ],
)
def test_a_company_s_proxy_is_looked_for(proxy: str, trace: bytes | None) -> None:
    assert traces_of({"https_proxy": proxy}, []).get("the address in https_proxy") == trace


def test_the_secrets_of_an_address_are_looked_for_as_written_and_as_sent() -> None:
    address = "https://ann:sword%2Dfish@index.example/simple"
    assert traces_of({}, [], [address, "https://index.example/simple"]) == {
        "the user and password of index.example": b"ann:sword%2Dfish",
        "the password of index.example": b"sword%2Dfish",
        "the decoded password of index.example": b"sword-fish",
    }
    assert b"tok3n-tok3n" in traces_of({}, [], ["https://tok3n-tok3n@index.example/"]).values()


@pytest.mark.parametrize("place", [0, 5, (1 << 20) - 1, (1 << 20) - 5, (1 << 20), (2 << 20) + 3])
def test_traces_are_found_wherever_they_lie_in_large_files(place: int) -> None:
    content = bytearray(3 << 20)
    content[place : place + 13] = b"correct-horse"
    traces = {"short": b"correct", "long": b"correct-horse", "other": b"sword-fish"}
    assert sorted(find_traces(io.BytesIO(bytes(content)), traces)) == ["long", "short"]
