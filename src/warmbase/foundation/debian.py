"""Foundations from a Debian archive: what they would be made of today, and making one.

A Debian mirror offers only the newest versions, so a pin is a preference, not a promise. What the archives
still have is taken as pinned, first from the mirror, then from a snapshot archive where the catalog has one.
The rest is today's, and the difference is reported, exactly, from what was installed. A key that decides
about bytes is therefore made from the packages that a foundation got (`foundation_recipe`).

The interpreter's and libc's versions are those of their packages, so nothing of another platform has to run.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from warmbase.catalog.model import DebianFoundation
from warmbase.effects.process import Processes, run_process
from warmbase.errors import FoundationError, ProcessError
from warmbase.foundation import mmdebstrap
from warmbase.foundation.apt import ADDRESSES, Offer, Suites, parse_plan, read_suites
from warmbase.foundation.model import Drift, Foundation, Package, find_drift
from warmbase.foundation.pins import ArchiveState, DebianPin, python_version, upstream_of
from warmbase.foundation.rootfs import LAYER_FORMAT, DebianSystem, read_contents
from warmbase.oci.digests import Json, canonical_json, digest_of, digest_of_file

_TIMEOUT = 3600  # seconds; an emulated build takes minutes
_PREFERENCES = "/etc/apt/preferences.d/warmbase"
_SNAPSHOT_SOURCES = "/etc/apt/sources.list.d/snapshot.list"
_ASKED = "/warmbase-pin"
# What mmdebstrap installs for --variant=minbase, asked of apt without installing anything.
_MINBASE = ("?essential", "?priority(required)", "apt")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the archives say of a foundation: their states, the packages that it would be made of, in order of their
    names, and the suites that say so."""

    archives: tuple[ArchiveState, ...]
    offers: tuple[Offer, ...]
    suites: Suites

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """The packages' names and versions."""
        return tuple((offer.name, offer.version) for offer in self.offers)


def pin_debian(
    foundation: DebianFoundation,
    platform: str,
    *,
    previous: DebianPin | None = None,
    processes: Processes = run_process,
) -> DebianPin:
    """Ask the archives which packages at which versions make the foundation today, without building it.

    Takes seconds and no emulator. If these are the packages of `previous`, that is returned unchanged:
    archives are signed anew every day, a foundation changes only when a package does. Raises FoundationError.
    """
    return pin_asked(foundation, platform, ask_archives(foundation, platform, processes=processes), previous=previous)


def pin_asked(
    foundation: DebianFoundation, platform: str, asked: Asked, *, previous: DebianPin | None = None
) -> DebianPin:
    """The pin of a foundation whose archives said `asked`; see `pin_debian`."""
    if previous and previous.suite == foundation.suite and previous.packages == asked.packages:
        return previous
    epoch = max(int(datetime.fromisoformat(archive.date).timestamp()) for archive in asked.archives)
    return DebianPin(
        suite=foundation.suite, platform=platform, epoch=epoch, archives=asked.archives, packages=asked.packages
    )


def build_debian(
    foundation: DebianFoundation,
    pin: DebianPin,
    platform: str,
    workdir: Path,
    *,
    locked: bool = False,
    processes: Processes = run_process,
) -> DebianSystem:
    """Build the pinned foundation in `workdir`. With `locked` a drift is an error, else it is reported.

    Takes 10 to 30 s natively, minutes under an emulator. Raises FoundationError.
    """
    architecture = mmdebstrap.architecture_of(platform)
    mmdebstrap.check_tools(foundation)
    mmdebstrap.check_emulator(architecture)
    workdir.mkdir(parents=True, exist_ok=True)
    rootfs = workdir / f"{foundation.name}-{architecture}.tar"
    with (
        _readable_keys(foundation) as readable,
        tempfile.TemporaryDirectory(prefix="mmdebstrap-", dir=workdir) as folder,
    ):
        snapshot = _find_snapshot(readable, pin, platform, locked=locked, processes=processes)
        output = Path(folder, "rootfs.tar")
        command = [
            *mmdebstrap.base_command(architecture, os.environ),
            "--variant=minbase",
            f"--include={','.join(_wanted(foundation))}",
            *_pin_hooks(Path(folder), pin, snapshot),
            *mmdebstrap.targets(readable, str(output)),
        ]
        _run(command, foundation, Path(folder), pin.epoch, processes)
        output.replace(rootfs)
    return _describe(foundation, pin, platform, rootfs, locked=locked)


