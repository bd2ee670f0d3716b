"""Which platforms run here, and by what."""

from pathlib import Path

import pytest

from warmbase.effects.platforms import native_platform, runs_by


def test_a_machine_has_one_platform_of_its_own() -> None:
    assert (native_platform("x86_64"), native_platform("aarch64")) == ("linux/amd64", "linux/arm64")
    assert (native_platform("AMD64"), native_platform("arm64")) == ("linux/amd64", "linux/arm64")
    assert native_platform("loongarch64") == "linux/loongarch64"


@pytest.mark.parametrize(
    ("platform", "registered", "by"),
    [
        ("linux/amd64", {}, "native"),
        ("linux/arm64", {}, ""),
        (
            "linux/arm64",
            {"qemu-aarch64": "enabled\ninterpreter /usr/bin/FOO\nflags: POCF\noffset 0\n"},
            "qemu",
        ),
        ("linux/arm64", {"qemu-aarch64": "enabled\ninterpreter /usr/bin/FOO\nflags: POC\n"}, ""),
        ("linux/arm64", {"qemu-aarch64": "enabled\ninterpreter /usr/bin/FOO\nflags: \n"}, ""),
        ("linux/arm64", {"qemu-aarch64": "disabled\nflags: F\n"}, ""),
        ("linux/arm64", {"qemu-arm": "enabled\nflags: F\n"}, ""),
        ("linux/s390x", {"qemu-s390x": "enabled\nflags: F\n"}, ""),
    ],
)
def test_a_foreign_platform_runs_where_its_emulator_is_registered(
    tmp_path: Path, platform: str, registered: dict[str, str], by: str
) -> None:
    for name, state in registered.items():
        (tmp_path / name).write_text(state)
    assert runs_by(platform, native="linux/amd64", binfmt=tmp_path) == by
