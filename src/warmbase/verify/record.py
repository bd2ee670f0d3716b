"""Records of verifications, so that an unchanged image is not verified again.

One canonical JSON file each, `<digest in hex>-<verifier's revision>-<runner>.json`, written whole or not at all. A
record that is damaged, of another revision or of another digest than its name says counts as none.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from warmbase.effects.files import replace_file
from warmbase.errors import StoreError
from warmbase.oci.digests import canonical_json, digest_of, digest_of_file, hex_of
from warmbase.verify.model import VERIFIER_REVISION, Finding, Outcome, Verification

_OUTCOMES: frozenset[Outcome] = frozenset(("passed", "failed", "not run"))


def write_record(folder: Path, verification: Verification) -> None:
    """Keep a verification in `folder`. Raises StoreError."""
    path = _path(folder, verification.digest, verification.runner)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, canonical_json(asdict(verification)))
    except OSError as error:
        raise StoreError(
            f"cannot write the verification {path}: {error.strerror}",
            next_step=f"see that {folder} can be written and has room",
        ) from error


def read_record(folder: Path, digest: str, runner: str) -> Verification | None:
    """The verification of an image by this revision with this runner, or None."""
    found = _read(_path(folder, digest, runner))
    return found if found and (found.digest, found.runner) == (digest, runner) else None


def read_verified(folder: Path) -> Mapping[tuple[str, str], bool]:
    """All images that passed this revision: (digest, hash of the smoke.py) → whether they were run for it.

    How they were run does not matter to those who ask this.
    """
    verified: dict[tuple[str, str], bool] = {}
    for path in folder.glob(f"*-{VERIFIER_REVISION}-*.json"):
        record = _read(path)
        if record and record.has_passed:
            key = (record.digest, record.smoke)
            verified[key] = record.has_run or verified.get(key, False)
    return verified


def find_record(folder: Path, digest: str, smoke: str) -> Verification | None:
    """What vouches for an image with this revision, however it was run: one that ran it before one that did not."""
    found = (_read(path) for path in sorted(folder.glob(f"{hex_of(digest)}-{VERIFIER_REVISION}-*.json")))
    passed = [record for record in found if record and record.has_passed and record.smoke == smoke]
    return next((record for record in passed if record.has_run), passed[0] if passed else None)


def hash_smokes(smokes: Sequence[Path]) -> str:
    """What a record knows the checks of an image by (`Variant.smokes`); "" for none. Raises StoreError if one cannot be
    read."""
    digests = [hash_smoke(smoke) for smoke in smokes]
    return digests[0] if len(digests) == 1 else digest_of(" ".join(digests).encode()) if digests else ""


def hash_smoke(smoke: Path) -> str:
    """The digest of one check. Raises StoreError if it cannot be read."""
    try:
        return digest_of_file(smoke)
    except OSError as error:
        raise StoreError(f"cannot read {smoke}: {error.strerror}", next_step="see that it is there") from error


def _path(folder: Path, digest: str, runner: str) -> Path:
    return folder / f"{hex_of(digest)}-{VERIFIER_REVISION}-{runner.replace(', ', '-')}.json"


def _read(path: Path) -> Verification | None:
    try:
        value = json.loads(path.read_bytes())
        findings = tuple(Finding(**finding) for finding in value.pop("findings"))
        record = Verification(**value, findings=findings)
        sound = record.revision == VERIFIER_REVISION and path.name.startswith(hex_of(record.digest))
        return record if sound and all(finding.outcome in _OUTCOMES for finding in findings) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
