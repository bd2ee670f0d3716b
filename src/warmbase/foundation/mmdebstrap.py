"""How mmdebstrap is called: its command lines, the archives it reads, and apt's preferences for a pin.

mmdebstrap knows Debian's mirrors; this project names none. With a `mirror` in the catalog its lines are made
the way mmdebstrap makes them: the suite, its updates, and its security updates, which a mirror keeps beside
`debian` as `debian-security`. The image's own sources follow the same rule from the first line that was used,
so they do not depend on mmdebstrap's version.
"""

import os
import platform as host
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from warmbase.catalog.model import DebianFoundation
from warmbase.effects.http import proxy_variables
from warmbase.effects.platforms import BINFMT, has_qemu
from warmbase.errors import FoundationError
from warmbase.foundation.pins import DebianPin
from warmbase.foundation.rootfs import DPKG_OPTIONS

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ALWAYS = ("ca-certificates",)
"""What every foundation has beside the minimal system."""
PYTHON = ("python3",)
"""The suite's own Python, where none is put on it. `python3-minimal` would lack ctypes and asyncio."""

_ARCHITECTURES = {
    "linux/386": "i386",
    "linux/amd64": "amd64",
    "linux/arm/v5": "armel",
    "linux/arm/v7": "armhf",
    "linux/arm64": "arm64",
    "linux/arm64/v8": "arm64",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}
_NATIVE = {  # what runs on which machine, as uname(2) calls it
    "x86_64": ("amd64", "i386"),
    "aarch64": ("arm64",),
    "ppc64le": ("ppc64el",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}
_QEMU = {  # qemu's names in binfmt_misc, where they are not Debian's
    "amd64": "x86_64",
    "arm64": "aarch64",
    "armel": "arm",
    "armhf": "arm",
    "ppc64el": "ppc64le",
}
_ROLLING_SUITES = frozenset(("sid", "unstable", "testing", "experimental"))  # no updates or security of their own
_SOURCE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+?)\s*$", re.MULTILINE)
_PASSED = ("PATH", "HOME", "USER", "TMPDIR")


def architecture_of(platform: str) -> str:
    """Return Debian's name of an OCI platform: "linux/arm64" → "arm64". Raises FoundationError."""
    if platform not in _ARCHITECTURES:
        raise FoundationError(
            f"Debian has no platform {platform!r}",
            next_step=f"use one of {', '.join(sorted(_ARCHITECTURES))}",
        )
    return _ARCHITECTURES[platform]


def check_tools(foundation: DebianFoundation) -> None:
    """Raise FoundationError with the line that installs it if mmdebstrap or the archive's keys are missing."""
    if not shutil.which("mmdebstrap"):
        raise FoundationError("mmdebstrap is not installed", next_step="apt-get install mmdebstrap")
    if not foundation.keyring and not Path(KEYRING).exists():
        raise FoundationError(
            "the keys of Debian's archive are not installed",
            next_step="apt-get install debian-archive-keyring",
        )


def check_emulator(architecture: str, *, binfmt: Path = BINFMT) -> None:
    """Raise FoundationError if mmdebstrap cannot run the packages' scripts of `architecture` here, natively or by
    qemu."""
    if architecture in _NATIVE.get(host.machine(), ()):
        return
    if has_qemu(_QEMU.get(architecture, architecture), binfmt=binfmt) and shutil.which("arch-test"):
        return
    raise FoundationError(
        f"this machine cannot run the scripts of Debian's packages for {architecture}",
        next_step="apt-get install qemu-user-static binfmt-support arch-test; or build on a machine of that kind; or"
        " stand on an image of a registry, which needs no emulator",
    )


def base_command(architecture: str, inherited: Mapping[str, str]) -> list[str]:
    """Return the start of every mmdebstrap command line; options follow, then `targets`.

    `inherited` may name the certificates to trust (SSL_CERT_FILE). apt, which runs outside the new system, is told by a
    file in it that becomes no part of a layer.
    """
    bundle = inherited.get("SSL_CERT_FILE")
    return [
        "mmdebstrap",
        f"--architectures={architecture}",
        "--components=main",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        *([f'--aptopt=Acquire::https::CAInfo "{Path(bundle).absolute()}";'] if bundle else []),
    ]


