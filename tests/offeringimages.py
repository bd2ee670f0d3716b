"""Small images that say of themselves what real ones say: a foundation, uv, packages, the last layer with its files.

Their layers are real tars, their documents are made by what makes those of real images.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from tests.billed import LOCK, SAID, foundation
from tests.publishing import AMD64, Shelf, describe_variant

from warmbase.foundation.model import Package
from warmbase.image.assemble import Provenance, assemble_image
from warmbase.image.bill import image_parts, write_bill
from warmbase.image.promises import BILL, IDENTITY
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.lock.model import Lock, hash_inputs, lock_to_json
from warmbase.oci.tar import file_of
from warmbase.publish.model import PublishableVariant
from warmbase.verify.model import VERIFIER_REVISION, Finding, Verification, accept_image

SYSTEM = Package(name="libc6", version="2.41-12", architecture="amd64", licences=("LGPL-2.1-or-later",))
CREATED = "2026-01-02T03:04:05Z"
INDEX = "https://index.example/simple"


def describing_variant(shelf: Shelf, image: str = "data", lock: Lock = LOCK) -> PublishableVariant:
    """A variant with one package in a layer of its own and the others in a pool, verified; its blobs are in `shelf`."""
    variant = describe_variant(image)
    step = replace(shelf.variant(image).images[0][0], lock=lock)
    venv = [package for package in lock.installed(AMD64) if package.use != "index"]
    first, *others = (f"{package.name} {package.version}" for package in venv)
    ground, recipe = foundation(SYSTEM), hash_inputs({"lock": lock_to_json(lock)})
    parts = image_parts(lock, AMD64, ground, SAID)
    identity = {
        "python": ground.python, "uv": lock.uv.version, "platform": AMD64, "index": INDEX, "contract": 6,
        "indexes": {"default": [INDEX, "https://mirror.example/simple"], "own": ["https://own.example/simple"]},
    }  # fmt: skip
    contract = {IDENTITY: json.dumps(identity), BILL: write_bill(variant.name, recipe, CREATED, parts)}
    stack = [
        (_layer(shelf, {"etc/os-release": "ID=debian"}), "foundation trixie"),
        (_layer(shelf, {"usr/local/bin/uv": lock.uv.version}), f"uv {lock.uv.version}"),
        (_layer(shelf, {"opt/venv/first": first}), first),
        *([(_layer(shelf, {"opt/venv/others": str(others)}), ", ".join(others))] if others else []),
        (_layer(shelf, contract), "contract"),
    ]
    provenance = Provenance(
        recipe=recipe, lock="lock", created=CREATED, python=ground.python, uv=lock.uv.version, foundation="trixie"
    )
    built = assemble_image(variant, AMD64, stack, provenance, ground)
    verification = Verification(
        digest=built.digest, platform=AMD64, revision=VERIFIER_REVISION, runner="namespaces", smoke="",
        findings=(Finding(check="files", outcome="passed"),),
    )  # fmt: skip
    return PublishableVariant(variant=variant, images=((step, accept_image(built, verification)),))


def _layer(shelf: Shelf, files: Mapping[str, str]) -> Layer:
    shelf.folder.mkdir(parents=True, exist_ok=True)
    packed = pack_entries((file_of(path, text.encode()) for path, text in files.items()), Codec(), shelf.folder)
    packed.blob.replace(shelf.blob_path(packed.digest))
    return Layer.of(packed.digest, packed, {})
