"""A real image is verified, and images with one fault each are not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.bases import Bases

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import ImageConfig
from warmbase.effects.files import CacheFolders
from warmbase.effects.runner import find_runner
from warmbase.errors import VerificationError
from warmbase.image.assemble import BuiltImage, Provenance, assemble_image
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.codec import Codec
from warmbase.layers.pack import pack_entries
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.files import read_lock
from warmbase.lock.model import Lock
from warmbase.oci.tar import Entry, directory, file_of
from warmbase.verify.children import children_of, run_child
from warmbase.verify.model import Finding, VerifiedImage
from warmbase.verify.record import read_verified
from warmbase.verify.stage import verify_image
from warmbase.verify.static import environment_of
from warmbase.verify.subject import IMAGE_USER, Subject

SITE = f"{VENV}/lib/python3.13/site-packages"


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """A built image and what verifies variations of it; `records` is where the results are kept."""

    bases: Bases
    image: BuiltImage
    lock: Lock
    records: Path

    def verify(self, *more: Sequence[Entry], smoke: str = "") -> VerifiedImage:
        """Verify the image with more layers on top of it."""
        folders = CacheFolders(root=self.bases.cache)
        store = self.bases.store
        layers = [(layer, "the image") for layer in self.image.layers]
        with store.workspace() as work:
            for entries in more:
                packed = pack_entries(entries, Codec(), work)
                layers.append((store.put(packed.diff_id.removeprefix("sha256:"), packed), "more"))
        file = self.records.with_name("smoke.py")
        file.write_text(smoke)
        variant = replace(self.image.variant, smoke=file if smoke else None)
        changed = assemble_image(variant, self.image.platform, layers, provenance(self.image.recipe))
        return verify_image(
            changed,
            self.lock,
            store=store,
            unpacked=UnpackedLayers(folders.unpacked, store),
            runner=find_runner(folders.scratch),
            records=self.records,
        )


def provenance(recipe: str) -> Provenance:
    return Provenance(
        recipe=recipe, lock="", created="2026-01-01T00:00:00Z", python="3.13", uv="0.13.8", foundation="debian:trixie"
    )


@pytest.fixture(scope="module")
def verifier(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    root = tmp_path_factory.mktemp("verify")
    bases = foundation.copy(root)
    backends = ["setuptools", "hatchling", "editables", "flit-core"]
    bases.write_catalog({"tiny": {"requirements": ["iniconfig", "pytest", "httpx"], "backends": backends}})
    bases.build()
    (variant,) = load_catalog(bases.catalog).images[0].variants
    lock = read_lock(load_catalog(bases.catalog), variant)
    assert lock
    layers = bases.layers("tiny:py3.13-trixie")
    recipe = next(entry for entry in bases.layout().index.manifests).annotations["dev.warmbase.recipe"]
    (platform,) = variant.platforms
    image = assemble_image(variant, platform, [(layer, "made") for layer in layers], provenance(recipe))
    return Verifier(bases=bases, image=image, lock=lock, records=root / "records")


def test_a_right_image_passes_with_every_child(verifier: Verifier) -> None:
    verified = verifier.verify(smoke="import httpx, sys; assert sys.prefix == '/opt/venv'; httpx.Client().close()")
    findings = {finding.check: finding for finding in verified.verification.findings}
    assert {finding.outcome for finding in findings.values()} == {"passed"}
    assert "smoke.py" in findings
    assert findings["imports of pytest"].detail == "py, pytest"
    assert "adds " in findings["uv sync --frozen with UV_COMPILE_BYTECODE=1, as root"].detail
    assert verified.image.digest in {digest for digest, _ in read_verified(verifier.records)}


FAULTS: dict[str, tuple[list[Entry], set[str]]] = {
    "a package that cannot be imported": (
        [file_of(f"{SITE}/iniconfig/__init__.py", b"raise ImportError('spoilt')\n")],
        {"imports of iniconfig"},
    ),
    "a script without an interpreter": (
        [file_of(f"{VENV}/bin/pytest", b"#!/nowhere/python\n", 0o755)],
        {"console scripts"},
    ),
    "cache folders that only root may write": (
        [directory(f"{CACHE}/{bucket}", 0o755) for bucket in ("sdists-v10", "wheels-v7", "simple-v27")]
        + [directory(CACHE, 0o755), file_of(f"{CACHE}/.lock", b"", 0o600), file_of(f"{CACHE}/sdists-v10/.git", b"")],
        {"own .venv, as 1000:1000", "uv sync --frozen twice, as 12345:0"},
    ),
    "a venv that only root may write": (
        [directory(path, 0o755) for path in (VENV, f"{VENV}/lib", f"{VENV}/lib/python3.13", SITE, f"{VENV}/bin")],
        {"uv sync as root, then uv run as 12345:0", "uv sync, pip install and uv run in place, as 1000:1000"},
    ),
    "folders of the cache that do not pass their openness on": (
        [directory(f"{CACHE}/sdists-v10", 0o777)],
        {"uv sync as root, then uv run as 12345:0"},
    ),
    "folders of the venv that do not pass their openness on": (
        [directory(path, 0o777) for path in (SITE, f"{VENV}/bin")],
        {"uv sync as root, then uv run as 12345:0"},
    ),
    "no index pages": (
        [directory(f"{CACHE}/simple-v27", 0o777, (("trusted.overlay.opaque", b"y"),))],
        {"uv lock --offline without a lock"},
    ),
}


@pytest.mark.parametrize(("layer", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_an_image_with_a_fault_is_refused(verifier: Verifier, layer: list[Entry], expected: set[str]) -> None:
    with pytest.raises(VerificationError) as caught:
        verifier.verify(layer)
    failed = {line.removesuffix(":") for line in caught.value.message.splitlines() if not line.startswith(" ")}
    assert expected <= failed


def test_a_smoke_file_that_fails_is_shown_with_its_output(verifier: Verifier) -> None:
    with pytest.raises(VerificationError, match=r"(?s)smoke.py:\n  it ended with code 1\n.*AssertionError: no good"):
        verifier.verify(smoke="assert False, 'no good'")


def started_as(verifier: Verifier, user: str) -> Subject:
    """The image, if its containers started as `user`."""
    variant = replace(verifier.image.variant, config=ImageConfig(user=user))
    layers = [(layer, "the image") for layer in verifier.image.layers]
    image = assemble_image(variant, verifier.image.platform, layers, provenance(verifier.image.recipe))
    return Subject(image=image, lock=verifier.lock, environment=environment_of(image))


def run_own_child(verifier: Verifier, user: str) -> Finding:
    """What becomes of the child that acts as the image's own user."""
    subject, folders = started_as(verifier, user), CacheFolders(root=verifier.bases.cache)
    (child,) = (child for child in children_of(subject) if child.owner == IMAGE_USER)
    root = UnpackedLayers(folders.unpacked, verifier.bases.store).root(subject.image.layers)
    return run_child(child, subject, find_runner(folders.scratch), root)


@pytest.mark.parametrize("user", ["nobody", "2000"])
def test_a_child_is_tried_as_the_image_s_own_user(verifier: Verifier, user: str) -> None:
    finding = run_own_child(verifier, user)
    assert (finding.check, finding.outcome) == ("own .venv, as the image's user", "passed"), finding.detail


@pytest.mark.parametrize("user", ["somebody", "nobody:some"])
def test_a_user_whom_the_image_does_not_have_is_a_failure(verifier: Verifier, user: str) -> None:
    finding = run_own_child(verifier, user)
    assert finding.outcome == "failed"
    assert finding.detail.startswith(f"containers cannot start as '{user}'\nthe image has no such user or group")


@pytest.mark.parametrize("user", ["", "root", "0:5"])
def test_root_needs_no_child_of_its_own(verifier: Verifier, user: str) -> None:
    assert IMAGE_USER not in {child.owner for child in children_of(started_as(verifier, user))}
