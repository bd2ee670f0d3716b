"""Which archives are read, which versions apt is told to take, and what the image says about both."""

import re
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from warmbase.catalog.model import DebianFoundation
from warmbase.effects.process import Finished
from warmbase.errors import FoundationError, ProcessError
from warmbase.foundation import mmdebstrap
from warmbase.foundation.debian import foundation_recipe, pin_debian
from warmbase.foundation.pins import DebianPin

TRIXIE = DebianFoundation(name="trixie", suite="trixie", python="3.13")
PIN = DebianPin(suite="trixie", platform="linux/amd64", epoch=1795140670, archives=(), packages=(("apt", "3.0.4"),))


def test_a_mirror_of_the_catalog_serves_updates_and_security_too() -> None:
    assert mmdebstrap.source_lines("http://mirror.example/debian", "trixie") == (
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/debian-security trixie-security main",
    )


def test_a_rolling_suite_has_no_updates() -> None:
    assert mmdebstrap.source_lines("http://mirror.example/debian", "sid") == (
        "deb http://mirror.example/debian sid main",
    )


@pytest.mark.parametrize(
    ("mirror", "security"),
    [
        ("http://mirror.example/debian", "http://mirror.example/debian-security"),
        ("http://mirror.example/debian/", "http://mirror.example/debian-security/"),
        ("http://old.example/archive/debian/20261120T000000Z", "http://old.example/archive/debian-security/20261120T000000Z"),
        ("http://debian.example/debian", "http://debian.example/debian-security"),
        ("http://mirror.example/os/", "http://mirror.example/os-security"),
    ],
)  # fmt: skip
def test_security_updates_lie_beside_the_mirror(mirror: str, security: str) -> None:
    assert mmdebstrap.security_of(mirror) == security


def test_without_a_mirror_mmdebstrap_chooses() -> None:
    assert mmdebstrap.targets(TRIXIE, "out.tar") == ["trixie", "out.tar"]


@pytest.mark.parametrize("options", ["", '[signed-by="/usr/share/keyrings/other.gpg"] ', "[arch=amd64 a=b] "])
def test_the_image_s_sources_do_not_depend_on_how_mmdebstrap_wrote_its_own(options: str) -> None:
    written = (
        f"deb {options}http://mirror.example/debian trixie main\n"
        f"deb {options}http://mirror.example/debian trixie-updates main\n"
        f"deb {options}http://security.example/debian-security trixie-security main\n"
    )
    assert mmdebstrap.image_sources(written) == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: trixie trixie-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        "\n"
        "Types: deb\n"
        "URIs: http://mirror.example/debian-security\n"
        "Suites: trixie-security\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


def test_credentials_of_a_mirror_stay_out_of_the_image() -> None:
    written = "deb http://me:hunter2@mirror.example/debian sid main\n"
    assert "URIs: http://mirror.example/debian\n" in mmdebstrap.image_sources(written)
    assert "hunter2" not in mmdebstrap.image_sources(written)


def test_a_company_s_archive_is_trusted_by_its_own_keys_here_and_in_the_image(tmp_path: Path) -> None:
    keyring = tmp_path / "company.asc"
    keyring.write_text("keys")
    mirror = "https://mirror.example/debian"
    company = DebianFoundation(name="company", suite="trixie", python="3.13", mirror=mirror, keyring=keyring)
    for line in mmdebstrap.targets(company, "out.tar")[2:]:
        assert line.startswith(f'deb [signed-by="{keyring}"] https://mirror.example/debian')
    assert mmdebstrap.image_keyring(company) == "/etc/apt/keyrings/company.asc"
    written = f'deb [signed-by="{keyring}"] {mirror} trixie main\n'
    sources = mmdebstrap.image_sources(written, keyring=mmdebstrap.image_keyring(company))
    assert "URIs: https://mirror.example/debian\n" in sources
    assert sources.endswith("Signed-By: /etc/apt/keyrings/company.asc\n")
    assert str(tmp_path) not in sources


