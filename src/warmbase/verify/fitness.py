"""Whether an image is right for its platform, without running it: what only a run would show otherwise.

On a foreign platform this is all that vouches for an image, so it asks for everything that the making of an image on
another machine could get wrong: programs of that machine, links and paths that lead nowhere, files that are not what
the wheels brought, bytecode of another Python, pointers of the cache into nothing.
"""

import base64
import io
import posixpath
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from packaging.utils import canonicalize_name
from packaging.version import Version

from warmbase.foundation.python import find_libc
from warmbase.image.assemble import BuiltImage
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.elf import HEAD, MACHINES, NAMES, Elf, read_elf
from warmbase.layers.tree import ImageTree, Node
from warmbase.lock.model import Lock
from warmbase.lock.wheels import choose_wheel, supported_tags
from warmbase.oci.tar import MTIME
from warmbase.packages import uvcache
from warmbase.packages.installed import read_record
from warmbase.verify.model import Finding
from warmbase.verify.static import make_finding

PYTHON = f"{VENV}/bin/python"
UV = ("usr/local/bin/uv", "usr/local/bin/uvx")
MAGIC = {"3.10": 3439, "3.11": 3495, "3.12": 3531, "3.13": 3571, "3.14": 3627}
"""The magic number of each Python's bytecode (CPython, importlib, `MAGIC_NUMBER`)."""

_PYC = struct.Struct("<H2sIII")  # PEP 552: magic number, "\r\n", flags, time and size of the source
_SITE = "lib/python{}/site-packages"


def check_fitness(image: BuiltImage, lock: Lock, tree: ImageTree) -> Iterator[Finding]:
    """Findings on an image's fitness for its platform; they read every file of the venv once."""
    checks: Mapping[str, Callable[[], Iterator[str]]] = {
        "wheels for the platform": partial(_check_wheels, image, lock, tree),
        "interpreter": partial(_check_interpreter, image, lock, tree),
        "programs for the platform": partial(_check_programs, image, tree),
        "links lead somewhere": partial(_check_links, tree),
        "scripts have interpreters": partial(_check_scripts, tree),
        "installed files": partial(_check_records, image, lock, tree),
        "bytecode": partial(_check_bytecode, lock, tree),
    }
    for name, check in checks.items():
        yield make_finding(name, check())
    if uvcache.is_known(lock.uv.version):
        yield make_finding("pointers of the cache", _check_pointers(image, lock, tree))
    else:
        reason = f"the cache of uv {lock.uv.version} is not known"
        yield Finding(check="pointers of the cache", outcome="not run", detail=reason)


def _check_wheels(image: BuiltImage, lock: Lock, tree: ImageTree) -> Iterator[str]:
    """The tags of the locked wheels admit the platform, the Python and the C library that the image has."""
    libc = find_libc(tree, PYTHON)
    if libc is None:  # the check of the interpreter says so
        return
    tags = supported_tags(lock.python, image.platform, libc)
    for _, wheel in lock.wheels(image.platform):
        if choose_wheel([wheel.name], tags) is None:
            yield f"{wheel.name} is not for Python {lock.python} on {image.platform} with {' '.join(libc)}"


