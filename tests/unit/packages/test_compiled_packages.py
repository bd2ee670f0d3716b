"""Compiling, as far as it can be told without a container: what a builder is asked, what is said, what is written."""

import csv
import io
import json
import netrc
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.unit.plan.test_plan import LOCK, package

from warmbase.effects.docker.bake import Target
from warmbase.effects.docker.builder import Advance, Builder, Metadata, ignore_steps
from warmbase.effects.process import Finished
from warmbase.effects.uv import Uv
from warmbase.errors import BuilderError, PackagesError
from warmbase.lock.model import LockedFile, LockedPackage
from warmbase.packages.agreement import Surroundings
from warmbase.packages.compiled import Yard
from warmbase.packages.index import alias_indexes
from warmbase.packages.logins import index_variables, open_logins
from warmbase.packages.origin import settle_origin
from warmbase.packages.sources import asked_texts, metadata_tables, real_text
from warmbase.packages.standin import hashes_of_stand_ins, stand_in

PLATFORM = "linux/amd64"
COMMIT = "c" * 40
ADDRESS = f"git+https://code.example/six@{COMMIT}"


def source(name: str = "six") -> LockedPackage:
    file = LockedFile(name=f"{name}-1.0.tar.gz", sha256="b" * 64, path=f"packages/{name}-1.0.tar.gz")
    return replace(package(name), files=(file,), wheels=((PLATFORM, file.name),), requires_dist=("idna",))


REPOSITORY = replace(
    source(), files=(), wheels=((PLATFORM, COMMIT),), source=ADDRESS, asked="git+https://code.example/six@main"
)


def elf_needing(library: bytes) -> bytes:
    """A library of nothing but a dynamic section, which needs another one (System V ABI)."""
    names, dynamic = b"\0" + library + b"\0", struct.pack("<qQqQ", 1, 1, 0, 0)
    at = 64 + len(names)
    sections = [struct.pack("<4xI8xQQQI20x", 3, 0, 64, len(names), 0)]
    sections += [struct.pack("<4xI8xQQQI20x", 6, 0, at, len(dynamic), 0)]
    head = (
        b"\x7fELF\2\1"
        + bytes(10)
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, at + len(dynamic), 0, 64, 56, 0, 64, 2, 0)
    )
    return head + names + dynamic + b"".join(sections)


@dataclass(slots=True)
class Bench:
    """A builder whose containers compile `wheels`, or fail with what `error` says."""

    wheels: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    error: BuilderError | None = None
    name: str = "bench"
    platforms: frozenset[str] = frozenset({PLATFORM})
    asked: list[Target] = field(default_factory=list)

    def bake(
        self, targets: Sequence[Target], folder: Path, *, advance: Advance = ignore_steps
    ) -> Mapping[str, Metadata]:
        self.asked += targets
        if self.error:
            raise self.error
        for target in targets:
            made = Path(target.output["dest"])
            made.mkdir(parents=True)
            for name, files in self.wheels.items():
                with zipfile.ZipFile(made / name, "w") as archive:
                    for path, content in files.items():
                        archive.writestr(path, content)
            (made / "libraries.txt").write_text("/var/lib/dpkg/info/libpq5:amd64.list:/usr/lib/x/libpq.so.5\n")
        return {}


def asks_for_index(argv: Sequence[str | Path], **_: object) -> Finished:
    return Finished(code=0, stdout=b"--index-url https://me:pass-of-mine@index.example/simple\n", stderr=b"")


UV = Uv(
    binary=Path("uv"),
    version="0.13.8",
    environment={"UV_INDEX_MINE_PASSWORD": "another-pass", "UV_CONFIG_FILE": "/etc/mine", "HOME": "/nobody"},
    home=Path("uvs"),
    processes=asks_for_index,
    indexes={"mine": "https://mine.example/simple"},
)


def info(*lines: str, version: str = "1.0") -> dict[str, bytes]:
    """What a wheel of six says of itself, with `lines`."""
    return {f"six-{version}.dist-info/METADATA": "\n".join(("Name: Six", f"Version: {version}", *lines)).encode()}


NEEDS = info("Requires-Dist: idna>=2", "Requires-Dist: colorama; sys_platform == 'win32'")


