"""Managed Pythons: CPythons that uv installs (python-build-standalone), on any system, as a layer of their own.

The layer is the same on every system of a platform and C library, so it is made once and shared. It depends on the
archive alone: uv writes the path of an installation into some of its files, and that is always the one that the Python
has in images; the standard library is compiled by the very same version, on this machine's own platform where the
layer is for another one. In an image it lies at /usr/local/cpython-<minor>, as CUDA and Go have theirs, whatever the
patch release, so that venvs outlive upgrades; `python`, `python3` and `python3.<minor>` of /usr/local/bin lead there,
before any Python that the system has itself.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from packaging.version import Version

from warmbase.catalog.model import CatalogFoundation
from warmbase.effects.platforms import MACHINES, native_platform
from warmbase.effects.pythons import PythonDownload, archives_folder, install_python, list_pythons
from warmbase.effects.runner import Bind
from warmbase.errors import FoundationError, ProcessError
from warmbase.foundation.groundwork import FoundationLayers, Groundwork, foundation_notes
from warmbase.foundation.model import Archive
from warmbase.foundation.pins import ManagedPin, SystemPin
from warmbase.foundation.sources import UPGRADE
from warmbase.foundation.upstream import again
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import ModePolicy, pack_tree
from warmbase.layers.recipe import recipe_key
from warmbase.layers.tree import ImageTree, merge_layers
from warmbase.oci.digests import Json
from warmbase.oci.manifest import loader_variables
from warmbase.packages.bytecode import PROGRAMS, compile_folders

FOLDER = "/usr/local"
REVISION = 1
"""Part of every recipe: raise it when the same archive would become another layer."""

_COMPILER = "/run/python"  # where this machine's own build of a foreign Python lies in the sandbox
_LIBCS = {"glibc": "gnu", "musl": "musl"}
_MOST = 6  # things that are listed


def home_of(minor: str) -> str:
    """Where images have the managed Python of a minor version."""
    return f"{FOLDER}/cpython-{minor}"


def pin_managed(
    base: SystemPin,
    python: str,
    ground: Groundwork,
    *,
    previous: ManagedPin | None = None,
    sibling: ManagedPin | None = None,
) -> ManagedPin:
    """Pin the newest Python of the minor version `python` that uv has for the system `base`; `previous`, with that
    system, if it is the same.

    Platforms stay together: with `sibling`, another platform's pin, it is that one's version, as long as it is there.
    The archive is downloaded, which a build needs anyway. Raises FoundationError.
    """
    known = known_pythons(ground)
    wanted = choose_python(known, base, python, version=sibling.python if sibling else "")
    if wanted is None:
        raise _unknown(known, base.platform, base.libc[0], python, ground.uv().version)
    if previous and (previous.python, previous.archive) == (wanted.version, wanted.archive):
        return replace(previous, base=base)
    with ground.store.workspace() as work:
        sha256 = _install(ground, wanted, work / "python", home_of(python))
    return ManagedPin(base=base, python=wanted.version, archive=wanted.archive, sha256=sha256)


def choose_python(
    known: tuple[PythonDownload, ...], base: SystemPin, python: str, *, version: str = ""
) -> PythonDownload | None:
    """Of what uv knows, the newest Python of a minor version for the system `base`, or the one with `version` as long
    as that is there; None where there is none."""
    fitting = _fitting(known, base.platform, base.libc[0], python)
    newest = max(fitting, key=lambda one: (not Version(one.version).is_prerelease, Version(one.version)), default=None)
    return next((one for one in fitting if one.version == version), newest)


def python_recipe(pin: ManagedPin, codec: Codec, uv: str) -> str:
    """The key of the Python's layer in the store, installed by the version `uv`.

    uv corrects paths in what it installs, and may do so otherwise one day: its series counts, as for wheels.
    """
    facts: dict[str, Json] = {
        "revision": REVISION,
        "python": pin.python,
        "archive": pin.sha256,
        "folder": FOLDER,
        "uv": list(Version(uv).release[:2]),
    }
    return recipe_key("python", facts, codec)


def managed_recipe(base: str, pin: ManagedPin, codec: Codec, uv: str) -> str:
    """The key of a foundation with a managed Python, on a system with the recipe `base`."""
    return recipe_key("foundation", {"kind": "managed", "base": base, "python": python_recipe(pin, codec, uv)}, codec)


def make_managed(
    wanted: CatalogFoundation,
    pin: ManagedPin,
    key: str,
    base: FoundationLayers,
    ground: Groundwork,
    *,
    native: FoundationLayers | None = None,
) -> FoundationLayers:
    """Put the pinned Python on the system `base`, and keep the foundation in the store under `key`.

    `native` is a foundation of this machine's own platform, which is needed where `base` is not and no one has made the
    layer yet. Raises FoundationError, also for an archive that is not the pinned one, and PackagesError.
    """
    minor = minor_of(pin)
    tree = merge_layers(ground.unpacked.listings(base.layers), ground.unpacked.folders(base.layers))
    _check_room(wanted.name, home_of(minor), tree)
    uv = ground.uv().version
    layer = ground.store.get(python_recipe(pin, ground.codec, uv)) or _make_layer(pin, base, native, ground)
    foundation = replace(
        base.foundation,
        interpreter=f"{home_of(minor)}/bin/python{minor}",
        stdlib=f"{home_of(minor)}/lib/python{minor}",
        python=pin.python,
        archive=Archive(name=pin.archive, sha256=pin.sha256),
    )
    recipe = managed_recipe(base.recipe, pin, ground.codec, uv)
    with ground.store.workspace() as work:
        notes = foundation_notes(foundation, recipe, base.layers)
        kept = ground.store.put(key, again(layer, work / "top", ground), notes)
    return FoundationLayers(foundation=foundation, layers=(*base.layers, kept), recipe=recipe)


def _check_room(name: str, home: str, tree: ImageTree) -> None:
    """Raise FoundationError if the system's files are in the way."""
    if tree.find(home):
        raise FoundationError(
            f"the system of foundation {name} has a {home} already, where its managed Python goes",
            next_step="name an image without one, or say with `python` in the catalog which versions it has itself",
        )
    folder = f"{FOLDER}/bin".lstrip("/")
    real = tree.resolve(folder)
    if real not in (None, folder):
        raise FoundationError(
            f"the system of foundation {name} has a link at or above /{folder}, which leads to /{real}; a layer with a"
            " managed Python would replace it",
            next_step="name an image in which it is a folder",
        )


