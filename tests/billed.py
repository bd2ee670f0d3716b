"""A lock and a foundation that make a small bill of materials."""

from warmbase.foundation.model import Foundation, Package
from warmbase.image.bill import Said
from warmbase.lock.model import Lock, LockedFile, LockedPackage

PLATFORM = "linux/amd64"
SAID = {
    "a" * 64: Said(
        licences=("BSD-3-Clause",),
        links=(("Homepage", "https://numpy.example"), ("Release Notes", "https://numpy.example/news")),
    ),
    "b" * 64: Said(licences=("MIT OR Apache-2.0",)),
    "c" * 64: Said(licences=("BSD License", "MIT")),
}
"""What the wheels of `LOCK` say of themselves, by their hashes."""


def package(name: str, version: str, sha256: str, use: str = "venv") -> LockedPackage:
    """A package with one wheel, whose hash repeats one digit."""
    file = LockedFile(name=f"{name}-{version}-py3-none-any.whl", sha256=sha256 * 64, path=f"packages/{name}")
    return LockedPackage(
        name=name,
        version=version,
        use=use,
        requires_dist=(),
        requires_python="",
        extras=(),
        files=(file,),
        wheels=((PLATFORM, file.name),) if use != "index" else (),
    )


LOCK = Lock(
    variant="data:py3.13-trixie",
    python="3.13",
    inputs="",
    uv=package("uv", "0.13.8", "b"),
    packages=(
        package("colorama", "0.4.6", "d", "index"),
        package("numpy", "2.5.5", "a"),
        package("uv", "0.13.8", "b"),
        package("wheel", "0.45", "c", "warm"),
    ),
)


def foundation(*packages: Package, system: str = "debian", version: str = "13") -> Foundation:
    """A foundation with these packages of its system."""
    return Foundation(
        name="trixie",
        platform=PLATFORM,
        interpreter="/usr/bin/python3.13",
        stdlib="/usr/lib/python3.13",
        python="3.13.5",
        libc=("glibc", "2.41"),
        os_release=(("ID", system), ("VERSION_ID", version)),
        packages=packages,
        created="2026-01-01T00:00:00Z",
    )