def _check_interpreter(image: BuiltImage, lock: Lock, tree: ImageTree) -> Iterator[str]:
    """The venv leads to the foundation's interpreter, which is one of the platform and has its dynamic linker."""
    link, config = tree.nodes.get(PYTHON), tree.nodes.get(f"{VENV}/pyvenv.cfg")
    if link is None or config is None or link.kind != "symlink":
        yield f"{PYTHON} is no link, or {VENV}/pyvenv.cfg is missing"
        return
    interpreter = tree.find(link.target)
    if interpreter is None or interpreter.kind != "file":
        yield f"{link.target}, the interpreter of the venv, is not in the image"
        return
    elf = _read_elf(interpreter)
    if elf is None or elf.machine != MACHINES[image.platform]:
        yield f"{link.target} is no program for {image.platform}"
    elif elf.interpreter and tree.find(elf.interpreter) is None:
        yield f"{elf.interpreter}, the dynamic linker of {link.target}, is not in the image"
    elif find_libc(tree, PYTHON) is None:
        yield f"the C library of {link.target} is not in the image"
    lines = (line.partition("=") for line in config.read().decode(errors="replace").splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    if facts.get("home") != posixpath.dirname(link.target):
        yield f"pyvenv.cfg says home = {facts.get('home')}, the interpreter is {link.target}"
    if facts.get("version_info", "").split(".")[:2] != lock.python.split("."):
        yield f"pyvenv.cfg says Python {facts.get('version_info')}, the lock {lock.python}"


def _check_programs(image: BuiltImage, tree: ImageTree) -> Iterator[str]:
    """What is compiled is for the platform. A wheel may bring helpers for other machines that say so in their names."""
    wanted = MACHINES[image.platform]
    seen = set()
    for path, node in (*tree.below(VENV, CACHE), *((path, tree.find(path)) for path in UV)):
        if node is None or node.kind != "file" or node.identity in seen or path.endswith((".py", ".pyc")):
            continue
        seen.add(node.identity)
        elf = _read_elf(node)
        if elf is None:
            if path in UV:
                yield f"{path} is no program"
        elif elf.machine != wanted and not any(name in posixpath.basename(path) for name in NAMES.get(elf.machine, ())):
            yield f"{path} is for another machine ({elf.machine}), not for {image.platform}"


def _check_links(tree: ImageTree) -> Iterator[str]:
    for path, node in tree.below(VENV, CACHE):
        if node.kind == "symlink" and path != PYTHON and tree.resolve(path) is None:
            yield f"{path} points to {node.target}, which is not there"


def _check_scripts(tree: ImageTree) -> Iterator[str]:
    for path, node in tree.below(f"{VENV}/bin"):
        if node.kind != "file":
            continue
        with node.open() as file:
            first = file.readline(1024)
        if first.startswith(b"#!"):
            program = (first[2:].split() or [b""])[0].decode(errors="replace")
            if tree.find(program) is None:
                yield f"{path} starts with {program!r}, which is not in the image"


def _check_records(image: BuiltImage, lock: Lock, tree: ImageTree) -> Iterator[str]:
    """Every locked package is installed, no other, and its files are what RECORD says (PEP 427, PEP 376).

    A file that two wheels bring has to be what one of them says; which, is the catalog's choice.
    """
    site = f"{VENV}/{_SITE.format(lock.python)}"
    found: dict[tuple[str, Version], str] = {}
    recorded: dict[str, set[str]] = {}
    for path, node in tree.below(site):
        folder, _, name = path.removeprefix(f"{site}/").partition("/")
        if name == "RECORD" and folder.endswith(".dist-info"):
            package, _, version = folder.removesuffix(".dist-info").rpartition("-")
            found[str(canonicalize_name(package)), Version(version)] = folder
            for file, digest in _read_record(node, site):
                recorded.setdefault(file, set()).add(digest)
    wanted = {(p.name, Version(p.version)) for p in lock.installed(image.platform) if p.use == "venv"}
    yield from (f"{name} {version} is in the lock and not in the venv" for name, version in sorted(wanted - set(found)))
    yield from (f"{name} {version} is in the venv and not in the lock" for name, version in sorted(set(found) - wanted))
    for file, digests in sorted(recorded.items()):
        here = tree.nodes.get(file)
        if here is None:
            yield f"{file} is in RECORD and not in the venv"
        elif "" not in digests and here.kind == "file" and _record_hash(tree.sha256(here)) not in digests:
            yield f"{file} is not what RECORD says"


def _read_record(node: Node, site: str) -> Iterator[tuple[str, str]]:
    with io.TextIOWrapper(node.open(), newline="", encoding="utf-8") as lines:
        for name, recorded in read_record(lines, site):
            if not name.endswith(".pyc"):  # a wheel's own is replaced by ours
                yield name, recorded


def _record_hash(sha256: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(sha256).rstrip(b"=").decode()


def _check_bytecode(lock: Lock, tree: ImageTree) -> Iterator[str]:
    """Each file of bytecode for this Python has its magic number, the layers' one time and its source's size."""
    ending = f".cpython-{lock.python.replace('.', '')}.pyc"
    wanted = MAGIC.get(lock.python)
    for path, node in tree.below(VENV, CACHE):
        folder, _, name = path.rpartition("/")
        if node.kind != "file" or not name.endswith(ending) or not folder.endswith("/__pycache__"):
            continue
        source = tree.nodes.get(f"{folder.removesuffix('/__pycache__')}/{name.removesuffix(ending)}.py")
        with node.open() as file:
            head = file.read(_PYC.size)
        if source is None or len(head) < _PYC.size:
            yield f"{path} is no bytecode of a file beside it"
            continue
        magic, _, flags, time, size = _PYC.unpack(head)
        wanted = wanted or magic
        if magic != wanted:
            yield f"{path} has the magic number {magic}, Python {lock.python} has {wanted}"
        elif (flags, time, size) != (0, MTIME, source.size & 0xFFFFFFFF):
            yield f"{path} is not that of the file beside it"


def _check_pointers(image: BuiltImage, lock: Lock, tree: ImageTree) -> Iterator[str]:
    """uv finds each locked wheel in the cache: a pointer, a link and the archive that both name."""
    base = f"{CACHE}/{uvcache.WHEELS}"
    pointed = {}
    for path, node in tree.below(base):
        if path.endswith(".http") and node.kind == "file":
            pointer = uvcache.read_pointer(node.read())
            pointed[pointer.filename] = pointer
            archive = f"{CACHE}/{uvcache.ARCHIVES}/{pointer.archive}"
            if tree.nodes.get(archive) is None:
                yield f"{path} points to {archive}, which is not there"
            elif tree.resolve(path.removesuffix(".http")) != archive:
                yield f"{path.removesuffix('.http')} does not lead to {archive}"
    # uv keeps those that come from no index under their addresses, which are the projects' own.
    wheels = {wheel.name: wheel for package, wheel in lock.wheels(image.platform) if not package.source}
    for name in sorted(wheels.keys() - pointed.keys()):
        yield f"the cache has no pointer to {name}"
    for name, pointer in sorted(pointed.items()):
        if name not in wheels:
            yield f"the cache points to {name}, which is not in the lock"
        elif pointer.sha256 != wheels[name].sha256:
            yield f"the cache's pointer to {name} has another hash than the lock"


def _read_elf(node: Node) -> Elf | None:
    with node.open() as file:
        return read_elf(file.read(HEAD))
