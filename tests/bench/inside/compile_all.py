"""The bytecode compiler alone, fed well: every Python file below a folder, largest first, by a pool of processes.

    python compile_all.py FOLDER JOBS

Prints wall and CPU seconds.
"""

import importlib.util
import marshal
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path


def compile_file(path: str) -> None:
    """Write a file's bytecode beside it, as the interpreter would."""
    source = Path(path).read_bytes()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return
    target = Path(importlib.util.cache_from_source(path))
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))


def main() -> None:
    """Compile and say what it took."""
    warnings.simplefilter("ignore")
    files = sorted(Path(sys.argv[1]).rglob("*.py"), key=lambda path: -path.stat().st_size)
    begun = time.perf_counter()
    with multiprocessing.Pool(int(sys.argv[2])) as pool:
        for _ in pool.imap_unordered(compile_file, map(str, files), chunksize=4):
            pass
        pool.close()
        pool.join()
    print(time.perf_counter() - begun, sum(os.times()[:4]))  # noqa: T201


if __name__ == "__main__":
    main()
