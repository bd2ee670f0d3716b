"""A Debian archive of the tests' own: signed with a key of theirs, on loopback, and changed from night to night.

    with serve_archive(folder, system) as archive:
        archive.make("greeter", "1.0")
        archive.bump("tzdata", security=True)

It has trixie, its updates and its security suite, as a mirror has them (`/debian` and `/debian-security`). With the
packages of the real system (`fetch_system`) foundations can be made from it; those of `pretend_system` can be pinned.
"""

import hashlib
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.wheelhouse import Answer, serve_answers

SUITE = "trixie"
SECURITY = f"{SUITE}-security"
PYTHON = "3.13"
ARCHITECTURES = {"linux/amd64": "amd64", "linux/arm64": "arm64"}

_PLACES = {SUITE: "/debian", f"{SUITE}-updates": "/debian", SECURITY: "/debian-security"}
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SYSTEM = ("?essential", "?priority(required)", "apt", "ca-certificates", "python3")


def fetch_system(folder: Path) -> None:
    """Download the packages of trixie's minimal system with Python, for this machine, into `folder`: 40 MB, 4 s."""
    words = " ".join(f"'{name}'" for name in _SYSTEM)
    download = f"apt-get --quiet --yes --download-only --no-install-recommends install {words} >&2"
    command = [
        *("mmdebstrap", "--quiet", "--components=main", "--variant=custom", "--format=null"),
        f'--customize-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" {download}',
        f"--customize-hook=copy-out /var/cache/apt/archives {folder}",
        *(SUITE, "-"),
    ]
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deb:
    """A package's file, and the stanza that its control file is (deb-control(5))."""

    path: Path
    control: str

    @classmethod
    def read(cls, path: Path) -> "Deb":
        return cls(path=path, control=_run("dpkg-deb", "--field", path).strip())

    @property
    def name(self) -> str:
        return self.field("Package")

    @property
    def version(self) -> str:
        return self.field("Version")

    @property
    def file(self) -> str:
        """Its name in the pool, which says nothing of its version."""
        return f"{self.name}_{hashlib.sha256(self.control.encode()).hexdigest()[:12]}.deb"

    def field(self, name: str) -> str:
        lines = self.control.splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith(f"{name}: "))