def minor_of(pin: ManagedPin) -> str:
    """The minor version of a managed Python, "3.13"."""
    return ".".join(pin.python.split(".")[:2])


def _make_layer(pin: ManagedPin, base: FoundationLayers, native: FoundationLayers | None, ground: Groundwork) -> Layer:
    home = home_of(minor_of(pin))
    with ground.store.workspace() as work:
        tree = work / "tree"
        folder = tree / home.lstrip("/")
        folder.parent.mkdir(parents=True)
        wanted = PythonDownload.named(pin.python, MACHINES[pin.platform], _LIBCS[pin.libc[0]], pin.archive)
        sha256 = _install(ground, wanted, folder, home, sha256=pin.sha256)
        if sha256 != pin.sha256:
            raise FoundationError(
                f"{wanted.key} is no longer what its pin says: {pin.archive} had the SHA-256 {pin.sha256}, and what uv"
                f" gets now, {sha256}",
                next_step=f"{UPGRADE}, or put the pinned archive into {archives_folder(ground.uv())}",
            )
        _clean(folder, minor_of(pin))
        _compile(pin, work, base if pin.platform == native_platform() else native, ground)
        _link(tree / FOLDER.lstrip("/") / "bin", home, minor_of(pin))
        packed = pack_tree(tree, ModePolicy(), ground.codec, work)
        return ground.store.put(python_recipe(pin, ground.codec, ground.uv().version), packed, {"archive": pin.archive})


def _clean(folder: Path, minor: str) -> None:
    """Take out bytecode made elsewhere, and uv's word on who manages the Python: images say that themselves."""
    for parent, folders, _ in os.walk(folder):
        if "__pycache__" in folders:
            shutil.rmtree(Path(parent, "__pycache__"))
            folders.remove("__pycache__")
    (folder / f"lib/python{minor}/EXTERNALLY-MANAGED").unlink(missing_ok=True)


