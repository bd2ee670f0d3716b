#!/opt/venv/bin/python -IS
#!/opt/venv/bin/python -IS
"""Close the image's venv for good: from here on, only root and who owns a file may change what is in it.

It also takes the default ACLs away (acl(5)), by which all may write what root installs: the venv's, and the cache's
where uv unpacks the wheels whose files it links into the venv. The cache itself stays everybody's, for environments of
their own.
"""

from __future__ import annotations

import os
import stat
import subprocess

VENV, CACHE = "/opt/venv", "/opt/uv/cache"
UNPACKED = "archive-"
DEFAULT_ACL = "system.posix_acl_default"


def close(path: str) -> None:
    """Take away others' right to write where they have it; what is right already is in no layer."""
    mode = stat.S_IMODE(os.lstat(path).st_mode)
    if mode & 0o022 and not os.path.islink(path):
        os.chmod(path, mode & ~0o022)


def inherit_nothing(folder: str) -> None:
    """Take away the default ACL, where there is one."""
    if DEFAULT_ACL in os.listxattr(folder):
        os.removexattr(folder, DEFAULT_ACL)


if __name__ == "__main__":
    # What uv knows of interpreters is for everybody too, and its folder is made by the first who asks.
    subprocess.run(["uv", "python", "find", "--quiet"], stdout=subprocess.DEVNULL, check=True)
    inherit_nothing(CACHE)
    for name in os.listdir(CACHE):
        if name.startswith(UNPACKED):
            inherit_nothing(f"{CACHE}/{name}")
    for folder, _, files in os.walk(VENV):
        inherit_nothing(folder)
        close(folder)
        for name in files:
            close(f"{folder}/{name}")