def yard(folder: Path, builder: Builder, platform: str = PLATFORM) -> Yard:
    (folder / "uv").write_bytes(b"uv")
    return Yard(
        builder=lambda: builder,
        foundation="oci-layout:///layout@sha256:0",
        interpreter="/usr/bin/python3.13",
        libraries=frozenset({"libc.so.6"}),
        place=Surroundings(platform=platform, minor="3.13", python="3.13.5", locked={"six": "1.0", "idna": "3.0"}),
        system=("libpq-dev", "gcc"),
        uv=UV,
        tool=folder / "uv",
        folder=folder / "yard",
        environment={"HOME": str(folder)},
    )


WHEEL = "six-1.0-cp313-cp313-linux_x86_64.whl"


def test_each_package_is_a_target_on_the_foundation_and_secrets_are_named_alone(tmp_path: Path) -> None:
    bench = Bench(wheels={WHEEL: {"six.so": elf_needing(b"libc.so.6"), **NEEDS}, "tool-1.0-py3-none-any.whl": {}})
    made = yard(tmp_path, bench).compile([source()])
    assert made["six"].name == WHEEL
    (target,) = bench.asked
    assert target.contexts == {"foundation": "oci-layout:///layout@sha256:0"}
    assert target.platforms == (PLATFORM,)
    assert target.args["WARMBASE_SYSTEM"] == "gcc libpq-dev"
    assert target.args["WARMBASE_REQUIREMENT"] == f"six==1.0 --hash=sha256:{'b' * 64}"
    assert [secret.id for secret in target.secrets] == ["warmbase-uv"]
    assert "pass-of-mine" not in str((target.inline, dict(target.args)))
    assert not any(Path(secret.file).exists() for secret in target.secrets)


def test_a_library_that_only_the_container_had_is_named_with_its_package(tmp_path: Path) -> None:
    bench = Bench(wheels={WHEEL: {"six.so": elf_needing(b"libpq.so.5"), **NEEDS}})
    with pytest.raises(PackagesError) as caught:
        yard(tmp_path, bench).compile([source()])
    assert caught.value.message.endswith("\n  six.so needs libpq.so.5")
    assert caught.value.next_step.startswith("add libpq5 to the foundation")


def test_what_a_compiler_says_is_quoted_without_passwords(tmp_path: Path) -> None:
    error = BuilderError("six.c:1: no pg_config\nused pass-of-mine and another-pass", target="package-0")
    with pytest.raises(PackagesError) as caught:
        yard(tmp_path, Bench(error=error)).compile([source()])
    assert caught.value.message == "six 1.0 cannot be compiled for linux/amd64\nsix.c:1: no pg_config\nused *** and ***"
    assert "`build_packages`" in caught.value.next_step


@pytest.mark.parametrize(
    ("code", "message", "next_step"),
    [
        (20, "what compiles six 1.0 cannot be installed for linux/amd64", "correct `build_packages`"),
        (21, "the source of six 1.0 cannot be had as it was locked, for linux/amd64", "where its hash differs"),
        (22, "six 1.0 cannot be compiled for linux/amd64", "if a compiler, a header or a library is missing"),
    ],
)
def test_what_failed_is_told_by_the_step_that_ended(tmp_path: Path, code: int, message: str, next_step: str) -> None:
    said = f'process "/bin/sh -c sh compile.sh" did not complete successfully: exit code: {code}\n#9 1.0 no'
    with pytest.raises(PackagesError) as caught:
        yard(tmp_path, Bench(error=BuilderError(said, target="package-0"))).compile([source()])
    assert caught.value.message.startswith(message)
    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("said", "difference"),
    [
        (info("Requires-Dist: attrs"), "it needs attrs, and the lock has none"),
        (info("Requires-Dist: idna>=4"), "it needs idna>=4, and the lock has 3.0"),
        (info(), "it does not need idna, which the lock says that it does"),
        (info("Requires-Dist: idna", "Requires-Dist: six"), "it needs idna, of which the lock does not say so"),
        (info("Requires-Dist: idna", "Requires-Python: <3.13"), "it is for Python <3.13, and the image's is 3.13.5"),
        (info(version="2.0"), "it is Six 2.0"),
        ({}, "its metadata cannot be read"),
    ],
)
def test_what_says_something_else_of_itself_than_the_lock_is_not_taken(
    tmp_path: Path, said: dict[str, bytes], difference: str
) -> None:
    needed = () if "of which" in difference else ("idna",)
    with pytest.raises(PackagesError) as caught:
        yard(tmp_path, Bench(wheels={WHEEL: said})).compile([replace(source(), requires_dist=needed)])
    assert f"six 1.0, compiled for linux/amd64, is not what was locked:\n  {difference}" in caught.value.message
    assert "`uv python install 3.13`" in caught.value.next_step