def _find_snapshot(
    foundation: DebianFoundation, pin: DebianPin, platform: str, *, locked: bool, processes: Processes
) -> tuple[str, ...]:
    """The sources of the snapshot archive, where what is pinned needs it. Raises FoundationError with `locked` where
    there is none."""
    if not locked and not foundation.snapshot:
        return ()
    offered = ask_archives(foundation, platform, pin=pin, processes=processes).packages
    if offered == pin.packages:
        return ()
    snapshot = mmdebstrap.snapshot_lines(foundation, pin)
    if locked and not snapshot:
        raise _drifted(foundation, find_drift(pin.packages, offered))
    return snapshot


@contextmanager
def _readable_keys(foundation: DebianFoundation) -> Iterator[DebianFoundation]:
    """The foundation with its keys where everyone can read them: apt is another user than the one who has them, in the
    namespaces of a build without root, and where it gives up its rights."""
    if foundation.keyring is None:
        yield foundation
        return
    with tempfile.TemporaryDirectory(prefix="warmbase-keys-") as folder:
        keys = Path(folder, foundation.keyring.name)
        keys.write_bytes(foundation.keyring.read_bytes())
        keys.chmod(0o644)
        keys.parent.chmod(0o755)
        yield replace(foundation, keyring=keys)


def foundation_recipe(
    foundation: DebianFoundation, packages: tuple[tuple[str, str], ...], *, epoch: int, platform: str
) -> Mapping[str, Json]:
    """Return everything that decides the bytes of a foundation's layer: the key of the layer store.

    `packages` are the pin's, or the names and versions that a drifted foundation really got.
    """
    keyring = {"keyring": [foundation.keyring.name, digest_of_file(foundation.keyring)]} if foundation.keyring else {}
    return {
        "kind": "debian",
        "format": LAYER_FORMAT,
        "suite": foundation.suite,
        "platform": platform,
        "requested": sorted(_wanted(foundation)),  # apt remembers which packages were asked for
        "mirror": foundation.mirror or "",
        "epoch": epoch,
        "packages": [list(package) for package in packages],
        **keyring,
    }


def _wanted(foundation: DebianFoundation) -> tuple[str, ...]:
    own = () if foundation.managed else mmdebstrap.PYTHON
    return tuple(dict.fromkeys((*mmdebstrap.ALWAYS, *own, *foundation.packages)))


def question_of(foundation: DebianFoundation, platform: str) -> str:
    """What decides what the archives are asked for a foundation, as a hash: the same question has the same answer as
    long as the archives say the same."""
    keyring = digest_of_file(foundation.keyring) if foundation.keyring else ""
    mirror = foundation.mirror or ""
    facts = (foundation.suite, mirror, keyring, mmdebstrap.architecture_of(platform), *sorted(_wanted(foundation)))
    return digest_of(canonical_json(list(facts)))


def ask_archives(
    foundation: DebianFoundation, platform: str, *, pin: DebianPin | None = None, processes: Processes = run_process
) -> Asked:
    """Ask the archives which packages would be installed today, preferring `pin`'s if given. Raises FoundationError."""
    architecture = mmdebstrap.architecture_of(platform)
    mmdebstrap.check_tools(foundation)
    # The hook runs inside mmdebstrap's namespaces, where the host's files are out of reach: `copy-out` brings
    # what it wrote.
    simulate = (
        f'mkdir "$1{_ASKED}" && cp "$1"/var/lib/apt/lists/*Release "$1{_ASKED}" && '
        f'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && {ADDRESSES} > "$1{_ASKED}/addresses" && '
        "apt-get --quiet --simulate --no-install-recommends install "
        f'{" ".join(repr(name) for name in (*_MINBASE, *_wanted(foundation)))} > "$1{_ASKED}/plan"'
    )
    with _readable_keys(foundation) as readable, tempfile.TemporaryDirectory(prefix="warmbase-pin-") as folder:
        command = [
            *mmdebstrap.base_command(architecture, os.environ),
            "--variant=custom",
            "--format=null",
            "--skip=check/qemu",
            *(_pin_hooks(Path(folder), pin, ()) if pin else ()),
            f"--customize-hook={simulate}",
            f"--customize-hook=copy-out {_ASKED} {folder}",
            *mmdebstrap.targets(readable, "-"),
        ]
        _run(command, foundation, Path(folder), None, processes)
        found = Path(folder, _ASKED.lstrip("/"))
        archives = [_archive_state(path) for path in found.glob("*Release")]
        asked = Asked(
            archives=tuple(sorted(archives, key=lambda state: state.suite)),
            offers=parse_plan((found / "plan").read_text()),
            suites=read_suites((found / "addresses").read_text(), found, architecture),
        )
    if not asked.archives or not asked.offers:
        raise FoundationError(
            f"the archive of {foundation.suite} offers nothing for {platform}",
            next_step="correct `debian`, `mirror` or `snapshot` of the foundation in the catalog",
        )
    return asked


