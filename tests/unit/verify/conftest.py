"""A tiny image, right in every respect, as files in memory and in folders."""

import base64
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.baseimages import elf

from warmbase.catalog.model import CatalogRequirement, DebianFoundation, ImageConfig, Position, Variant
from warmbase.image.assemble import BuiltImage, Provenance, assemble_image
from warmbase.image.promises import CACHE, FOLDER, VENV
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.oci.tar import MTIME, OPEN_TO_ALL, Entry, directory, file_of, symlink
from warmbase.packages import uvcache
from warmbase.verify.fitness import MAGIC
from warmbase.verify.static import ImageFiles, environment_of
from warmbase.verify.subject import Subject

PLATFORM = "linux/amd64"
SITE = f"{VENV}/lib/python3.13/site-packages"
ARCHIVE = f"{CACHE}/{uvcache.ARCHIVES}/{'0' * 24}"
WHEELS = f"{CACHE}/{uvcache.WHEELS}/{uvcache.DEFAULT_INDEX_BUCKET}"


def locked(name: str, *, use: str = "venv", size: int = 1000, requires: Sequence[str] = ()) -> LockedPackage:
    """A package in a lock, at version 1.0."""
    wheel = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    fields: dict[str, object] = {
        "name": name,
        "version": "1.0",
        "use": use,
        "requires_dist": tuple(requires),
        "requires_python": "",
        "extras": (),
        "files": (LockedFile(name=wheel, sha256="0" * 64, path=f"packages/{wheel}", size=size),),
        "wheels": ((PLATFORM, wheel),),
    }
    if "group" in LockedPackage.__dataclass_fields__:
        fields["group"] = ""
    return LockedPackage(**fields)  # type: ignore[arg-type]


def requirement(text: str) -> CatalogRequirement:
    position = Position(file=Path("images.yaml"), line=1, column=1)
    return CatalogRequirement(requirement=Requirement(text), text=text, position=position)


VARIANT = Variant(
    image="tiny",
    python="3.13",
    foundation=DebianFoundation(name="trixie", suite="trixie", python="3.13"),
    first=True,
    description="Tiny.",
    requirements=(requirement("alpha"), requirement("Beta[fast]>=1")),
    warm=(requirement("hatchling"),),
    winners=(),
    sets=(),
    smoke=None,
    config=ImageConfig(),
    labels=(),
    platforms=(PLATFORM,),
)


def bytecode(source: bytes, magic: int = MAGIC["3.13"]) -> bytes:
    """The head of a `.pyc` file."""
    return struct.pack("<H2sIII", magic, b"\r\n", 0, MTIME, len(source))


def record(*files: tuple[str, bytes]) -> bytes:
    """A RECORD of files in site-packages."""
    digests = [(path, base64.urlsafe_b64encode(hashlib.sha256(content).digest())) for path, content in files]
    return "".join(f"{path},sha256={digest.rstrip(b'=').decode()},\n" for path, digest in digests).encode()


