"""Fetching wheels: uv downloads and unpacks them into a cache folder, for any platform, on the host.

The host's uv does it because it is the host that has the user's index settings, credentials, proxy and CA
bundle; nothing of that enters a sandbox or an image.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warmbase.effects.uv import Uv
from warmbase.errors import PackagesError, ProcessError
from warmbase.lock.indexes import explain_refusal
from warmbase.lock.model import LockedPackage, requirement_of
from warmbase.lock.wheels import Libc, uv_platform
from warmbase.packages import uvcache


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetcher:
    """Fetches wheels for CPython `python` on `platform` with `libc`."""

    uv: Uv
    platform: str
    python: str
    libc: Libc

    def fetch(self, packages: Sequence[LockedPackage], cache: Path) -> Mapping[str, Path]:
        """Fetch the wheels of `packages` into `cache`: SHA-256 of a wheel → its unpacked files. Errors as of `sync`."""
        self.fill(packages, cache)
        return {sha256: folder for sha256, _, folder in uvcache.find_archives(cache)}

    def fill(self, packages: Sequence[LockedPackage], cache: Path) -> None:
        """Have uv download and unpack the wheels of `packages` in `cache`; errors as of `sync`."""
        for index in sorted({package.index for package in packages}):
            target = Path(tempfile.mkdtemp(dir=cache.parent, prefix="fetched-"))
            try:
                self.sync([p for p in packages if p.index == index], cache, target, link_mode="hardlink")
            finally:
                shutil.rmtree(target, ignore_errors=True)

    def sync(self, packages: Sequence[LockedPackage], cache: Path, target: Path, *, link_mode: str) -> None:
        """Install exactly the locked wheels of one index into the plain folder `target`, through `cache`.

        Raises PackagesError with uv's explanation when an index does not have one, or has another under its name.
        """
        command: list[str | Path] = ["pip", "sync", "-", "--quiet", "--require-hashes"]
        command += ["--only-binary", ":all:", "--python-version", self.python, *self.for_platform]
        command += ["--link-mode", link_mode, "--target", target]
        index = packages[0].index if packages else ""
        try:
            self.uv.for_index(index).run(command, cache=cache, input=requirements(packages, self.platform).encode())
        except ProcessError as error:
            raise PackagesError(
                f"uv cannot fetch the locked wheels for {self.platform}\n{error.message}",
                next_step=explain_refusal(error.message, {index: self.uv.address_of(index)})
                or "if the index no longer has them, `warmbase lock --upgrade-package NAME` moves the lock",
            ) from None

    @property
    def for_platform(self) -> tuple[str, str]:
        """What tells uv, whichever machine it runs on, to choose the wheels of the platform."""
        return "--python-platform", uv_platform(self.platform, self.libc)


def requirements(packages: Iterable[LockedPackage], platform: str) -> str:
    """Requirements that admit exactly the locked wheel of each package on `platform`."""
    lines = []
    for package in packages:
        wheel = package.wheel(platform)
        if wheel:
            lines.append(f"{requirement_of(package)} --hash=sha256:{wheel.sha256}")
    return "\n".join(lines) + "\n"
