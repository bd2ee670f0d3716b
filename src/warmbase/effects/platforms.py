"""Which platforms' programs this machine can run, and how.

Linux starts a program for another architecture through the interpreter that binfmt_misc has for it (the kernel's
admin-guide/binfmt-misc.rst), which is qemu-user on most machines.
"""

import os
from pathlib import Path

BINFMT = Path("/proc/sys/fs/binfmt_misc")

_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_EMULATORS = {"linux/amd64": "qemu-x86_64", "linux/arm64": "qemu-aarch64"}


def native_platform(machine: str = os.uname().machine) -> str:
    """The OCI platform of a machine as uname(2) calls it, "linux/<machine>" where warmbase builds nothing for it."""
    return _PLATFORMS.get(machine, f"linux/{machine}")


def runs_by(platform: str, *, native: str | None = None, binfmt: Path = BINFMT) -> str:
    """What runs programs of `platform` here: "native", "qemu", or "" where nothing does."""
    if platform == (native or native_platform()):
        return "native"
    try:
        state = (binfmt / _EMULATORS.get(platform, "none")).read_text()
    except OSError:
        return ""
    return "qemu" if state.startswith("enabled") else ""