def _compile(pin: ManagedPin, work: Path, place: FoundationLayers | None, ground: Groundwork) -> None:
    """Compile the standard library of the Python below `work`/tree in `place`, a foundation of this machine's own."""
    if place is None:
        raise FoundationError(
            f"the managed Python {pin.python} for {pin.platform} is compiled on a foundation of this machine's own"
            " platform, and none is pinned",
            next_step="run `warmbase lock`, or build it once on a machine of that platform that shares its layers",
        )
    minor, home = minor_of(pin), home_of(minor_of(pin))
    binds = [PROGRAMS, Bind(source=work / "tree" / home.lstrip("/"), target=home)]
    compiler = home
    if pin.platform != native_platform():
        compiler = _COMPILER
        _install_compiler(pin, place, work / "compiler", ground)
        binds.append(Bind(source=work / "compiler", target=compiler, read_only=True))
    interpreter = f"{compiler}/bin/python{minor}"
    environment = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", **loader_variables(place.foundation.run)}
    with ground.runner().open(ground.unpacked.root(place.layers), binds=binds) as sandbox:
        asking = "import sys; print(sys.version.split()[0])"
        said = sandbox.run([interpreter, "-I", "-S", "-B", "-c", asking], env=environment)
        if said.text.strip() != pin.python:
            words = said.text.strip() or said.stderr.decode(errors="replace").strip()
            raise FoundationError(
                f"the managed Python {pin.python} does not start on {place.foundation.name}, or is another: {words}",
                next_step="see that the system has what it needs, or choose another one",
            )
        folders = [("stdlib", f"{home}/lib/python{minor}")]
        for _ in compile_folders(sandbox, interpreter, folders, ground.jobs, environment=environment):
            pass


def _install_compiler(pin: ManagedPin, place: FoundationLayers, folder: Path, ground: Groundwork) -> None:
    """Install the same version for this machine's own platform and the C library of `place`."""
    platform, libc = native_platform(), place.foundation.libc[0]
    known = known_pythons(ground)
    own = _fitting(known, platform, libc, minor_of(pin))
    same = next((one for one in own if one.version == pin.python), None)
    if same is None:
        raise _unknown(known, platform, libc, pin.python, ground.uv().version)
    _install(ground, same, folder, _COMPILER)


def _link(folder: Path, home: str, minor: str) -> None:
    folder.mkdir()
    for name in ("python", "python3", f"python{minor}"):
        (folder / name).symlink_to(f"..{home.removeprefix(FOLDER)}/bin/python{minor}")


def known_pythons(ground: Groundwork) -> tuple[PythonDownload, ...]:
    """The Pythons that uv knows where to get. Raises FoundationError."""
    try:
        return list_pythons(ground.uv())
    except ProcessError as error:
        raise FoundationError(
            f"uv cannot say which Pythons there are\n{error.message}",
            next_step="see that what UV_PYTHON_DOWNLOADS_JSON_URL names can be read, or unset it",
        ) from error


def _fitting(known: tuple[PythonDownload, ...], platform: str, libc: str, minor: str) -> list[PythonDownload]:
    asked = (MACHINES[platform], _LIBCS[libc], minor)
    return [one for one in known if (one.machine, one.libc, ".".join(one.version.split(".")[:2])) == asked]


def _install(ground: Groundwork, wanted: PythonDownload, folder: Path, home: str, *, sha256: str = "") -> str:
    uv = ground.uv()
    try:
        return install_python(uv, wanted, folder, home, sha256=sha256)
    except ProcessError as error:
        raise FoundationError(
            f"{wanted.key} cannot be installed\n{error.message}",
            next_step="see that its archive can be reached: UV_PYTHON_INSTALL_MIRROR names a mirror, and what lies in"
            f" {archives_folder(uv)} is not downloaded",
        ) from error


def _unknown(known: tuple[PythonDownload, ...], platform: str, libc: str, python: str, uv: str) -> FoundationError:
    """What to say where uv has no such Python: for what else it has that version, or which versions it has there."""
    others = {f"{one.machine}-{one.libc}" for one in known if one.version.startswith(f"{python}.")}
    versions = {".".join(one.version.split(".")[:2]) for one in known if one.machine == MACHINES[platform]}
    here = sorted(versions, key=Version, reverse=True)[:_MOST]
    has = f"it has it for {', '.join(sorted(others)[:_MOST])}" if others else f"it has {', '.join(here) or 'none'}"
    return FoundationError(
        f"uv {uv} has no CPython {python} for {platform} with {libc}; {has}",
        next_step="choose another version, name a newer uv in the catalog, or a list of Pythons that has it in"
        " UV_PYTHON_DOWNLOADS_JSON_URL",
    )
