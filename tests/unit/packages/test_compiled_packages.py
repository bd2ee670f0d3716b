"""Compiling, as far as it can be told without a container: what a builder is asked, what is said, what is written."""

import csv
import io
import json
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


def yard(folder: Path, builder: Builder, platform: str = PLATFORM) -> Yard:
    (folder / "uv").write_bytes(b"uv")
    return Yard(
        builder=lambda: builder,
        foundation="oci-layout:///layout@sha256:0",
        interpreter="/usr/bin/python3.13",
        libraries=frozenset({"libc.so.6"}),
        platform=platform,
        system=("libpq-dev", "gcc"),
        uv=UV,
        tool=folder / "uv",
        folder=folder / "yard",
        environment={"HOME": str(folder)},
    )


WHEEL = "six-1.0-cp313-cp313-linux_x86_64.whl"


def test_each_package_is_a_target_on_the_foundation_and_secrets_are_named_alone(tmp_path: Path) -> None:
    bench = Bench(wheels={WHEEL: {"six.so": elf_needing(b"libc.so.6")}, "tool-1.0-py3-none-any.whl": {}})
    made = yard(tmp_path, bench).compile([source()])
    assert made["six"].name == WHEEL
    (target,) = bench.asked
    assert target.contexts == {"foundation": "oci-layout:///layout@sha256:0"}
    assert target.platforms == (PLATFORM,)
    assert target.args["SYSTEM"] == "gcc libpq-dev"
    assert target.args["REQUIREMENT"] == f"six==1.0 --hash=sha256:{'b' * 64}"
    assert [secret.id for secret in target.secrets] == ["warmbase-uv"]
    assert "pass-of-mine" not in str((target.inline, dict(target.args)))
    assert not any(Path(secret.file).exists() for secret in target.secrets)


def test_a_library_that_only_the_container_had_is_named_with_its_package(tmp_path: Path) -> None:
    bench = Bench(wheels={WHEEL: {"six.so": elf_needing(b"libpq.so.5")}})
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


def test_netrc_is_handed_on_for_the_hosts_that_are_asked_alone(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(
        "machine index.example login a password first-pass\nmachine bank.example login b password second-pass\n"
    )
    with open_logins([source()], UV, tmp_path, {"HOME": str(tmp_path)}) as login:
        (file,) = (Path(secret.file) for secret in login.secrets("") if secret.id == "warmbase-netrc")
        assert file.read_text() == "machine index.example login a password first-pass\n"
        assert file.stat().st_mode & 0o777 == 0o600
    assert not file.exists()
    assert "first-pass" in login.values


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
