"""Stand-ins: archives with nothing in them but what the lock says of a package, for a uv that only wants to know that.

A source says by metadata of version 2.2 that nothing of it is left for a build to find out (PEP 643).
"""

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping

from warmbase.lock.model import LockedFile, LockedPackage


def hashes_of_stand_ins(packages: Iterable[LockedPackage]) -> Mapping[str, str]:
    """SHA-256 of each stand-in for a file of `packages` → that of the file."""
    return {
        hashlib.sha256(stand_in(package, file)).hexdigest(): file.sha256
        for package in packages
        for file in package.files
        if has_stand_in(package, file)
    }


def has_stand_in(package: LockedPackage, file: LockedFile) -> bool:
    """Whether uv is given something else for a file: for one at an address, and for a source that is compiled, or of
    which there is no wheel whose metadata could be asked for instead."""
    if package.source:
        return True
    compiled = any(name == file.name for _, name in package.wheels)
    return not file.is_wheel and (compiled or not any(other.is_wheel for other in package.files))


def stand_in(package: LockedPackage, file: LockedFile) -> bytes:
    """A stand-in for the wheel or the source `file` of `package`, the same bytes each time."""
    metadata = package.metadata().replace("Metadata-Version: 2.1", "Metadata-Version: 2.2", 1).encode()
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    if file.is_wheel:
        info = f"{stem}.dist-info"
        wheel = b"Wheel-Version: 1.0\nGenerator: warmbase\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        return _zip({f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel, f"{info}/RECORD": b""})
    if file.name.endswith(".zip"):
        return _zip({f"{stem}/PKG-INFO": metadata})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(f"{stem}/PKG-INFO")
        entry.size = len(metadata)
        archive.addfile(entry, io.BytesIO(metadata))
    return gzip.compress(packed.getvalue(), mtime=0)


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()
