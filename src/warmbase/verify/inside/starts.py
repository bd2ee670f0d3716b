"""Start console scripts up to their first line of Python.

    python starts.py BIN NAME…

Each is executed as it is, with a `sitecustomize` module that says which interpreter runs it and ends it: so the
script's first line is proven to lead to this venv, and nothing of the program is run. Prints what is wrong.
"""

import os
import subprocess
import sys
import tempfile

SAY = "import os, sys\nos.write(1, sys.prefix.encode())\nos._exit(0)\n"

with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "sitecustomize.py"), "w", encoding="utf-8") as file:
        file.write(SAY)
    for name in sys.argv[2:]:
        script = os.path.join(sys.argv[1], name)
        try:
            done = subprocess.run(
                [script],
                check=False,
                env={**os.environ, "PYTHONPATH": folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=30,
            )
        except OSError as error:
            print("%s: %s" % (script, error))
            continue
        if done.returncode or done.stdout.decode(errors="replace") != sys.prefix:
            print("%s: %s %s" % (script, done.returncode, done.stdout.decode(errors="replace").strip()[-300:]))