def targets(foundation: DebianFoundation, output: str) -> list[str]:
    """Return the end of a command line: the suite, the output and, if the catalog has a mirror, its lines."""
    keys = f'[signed-by="{foundation.keyring.absolute()}"]' if foundation.keyring else ""
    lines = source_lines(foundation.mirror, foundation.suite, options=keys) if foundation.mirror else ()
    return [foundation.suite, output, *lines]


def environment(epoch: int | None, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return mmdebstrap's exact environment: of the user's own only paths and proxies, nothing that shows."""
    passed = {name: inherited[name] for name in _PASSED if name in inherited} | proxy_variables(inherited)
    path = os.pathsep.join(filter(None, (passed.get("PATH"), "/usr/sbin", "/usr/bin", "/sbin", "/bin")))
    date = {} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)}
    return passed | date | {"PATH": path, "LC_ALL": "C.UTF-8", "TZ": "UTC", "DEBIAN_FRONTEND": "noninteractive"}


def source_lines(mirror: str, suite: str, *, options: str = "") -> tuple[str, ...]:
    """Return apt's one-line sources for a suite with its updates on a mirror (sources.list(5))."""
    head = f"deb {options} " if options else "deb "
    if suite in _ROLLING_SUITES:
        return (f"{head}{mirror} {suite} main",)
    return (
        f"{head}{mirror} {suite} main",
        f"{head}{mirror} {suite}-updates main",
        f"{head}{security_of(mirror)} {suite}-security main",
    )


def security_of(mirror: str) -> str:
    """Return where a mirror keeps security updates: `…/debian` → `…/debian-security`, also inside a path."""
    beside, found = re.subn(r"/debian(?=/|$)", "/debian-security", mirror, count=1)
    return beside if found else f"{mirror.rstrip('/')}-security"


def image_keyring(foundation: DebianFoundation) -> str:
    """Return where an image has the keys of its archive: Debian's, or below /etc the catalog's (sources.list(5))."""
    return f"/etc/apt/keyrings/{foundation.keyring.name}" if foundation.keyring else KEYRING


def image_sources(written: str, *, keyring: str = KEYRING) -> str:
    """Return the image's debian.sources (deb822 format of sources.list(5)) from the lines mmdebstrap wrote, signed by
    keys which the image has in `keyring`.

    User information in an address stays out of the image. Raises FoundationError if there are no lines.
    """
    lines = [match.groups() for match in _SOURCE_LINE.finditer(written)]
    if not lines:
        raise FoundationError("mmdebstrap wrote no sources for apt", next_step="try a newer mmdebstrap")
    mirror = re.sub(r"(?<=://)[^/\s@]+@", "", lines[0][0])
    security = [suite for _, suite, _ in lines if suite.endswith("-security")]
    ordinary = [suite for _, suite, _ in lines if suite not in security]
    groups = [(mirror, ordinary), (security_of(mirror), security)]
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {' '.join(dict.fromkeys(suites))}\nComponents: {lines[0][2]}\n"
        f"Signed-By: {keyring}\n"
        for uri, suites in groups
        if suites
    )


def snapshot_lines(foundation: DebianFoundation, pin: DebianPin) -> tuple[str, ...]:
    """Return the sources of the catalog's snapshot archive at the pin's time; none if it names no archive."""
    if not foundation.snapshot:
        return ()
    time = datetime.fromtimestamp(pin.epoch, UTC).strftime("%Y%m%dT%H%M%SZ")
    # A snapshot's Release files have expired; the signature still counts.
    options = f"[check-valid-until=no signed-by={foundation.keyring or KEYRING}]"
    return source_lines(foundation.snapshot.replace("{timestamp}", time), foundation.suite, options=options)


def preferences(packages: Iterable[tuple[str, str]]) -> str:
    """Return apt preferences that take exactly these versions wherever one is offered (apt_preferences(5)).

    1001 wins over every other version, even a newer one; a version that nobody offers has no effect.
    """
    return "\n".join(f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n" for name, version in packages)


def upload_hook(file: Path, target: str) -> str:
    """Return the setup hook that puts a host file into the new system before apt first runs."""
    return f"--setup-hook=upload {shlex.quote(str(file))} {shlex.quote(target)}"
