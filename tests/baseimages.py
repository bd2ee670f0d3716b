"""Parts of images written by hand: programs, layers, and whole images as OCI layouts, to stand on."""

import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bases import PLATFORM

from warmbase.layers.codec import decompress
from warmbase.layers.elf import MACHINES
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.oci.tar import Entry, file_of, symlink

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"


Files = Mapping[str, bytes | str]
"""Content, or a link's target, by path."""

Member = tuple[tarfile.TarInfo, bytes]
"""An entry of a tar and its content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A layer's blob, its media type and the digest of its tar."""

    content: bytes
    media_type: str
    diff_id: str

    @property
    def digest(self) -> str:
        return sha256(self.content)


def elf(platform: str, loader: str = "") -> bytes:
    """The head of a program for `platform`; `loader` is its dynamic linker (System V ABI, "ELF Header")."""
    head = struct.pack(
        "<4s4B8xHHI3QI6H", b"\x7fELF", 2, 1, 1, 0, 3, MACHINES[platform], 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    name = loader.encode() + b"\0"
    return head + struct.pack("<2I6Q", 3 if loader else 1, 4, 120, 0, 0, len(name), len(name), 1) + name


def entries_of(files: Files) -> list[Entry]:
    """The entries of a layer: text is a symlink's target."""
    return [symlink(p, content) if isinstance(content, str) else file_of(p, content) for p, content in files.items()]


def system_files(platform: str = PLATFORM) -> Files:
    """What tells a Debian system's Python and C library, and nothing that would run."""
    return {
        "bin": "usr/bin",
        "lib64": "usr/lib64",
        "etc/os-release": b'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
        "usr/bin/python3.13": elf(platform, "/lib64/ld-linux.so.2") + b"\x003.13.5\0",
        "usr/bin/python3": "python3.13",
        "usr/lib/python3.13/os.py": b"",
        "usr/lib64/ld-linux.so.2": "../lib/gnu/ld-linux.so.2",
        "usr/lib/gnu/ld-linux.so.2": elf(platform),
        "usr/lib/gnu/libc.so.6": b"\0GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\n",
    }


def system_blob(platform: str = PLATFORM) -> Blob:
    """`system_files` as a layer."""
    members = (
        link_entry(path, content) if isinstance(content, str) else entry(path, content)
        for path, content in system_files(platform).items()
    )
    return tar_blob(members)


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def gzip_blob(store: LayerStore, layer: Layer) -> Blob:
    """A layer of the store as most registries have theirs."""
    return Blob(content=gzip.compress(read_tar(store, layer), 1, mtime=0), media_type=GZIP, diff_id=layer.diff_id)


def read_tar(store: LayerStore, layer: Layer) -> bytes:
    """A layer of the store as a tar."""
    with store.blob_path(layer.digest).open("rb") as file:
        return b"".join(decompress(file, layer.media_type))


def tar_blob(members: Iterable[Member], *, compressed: bool = True) -> Blob:
    """A layer of these entries, as gzip or as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    plain = buffer.getvalue()
    content = gzip.compress(plain, 1, mtime=0) if compressed else plain
    return Blob(content=content, media_type=GZIP if compressed else TAR, diff_id=sha256(plain))


def entry(name: str, content: bytes = b"", **fields: Any) -> Member:
    """An entry of a tar: a file, unless `type` says otherwise."""
    info = tarfile.TarInfo(name)
    info.mode = 0o755
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def folder_entry(name: str) -> Member:
    return entry(name, type=tarfile.DIRTYPE)


def link_entry(name: str, target: str) -> Member:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def write_image(
    folder: Path,
    layers: Sequence[Blob],
    run: Mapping[str, Any] | None = None,
    *,
    platform: str = PLATFORM,
    name: str = "",
    created: str = "2026-10-01T12:34:56.789012345Z",
) -> Path:
    """An OCI layout with one image for one platform, in a folder of its own."""
    os, architecture = platform.split("/")
    config = {
        "architecture": architecture,
        "os": os,
        "created": created,
        "config": dict(run or {}),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            *({"created": created, "created_by": f"step {number}"} for number, _ in enumerate(layers)),
            {"created": created, "created_by": "CMD", "empty_layer": True},
        ],
    }
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = sha256(content)
        (blobs / digest[7:]).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [put(layer.content, layer.media_type) for layer in layers],
    }
    descriptor = put(json.dumps(manifest).encode(), manifest["mediaType"])  # type: ignore[arg-type]
    if name:
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": name}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    return folder


def write_index(folder: Path, *layouts: Path) -> Path:
    """A layout of one image for the platforms of several layouts."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for layout in layouts:
        for blob in (layout / "blobs/sha256").iterdir():
            if not (blobs / blob.name).exists():
                (blobs / blob.name).hardlink_to(blob)
        config = read_document(layout, manifest_of(layout)["config"])
        (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
        platform = {"os": config["os"], "architecture": config["architecture"]}
        entries.append({key: entry[key] for key in ("mediaType", "digest", "size")} | {"platform": platform})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    content = json.dumps(index).encode()
    (blobs / sha256(content)[7:]).write_bytes(content)
    descriptor = {"mediaType": INDEX, "digest": sha256(content), "size": len(content)}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    return folder


def manifest_of(layout: Path) -> dict[str, Any]:
    """The manifest of a layout's one image."""
    (descriptor,) = json.loads((layout / "index.json").read_text())["manifests"]
    return read_document(layout, descriptor)


def read_document(layout: Path, descriptor: Mapping[str, Any]) -> dict[str, Any]:
    """A document of a layout."""
    value: dict[str, Any] = json.loads((layout / "blobs/sha256" / descriptor["digest"][7:]).read_text())
    return value