def test_apt_reads_the_keys_whoever_it_is(tmp_path: Path) -> None:
    keyring = tmp_path / "company.gpg"
    keyring.write_text("keys")
    keyring.chmod(0o600)
    company = DebianFoundation(
        name="company", suite="trixie", python="3.13", mirror="https://mirror.example/debian", keyring=keyring
    )
    seen = []

    def refuse(argv: Sequence[str | Path], **_: object) -> Finished:
        for path in {found[1] for word in argv if (found := re.match(r'deb \[signed-by="(.+)"\]', str(word)))}:
            status = Path(path).stat(), Path(path).parent.stat()
            seen.append((Path(path).name, Path(path).read_text(), *(stat.S_IMODE(one.st_mode) for one in status)))
        raise ProcessError("E: no network")

    with pytest.raises(FoundationError, match="mmdebstrap failed"):
        pin_debian(company, "linux/amd64", processes=refuse)
    assert seen == [("company.gpg", "keys", 0o644, 0o755)]


def test_other_keys_make_another_foundation_wherever_they_lie(tmp_path: Path) -> None:
    def recipe(folder: str, content: str) -> object:
        keyring = tmp_path / folder / "company.gpg"
        keyring.parent.mkdir(exist_ok=True)
        keyring.write_text(content)
        company = DebianFoundation(name="company", suite="trixie", python="3.13", keyring=keyring)
        return foundation_recipe(company, (), epoch=1, platform="linux/amd64")

    assert recipe("here", "keys") == recipe("there", "keys")
    assert recipe("here", "keys") != recipe("here", "other keys")
    assert "keyring" not in foundation_recipe(TRIXIE, (), epoch=1, platform="linux/amd64")


def test_a_system_without_sources_is_refused() -> None:
    with pytest.raises(FoundationError, match="wrote no sources"):
        mmdebstrap.image_sources("# nothing\n")


def test_pinned_versions_win_over_newer_ones() -> None:
    assert mmdebstrap.preferences((("apt", "3.0.4"), ("bash", "5.2-1"))) == (
        "Package: apt\nPin: version 3.0.4\nPin-Priority: 1001\n"
        "\n"
        "Package: bash\nPin: version 5.2-1\nPin-Priority: 1001\n"
    )


def test_a_snapshot_is_taken_at_the_pin_s_time_and_may_have_expired() -> None:
    foundation = DebianFoundation(
        name="trixie", suite="trixie", python="3.13", snapshot="http://old.example/debian/{timestamp}"
    )
    assert mmdebstrap.snapshot_lines(foundation, PIN)[2] == (
        "deb [check-valid-until=no signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "http://old.example/debian-security/20261120T021110Z trixie-security main"
    )
    assert mmdebstrap.snapshot_lines(TRIXIE, PIN) == ()


def test_the_build_sees_proxies_and_paths_but_nothing_that_shows_in_the_result() -> None:
    user = {
        "PATH": "/bin",
        "http_proxy": "http://proxy.example:3128",
        "TZ": "Asia/Tokyo",
        "LANG": "de_DE.UTF-8",
        "APT_CONFIG": "/etc/mine",
    }
    environment = mmdebstrap.environment(PIN.epoch, user)
    assert environment["http_proxy"] == "http://proxy.example:3128"
    assert environment["SOURCE_DATE_EPOCH"] == "1795140670"
    assert environment["TZ"] == "UTC"
    assert environment["PATH"].split(":")[:2] == ["/bin", "/usr/sbin"]
    assert not environment.keys() & {"LANG", "APT_CONFIG"}


