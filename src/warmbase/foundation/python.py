"""Which Python an image has, and which C library, read from its files: nothing runs, so any platform will do.

The interpreter is the one that its PATH leads to, followed through all links, and out of a venv into the Python that
it was made of. Its C library is the one whose loader it names (ELF, the PT_INTERP segment).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warmbase.foundation.model import Package
from warmbase.layers.elf import HEAD, MACHINES, read_elf, read_variable
from warmbase.layers.tree import ImageTree

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What engines set where an image's config says nothing."""

_NAME = re.compile(r"python3?(\.\d+)?")
_LIBRARY = re.compile(r"python(3\.\d+)")
_OTHER_BUILD = re.compile(r"python3\.\d+(?:td?|d)")  # free-threaded, debug, or both (Python's manual, sys.abiflags)
_PATCHLEVEL = re.compile(rb'^#define\s+PY_VERSION\s+"([^"+]+)', re.MULTILINE)
_GLIBC_BANNER = re.compile(rb"GNU C Library [^\n]*?version (\d+\.\d+)")
_GLIBC_SYMBOL = re.compile(rb"\0GLIBC_(\d+\.\d+)")
_MUSL_VERSION = re.compile(rb"\0(1\.\d+\.\d+)(?:-[\w-]+)?\0")
_OLDEST_MUSL = "1.1"
_LOADERS = {  # System V ABI's supplements for the machines; musl's own naming
    "linux/amd64": ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"),
    "linux/arm64": ("/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPython:
    """A Python: the `minor` version ("3.13"), the path of the interpreter and that of its standard library."""

    minor: str
    interpreter: str
    stdlib: str


def find_pythons(tree: ImageTree, environment: Mapping[str, str]) -> tuple[FoundPython, ...]:
    """All Pythons that the PATH in `environment` leads to, those that come first there first, each once."""
    found: dict[str, FoundPython] = {}
    for folder in _folders_of(environment):
        for python in _pythons_in(tree, folder):
            found.setdefault(python.minor, python)
    return tuple(found.values())


def find_other_builds(tree: ImageTree, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The paths of free-threaded and debug builds on that PATH: other wheels are theirs, so they count as no Python."""
    found: dict[str, None] = {}
    for folder in _folders_of(environment):
        for name in tree.names(folder):
            real = tree.resolve(f"{folder}/{name}") if name.startswith("python") else None
            if real and _OTHER_BUILD.fullmatch(real.rpartition("/")[2]):
                found[f"/{real}"] = None
    return tuple(found)


def _folders_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    path = (environment.get("PATH") or DEFAULT_PATH).split(":")
    return tuple(folder for folder in path if folder.startswith("/"))


def _pythons_in(tree: ImageTree, folder: str, *, depth: int = 0) -> Iterator[FoundPython]:
    # `python3` before `python3.11`: what people get is the Python that is meant by the plain name.
    names = [name for name in tree.names(folder) if _NAME.fullmatch(name)]
    for name in sorted(names, key=lambda name: (name.count("."), name)):
        yield from _pythons_of(tree, f"{folder}/{name}", depth=depth)


def _pythons_of(tree: ImageTree, path: str, *, depth: int) -> Iterator[FoundPython]:
    real = tree.resolve(path)
    if real is None or read_elf((tree.read(real) or b"")[:HEAD]) is None:
        return
    real = f"/{real}"
    folder, _, name = real.rpartition("/")
    prefix = folder.rpartition("/")[0]
    settings = tree.read(f"{prefix}/pyvenv.cfg")
    if settings is not None:  # a venv with a copy of the interpreter
        home = re.search(rb"^home\s*=\s*(\S+)", settings, re.MULTILINE)
        own = tree.names(f"{prefix}/lib")
        for python in _pythons_in(tree, home[1].decode(), depth=depth + 1) if home and depth == 0 else ():
            if f"python{python.minor}" in own:
                yield python
        return
    if not _NAME.fullmatch(name):
        return
    named = _LIBRARY.fullmatch(name)
    for library in ("lib", "lib64"):
        for below in tree.names(f"{prefix}/{library}"):
            version = _LIBRARY.fullmatch(below)
            if version and (named is None or named[1] == version[1]):
                stdlib = tree.resolve(f"{prefix}/{library}/{below}")
                if stdlib and tree.find(f"{stdlib}/os.py"):
                    yield FoundPython(minor=version[1], interpreter=real, stdlib=f"/{stdlib}")


def full_version(tree: ImageTree, python: FoundPython, packages: tuple[Package, ...]) -> str:
    """The full version, e.g. "3.13.5": as its headers say, else its code, else its Debian package.

    CPython exports `Py_Version` since 3.11, in the library where there is one; before that, its version may be a text
    in it. Where nothing says more, the minor version is all that is known.
    """
    prefix = python.interpreter.rsplit("/", 2)[0]
    header = tree.read(f"{prefix}/include/python{python.minor}/patchlevel.h")
    if header and (found := _PATCHLEVEL.search(header)):
        return found[1].decode()
    text = re.compile(rb"\0(" + re.escape(python.minor).encode() + rb"\.\d+(?:(?:a|b|rc)\d+)?)\+?\0")
    folders = [f"{prefix}/lib", f"{prefix}/lib64", *(f"{prefix}/lib/{n}" for n in tree.names(f"{prefix}/lib"))]
    for path in (*(f"{folder}/libpython{python.minor}.so.1.0" for folder in folders), python.interpreter):
        program = tree.read(path) or b""
        if number := read_variable(program, b"Py_Version"):
            return _version_of(int.from_bytes(number, "little"))
        if found := text.search(program):
            return found[1].decode()
    for package in packages:
        if package.name == f"python{python.minor}-minimal":
            return re.sub(r"^\d+:", "", package.version).partition("-")[0].replace("~", "")
    return python.minor


def _version_of(number: int) -> str:
    """PY_VERSION_HEX as text (Python's manual, "API and ABI Versioning")."""
    level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(number >> 4 & 0xF, "")
    release = f"{number >> 24 & 0xFF}.{number >> 16 & 0xFF}.{number >> 8 & 0xFF}"
    return f"{release}{level}{number & 0xF}" if level else release


def is_for(tree: ImageTree, python: FoundPython, platform: str) -> bool:
    """Whether an interpreter is a program for the machines of `platform`."""
    program = read_elf((tree.read(python.interpreter) or b"")[:HEAD])
    return program is not None and program.machine == MACHINES.get(platform, program.machine)


def find_libc(tree: ImageTree, interpreter: str) -> tuple[str, str] | None:
    """The C library of the interpreter at a path, and its version: ("glibc", "2.41"), ("musl", "1.2.5").

    None if it names none that is there.
    """
    program = read_elf(tree.read(interpreter) or b"")  # all of it: patchelf moves the loader's name behind the code
    return _library_of(tree, program.interpreter) if program and program.interpreter else None


def find_system_libc(tree: ImageTree, platform: str) -> tuple[str, str] | None:
    """The C library for which programs of `platform` are to be made, as `find_libc` has it: its shell's, else the one
    whose loader is where programs made elsewhere look for it. None if there is neither."""
    found = find_libc(tree, "/bin/sh")
    for loader in _LOADERS.get(platform, ()):
        found = found or _library_of(tree, loader)
    return found


def _library_of(tree: ImageTree, loader: str) -> tuple[str, str] | None:
    """The C library whose loader is at a path."""
    path = tree.resolve(loader)
    if path is None:
        return None
    if "/ld-musl" in loader:
        version = _MUSL_VERSION.search(tree.read(path) or b"")
        return "musl", version[1].decode() if version else _OLDEST_MUSL
    library = tree.read(f"{path.rpartition('/')[0]}/libc.so.6") or b""
    banner = _GLIBC_BANNER.search(library)
    if banner:
        return "glibc", banner[1].decode()
    symbols = [found.decode() for found in _GLIBC_SYMBOL.findall(library)]
    return ("glibc", max(symbols, key=lambda it: [int(part) for part in it.split(".")])) if symbols else None