def fit_files(platform: str = PLATFORM) -> dict[str, bytes | str]:
    """What is below and in the venv and the cache of an image that fits its platform: content, or a link's target."""
    source, library = b"a = 1\n", elf(platform)
    files: dict[str, bytes | str] = {
        "usr/bin/python3.13": elf(platform, "/lib/ld-linux.so"),
        "usr/lib/ld-linux.so": elf(platform),
        "usr/lib/libc.so.6": b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
        "lib": "usr/lib",
        "usr/bin/sh": elf(platform),
        f"{VENV}/bin/alpha": b"#!/usr/bin/sh\n",
        f"{SITE}/alpha.py": source,
        f"{SITE}/__pycache__/alpha.cpython-313.pyc": bytecode(source),
        f"{SITE}/beta.so": library,
        f"{SITE}/attach_arm64_amd64.so": elf("linux/arm64"),
        f"{SITE}/alpha-1.0.dist-info/RECORD": record(("alpha.py", source), ("../../../bin/alpha", b"#!/usr/bin/sh\n")),
        f"{SITE}/beta-1.0.dist-info/RECORD": record(("beta.so", library)) + b"beta-1.0.dist-info/RECORD,,\n",
        f"{SITE}/delta-1.0.dist-info/RECORD": b"",
        f"{ARCHIVE}/alpha.py": source,
    }
    for name in ("alpha", "beta", "delta", "hatchling"):
        data = uvcache.pointer_data(archive="0" * 24, sha256="0" * 64, filename=f"{name}-1.0-py3-none-any.whl", size=1)
        pointer = uvcache.write_framed(uvcache.Framed(data=data, policy=b"policy"))
        files[f"{WHEELS}/{name}/1.0-py3-none-any.http"] = pointer
        files[f"{WHEELS}/{name}/1.0-py3-none-any"] = f"../../../{uvcache.ARCHIVES}/{'0' * 24}"
    return files


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A store, and the image that `build` makes in it."""

    store: LayerStore
    unpacked: UnpackedLayers
    lock: Lock
    contract: Mapping[str, str | bytes]

    def build(self, *layers: Sequence[Entry], missing: str = "", **changed: str | bytes) -> BuiltImage:
        """The image of its contract and `layers`; `missing` is left out of the contract, `changed` replaced."""
        texts = {path: changed.get(Path(path).name, text) for path, text in self.contract.items() if path != missing}
        contract = [file_of(path, t.encode() if isinstance(t, str) else t) for path, t in texts.items()]
        contract += [
            symlink(f"{VENV}/bin/python", "/usr/bin/python3.13"),
            directory(f"{CACHE}/archive-v0", 0o777, OPEN_TO_ALL),
        ]
        stack = [(self.put(entries), f"layer {number}") for number, entries in enumerate((*layers, contract))]
        provenance = Provenance(
            recipe="r" * 64, lock="l" * 64, created="2026-01-01T00:00:00Z", python="3.13.5", uv="0.13.8", foundation="t"
        )
        return assemble_image(VARIANT, PLATFORM, stack, provenance)

    def put(self, entries: Sequence[Entry]) -> Layer:
        named = {entry.path for entry in entries}
        folders = {str(parent) for path in named for parent in Path(path).parents} - named
        opened = [directory(path, 0o777, OPEN_TO_ALL) for path in folders if path.startswith((VENV, CACHE))]
        with self.store.workspace() as work:
            packed = pack_entries([*entries, *opened], Codec(), work)
            return self.store.put(packed.diff_id.removeprefix("sha256:"), packed)

    def files(self, image: BuiltImage) -> ImageFiles:
        return ImageFiles(listings=self.unpacked.listings(image.layers), folders=self.unpacked.folders(image.layers))

    def subject(self, image: BuiltImage, *more: LockedPackage) -> Subject:
        lock = replace(self.lock, packages=(*self.lock.packages, *more))
        return Subject(image=image, lock=lock, environment=environment_of(image))


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    store = LayerStore(tmp_path / "store")
    base = {"name": VARIANT.name, "platform": PLATFORM, "recipe": "r" * 64, "uv": "0.13.8"}
    lock = Lock(
        variant=VARIANT.name,
        python="3.13",
        inputs="",
        uv=replace(locked("uv"), version="0.13.8"),
        packages=(
            locked("alpha", size=500, requires=["delta"]),
            locked("beta"),
            locked("delta"),
            locked("hatchling", use="warm"),
            locked("other-platform", use="index"),
        ),
    )
    return Tiny(
        store=store,
        unpacked=UnpackedLayers(tmp_path / "unpacked", store),
        lock=lock,
        contract={
            f"{FOLDER}/base.json": json.dumps(base),
            f"{FOLDER}/constraints.txt": "alpha==1.0\nbeta==1.0\ndelta==1.0\n",
            f"{FOLDER}/pylock.toml": "lock-version = '1.0'\n",
            f"{FOLDER}/uv.lock": "version = 1\n",
            f"{FOLDER}/sbom.cdx.json": json.dumps({"components": []}),
            "etc/profile.d/warmbase.sh": "",
            "usr/local/bin/uv": elf(PLATFORM),
            "usr/local/bin/uvx": elf(PLATFORM),
            f"{VENV}/pyvenv.cfg": "home = /usr/bin\nversion_info = 3.13.5\n",
            f"{CACHE}/CACHEDIR.TAG": "",
            "usr/lib/python3.13/EXTERNALLY-MANAGED": "",
        },
    )