@pytest.mark.parametrize(
    ("user", "apt"),
    [
        ({"HTTPS_PROXY": "http://a.example:1"}, {"https_proxy": "http://a.example:1"}),
        ({"ALL_PROXY": "http://a.example:1"}, dict.fromkeys(("http_proxy", "https_proxy"), "http://a.example:1")),
        (
            {"all_proxy": "http://a.example:1", "http_proxy": "http://b.example:2", "NO_PROXY": ".example"},
            {"https_proxy": "http://a.example:1", "http_proxy": "http://b.example:2", "no_proxy": ".example"},
        ),
        (
            {"http_proxy": "http://a.example:1", "HTTP_PROXY": "http://b.example:2"},
            {"http_proxy": "http://a.example:1"},
        ),
    ],
)
def test_apt_gets_proxies_in_the_spelling_that_it_reads(user: dict[str, str], apt: dict[str, str]) -> None:
    environment = mmdebstrap.environment(None, user)
    assert {name: value for name, value in environment.items() if "proxy" in name.lower()} == apt


def test_apt_trusts_whom_the_user_trusts() -> None:
    command = mmdebstrap.base_command("amd64", {"SSL_CERT_FILE": "/etc/company/all authorities.pem"})
    assert command[-1] == '--aptopt=Acquire::https::CAInfo "/etc/company/all authorities.pem";'
    assert not [word for word in mmdebstrap.base_command("amd64", {}) if "aptopt" in word]


def test_a_platform_is_named_as_debian_names_it() -> None:
    assert mmdebstrap.architecture_of("linux/arm64") == "arm64"
    assert mmdebstrap.architecture_of("linux/arm/v7") == "armhf"
    with pytest.raises(FoundationError, match="Debian has no platform 'windows/amd64'"):
        mmdebstrap.architecture_of("windows/amd64")


@pytest.mark.parametrize(
    ("state", "programs", "can"),
    [
        ("enabled\nflags: F\n", ["arch-test"], True),
        ("disabled\n", ["arch-test"], False),
        ("enabled\nflags: F\n", [], False),
        (None, ["arch-test"], False),
    ],
    ids=["all there", "the emulator switched off", "no arch-test", "no emulator"],
)
def test_a_foreign_architecture_needs_its_emulator_and_what_tests_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str | None, programs: list[str], can: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in programs:
        (tmp_path / name).touch(0o755)
    if state:
        (tmp_path / "qemu-mips64el").write_text(state)
    if can:
        mmdebstrap.check_emulator("mips64el", binfmt=tmp_path)
        return
    with pytest.raises(FoundationError) as caught:
        mmdebstrap.check_emulator("mips64el", binfmt=tmp_path)
    assert "apt-get install qemu-user-static binfmt-support arch-test" in caught.value.next_step


def test_a_missing_tool_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(FoundationError) as caught:
        mmdebstrap.check_tools(TRIXIE)
    assert caught.value.next_step == "apt-get install mmdebstrap"


def test_the_recipe_changes_with_whatever_decides_the_bytes() -> None:
    def recipe(foundation: DebianFoundation = TRIXIE, epoch: int = 1, version: str = "1") -> object:
        return foundation_recipe(foundation, (("apt", version),), epoch=epoch, platform="linux/amd64")

    with_git = DebianFoundation(name="trixie", suite="trixie", python="3.13", packages=("git",))
    mirrored = DebianFoundation(name="trixie", suite="trixie", python="3.13", mirror="http://m.example/debian")
    assert recipe() == recipe()
    assert all(
        recipe() != other for other in (recipe(with_git), recipe(mirrored), recipe(epoch=2), recipe(version="2"))
    )
    renamed = DebianFoundation(name="other", suite="trixie", python="3.13")
    assert recipe() == recipe(renamed)


def test_a_system_for_a_managed_python_is_asked_for_none_of_its_own() -> None:
    def requested(foundation: DebianFoundation) -> object:
        return foundation_recipe(foundation, (), epoch=1, platform="linux/amd64")["requested"]

    managed = DebianFoundation(name="trixie", suite="trixie", python="", managed=True, asked=("3.12", "3.13"))
    assert requested(TRIXIE) == ["ca-certificates", "python3"]
    assert requested(managed) == ["ca-certificates"]
    assert managed.pythons == ("3.12", "3.13")
