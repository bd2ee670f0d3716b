"""HTTP requests that warmbase makes itself. Proxies, CA bundles and netrc are the environment's."""

import hashlib
import ipaddress
import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from warmbase.errors import ListingError, PackagesError

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS, READ_SECONDS = 3.0, 8.0
"""How long people wait for a server that says nothing, before it counts as away."""

_LARGEST = 256 << 20  # of a document: an index of thousands of images stays far below
_ADDRESS_REMEDY = "see whether the address is right and this machine reaches it; a login is taken from ~/.netrc"
_REMEDY = "see that the index gives the file to whoever asks with these credentials, or let it offer SHA-256 hashes"


def ask_size(address: str) -> int:
    """Ask for the size in bytes of the file at `address`; 0 where the server does not say."""
    import httpx

    try:
        response = _client().head(address)
        return int(response.headers.get("Content-Length", 0)) if response.is_success else 0
    except (httpx.HTTPError, ValueError):
        return 0


def measure_file(address: str) -> tuple[str, int]:
    """Download the file at `address` and say its SHA-256 and its size. Raises PackagesError."""
    import httpx

    digest, size = hashlib.sha256(), 0
    try:
        with _client().stream("GET", address, headers={"Accept-Encoding": "identity"}) as response:
            response.raise_for_status()
            for chunk in response.iter_raw():
                digest.update(chunk)
                size += len(chunk)
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        raise PackagesError(f"{address} cannot be downloaded: HTTP status {code}", next_step=_REMEDY) from None
    except httpx.HTTPError as error:
        raise PackagesError(f"{address} cannot be downloaded: {type(error).__name__}", next_step=_REMEDY) from None
    return digest.hexdigest(), size


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A document that was fetched; `content` is None where it is what the validator stands for."""

    content: bytes | None = field(repr=False)
    validator: str


def fetch(address: str, validator: str = "") -> Fetched:
    """Fetch the small document at `address`, if it is not what the server gave `validator` with before.

    Raises ListingError, whose message has neither credentials nor a query.
    """
    import httpx

    from warmbase.effects.registry.transport import describe_failure

    shown = address.partition("?")[0]
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        with (
            _new_client(timeout) as client,
            client.stream("GET", address, headers=conditions_for(validator)) as response,
        ):
            if response.status_code == HTTPStatus.NOT_MODIFIED and validator:
                return Fetched(content=None, validator=validator)
            if not response.is_success:
                raise ListingError(f"{shown} answers {response.status_code}", next_step=_ADDRESS_REMEDY)
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _LARGEST:
                    raise ListingError(f"{shown} is longer than {_LARGEST} bytes", next_step=_ADDRESS_REMEDY)
            return Fetched(content=bytes(content), validator=validator_of(response.headers))
    except httpx.TransportError as error:
        raise ListingError(f"{shown} cannot be read: {describe_failure(error)}", next_step=_ADDRESS_REMEDY) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise ListingError(f"{shown} is an address that leads nowhere", next_step=_ADDRESS_REMEDY) from None


def conditions_for(validator: str) -> dict[str, str]:
    """The header that asks for what has changed since a server gave `validator`, none for "".

    Entity tags are quoted (RFC 9110, section 8.8.3), times are not.
    """
    if not validator:
        return {}
    return {"If-None-Match" if validator.endswith('"') else "If-Modified-Since": validator}


def validator_of(headers: Mapping[str, str]) -> str:
    """What a server wants back to say that what it sent is unchanged, "" where it does not say that."""
    return headers.get("ETag") or headers.get("Last-Modified") or ""


def tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The certificates to trust: the bundle that SSL_CERT_FILE names, else the system's. Raises OSError, SSLError."""
    bundle = environment.get("SSL_CERT_FILE")
    return ssl.create_default_context(cafile=bundle) if bundle else ssl.create_default_context()


def proxies_of(environment: Mapping[str, str]) -> dict[str, str | None]:
    """The proxy for each of httpx's URL patterns, by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; None for none.

    This machine itself is never reached through a proxy, as in the programs of Docker and podman.
    """
    value = partial(_value, environment)
    direct = [host.strip().lstrip(".") for host in value("no_proxy").split(",") if host.strip()]
    if "*" in direct:
        return {}
    proxies = {f"{scheme}://": value(f"{scheme}_proxy") for scheme in ("http", "https", "all")}
    return {
        **{pattern: proxy if "://" in proxy else f"http://{proxy}" for pattern, proxy in proxies.items() if proxy},
        **{f"all://{_pattern_of(host)}": None for host in direct},
        **dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]")),
    }


def proxy_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies of `environment` in the one spelling that every program reads; what ALL_PROXY says, for each scheme.

    apt and git know variables in lowercase alone, and apt no all_proxy.
    """
    value = partial(_value, environment)
    everywhere = value("all_proxy")
    found = {f"{scheme}_proxy": value(f"{scheme}_proxy") or everywhere for scheme in ("http", "https")}
    return {name: said for name, said in (found | {"no_proxy": value("no_proxy")}).items() if said}


def silence_http_logs() -> None:
    """Keep httpx from logging addresses and headers, which hold signatures and tokens, whoever asks for debug logs."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _value(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _pattern_of(host: str) -> str:
    """An address itself; a name with all that is below it."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"*{host}"
    return f"[{address}]" if address.version == 6 else str(address)


@cache
def _client() -> "httpx.Client":
    return _new_client(30)


def _new_client(timeout: "float | httpx.Timeout") -> "httpx.Client":
    import httpx

    context = tls_context(os.environ)
    return httpx.Client(verify=context, auth=_netrc(), follow_redirects=True, timeout=timeout)


def _netrc() -> "httpx.NetRCAuth | None":
    """The credentials in NETRC or ~/.netrc; the user information of an address goes before them."""
    import netrc

    import httpx

    try:
        return httpx.NetRCAuth(os.environ.get("NETRC"))
    except (OSError, netrc.NetrcParseError):
        return None
