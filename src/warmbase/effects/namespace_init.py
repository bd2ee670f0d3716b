"""The first process of a sandbox: makes its root filesystem, then only keeps it alive.

A script of its own, started by `NamespaceRunner` under `unshare` with nothing but the standard library. It
reads a plan as one line of JSON, writes one line, `{"pid": …}` (as the host counts) or `{"error": …}`, and
then waits for the end of its standard input. That pipe is the sandbox's lifeline: however warmbase ends, the
pipe closes, this process exits, and as it is the first of its PID namespace the kernel kills everything in it
and drops the mounts, which no other namespace has ever seen.

The mounts: an overlay of the layers with a writable upper folder, and what a container runtime promises
(OCI runtime specification, config-linux.md, "Default Filesystems" and "Default Devices").
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC = 0x1000, 0x4000
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
SYS_MOUNT_SETATTR = 442  # the same on every architecture
MOUNT_ATTR_RDONLY = 0x1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
# What a root process could change on the host through /proc (the runtime specification's `readonlyPaths`).
READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
HOST = "/.host"  # where the host's root is while the sandbox is being made

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        options.encode() or None,
    )
    _check(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Bind `source` with everything mounted below it on `target`, which is made if it is missing."""
    path = Path(os.path.realpath(target))
    if Path(source).is_dir():
        path.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    mount(source, str(path), flags=MS_BIND | MS_REC)
    if read_only:
        make_read_only(str(path))


def make_read_only(target: str) -> None:
    """Make a mount and all mounts below it read-only: mount_setattr(2)."""
    attributes = struct.pack("QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(SYS_MOUNT_SETATTR),
        ctypes.c_int(AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(AT_RECURSIVE),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
    )
    _check(result, f"make {target} read-only")


def enter_root(folder: Path, layers: int, *, rootless: bool) -> None:
    """Mount the overlay in `folder` and make it the root; the host's root stays reachable at HOST."""
    os.chdir(folder)  # short relative names: all options of a mount must fit into one page
    mount("tmpfs", "writes", "tmpfs", MS_NODEV, "mode=755,size=75%")
    try:
        mount_overlay(layers, rootless=rootless)
    except OSError:
        _check(_libc.umount2(b"writes", MNT_DETACH), "unmount writes")
        mount_overlay(layers, rootless=rootless)
    os.chdir("root")
    Path(HOST.lstrip("/")).mkdir()
    number = SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), b".", os.fsencode(HOST.lstrip("/"))), "pivot_root")
    os.chdir("/")


def mount_overlay(layers: int, *, rootless: bool) -> None:
    """Mount the overlay of the layers on `root`; what is written goes into `writes`."""
    for name in ("upper", "work"):
        Path("writes", name).mkdir(mode=0o755)
    lower = ":".join(f"l/{number}" for number in reversed(range(layers)))
    options = f"lowerdir={lower},upperdir=writes/upper,workdir=writes/work" + (",userxattr" if rootless else "")
    mount("overlay", "root", "overlay", MS_NODEV, options)


def leave_host() -> None:
    """Take the host's root away."""
    _check(_libc.umount2(os.fsencode(HOST), MNT_DETACH), "unmount the host's root")
    Path(HOST).rmdir()


def mount_kernel_filesystems() -> None:
    """Mount /proc, /sys (the host's, read-only) and a /dev with the devices that programs expect."""
    for folder in ("/proc", "/sys", "/dev"):
        Path(folder).mkdir(exist_ok=True)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in READ_ONLY_PROC:
        if Path("/proc", name).exists():
            bind(f"/proc/{name}", f"/proc/{name}", read_only=True)
    bind(f"{HOST}/sys", "/sys", read_only=True)
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k")
    for name in DEVICES:
        bind(f"{HOST}/dev/{name}", f"/dev/{name}")
    for name, target in DEVICE_LINKS.items():
        Path("/dev", name).symlink_to(target)
    for name in ("shm", "pts"):
        Path("/dev", name).mkdir()
    shared = "/dev/shm"  # noqa: S108 - the sandbox's own
    mount("tmpfs", shared, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def raise_loopback() -> None:
    """Bring up `lo`, without which not even 127.0.0.1 answers (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", request)[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


def make_sandbox(plan: dict[str, object]) -> None:
    """Carry out the plan (made by `NamespaceRunner.open`)."""
    if not plan["network"]:
        raise_loopback()
    socket.sethostname(str(plan["hostname"]))
    enter_root(Path(str(plan["folder"])), int(str(plan["layers"])), rootless=bool(plan["rootless"]))
    mount_kernel_filesystems()
    binds = plan["binds"]
    assert isinstance(binds, list)
    for source, target, read_only in binds:
        bind(HOST + source, target, read_only=read_only)
    leave_host()


def main() -> None:
    """Make the sandbox that standard input describes and hold it until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C reaches the terminal's whole group; warmbase decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans are reaped by the kernel
    os.umask(0o022)
    plan = json.loads(sys.stdin.readline())
    pid = int(Path("/proc/self").readlink().name)  # the host's /proc still, so the host's number
    try:
        make_sandbox(plan)
        answer: dict[str, object] = {"pid": pid}
    except (OSError, KeyError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)  # noqa: T201 - the answer to NamespaceRunner
    sys.stdin.read()


if __name__ == "__main__":
    main()