def test_extras_and_other_systems_make_no_difference(tmp_path: Path) -> None:
    lines = ("Requires-Dist: idna", "Requires-Dist: winreg; os_name == 'nt'", "Requires-Dist: tool; extra == 'more'")
    one = replace(source(), requires_dist=("idna ; python_version >= '3'",))
    assert yard(tmp_path, Bench(wheels={WHEEL: info(*lines)})).compile([one])


def test_a_builder_of_another_architecture_is_no_builder(tmp_path: Path) -> None:
    with pytest.raises(PackagesError) as caught:
        yard(tmp_path, Bench(), "linux/arm64").compile([replace(source(), wheels=(("linux/arm64", "six-1.0.tar.gz"),))])
    assert caught.value.message == (
        "six 1.0 has no wheel for linux/arm64 and is to be compiled, but the builder bench builds for linux/amd64"
    )
    assert "require a version that has a wheel, or leave" in caught.value.next_step


def test_a_build_that_makes_another_version_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(PackagesError, match=r"and six-2\.0-py3-none-any\.whl came out"):
        yard(tmp_path, Bench(wheels={"six-2.0-py3-none-any.whl": {}})).compile([source()])


def test_a_container_gets_the_variables_of_indexes_and_none_of_this_machine() -> None:
    assert index_variables(UV, "mine") == {
        "UV_DEFAULT_INDEX": "https://me:pass-of-mine@index.example/simple",
        "UV_INDEX": "mine=https://mine.example/simple",
        "UV_INDEX_MINE_PASSWORD": "another-pass",
    }


def netrc_for(one: LockedPackage, home: Path, text: str) -> tuple[str, tuple[str, ...]]:
    """What a container gets of a netrc, and what no message may tell then."""
    (home / ".netrc").write_text(text)
    with open_logins([one], UV, {"HOME": str(home)}) as login:
        (file,) = (Path(secret.file) for secret in login.secrets("") if secret.id == "warmbase-netrc")
        assert file.stat().st_mode & 0o777 == 0o600
        found = file.read_text()
    assert not file.exists()
    return found, login.values


def test_netrc_is_handed_on_for_the_hosts_that_are_asked_alone(tmp_path: Path) -> None:
    known = "machine index.example login a password first-pass\nmachine bank.example login b password second-pass\n"
    found, masked = netrc_for(source(), tmp_path, known)
    assert found == "machine index.example login a password first-pass\n"
    assert "first-pass" in masked


def test_netrc_knows_the_hosts_of_files_words_in_quotes_and_a_default(tmp_path: Path) -> None:
    box = replace(source("box"), source="https://files.example/box-1.0.tar.gz")
    known = 'machine index.example login a password "two \\"words\\""\ndefault login b password third\n'
    found, masked = netrc_for(box, tmp_path, known)
    again = tmp_path / "again"
    again.write_text(found)
    hosts = netrc.netrc(again).hosts
    assert hosts == {"index.example": ("a", "", 'two "words"'), "files.example": ("b", "", "third")}
    assert 'two "words"' in masked


def test_a_damaged_netrc_is_told_and_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(PackagesError, match=r"\.netrc, line 1: this is no netrc") as caught:
        netrc_for(source(), tmp_path, "machine index.example login a passwort secret-word\n")
    assert "secret-word" not in str(caught.value)


def test_secrets_lie_in_no_folder(tmp_path: Path) -> None:
    with open_logins([source()], UV, {"HOME": str(tmp_path)}) as login:
        (secret,) = login.secrets("")
        assert str(Path(secret.file).readlink()).startswith("/memfd:")


