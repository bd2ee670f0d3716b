"""Time a command from inside a sandbox, so that entering the sandbox is no part of it.

    python timed.py COMMAND...

Prints its wall and CPU seconds; what the command says goes to standard error, its exit code is this program's.
"""

import os
import subprocess
import sys
import time

begun = time.perf_counter()
finished = subprocess.run(sys.argv[1:], stdout=sys.stderr, check=False)
print(time.perf_counter() - begun, sum(os.times()[2:4]))  # noqa: T201
sys.exit(finished.returncode)
