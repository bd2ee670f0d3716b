"""What lets a container in where the machine that builds may go: to indexes and repositories that want a password.

All of it are secrets of BuildKit, files of which only the names are in a Dockerfile: uv's variables with the addresses
of the indexes, the lines of netrc(5) about their hosts and those of repositories, and what git's credential helpers of
this machine say about the latter (gitcredentials(7)). Repositories that are reached over ssh are reached with this
machine's agent, at hosts that this machine knows. The files have no names in any folder: they are gone with the
process, however it ends.
"""

import netrc
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from warmbase.effects.docker.bake import CA_SECRET, Secret
from warmbase.effects.indexes import credential_variables
from warmbase.effects.process import run_process
from warmbase.effects.uv import Uv
from warmbase.errors import PackagesError, ProcessError
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
def open_logins(packages: Sequence[LockedPackage], uv: Uv, environment: Mapping[str, str]) -> Iterator[Login]:
    """What the containers that compile `packages` need; the files are gone afterwards. Raises PackagesError where a
    login is named and cannot be used."""
    repositories = sorted({package.source.removeprefix("git+") for package in packages if is_from_git(package)})
    variables = {index: index_variables(uv, index) for index in sorted({package.index for package in packages})}
    files = [package.source for package in packages if package.source and not is_from_git(package)]
    addresses = [
        *repositories,
        *files,
        *(word for each in variables.values() for word in " ".join(each.values()).split()),
    ]
    hosts = {urlsplit(address.rpartition("=")[2]).hostname or "" for address in addresses} - {""}
    over_ssh = [package for package in packages if is_over_ssh(package)]
    accounts = _netrc_of(hosts, environment)
    stored = "".join(_git_credentials(repositories, environment))
    texts = {
        **{f"{_UV}-{index}": _script(each) for index, each in variables.items()},
        _NETRC: "".join(map(_netrc_line, accounts)),
        _GIT: stored,
        _HOSTS: _known_hosts(over_ssh, environment) if over_ssh else "",
    }
    with ExitStack() as opened:
        paths = {name: opened.enter_context(_nameless(text)) for name, text in texts.items() if text}
        yield Login(
            files=tuple(Secret(id=name, file=paths[name]) for name in (_NETRC, _GIT, _HOSTS) if name in paths),
            variables={index: Secret(id=_UV, file=paths[f"{_UV}-{index}"]) for index in variables},
            ssh=("default",) if over_ssh else (),
            values=tuple(filter(None, _words([one[2] for one in accounts], stored, variables.values()))),
        )


@contextmanager
def _nameless(text: str) -> Iterator[str]:
    """A file in memory that no folder lists, of this user alone: its path, as long as it is open (memfd_create(2))."""
    number = os.memfd_create("warmbase")
    with os.fdopen(number, "wb") as file:
        os.fchmod(number, 0o600)
        file.write(text.encode())
        file.flush()
        yield f"/proc/{os.getpid()}/fd/{number}"


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


Account = tuple[str, str, str]
"""A host, and the user and the password that it wants."""


def _netrc_of(hosts: Iterable[str], environment: Mapping[str, str]) -> list[Account]:
    """What netrc(5) says of `hosts`, by its `default` too, and of no other. Raises PackagesError if it is damaged."""
    path = environment.get("NETRC") or str(Path(environment.get("HOME", "/")) / ".netrc")
    try:
        known = netrc.netrc(path).hosts
    except OSError:
        return []
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        line = f", line {error.lineno}" if isinstance(error, netrc.NetrcParseError) else ""
        raise PackagesError(
            f"{path}{line}: this is no netrc that can be read, and containers may need a login of it",
            next_step="correct it as netrc(5) says, or name another file with NETRC",
        ) from None
    found = ((host, known.get(host) or known.get("default")) for host in sorted(hosts))
    return [(host, entry[0], entry[2]) for host, entry in found if entry and entry[2]]


def _netrc_line(account: Account) -> str:
    host, user, password = account
    login = f" login {_quote(user)}" if user else ""
    return f"machine {host}{login} password {_quote(password)}\n"


def _quote(word: str) -> str:
    """A word of a netrc, in quotes where a reader would see several in it, or another one."""
    if not re.search(r"""[\s"'\\#]""", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


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


def _known_hosts(packages: Sequence[LockedPackage], environment: Mapping[str, str]) -> str:
    """The hosts whose keys this machine knows (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"), and no way to learn others.

    Raises PackagesError where there are none, or no agent with a key.
    """
    names = ", ".join(f"{package.name} {package.version}" for package in packages)
    agent = environment.get("SSH_AUTH_SOCK", "")
    if not agent or not Path(agent).exists():
        raise PackagesError(
            f"{names} comes from a repository that is reached over ssh, and no agent has a key for it",
            next_step="start ssh-agent, add a key with ssh-add, and build again",
        )
    known = [Path(environment.get("HOME", "/")) / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts")]
    text = "".join(map(_read, known))
    if not text.strip():
        raise PackagesError(
            f"{names} comes from a repository that is reached over ssh, and this machine knows the key of no host",
            next_step=f"connect once with ssh, which asks about the key and writes it to {known[0]}, and build again",
        )
    return text


def _read(path: Path) -> str:
    try:
        return f"{path.read_text(encoding='utf-8', errors='replace')}\n"
    except OSError:
        return ""


def _words(passwords: Iterable[str], stored: str, variables: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """The passwords in what a container gets, as they may be said again."""
    yield from passwords
    for line in stored.splitlines():
        yield urlsplit(line).password or ""
    for each in variables:
        yield from (value for name, value in each.items() if name.endswith("_PASSWORD"))
        yield from (urlsplit(word.rpartition("=")[2]).password or "" for word in " ".join(each.values()).split())
