"""What lets a container in where the machine that builds may go: to indexes and repositories that want a password.

All of it are secrets of BuildKit, files of which only the names are in a Dockerfile: uv's variables with the addresses
of the indexes, the lines of netrc(5) about their hosts and those of repositories, and what git's credential helpers of
this machine say about the latter (gitcredentials(7)). Repositories that are reached over ssh are reached with this
machine's agent.
"""

import netrc
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from warmbase.effects.docker.bake import CA_SECRET, Secret
from warmbase.effects.indexes import credential_variables
from warmbase.effects.process import run_process
from warmbase.effects.uv import Uv
from warmbase.errors import ProcessError
from warmbase.lock.model import LockedPackage

_UV, _NETRC, _GIT, _HOSTS = (f"warmbase-{name}" for name in ("uv", "netrc", "git", "hosts"))
SECRETS = (CA_SECRET, _UV, _NETRC, _GIT, _HOSTS)
"""The names of all secrets that a container may have."""

# What is about this machine: its files, its programs, its number of processors.
_OWN = ("UV_CONFIG_FILE", "UV_KEYRING_PROVIDER", "UV_OFFLINE", "UV_PYTHON", "UV_CONCURRENT", "UV_INDEX_URL", "UV_CACHE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """The secrets of a bake: files by name, uv's variables by the catalog's index; `values` may be in no message."""

    files: tuple[Secret, ...]
    variables: Mapping[str, Secret]
    ssh: tuple[str, ...]
    values: tuple[str, ...]

    def secrets(self, index: str) -> tuple[Secret, ...]:
        """Those for a package of the catalog's `index`."""
        return (*self.files, self.variables[index])


def is_from_git(package: LockedPackage) -> bool:
    """Whether a package comes from a repository of git."""
    return package.source.startswith("git+")


def is_over_ssh(package: LockedPackage) -> bool:
    """Whether a package comes from a repository that is reached over ssh."""
    return package.source.startswith("git+ssh://")


@contextmanager
def open_logins(
    packages: Sequence[LockedPackage], uv: Uv, folder: Path, environment: Mapping[str, str]
) -> Iterator[Login]:
    """What the containers that compile `packages` need; the files below `folder` are gone afterwards."""
    repositories = sorted({package.source.removeprefix("git+") for package in packages if is_from_git(package)})
    variables = {index: index_variables(uv, index) for index in sorted({package.index for package in packages})}
    addresses = [*repositories, *(word for each in variables.values() for word in " ".join(each.values()).split())]
    hosts = {urlsplit(address.rpartition("=")[2]).hostname or "" for address in addresses} - {""}
    texts = {
        **{f"{_UV}-{index}": _script(each) for index, each in variables.items()},
        _NETRC: _netrc_of(hosts, environment),
        _GIT: "".join(_git_credentials(repositories, environment)),
        _HOSTS: _known_hosts(environment) if any(map(is_over_ssh, packages)) else "",
    }
    files = {name: folder / name for name, text in texts.items() if text}
    try:
        for name, path in files.items():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(texts[name])
        yield Login(
            files=tuple(Secret(id=name, file=str(files[name])) for name in (_NETRC, _GIT, _HOSTS) if name in files),
            variables={index: Secret(id=_UV, file=str(files[f"{_UV}-{index}"])) for index in variables},
            ssh=("default",) if environment.get("SSH_AUTH_SOCK") else (),
            values=tuple(filter(None, _words(texts, variables.values()))),
        )
    finally:
        for path in files.values():
            path.unlink(missing_ok=True)


def index_variables(uv: Uv, index: str) -> dict[str, str]:
    """uv's variables for a package of the catalog's `index`: that one goes before all others, as `sources` says."""
    kept = {name: value for name, value in uv.environment.items() if name.startswith("UV_") and value}
    kept = {name: value for name, value in kept.items() if not name.startswith(_OWN)}
    kept["UV_DEFAULT_INDEX"] = uv.serving_index()
    if index:
        kept["UV_INDEX"] = f"{index}={uv.indexes[index]} {kept.get('UV_INDEX', '')}".rstrip()
        login = zip(credential_variables(index), uv.login_of(index), strict=True)
        kept |= {name: value for name, value in login if value}
    return kept


def _script(variables: Mapping[str, str]) -> str:
    """Shell commands that set `variables`."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def _netrc_of(hosts: Iterable[str], environment: Mapping[str, str]) -> str:
    """What netrc(5) says of `hosts`, and of no other."""
    try:
        known = netrc.netrc(environment.get("NETRC") or str(Path(environment.get("HOME", "/")) / ".netrc")).hosts
    except (OSError, netrc.NetrcParseError):
        return ""
    found = ((host, known[host]) for host in sorted(hosts) if host in known)
    return "".join(f"machine {host} login {user} password {password}\n" for host, (user, _, password) in found)


def _git_credentials(repositories: Iterable[str], environment: Mapping[str, str]) -> Iterator[str]:
    """What git's helpers on this machine know of `repositories`, as git-credential-store(1) keeps it."""
    quiet = {**environment, "GIT_TERMINAL_PROMPT": "0"}
    for address in repositories:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https"):
            continue
        asked = f"protocol={parts.scheme}\nhost={parts.netloc}\npath={parts.path.lstrip('/')}\n\n"
        try:
            said = run_process(["git", "credential", "fill"], env=quiet, input=asked.encode(), timeout=60)
        except ProcessError:  # there is no git here, or it knows nothing
            continue
        answer = dict(line.partition("=")[::2] for line in said.text.splitlines())
        user, password = (quote(answer.get(name, ""), safe="") for name in ("username", "password"))
        if password:
            yield f"{parts.scheme}://{user}:{password}@{parts.netloc}\n"


def _known_hosts(environment: Mapping[str, str]) -> str:
    try:
        return (Path(environment.get("HOME", "/")) / ".ssh/known_hosts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _words(texts: Mapping[str, str], variables: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """The passwords in what a container gets, as they may be said again."""
    for line in texts[_NETRC].splitlines():
        yield line.rpartition(" ")[2]
    for line in texts[_GIT].splitlines():
        yield urlsplit(line).password or ""
    for each in variables:
        yield from (value for name, value in each.items() if name.endswith("_PASSWORD"))
        yield from (urlsplit(word.rpartition("=")[2]).password or "" for word in " ".join(each.values()).split())