def _pin_hooks(folder: Path, pin: DebianPin, snapshot: tuple[str, ...]) -> list[str]:
    preferences = folder / "preferences"
    preferences.write_text(mmdebstrap.preferences(pin.packages))
    hooks = [mmdebstrap.upload_hook(preferences, _PREFERENCES)]
    if snapshot:
        sources = folder / "snapshot.list"
        sources.write_text("".join(f"{line}\n" for line in snapshot))
        hooks.append(mmdebstrap.upload_hook(sources, _SNAPSHOT_SOURCES))
    return hooks


def _run(
    command: list[str], foundation: DebianFoundation, folder: Path, epoch: int | None, processes: Processes
) -> None:
    environment = mmdebstrap.environment(epoch, os.environ)
    if os.geteuid() == 0:  # else mmdebstrap makes namespaces itself, and its folder must be open to other ids
        environment["TMPDIR"] = str(folder)
        command = [*_contain(processes), *command]
    try:
        processes(command, env=environment, timeout=_TIMEOUT)
    except ProcessError as error:
        said = [line for line in error.message.splitlines() if not line.startswith(("I: ", "W: ", "Ign:"))]
        raise FoundationError(
            "\n".join((f"foundation {foundation.name}: mmdebstrap failed", *said[1:])),
            next_step=f"see that the mirror is reachable and that it has {foundation.suite} with the packages "
            "that the catalog names",
        ) from error


def _contain(processes: Processes) -> tuple[str, ...]:
    """Return the start of a command whose processes and mounts all go when it is killed.

    As root mmdebstrap mounts /proc and /sys where everyone sees them. Where namespaces are forbidden (in a
    container without privileges) it can mount nothing either, and needs no containing.
    """
    unshare = ("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "--")
    try:
        allowed = processes([*unshare, "true"], check=False).code == 0
    except ProcessError:
        allowed = False
    return unshare if allowed else ()


def _archive_state(path: Path) -> ArchiveState:
    content = path.read_bytes()
    fields = dict(re.findall(r"^(Codename|Date): (.+)$", content.decode(), re.MULTILINE))
    try:
        date = parsedate_to_datetime(fields["Date"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return ArchiveState(suite=fields["Codename"], date=date, sha256=hashlib.sha256(content).hexdigest())
    except (KeyError, ValueError) as error:
        raise FoundationError(
            f"an archive's Release file has no {error}",
            next_step="correct `mirror` or `snapshot` of the foundation in the catalog: this is no archive of Debian's",
        ) from error


def _describe(
    foundation: DebianFoundation, pin: DebianPin, platform: str, rootfs: Path, *, locked: bool
) -> DebianSystem:
    contents = read_contents(rootfs)
    drift = find_drift(pin.packages, ((package.name, package.version) for package in contents.packages))
    if drift and locked:
        raise _drifted(foundation, drift)
    own = not foundation.managed
    described = Foundation(
        name=foundation.name,
        platform=platform,
        interpreter=f"/usr/bin/python{foundation.python}" if own else "",
        stdlib=f"/usr/lib/python{foundation.python}" if own else "",
        python=_python_version(foundation, contents.packages) if own else "",
        libc=("glibc", upstream_of(_version_of("libc6", contents.packages))),
        os_release=contents.os_release,
        packages=contents.packages,
        created=pin.created,
        drift=drift,
    )
    keyring = mmdebstrap.image_keyring(foundation)
    return DebianSystem(
        foundation=described,
        rootfs=rootfs,
        sources=mmdebstrap.image_sources(contents.sources, keyring=keyring),
        keyring=(keyring, foundation.keyring.read_bytes()) if foundation.keyring else None,
    )


def _drifted(foundation: DebianFoundation, drift: tuple[Drift, ...]) -> FoundationError:
    return FoundationError(
        f"foundation {foundation.name} is no longer what its pin says:\n"
        + "\n".join(f"  {difference}" for difference in drift),
        next_step="run `warmbase lock --upgrade-foundation`, or name a snapshot archive in the catalog",
    )


def _python_version(foundation: DebianFoundation, packages: tuple[Package, ...]) -> str:
    return python_version(_version_of(f"python{foundation.python}-minimal", packages))


def _version_of(name: str, packages: tuple[Package, ...]) -> str:
    for package in packages:
        if package.name == name:
            return package.version
    pythons = sorted(found[1] for p in packages if (found := re.fullmatch(r"python(3\.\d+)-minimal", p.name)))
    raise FoundationError(
        f"the built system has no package {name}; its Python is {', '.join(pythons) or 'missing'}",
        next_step="set the Python version of the foundation in the catalog to the suite's own",
    )
