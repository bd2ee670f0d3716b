"""What apt says: which versions it would install, from which suites, and what is newer than an image's packages.

An image is asked about without running it: the host's apt gets the image's sources, preferences and keys, and a
database with the names and versions of its packages, in a folder of its own. Nothing of the host's apt counts but its
program, proxies and certificates. Nothing of the image's is executed: apt's configuration files, which may name
programs, stay behind, and only sources with http and https count. What a package needs is not in that database: the
question is what is offered, and not whether apt could install it there.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from warmbase.effects.http import proxy_variables
from warmbase.effects.process import Processes, run_process
from warmbase.errors import FoundationError, ProcessError, mask_userinfo
from warmbase.foundation.rootfs import parse_status
from warmbase.layers.tree import ImageTree
from warmbase.oci.digests import digest_of

Suites = Mapping[str, str]
"""The suites that apt read: the address of each one's InRelease file → the hash of what counts in it (`content_of`)."""

ADDRESSES = "apt-get update --print-uris"
"""What tells where apt reads its suites; `read_suites` understands it."""

_INSTALL = re.compile(r"^Inst (\S+) (?:\[(\S+)\] )?\((\S+) ([^\[)]*)", re.MULTILINE)
_SECURITY = re.compile(r"-security(?=[,\s]|$)")  # the suites' names end so: Debian-Security:13/stable-security
_ADDRESS = re.compile(r"^'(\S+/InRelease)' (\S+)", re.MULTILINE)
_SIGNED_BY = re.compile(r"(signed-by\s*[=:]\s*\"?)(/[^\s,\]\"]+)", re.IGNORECASE)
_LINE = re.compile(r"deb\s+(\[[^\]]*\]\s+)?https?://\S+\s+\S+.*")
_TIMEOUT = 600  # seconds
_PLACES = ("etc/apt/sources.list", "etc/apt/preferences", "etc/apt/trusted.gpg")
_FOLDERS = {
    "etc/apt/sources.list.d": (".list", ".sources"),
    "etc/apt/preferences.d": ("", ".pref"),
    "etc/apt/trusted.gpg.d": (".gpg", ".asc"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A package in the version that apt would install. `installed` is the version that is there, "" for none; with
    `security` it comes from a security suite."""

    name: str
    version: str
    installed: str = ""
    security: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AptSystem:
    """What has to be known of an image to ask apt about it: its packages, (name, architecture, version), and the files
    below its root that apt reads."""

    installed: tuple[tuple[str, str, str], ...]
    files: Mapping[str, bytes] = field(repr=False, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrades:
    """What is newer in an image's archives, by name, and the suites that say so."""

    offers: tuple[Offer, ...]
    suites: Suites


def parse_plan(text: str) -> tuple[Offer, ...]:
    """Read what `apt-get --simulate` would install, in order of the names."""
    found = (
        Offer(name=name, version=version, installed=old, security=bool(_SECURITY.search(origin)))
        for name, old, version, origin in _INSTALL.findall(text)
    )
    return tuple(sorted(found, key=lambda offer: offer.name))


def read_suites(addresses: str, folder: Path, architecture: str) -> Suites:
    """The suites that `ADDRESSES` told of, by the Release files that apt has put into `folder`."""
    found = {}
    for address, name in _ADDRESS.findall(addresses):
        files = (folder / name, folder / f"{name.removesuffix('InRelease')}Release")
        content = next((file.read_bytes() for file in files if file.is_file()), b"")
        found[mask_userinfo(address)] = content_of(content, architecture)
    return found


def content_of(release: bytes, architecture: str) -> str:
    """A hash of what a Release file says of the package lists for an architecture (the Debian wiki,
    "DebianRepository/Format"): its date and its signature change several times a day, and they seldom.

    A flat archive has one list, beside the Release file or in any folder. Where no list is named everything counts.
    """
    lists = re.compile(rb"[ \t]+[0-9a-f]{32,}[ \t]+\d+[ \t]+(?:\S*/)?Packages(?:\.\w+)?")
    others = re.compile(rf"[/\s]binary-(?!(?:{architecture}|all)/)[^/\s]+/Packages".encode())
    counts = [line for line in release.splitlines() if lists.fullmatch(line) and not others.search(line)]
    return digest_of(b"\n".join(sorted(counts)) or release)


def read_apt_system(tree: ImageTree) -> AptSystem | None:
    """What apt has to know of an image; None for one without dpkg, or without sources."""
    packages = parse_status((tree.read("var/lib/dpkg/status") or b"").decode(errors="replace"))
    paths = [*_PLACES, *(f"{folder}/{name}" for folder in _FOLDERS for name in tree.names(folder))]
    files = {path: content for path in paths if _counts(path) and (content := tree.read(path)) is not None}
    for content in list(files.values()):
        for _, path in _SIGNED_BY.findall(content.decode(errors="replace")):
            keys = tree.read(path) if is_harmless(path.lstrip("/")) else None
            if keys is not None:
                files[path.lstrip("/")] = keys
    if not packages or not any(path.startswith("etc/apt/sources") for path in files):
        return None
    return AptSystem(installed=tuple((one.name, one.architecture, one.version) for one in packages), files=files)


def is_harmless(path: str) -> bool:
    """Whether a file with this path below apt's root is no setting of apt's, and lies there at all.

    Who writes an image, or what is remembered of one, is not to be obeyed.
    """
    parts = path.split("/")
    return "" not in parts and ".." not in parts and not path.startswith("etc/apt/apt.conf")


def _counts(path: str) -> bool:
    folder = path.rpartition("/")[0]
    return folder not in _FOLDERS or Path(path).suffix in _FOLDERS[folder]


def ask_upgrades(system: AptSystem, architecture: str, *, processes: Processes = run_process) -> Upgrades:
    """Ask the archives of an image's sources what is newer than its packages. Raises FoundationError."""
    with tempfile.TemporaryDirectory(prefix="warmbase-apt-") as folder:
        root = Path(folder)
        root.chmod(0o755)  # apt gives up its rights where it can
        _write_system(system, architecture, root)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "APT_CONFIG": str(root / "apt.conf"),
            "LC_ALL": "C.UTF-8",
            **proxy_variables(os.environ),
        }

        def run(*words: str) -> str:
            return processes(["apt-get", *words], env=environment, timeout=_TIMEOUT).text

        try:
            run("--quiet", "--quiet", "update")
            plan = run("--quiet", "--simulate", "dist-upgrade")
            addresses = run(*ADDRESSES.split()[1:])
        except ProcessError as error:
            raise FoundationError(
                f"apt cannot tell what is newer: {error.message}",
                next_step="see that apt is installed, and that the archives of the image's sources can be reached",
            ) from error
        # The archive's own words on a package that is installed differ from this database's, and apt would take those.
        offers = tuple(offer for offer in parse_plan(plan) if offer.installed not in ("", offer.version))
        return Upgrades(offers=offers, suites=read_suites(addresses, root / "var/lib/apt/lists", architecture))


def _write_system(system: AptSystem, architecture: str, root: Path) -> None:
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: {own}\nVersion: {version}\n"
        "Maintainer: nobody\nDescription: none\n\n"
        for name, own, version in system.installed
    )
    bundle = os.environ.get("SSL_CERT_FILE")
    settings = {
        "Dir": f"{root}/",
        "Dir::State::status": str(root / "var/lib/dpkg/status"),
        "Dir::Etc::main": "/dev/null",  # settings can name programs; there are none but these
        "Dir::Etc::parts": "/dev/null",
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": "30",
        **({"Acquire::https::CAInfo": str(Path(bundle).absolute())} if bundle else {}),
    }
    files = {
        **{path: _adapt(path, content, root) for path, content in system.files.items()},
        "var/lib/dpkg/status": status.encode(),
        "apt.conf": "".join(f'{name} "{value}";\n' for name, value in settings.items()).encode(),
    }
    for path in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "etc/apt"):
        (root / path).mkdir(parents=True)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def _adapt(path: str, content: bytes, root: Path) -> bytes:
    """A file of sources as it is right for apt with `root`; all others are as they were."""
    if not path.startswith("etc/apt/sources"):
        return content
    text = content.decode(errors="replace")
    parts = _stanzas(text) if path.endswith(".sources") else (line for line in text.splitlines() if _LINE.match(line))
    return (
        "\n".join(_SIGNED_BY.sub(lambda found: f"{found[1]}{root}{found[2]}", part) for part in parts).encode() + b"\n"
    )


def _stanzas(text: str) -> Iterator[str]:
    """The stanzas of a file in deb822's format (sources.list(5)) that are for packages and have only web addresses."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        whole = re.sub(r"\n\s", " ", "\n".join(lines)).splitlines()
        fields = {name.strip().lower(): value for name, _, value in (line.partition(":") for line in whole)}
        addresses = fields.get("uris", "").split()
        if "deb" in fields.get("types", "").split() and all(re.match("https?://", one) for one in addresses):
            yield "".join("Types: deb\n" if line.lower().startswith("types:") else f"{line}\n" for line in lines)
