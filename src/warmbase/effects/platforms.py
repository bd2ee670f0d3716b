"""Which platforms' programs this machine can run, and how.

Linux starts a program for another architecture through the interpreter that binfmt_misc has for it (the kernel's
admin-guide/binfmt-misc.rst), which is qemu-user on most machines.
"""

import platform as machines
from pathlib import Path

BINFMT = Path("/proc/sys/fs/binfmt_misc")

_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
MACHINES = {platform: machine for machine, platform in _PLATFORMS.items()}
"""OCI platforms and the names that uname(2), qemu and uv have for their machines."""
_ELSEWHERE = {"AMD64": "x86_64", "arm64": "aarch64", "ARM64": "aarch64"}
"""What Windows and macOS call the same machines."""


def native_platform(machine: str = "") -> str:
    """The OCI platform of a machine, "" this one, as uname(2) calls it, "linux/<machine>" where warmbase builds nothing
    for it. On macOS and Windows it is that of the containers that run there by themselves."""
    machine = machine or machines.machine()
    machine = _ELSEWHERE.get(machine, machine)
    return _PLATFORMS.get(machine, f"linux/{machine}")


def runs_by(platform: str, *, native: str | None = None, binfmt: Path = BINFMT) -> str:
    """What runs programs of `platform` here: "native", "qemu", or "" where nothing does."""
    if platform == (native or native_platform()):
        return "native"
    return "qemu" if platform in MACHINES and has_qemu(MACHINES[platform], binfmt=binfmt) else ""


def has_qemu(machine: str, *, binfmt: Path = BINFMT) -> bool:
    """Whether Linux starts programs for `machine`, as qemu calls it ("aarch64"), with qemu-user here.

    It must do so in other root filesystems too: with the flag F, qemu is opened when it is registered.
    """
    try:
        lines = (binfmt / f"qemu-{machine}").read_text().splitlines()
    except OSError:
        return False
    flags = next((line.removeprefix("flags:") for line in lines if line.startswith("flags:")), "")
    return "enabled" in lines and "F" in flags