def test_ssh_wants_an_agent_and_hosts_that_are_known(tmp_path: Path) -> None:
    one = replace(REPOSITORY, source=f"git+ssh://git@code.example/six@{COMMIT}")
    environment = {"HOME": str(tmp_path)}
    with pytest.raises(PackagesError) as caught, open_logins([one], UV, environment):
        pass
    assert caught.value.next_step.startswith("start ssh-agent")
    agent = {**environment, "SSH_AUTH_SOCK": str(tmp_path)}
    if not Path("/etc/ssh/ssh_known_hosts").exists():
        with pytest.raises(PackagesError) as caught, open_logins([one], UV, agent):
            pass
        assert caught.value.next_step.startswith("connect once with ssh")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_text("code.example ssh-ed25519 AAAA\n")
    with open_logins([one], UV, agent) as login:
        (hosts,) = (secret.file for secret in login.files if secret.id == "warmbase-hosts")
        assert Path(hosts).read_text().startswith("code.example ssh-ed25519 AAAA\n")
        assert login.ssh == ("default",)


def test_a_compiled_package_says_that_it_came_from_its_repository(tmp_path: Path) -> None:
    info = tmp_path / "lib/python3.13/site-packages/six-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "uv_cache.json").write_text("{}")
    (info / "RECORD").write_text("six-1.0.dist-info/RECORD,,\nsix-1.0.dist-info/uv_cache.json,sha256=x,2\n")
    settle_origin(tmp_path, replace(REPOSITORY, source=f"{ADDRESS}#subdirectory=below"))
    assert json.loads((info / "direct_url.json").read_text()) == {
        "url": "https://code.example/six",
        "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"},
        "subdirectory": "below",
    }
    rows = {row[0].partition("/")[2] for row in csv.reader(io.StringIO((info / "RECORD").read_text()))}
    assert rows == {"RECORD", "direct_url.json", "uv_build.json"} == {path.name for path in info.iterdir()} - {"x"}


def test_a_stand_in_says_what_the_lock_says_and_that_nothing_is_left_to_find_out() -> None:
    one = source()
    with tarfile.open(fileobj=io.BytesIO(stand_in(one, one.files[0]))) as archive:
        (member,) = archive.getmembers()
        text = archive.extractfile(member)
        assert member.name == "six-1.0/PKG-INFO"
        assert text is not None
        assert text.read().decode().startswith("Metadata-Version: 2.2\nName: six\nVersion: 1.0\nRequires-Dist: idna\n")
    assert stand_in(one, one.files[0]) == stand_in(one, one.files[0])
    assert set(hashes_of_stand_ins([one, package("numpy")]).values()) == {"b" * 64}


def test_a_sandbox_asks_by_commits_and_aliases_and_the_lock_says_what_was_asked() -> None:
    address = "https://files.example/box-1.0.tar.gz"
    box = replace(source("box"), files=(replace(source("box").files[0], path=address),), source=address)
    lock = replace(LOCK, packages=(REPOSITORY, box, package("numpy")))
    aliases = alias_indexes([address])
    texts = asked_texts(["six @ git+https://code.example/six@main", f"box[x] @ {address}", "numpy>1"], lock, aliases)
    assert texts == [f"six @ {ADDRESS}", f"box[x] @ {aliases[address].url}", "numpy>1"]
    assert metadata_tables(lock) == (
        '[[tool.uv.dependency-metadata]]\nname = "six"\nversion = "1.0"\nrequires-dist = ["idna"]\n'
    )
    recorded = '[[manifest.dependency-metadata]]\nname = "six"\n\n'
    said = f'version = 1\n\n{recorded}[[package]]\ngit = "x?rev={COMMIT}#{COMMIT}"\n'
    assert real_text(said, lock) == f'version = 1\n\n[[package]]\ngit = "x?rev=main#{COMMIT}"\n'
    unnamed = replace(lock, packages=(replace(REPOSITORY, asked="git+https://code.example/six"),))
    assert real_text(f'git = "x?subdirectory=y&rev={COMMIT}#{COMMIT}"', unnamed) == f'git = "x?subdirectory=y#{COMMIT}"'