@dataclass(slots=True)
class Archive:
    """The archive: `suites` have packages by name, `pages` what is signed, `asked` and `unchanged` what clients wanted.

    `keyring` has the public key; all that is made lies in `folder`, the secret one in `home`.
    """

    folder: Path
    home: Path
    keyring: Path
    suites: dict[str, dict[str, Deb]] = field(default_factory=lambda: {name: {} for name in _PLACES})
    pages: dict[str, bytes] = field(default_factory=dict)
    pool: dict[str, Path] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    port: int = 0
    signed: int = 0

    @property
    def url(self) -> str:
        """What a catalog has as the `mirror`."""
        return f"http://127.0.0.1:{self.port}/debian"

    def entry(self, folder: Path, **more: Any) -> dict[str, Any]:
        """What a catalog in `folder` says of a foundation from this archive; the keys are put beside it."""
        (folder / "keys.gpg").write_bytes(self.keyring.read_bytes())
        return {"debian": SUITE, "mirror": self.url, "keyring": "keys.gpg", **more}

    def offer(self, *debs: Path, security: bool = False) -> None:
        """Offer packages instead of those of the same names in the suite."""
        self._offer(map(Deb.read, debs), security=security)

    def make(
        self,
        name: str,
        version: str,
        *,
        security: bool = False,
        files: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Offer a package of the tests' own."""
        stanza = {
            "Package": name,
            "Version": version,
            "Architecture": "all",
            "Maintainer": "Tests <tests@archive.example>",
            "Description": f"the package {name} of a test",
            **(fields or {}),
        }
        control = "".join(f"{key}: {value}\n" for key, value in stanza.items())
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            tree = Path(work, "tree")
            for path, text in {f"usr/share/doc/{name}/copyright": "License: MIT\n", **(files or {})}.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(text)
            self._offer([self._pack(tree, control)], security=security)

    def bump(self, name: str, version: str = "", *, security: bool = False) -> tuple[str, str]:
        """Offer a package with the same files and a higher version; the versions before and now."""
        old = max((suite[name] for suite in self.suites.values() if name in suite), key=lambda deb: len(deb.version))
        version = version or f"{old.version}+deb13u9"
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            tree = Path(work, "tree")
            _run("dpkg-deb", "--raw-extract", old.path, tree)
            control = old.control.replace(f"\nVersion: {old.version}\n", f"\nVersion: {version}\n")
            self._offer([self._pack(tree, control + "\n")], security=security)
        return old.version, version

    def withdraw(self, name: str) -> None:
        """Offer a package no longer."""
        for suite, debs in self.suites.items():
            if debs.pop(name, None):
                self._sign(suite)

    def renew(self) -> None:
        """Sign all suites anew with a later date, as archives do every day, with nothing in them changed."""
        for suite in self.suites:
            self._sign(suite)

    def pretend_system(self, versions: Mapping[str, str] | None = None) -> None:
        """Offer empty packages with the names of a system's, enough to be pinned; `versions` are other than usual."""
        usual = {
            "base-files": "13.8",
            "libc6": "2.41-12",
            "apt": "3.0.3",
            "ca-certificates": "20250419",
            "openssl": "3.5.1-1",
            "python3.13-minimal": "3.13.5-2",
            "python3": "3.13.5-1",
        }
        for name, version in {**usual, **(versions or {})}.items():
            more = {"Depends": "python3.13-minimal, openssl"} if name == "python3" else {}
            if name in ("base-files", "libc6"):
                more = {"Essential": "yes", "Priority": "required"}
            self.make(name, version, fields=more)

    def answer(self, path: str) -> Answer | None:
        """What the server has at a path."""
        if path in self.pages:
            return "text/plain", self.pages[path]
        found = self.pool.get(unquote(path))  # apt writes "+" as "%2b"
        return ("application/vnd.debian.binary-package", found.read_bytes()) if found else None

    def _pack(self, tree: Path, control: str) -> Deb:
        (tree / "DEBIAN").mkdir(exist_ok=True, mode=0o755)
        (tree / "DEBIAN/control").write_text(control)
        deb = Deb(path=tree, control=control.strip())
        target = self.folder / deb.file
        _run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, target)
        return replace(deb, path=target)

    def _offer(self, debs: Iterable[Deb], *, security: bool) -> None:
        suite = SECURITY if security else SUITE
        for deb in debs:
            self.suites[suite][deb.name] = deb
            self.pool[f"{_PLACES[suite]}/pool/{deb.file}"] = deb.path
        self._sign(suite)

    def _sign(self, suite: str) -> None:
        """Write a suite's package list and InRelease (the Debian wiki, "DebianRepository/Format")."""
        self.signed += 1
        place = f"{_PLACES[suite]}/dists/{suite}"
        lists = {
            f"main/binary-{architecture}/Packages": self._list(suite, {"all", architecture})
            for architecture in ARCHITECTURES.values()
        }
        release = {
            "Origin": "Tests",
            "Label": "Debian-Security" if suite == SECURITY else "Debian",
            "Suite": suite.replace(SUITE, "stable"),
            "Codename": suite,
            "Date": format_datetime(_BEGAN + timedelta(hours=self.signed), usegmt=True),
            "Architectures": " ".join(ARCHITECTURES.values()),
            "Components": "main",
            "SHA256": "".join(
                f"\n {hashlib.sha256(text).hexdigest()} {len(text)} {path}" for path, text in lists.items()
            ),
        }
        text = "".join(f"{key}:{value if key == 'SHA256' else f' {value}'}\n" for key, value in release.items())
        command: list[str | Path] = ["gpg", "--homedir", self.home, "--batch", "--clearsign", "--digest-algo", "SHA512"]
        signed = subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout
        self.pages |= {f"{place}/{path}": content for path, content in lists.items()}
        self.pages[f"{place}/InRelease"] = signed

    def _list(self, suite: str, architectures: Collection[str]) -> bytes:
        debs = [deb for deb in self.suites[suite].values() if deb.field("Architecture") in architectures]
        return "".join(
            f"{deb.control}\nFilename: pool/{deb.file}\nSize: {deb.path.stat().st_size}\n"
            f"SHA256: {hashlib.sha256(deb.path.read_bytes()).hexdigest()}\n\n"
            for deb in debs
        ).encode()


@contextmanager
def serve_archive(folder: Path, system: Path | None = None) -> Iterator[Archive]:
    """Serve an archive while the context lasts; with `system`, a folder of packages, it begins with those."""
    # The agent's socket has a path in there, which cannot be long (unix(7)).
    with tempfile.TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as home:
        gpg = ("gpg", "--homedir", home, "--batch")
        _run(*gpg, "--passphrase", "", "--quick-generate-key", "Tests <tests@archive.example>", "ed25519", "sign", "0")
        keyring = folder / "archive-keys.gpg"
        _run(*gpg, "--output", keyring, "--export")
        archive = Archive(folder=folder, home=Path(home), keyring=keyring)
        try:
            archive.renew()
            if system:
                archive.offer(*sorted(system.rglob("*.deb")))
            seen = archive.asked.append
            with serve_answers(
                archive.answer, lambda path, _: seen(path), unchanged=archive.unchanged.append
            ) as archive.port:
                yield archive
        finally:
            _run("gpgconf", "--homedir", home, "--kill", "all")


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
