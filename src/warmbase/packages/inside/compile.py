"""Compile the Python files of many folders to bytecode, with a pool of processes, largest files first.

    python compile.py MTIME JOBS

Standard input is one JSON list of `[name, folder]`, in the order in which they are wanted. Each name is printed on a
line of its own as soon as its folder is done. What differs from `compileall`: the source's time in the header
(PEP 552) is MTIME whatever the file's is, because every file of a layer gets that time; the file name in the code
is the path below the folder, because the folder is no place that will exist; and files of all folders share one
pool. A file that does not compile is left without bytecode, as installers do (templates, code for other Pythons). So
are the files of a wheel's `.data` folder: uv installs from there only what RECORD names.
"""

import concurrent.futures
import importlib.util
import json
import marshal
import os
import sys
import warnings

MTIME = int(sys.argv[1])
JOBS = int(sys.argv[2])
CHUNK = 8  # files that go to a worker at once
TAG = sys.implementation.cache_tag


def compile_file(task: "tuple[str, str, str]") -> str:
    name, folder, path = task
    with open(os.path.join(folder, path), "rb") as file:
        source = file.read()
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError):
        return name
    header = importlib.util.MAGIC_NUMBER + bytes(4) + MTIME.to_bytes(4, "little")
    header += (len(source) & 0xFFFFFFFF).to_bytes(4, "little")
    parent, base = os.path.split(os.path.join(folder, path))
    target = os.path.join(parent, "__pycache__", "%s.%s.pyc" % (base[:-3], TAG))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as file:
        file.write(header + marshal.dumps(code))
    return name


def compile_files(tasks: "list[tuple[str, str, str]]") -> "list[str]":
    return [compile_file(task) for task in tasks]


def list_sources(name: str, folder: str) -> "list[tuple[str, str, str]]":
    found = []
    for parent, folders, files in os.walk(folder):
        if parent == folder:
            folders[:] = [name for name in folders if not name.endswith(".data")]
        for file in files:
            path = os.path.join(parent, file)
            if file.endswith(".py") and not os.path.islink(path):
                found.append((os.path.getsize(path), os.path.relpath(path, folder)))
    return [(name, folder, path) for _, path in sorted(found, reverse=True)]


def main() -> None:
    warnings.simplefilter("ignore")
    tasks: list[tuple[str, str, str]] = []
    left: dict[str, int] = {}
    for name, folder in json.load(sys.stdin):
        sources = list_sources(name, folder)
        left[name] = len(sources)
        tasks += sources
        if not sources:
            print(name, flush=True)
    # An executor, not a multiprocessing.Pool, which waits for ever for a worker that the kernel has killed.
    with concurrent.futures.ProcessPoolExecutor(JOBS) as pool:
        chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
        for done in concurrent.futures.as_completed([pool.submit(compile_files, chunk) for chunk in chunks]):
            for name in done.result():
                left[name] -= 1
                if not left[name]:
                    print(name, flush=True)


if __name__ == "__main__":
    main()
