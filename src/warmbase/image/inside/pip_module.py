"""`python -m pip` of an image that has uv in pip's place; a real pip is a package, which Python finds first."""

import os
import sys

if __name__ == "__main__":
    program = "/usr/local/bin/pip"
    if not os.access(program, os.X_OK):
        sys.exit("No module named pip")
    os.execv(program, ["pip", "--python", sys.executable, *sys.argv[1:]])  # noqa: S606 - that is what it is for
