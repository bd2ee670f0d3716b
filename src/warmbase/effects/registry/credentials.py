"""Names and passwords for registries, where `docker login` keeps them: config.json, or a helper that it names.

The file's place and its keys `credHelpers`, `credsStore` and `auths` are those of the Docker command line's reference,
"docker login", sections "Credential stores" and "Credential helpers"; a helper's words are those of the
docker-credential-helpers project: it reads a host on standard input and prints a JSON object.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warmbase.effects.process import Processes, run_process
from warmbase.errors import ProcessError, RegistryError
from warmbase.oci.reference import DOCKER_HUB

_HUB_KEY = "https://index.docker.io/v1/"
_NOBODY = "<token>"  # how helpers name the user of an identity token
_NOT_FOUND = b"credentials not found"
_HELPER_SECONDS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A name with its password, an identity token, which is exchanged for tokens (OAuth 2), or such a token itself."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The name and password as the Basic scheme writes them (RFC 7617, section 2)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must appear in no message."""
        basic = self.basic if self.password else ""
        return tuple(filter(None, (self.password, self.identity_token, self.registry_token, basic)))


def find_credentials(
    host: str, environment: Mapping[str, str], processes: Processes = run_process
) -> Credentials | None:
    """The credentials for a registry; None where there are none. Raises RegistryError."""
    path = _config_path(environment)
    config = _read_config(path)
    key = _HUB_KEY if host == DOCKER_HUB else host
    helper = _section(config, "credHelpers", path).get(key) or _section(config, "credHelpers", path).get(host)
    helper = helper or config.get("credsStore")
    if helper and (found := _ask_helper(str(helper), key, environment, processes)):
        return found
    for name, entry in _section(config, "auths", path).items():
        if _host_of(name) in _names_of(host) and (found := _read_entry(entry, name, path)):
            return found
    return None


def _config_path(environment: Mapping[str, str]) -> Path:
    folder = environment.get("DOCKER_CONFIG")
    home = environment.get("HOME")
    return Path(folder or (Path(home) / ".docker" if home else Path("~/.docker").expanduser())) / "config.json"


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise RegistryError(
            f"{path} cannot be read: {error.strerror}", next_step="make it readable, or name another in DOCKER_CONFIG"
        ) from None
    except ValueError:
        value = None  # a ValueError tells parts of what it has read
    if not isinstance(value, dict):
        raise RegistryError(f"{path} is no JSON object", next_step="repair it, or move it away and run `docker login`")
    return value


def _section(config: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise RegistryError(f"{path}: {name} is no JSON object", next_step="repair it, or run `docker login` anew")
    return value


def _ask_helper(helper: str, key: str, environment: Mapping[str, str], processes: Processes) -> Credentials | None:
    """What a helper knows. What it prints is in no message: it may hold the secret."""
    program = f"docker-credential-{helper}"
    done = None
    with suppress(ProcessError):  # it tells what the program said
        done = processes([program, "get"], env=environment, input=key.encode(), timeout=_HELPER_SECONDS, check=False)
    if done is None:
        raise RegistryError(
            f"{program}, which Docker's config.json names, cannot be run or does not end",
            next_step=f"put {program} on PATH, or take it out of config.json and run `docker login`",
        )
    if done.code:
        if _NOT_FOUND in done.stdout + done.stderr:
            return None
        raise RegistryError(f"{program} fails with exit code {done.code} for {key}", next_step="run `docker login`")
    try:
        value = json.loads(done.stdout)
        user, secret = str(value["Username"]), str(value["Secret"])
    except (ValueError, KeyError, TypeError):
        user = secret = ""
    if not secret:
        raise RegistryError(f"{program} prints no credentials for {key}", next_step="run `docker login`")
    return Credentials(identity_token=secret) if user == _NOBODY else Credentials(user=user, password=secret)


def _read_entry(entry: object, name: str, path: Path) -> Credentials | None:
    """One entry of `auths`: one that holds nothing, or an address for mail alone, says that a helper has them."""
    if not isinstance(entry, dict):
        return None
    if token := entry.get("registrytoken"):
        return Credentials(registry_token=str(token))
    if token := entry.get("identitytoken"):
        return Credentials(identity_token=str(token))
    if entry.get("username"):
        return Credentials(user=str(entry["username"]), password=str(entry.get("password", "")))
    if not entry.get("auth"):
        return None
    try:
        user, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        colon = ""
    if not colon:
        raise RegistryError(f"{path}: the entry of {name} is damaged", next_step=f"run `docker login {name}`")
    return Credentials(user=user, password=password.rstrip("\0"))


def _names_of(host: str) -> Iterator[str]:
    yield from ("index.docker.io", "registry-1.docker.io", DOCKER_HUB) if host == DOCKER_HUB else (host,)


def _host_of(key: str) -> str:
    """The host of a key of `auths`, which may be an address, as old versions of Docker wrote it."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]
