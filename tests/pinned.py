"""Pins and locked packages for tests: a Debian suite and an image in a registry, both with Python 3.13.5."""

from warmbase.foundation.pins import ArchiveState, DebianPin, ImagePin
from warmbase.lock.model import LockedFile, LockedPackage

PLATFORM = "linux/amd64"
DEBIAN_PIN = DebianPin(
    suite="trixie",
    platform=PLATFORM,
    epoch=1_700_000_000,
    archives=(ArchiveState(suite="trixie", date="2026-01-01T00:00:00Z", sha256="0" * 64),),
    packages=(("libc6", "2.41-12"), ("python3.13-minimal", "3.13.5-2")),
)
IMAGE_PIN = ImagePin(
    reference="python:3.13",
    platform=PLATFORM,
    index="sha256:" + "a" * 64,
    manifest="sha256:" + "b" * 64,
    created="2026-01-01T00:00:00Z",
    python="3.13.5",
    interpreter="/usr/local/bin/python3.13",
    libc=("glibc", "2.41"),
)


def package(name: str, version: str) -> LockedPackage:
    """A package at a version, with one wheel for all."""
    wheel = LockedFile(name=f"{name}-{version}-py3-none-any.whl", sha256="a" * 64, path=f"packages/{name}")
    return LockedPackage(
        name=name,
        version=version,
        use="venv",
        requires_dist=(),
        requires_python="",
        extras=(),
        files=(wheel,),
        wheels=((PLATFORM, wheel.name),),
    )
