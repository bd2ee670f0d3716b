"""What a verification says, and the only kind of image that may be published.

A verification counts for one digest, one revision of the verifier and one way of running. What could not run is a
finding of its own, "not run" with the reason: it neither fails nor vouches for anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from warmbase.errors import VerificationError
from warmbase.image.assemble import Image

VERIFIER_REVISION = 6
"""Raised when the verifier asks for more than before: what was verified until then has to be verified again."""

SMOKE = "smoke.py"
"""What the finding of an image's own check is called."""

STATIC_ONLY = "none"
"""The name of the runner of a verification that ran nothing."""

Outcome = Literal["passed", "failed", "not run"]

_MADE_BY_VERIFY = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What one check came to. `detail` says why it failed or did not run, or what was measured."""

    check: str
    outcome: Outcome
    detail: str = field(default="", compare=False)
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """All findings on an image. `runner` says what ran it (see `name_runner`), `smoke` is the hash of its checks
    (`hash_smokes`)."""

    digest: str
    platform: str
    revision: int
    runner: str
    smoke: str
    findings: tuple[Finding, ...]

    def having(self, outcome: Outcome) -> tuple[Finding, ...]:
        """The findings with this outcome."""
        return tuple(finding for finding in self.findings if finding.outcome == outcome)

    @property
    def has_passed(self) -> bool:
        """Whether something was checked and nothing failed."""
        return bool(self.having("passed")) and not self.having("failed")

    @property
    def has_run(self) -> bool:
        """Whether the image was run, and not only looked at."""
        return self.runner != STATIC_ONLY

    @property
    def summary(self) -> str:
        """One line for people: how many checks passed, and what did not run."""
        passed, skipped = len(self.having("passed")), len(self.having("not run"))
        if not self.has_run:
            return f"static only: {passed} checks passed, not run on this machine"
        under = self.how.removeprefix("run")
        return f"{passed} checks passed{under}" + (f", {skipped} not run" if skipped else "")

    @property
    def how(self) -> str:
        """How the image was looked at: "run", "run under qemu" (or another emulator), or "static only"."""
        emulator = self.runner.partition(", ")[2]
        return (f"run under {emulator}" if emulator else "run") if self.has_run else "static only"


def name_runner(runner: str, runs_by: str) -> str:
    """What ran an image, as its verification says: "namespace", "namespace, qemu", or STATIC_ONLY.

    `runner` is the runner's name, `runs_by` what executes the image's programs here (see `effects.platforms.runs_by`).
    """
    return {"native": runner, "": STATIC_ONLY}.get(runs_by, f"{runner}, {runs_by}")


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedImage:
    """An image that passed. Only `verify_image` makes one, now or by a record of it, and only this can be published."""

    image: Image
    verification: Verification
    made_by: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.made_by is not _MADE_BY_VERIFY:
            raise TypeError("a VerifiedImage is made by verify_image alone")
        if self.verification.digest != self.image.digest or not self.verification.has_passed:
            raise TypeError("the verification does not vouch for this image")

    @property
    def summary(self) -> str:
        """One line for people."""
        return self.verification.summary


class FailedVerificationError(VerificationError):
    """An image was verified and did not pass; `verification` says all that was found."""

    def __init__(self, message: str, *, next_step: str, verification: Verification) -> None:
        super().__init__(message, next_step=next_step)
        self.verification = verification


def accept_image(image: Image, verification: Verification) -> VerifiedImage:
    """The verified image, for `verify_image` and `find_verified`.

    Raises FailedVerificationError that names each failed check.
    """
    failed = verification.having("failed")
    if failed:
        message, remedy = _describe(image, failed), _advise(image, failed)
        raise FailedVerificationError(message, next_step=remedy, verification=verification)
    return VerifiedImage(image=image, verification=verification, made_by=_MADE_BY_VERIFY)


def _describe(image: Image, failed: Sequence[Finding]) -> str:
    lines = [f"{image.variant.name} on {image.platform}: {len(failed)} of its checks failed"]
    for finding in failed:
        lines.append(f"{finding.check}:")
        lines += [f"  {line}" for line in finding.detail.splitlines()]
    return "\n".join(lines)


def _advise(image: Image, failed: Sequence[Finding]) -> str:
    if any(finding.check.startswith(SMOKE) for finding in failed):
        files = " and ".join(map(str, image.variant.smokes))
        return f"see what {files} expects, then `warmbase build {image.variant.name}`"
    if any(finding.check == "blobs" for finding in failed):
        return f"run `warmbase build {image.variant.name}`, which puts what is whole in the place of what is damaged"
    return f"change the requirements of {image.variant.image}, or report it if they are not the cause"
