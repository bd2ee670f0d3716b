"""Compiling whole folders to bytecode, in a sandbox, with the interpreter that will read it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from warmbase.effects.runner import Bind, Sandbox
from warmbase.errors import PackagesError
from warmbase.oci.tar import MTIME
from warmbase.packages import inside

PROGRAMS = Bind(source=Path(inside.__file__).parent, target="/run/warmbase", read_only=True)
"""What a sandbox has to show for anything to be compiled in it, and to run the other programs of `inside`."""


def compile_folders(
    sandbox: Sandbox, interpreter: str, folders: Sequence[tuple[str, str]], jobs: int, *, environment: Mapping[str, str]
) -> Iterator[str]:
    """Compile all Python files in `folders` (name, folder in the sandbox) in `jobs` processes; each name is yielded as
    soon as it is done. The bytecode depends on the files and the interpreter alone. Raises PackagesError."""
    command = [interpreter, "-I", "-S", "-B", f"{PROGRAMS.target}/compile.py", str(MTIME), str(jobs)]
    with sandbox.start(command, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(list(folders)).encode())
        process.stdin.close()
        for line in process.stdout:
            yield line.decode().strip()
        said = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise PackagesError(
            f"{interpreter} cannot compile packages in the foundation\n{said}",
            next_step="see that the machine has enough memory, or choose another foundation in the catalog",
        )
