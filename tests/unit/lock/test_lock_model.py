"""Locks: what is written is what was meant, and the same bytes every time."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.lock.model import (
    FORMAT,
    Lock,
    LockedFile,
    LockedPackage,
    hash_inputs,
    lock_from_json,
    lock_to_json,
    parse_requirements,
    requirements_text,
)

sha256s = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8})?", fullmatch=True)
versions = st.from_regex(r"[1-9][0-9]?(\.[0-9]{1,3}){0,3}(rc[1-9]|\.post[1-9])?", fullmatch=True)
times = st.just("") | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
PLATFORMS = ("linux/amd64", "linux/arm64")


@st.composite
def packages(draw: st.DrawFn) -> LockedPackage:
    name, version = draw(names), draw(versions)
    tags = draw(st.lists(st.sampled_from(["py3-none-any", "cp313-cp313-manylinux_2_28_x86_64"]), unique=True))
    files = tuple(
        LockedFile(
            name=f"{name.replace('-', '_')}-{version}-{tag}.whl",
            sha256=draw(sha256s),
            path=f"packages/{draw(sha256s)}/{name}-{version}-{tag}.whl",
            size=draw(st.integers(0, 1 << 40)),
            time=draw(times),
        )
        for tag in sorted(tags)
    )
    return LockedPackage(
        name=name,
        version=version,
        use=draw(st.sampled_from(["venv", "warm", "index"])),
        requires_dist=tuple(draw(st.lists(st.text(max_size=30), max_size=3))),
        requires_python=draw(st.sampled_from(["", ">=3.9", "!=3.0.*,>=3.8"])),
        extras=tuple(draw(st.lists(names, max_size=2))),
        files=files,
        wheels=tuple((platform, files[0].name) for platform in PLATFORMS) if files else (),
        group=draw(st.sampled_from(["", "testing"])),
    )


locks = st.builds(
    Lock,
    variant=st.just("data:py3.13-trixie"),
    python=st.just("3.13"),
    inputs=sha256s,
    uv=packages(),
    packages=st.lists(packages(), max_size=5, unique_by=lambda p: p.name).map(
        lambda found: tuple(sorted(found, key=lambda p: p.name))
    ),
)


def locked(name: str = "six", version: str = "1.17.0", use: str = "venv", **more: object) -> LockedPackage:
    file = LockedFile(name=f"{name}-{version}-py2.py3-none-any.whl", sha256="a" * 64, path=f"packages/{name}", size=11)
    package = LockedPackage(
        name=name,
        version=version,
        use=use,
        requires_dist=(),
        requires_python=">=3.8",
        extras=(),
        files=(file,),
        wheels=(("linux/amd64", file.name),),
    )
    return replace(package, **more)  # type: ignore[arg-type]


def lock_of(*found: LockedPackage) -> Lock:
    return Lock(variant="a:py3.13-trixie", python="3.13", inputs="0" * 64, uv=locked("uv", "0.13.8"), packages=found)


@given(locks)
def test_a_lock_comes_back_as_it_was_written(lock: Lock) -> None:
    assert lock_from_json(lock_to_json(lock)) == lock


@given(locks)
def test_writing_what_was_read_gives_the_same_bytes(lock: Lock) -> None:
    text = lock_to_json(lock)
    assert lock_to_json(lock_from_json(text)) == text


@given(locks)
def test_the_requirements_say_what_is_installed_and_with_which_hashes(lock: Lock) -> None:
    chosen = {
        p.name: (p.version, frozenset(file.sha256 for file in p.files if file.name in dict(p.wheels).values()))
        for p in lock.packages
        if p.use == "venv"
    }
    assert parse_requirements(requirements_text(lock)) == chosen


def test_the_requirements_are_plain_text_for_pip_and_uv() -> None:
    assert requirements_text(lock_of(locked(), locked("wheel", use="warm"), locked("colorama", use="index"))) == (
        f"# a:py3.13-trixie: made by `warmbase lock`, do not edit\nsix==1.17.0 \\\n    --hash=sha256:{'a' * 64}\n"
    )


def test_a_file_takes_one_line_of_the_json() -> None:
    text = lock_to_json(lock_of(locked()))
    assert f'"{"a" * 64} 11 - packages/six six-1.17.0-py2.py3-none-any.whl"' in text
    assert text.endswith("}\n")


def test_another_format_is_refused() -> None:
    document = json.loads(lock_to_json(lock_of(locked())))
    document["format"] = FORMAT + 1
    with pytest.raises(ValueError, match=f"format {FORMAT + 1} instead of {FORMAT}"):
        lock_from_json(json.dumps(document))


def test_only_what_has_a_wheel_for_the_platform_is_installed_there() -> None:
    lock = lock_of(locked(), locked("wheel", use="warm"), locked("colorama", use="index"))
    assert [package.name for package in lock.installed("linux/amd64")] == ["six", "wheel"]
    assert lock.installed("linux/arm64") == ()
    assert [file.name for _, file in lock.wheels("linux/amd64")] == [
        "six-1.17.0-py2.py3-none-any.whl",
        "wheel-1.17.0-py2.py3-none-any.whl",
    ]


def test_a_package_is_compiled_where_its_file_is_no_wheel() -> None:
    sdist = LockedFile(name="six-1.17.0.tar.gz", sha256="b" * 64, path="packages/six.tar.gz")
    six = locked()
    both = replace(
        six, files=(*six.files, sdist), wheels=(("linux/amd64", six.files[0].name), ("linux/arm64", sdist.name))
    )
    lock = lock_of(both)
    assert [lock.compiled(platform) for platform in PLATFORMS] == [(), (both,)]
    assert [lock.installed(platform) for platform in PLATFORMS] == [(both,), (both,)]
    assert [both.identity(platform) for platform in PLATFORMS] == ["a" * 64, "b" * 64]
    assert list(lock.wheels("linux/arm64")) == []
    assert parse_requirements(requirements_text(lock)) == {"six": ("1.17.0", frozenset({"a" * 64, "b" * 64}))}


def test_a_package_from_a_repository_names_it_with_its_commit() -> None:
    commit = "c" * 40
    address = f"git+https://code.example/six@{commit}"
    package = replace(
        locked(), files=(), wheels=(("linux/amd64", commit),), source=address, asked=address.replace(commit, "main")
    )
    lock = lock_of(package)
    assert lock_from_json(lock_to_json(lock)) == lock
    assert parse_requirements(requirements_text(lock)) == {"six": (address, frozenset())}
    assert (package.is_compiled("linux/amd64"), package.is_compiled("linux/arm64")) == (True, False)
    below = replace(package, source=f"{address}#subdirectory=below")
    assert package.identity("linux/amd64") != below.identity("linux/amd64")


def test_the_newest_time_is_that_of_an_installed_wheel() -> None:
    def at(name: str, time: str) -> LockedPackage:
        package = locked(name)
        other = LockedFile(name=f"{name}-1.17.0.tar.gz", sha256="b" * 64, path="x", time="2099-01-01T00:00:00Z")
        return replace(package, files=(replace(package.files[0], time=time), other))

    lock = lock_of(at("a", "2026-01-02T00:00:00Z"), at("b", "2026-03-01T00:00:00Z"))
    assert lock.newest() == "2026-03-01T00:00:00Z"
    assert lock_of(locked()).newest() == ""


def test_metadata_is_what_a_resolver_reads() -> None:
    package = locked(requires_dist=("idna>=2", "colorama ; sys_platform == 'win32'"), extras=("socks",))
    assert package.metadata() == (
        "Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\nRequires-Python: >=3.8\n"
        "Requires-Dist: idna>=2\nRequires-Dist: colorama ; sys_platform == 'win32'\nProvides-Extra: socks\n"
    )


def test_inputs_hash_the_same_in_any_order_of_their_names() -> None:
    assert hash_inputs({"a": 1, "b": 2}) == hash_inputs({"b": 2, "a": 1}) != hash_inputs({"a": 2, "b": 1})
