"""The uv that a catalog pins, and the environment in which warmbase runs it.

One uv makes the locks, fills the cache and is shipped in the image: bucket numbers change with uv. It comes from
the user's index as any wheel does and is kept in warmbase's cache folder. On a foundation with musl the one that is
built for musl runs, which is linked statically.

Of the variables of uv's own only those reach it that say where packages come from and how to get there. Its
configuration files count as a whole, because that is where many have their index: the user's, the system's, and the
one that UV_CONFIG_FILE names. What else they say (`exclude-newer`, `resolution`) decides what is locked, as it does
in the user's projects; a lock is what it is from then on. A configuration file in the folder where warmbase is started
never counts: uv runs in a folder of its own, or in the root folder.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from warmbase.effects.indexes import (
    credential_variables,
    login_of,
    netrc_login,
    same_host,
    take_indexes,
    with_credentials,
    with_login,
    without_credentials,
)
from warmbase.effects.process import Finished, Processes, run_process
from warmbase.errors import PackagesError, ProcessError

_PASSED = re.compile(
    r"""HOME|PATH|USER|LANG|LC_.*|TMPDIR|NETRC|XDG_CONFIG_.*|NO_COLOR|SSH_AUTH_SOCK|(GIT|SSH)_ASKPASS|GIT_(SSH|CONFIG)_.*
      | SSL_CERT_(FILE|DIR)|SSL_CLIENT_CERT|GIT_SSL_CAINFO|(HTTPS?|ALL|NO)_PROXY
      | UV_(DEFAULT_INDEX|INDEX_URL|INDEX|EXTRA_INDEX_URL|INDEX_STRATEGY|INDEX_.*_(USERNAME|PASSWORD)|KEYRING_PROVIDER
          |INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_.*|REQUEST_TIMEOUT|CONCURRENT_.*|CONFIG_FILE|OFFLINE
          |PYTHON_INSTALL_MIRROR|PYTHON_DOWNLOADS_JSON_URL|PYTHON_CACHE_DIR)""",
    re.VERBOSE | re.IGNORECASE,
)


_NEUTRAL = Path("/")  # uv looks for projects and uv.toml from its folder upwards


@dataclass(frozen=True, kw_only=True, slots=True)
class Uv:
    """A uv binary of a known version; `environment` is what it runs in, `home` the folder for what is fetched of it.

    `indexes` says where the catalog's own indexes are asked from here, by name; the addresses hold no credentials.
    """

    binary: Path
    version: str
    environment: Mapping[str, str] = field(repr=False)
    home: Path
    processes: Processes = run_process
    indexes: Mapping[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, ...], str] = field(default_factory=dict, repr=False, compare=False)

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        cache: Path,
        cwd: Path | None = None,
        input: bytes = b"",
        check: bool = True,
    ) -> Finished:
        """Run uv with `cache` as its cache folder, in the root folder unless `cwd` is given; see `run_process`."""
        command = [self.binary, *arguments, "--no-progress", "--color", "never", "--cache-dir", cache]
        return self.processes(command, env=self.environment, cwd=cwd or _NEUTRAL, input=input, check=check)

    def find_python(self, version: str, cache: Path) -> str:
        """The path of a CPython `version` that uv finds on this machine, "" where there is none."""
        asked = ["python", "find", "--no-project", f"cpython@{version}"]
        said = self.run(asked, cache=cache, check=False)
        return "" if said.code else said.text.strip()

    def binary_for(self, libc: str) -> Path:
        """The same uv for this machine's root filesystems with the C library `libc`, "glibc" or "musl"; fetched once.

        Raises PackagesError when the index does not have it.
        """
        if libc == "glibc":
            return self.binary
        platform = ("--python-platform", f"{os.uname().machine}-unknown-linux-{libc}")
        home = self.home / f"{self.version}-{libc}"
        return _fetch(self.version, home, self.binary, platform, self.environment, self.processes)

    def default_index(self) -> str:
        """The address of the index that uv uses when nobody names one, without the user's settings."""
        bare = {name: value for name, value in self.environment.items() if not name.startswith(("UV_", "XDG_"))}
        return self._ask_index(bare, "--no-config")

    def serving_index(self) -> str:
        """The address of the index that uv uses here: the default one or the user's mirror of it."""
        return self._ask_index(self.environment)

    def address_of(self, index: str) -> str:
        """The address, without credentials, at which the catalog's `index` is asked from here; "" is uv's own."""
        return self.indexes[index] if index else without_credentials(self.serving_index())

    def for_index(self, index: str) -> "Uv":
        """A uv that asks the catalog's `index` alone, and its configuration files' ones; this one for the default."""
        if not index:
            return self
        lists = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL")
        environment = {name: value for name, value in self.environment.items() if name not in lists}
        environment["UV_DEFAULT_INDEX"] = f"{index}={self.indexes[index]}"  # the name leads uv to the credentials
        return replace(self, environment=environment, answers={})

    def login_of(self, index: str) -> tuple[str, str]:
        """The user and the password for an index, "" where only netrc may know; uv's keyring is asked as uv does."""
        if not index:
            return login_of(self.serving_index())
        user, password = (self.environment.get(name, "") for name in credential_variables(index))
        if user and not password and self.environment.get("UV_KEYRING_PROVIDER") == "subprocess":
            command = ("keyring", "get", self.indexes[index], user)
            if command not in self.answers:
                said = self.processes(command, env=self.environment, cwd=_NEUTRAL, check=False)
                self.answers[command] = said.text.strip()
            password = self.answers[command]
        return user, password

    def full_addresses(self) -> tuple[str, ...]:
        """The addresses of all indexes, with their credentials: to look for those, and for nothing else."""
        own = self.serving_index()
        bare = (own, *self.indexes.values())
        return (
            own,
            *(self.file_address(address, name) for name, address in self.indexes.items()),
            *(with_login(address, *login) for address in bare if (login := netrc_login(address, self.environment))),
        )

    def file_address(self, address: str, index: str) -> str:
        """The address of a file as it can be asked for now: with its index's credentials where that is on its host."""
        if not index:
            return with_credentials(address, self.serving_index())
        user, password = self.login_of(index)
        return with_login(address, user, password) if user and same_host(address, self.indexes[index]) else address

    def _ask_index(self, environment: Mapping[str, str], *options: str) -> str:
        """Ask uv which index it uses, once: every answer takes a process."""
        if options not in self.answers:
            asked: list[str | Path] = [
                self.binary,
                "pip",
                "compile",
                "-",
                "--emit-index-url",
                "--no-header",
                "--offline",
            ]
            said = self.processes([*asked, *options], env=environment, cwd=_NEUTRAL, input=b"\n").text
            address = re.search(r"^(?:--index-url|-i|--default-index) (\S+)$", said, re.MULTILINE)
            if not address:
                raise PackagesError(
                    "uv does not say which index it uses",
                    next_step="set UV_DEFAULT_INDEX to the address of an index",
                )
            self.answers[options] = address[1].rstrip("/")
        return self.answers[options]


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that uv may see."""
    kept = {name: value for name, value in environment.items() if _PASSED.fullmatch(name)}
    kept.setdefault("UV_SYSTEM_CERTS", "1")
    if "SSL_CERT_FILE" in kept:  # uv fetches repositories with git, which does not know it
        kept.setdefault("GIT_SSL_CAINFO", kept["SSL_CERT_FILE"])
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


def find_uv(
    wanted: str,
    *,
    cache: Path,
    environment: Mapping[str, str] = os.environ,
    processes: Processes = run_process,
    indexes: Mapping[str, str] | None = None,
) -> Uv:
    """Find uv `wanted`: the one that is installed with warmbase, or one fetched once into `cache`.

    `indexes` are the catalog's, name → address. Raises PackagesError when the index does not have it.
    """
    from uv import find_uv_bin

    addresses, kept = take_indexes(uv_environment(environment), indexes or {})
    installed = Path(find_uv_bin())
    home = cache / "uv"
    try:
        if version("uv") == wanted:
            return Uv(
                binary=installed, version=wanted, environment=kept, home=home, processes=processes, indexes=addresses
            )
    except PackageNotFoundError:
        pass
    binary = _fetch(wanted, home / wanted, installed, (), kept, processes)
    return Uv(binary=binary, version=wanted, environment=kept, home=home, processes=processes, indexes=addresses)


def _fetch(
    wanted: str, home: Path, installer: Path, platform: Sequence[str], environment: Mapping[str, str], run: Processes
) -> Path:
    """The binary of uv `wanted` in the folder `home`, into which `installer` puts it unless it is there."""
    binary = home / "bin" / "uv"
    if binary.is_file():
        return binary
    home.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=home.parent, prefix=f".{home.name}-"))
    command: list[str | Path] = [
        installer,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        *platform,
    ]
    try:
        run([*command, "--target", partial, f"uv=={wanted}"], env=environment, cwd=_NEUTRAL)
        partial.rename(home)
    except ProcessError as error:
        raise PackagesError(
            f"uv {wanted} cannot be installed\n{error.message}",
            next_step="name a published version of uv in the catalog (`uv:`)",
        ) from None
    except OSError:  # another build was faster
        if not binary.is_file():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return binary
