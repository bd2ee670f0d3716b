"""Addresses of package indexes, and where the credentials for them stand.

The variables are uv's own (uv's documentation, "Package indexes", "Providing credentials directly"). An address
with a name in UV_INDEX, or the same one without, gives what the catalog's index of that name needs: where it is
asked from here, and the user information. netrc and keyring are read by uv itself; what netrc says is looked for in
images.
"""

import netrc
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

_NAMED = re.compile(r"(?:([A-Za-z0-9._-]+)=)?(.*)")
_LISTS = ("UV_INDEX", "UV_EXTRA_INDEX_URL")


def with_credentials(address: str, index: str) -> str:
    """The address of a file with the user information of its index's address, if it is on the same host.

    uv leaves it out of what it writes.
    """
    user, at, _ = urlsplit(index).netloc.rpartition("@")
    parts = urlsplit(address)
    if not at or "@" in parts.netloc or not same_host(address, index):
        return address
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))


def without_credentials(index: str) -> str:
    """The address of an index without user information and final slashes: two that are the same serve the same."""
    parts = urlsplit(index)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


def same_host(one: str, other: str) -> bool:
    """Whether two addresses have one host and port, whoever asks there."""
    return urlsplit(one).netloc.rpartition("@")[2] == urlsplit(other).netloc.rpartition("@")[2]


def credential_variables(name: str) -> tuple[str, str]:
    """The variables in which uv looks for the user and the password of the index `name`."""
    written = re.sub(r"[^A-Za-z0-9]", "_", name).upper()
    return f"UV_INDEX_{written}_USERNAME", f"UV_INDEX_{written}_PASSWORD"


def with_login(address: str, user: str, password: str) -> str:
    """The address with a user and a password; only for a request that is made at once."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    secret = f":{quote(password, safe='')}" if password else ""
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}{secret}@{host}"))


def login_of(address: str) -> tuple[str, str]:
    """The user and the password in an address, "" where there is none."""
    parts = urlsplit(address)
    return unquote(parts.username or ""), unquote(parts.password or "")


def netrc_login(address: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The user and the password that netrc(5), also by its `default`, has for the host of an address."""
    path = environment.get("NETRC") or str(Path(environment.get("HOME", "/")) / ".netrc")
    try:
        found = netrc.netrc(path).authenticators(urlsplit(address).hostname or "")
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
        return None
    return (found[0], found[2]) if found and found[2] else None


def take_indexes(
    environment: Mapping[str, str], indexes: Mapping[str, str]
) -> tuple[Mapping[str, str], dict[str, str]]:
    """Where the catalog's `indexes` (name → address) are asked from here, and the environment that uv then gets.

    What the user's own lists of indexes say of one of them moves: the address is the first result's, user and password
    go to the variables of that name. As an entry of those lists it would be searched for every package. An empty
    variable is a secret that somebody lacks, and none: uv would log in without a name.
    """
    kept = {name: value for name, value in environment.items() if value or not name.startswith("UV_INDEX_")}
    addresses = dict(indexes)
    for variable in _LISTS:
        others = []
        for written, name, address in _entries(kept.get(variable, ""), indexes):
            if not name:
                others.append(written)
                continue
            addresses[name] = without_credentials(address)
            for credential, value in zip(credential_variables(name), login_of(address), strict=True):
                if value:
                    kept.setdefault(credential, value)
        if variable in kept:
            kept[variable] = " ".join(others)
    return addresses, kept


def _entries(listed: str, indexes: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each entry of a list of indexes as it is written, the catalog's name for it ("" for none) and its address."""
    names = {without_credentials(address): name for name, address in indexes.items()}
    for written in listed.split():
        match = _NAMED.fullmatch(written)
        name, address = match.groups() if match else (None, written)
        known = name if name in indexes else names.get(without_credentials(address), "") if not name else ""
        yield written, known or "", address
