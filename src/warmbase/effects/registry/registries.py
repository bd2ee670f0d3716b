"""The registries that a run talks to, each with its address, its credentials and its mirror."""

import ipaddress
import ssl
import threading
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache, partial

import httpx

from warmbase import __version__
from warmbase.effects.http import CONNECT_SECONDS, READ_SECONDS, proxies_of, silence_http_logs, tls_context
from warmbase.effects.registry.auth import Authenticator
from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.credentials import find_credentials
from warmbase.effects.registry.model import Traffic
from warmbase.effects.registry.retries import Backoff
from warmbase.effects.registry.transport import Transport
from warmbase.errors import RegistryError
from warmbase.oci.reference import DOCKER_HUB, Reference

_HUB_API = "registry-1.docker.io"
_IDLE_CONNECTIONS = 32
_TIMEOUT = httpx.Timeout(30, read=300, write=300, pool=None)
"""Seconds. A registry may take minutes to store a large blob before it answers."""


class OpenRegistries:
    """Clients of registries, made when they are first asked for."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        insecure: Collection[str],
        mirrors: Mapping[str, str],
        backoff: Backoff,
        timeout: httpx.Timeout = _TIMEOUT,
    ) -> None:
        silence_http_logs()
        self._environment = environment
        self._insecure = frozenset(insecure)
        self._mirrors = {host: mirror.strip("/") for host, mirror in mirrors.items()}
        self._backoff = backoff
        self._http = open_http(environment, timeout=timeout)
        self._clients: dict[str, RegistryClient] = {}
        self._transports: dict[str, Transport] = {}
        self._lock = threading.Lock()

    def at(self, host: str) -> RegistryClient:
        """See `Registries`."""
        with self._lock:
            if host not in self._clients:
                real, _, prefix = self._mirrors.get(host, host).partition("/")
                self._clients[host] = RegistryClient(self._transport(real), host=host, prefix=prefix)
            return self._clients[host]

    def locate(self, reference: Reference) -> Reference:
        """See `Registries`."""
        real, _, prefix = self._mirrors.get(reference.registry, reference.registry).partition("/")
        repository = f"{prefix}/{reference.repository}" if prefix else reference.repository
        return replace(reference, registry=real, repository=repository)

    @property
    def traffic(self) -> Mapping[str, Traffic]:
        """See `Registries`."""
        return {host: transport.traffic for host, transport in self._transports.items()}

    def _transport(self, host: str) -> Transport:
        if host not in self._transports:
            is_plain = partial(may_be_plain, insecure=self._insecure)
            api = _HUB_API if host == DOCKER_HUB else host
            self._transports[host] = Transport(
                host=host,
                base=httpx.URL(f"{'http' if is_plain(host) else 'https'}://{api}/"),
                http=self._http,
                authenticator=Authenticator(
                    host,
                    http=self._http,
                    find=partial(find_credentials, host, self._environment),
                    is_plain=is_plain,
                ),
                backoff=self._backoff,
                is_plain=is_plain,
            )
        return self._transports[host]


def open_http(
    environment: Mapping[str, str],
    trust: Callable[[Mapping[str, str]], ssl.SSLContext] = tls_context,
    timeout: httpx.Timeout = _TIMEOUT,
) -> httpx.Client:
    """A client that closes its connections when nobody needs it any more: no stage knows when the last one ends.

    `trust` says what is trusted in an environment.
    """
    limits = httpx.Limits(max_keepalive_connections=_IDLE_CONNECTIONS)
    context = cache(partial(_trusted, environment, trust))

    def secure(proxy: str | None = None) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(verify=context(), limits=limits, proxy=proxy)

    # What goes through the plain one has no TLS; should it have, it trusts nobody.
    plain = httpx.HTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), limits=limits)
    direct = _DirectTransport(plain, secure)
    mounts = {pattern: secure(proxy) if proxy else direct for pattern, proxy in proxies_of(environment).items()}
    http = httpx.Client(
        transport=direct,
        mounts=mounts,
        timeout=timeout,
        headers={"User-Agent": f"warmbase/{__version__}", "Accept-Encoding": "identity"},  # bodies are hashed
    )
    for each in {direct, *mounts.values()}:
        weakref.finalize(http, each.close)
    return http


def _trusted(environment: Mapping[str, str], trust: Callable[[Mapping[str, str]], ssl.SSLContext]) -> ssl.SSLContext:
    try:
        return trust(environment)
    except OSError as error:
        named = environment.get("SSL_CERT_FILE", "")
        raise RegistryError(
            f"cannot read certificate authorities{f' from {named}' if named else ''}: {error.strerror or error}",
            next_step="name a file of certificates (PEM) in SSL_CERT_FILE, or install ca-certificates",
        ) from None


class _DirectTransport(httpx.BaseTransport):
    """Goes without a proxy. What speaks TLS is made when it is needed: loading all authorities takes 50 ms."""

    def __init__(self, plain: httpx.BaseTransport, secure: Callable[[], httpx.BaseTransport]) -> None:
        self._plain = plain
        self._make_secure = secure
        self._secure: httpx.BaseTransport | None = None
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        if request.url.scheme == "http":
            return self._plain.handle_request(request)
        with self._lock:
            self._secure = self._secure or self._make_secure()
        return self._secure.handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        self._plain.close()
        if self._secure:
            self._secure.close()


def may_be_plain(host: str, *, insecure: Collection[str]) -> bool:
    """Whether http:// will do: for this machine's own addresses, and where the user says so."""
    return host in insecure or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether "host[:port]" is this machine: localhost, 127.0.0.0/8 or [::1]."""
    name = host.partition("]")[0].strip("[") if host.startswith("[") else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def open_registries(
    environment: Mapping[str, str],
    *,
    insecure: Collection[str] = (),
    mirrors: Mapping[str, str] | None = None,
    backoff: Backoff | None = None,
    is_awaited: bool = False,
) -> OpenRegistries:
    """Get ready to talk to registries; nothing is asked yet.

    `environment` gives credentials (DOCKER_CONFIG, HOME), SSL_CERT_FILE and proxies. `insecure` names hosts that are
    reached by http://, beside this machine. `mirrors` maps a host to the host, and a prefix of repositories, that
    stands in for it: {"docker.io": "mirror.example/hub"}. With `is_awaited` somebody waits for small answers: what says
    nothing for seconds counts as away.
    """
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None) if is_awaited else _TIMEOUT
    return OpenRegistries(
        environment, insecure=insecure, mirrors=mirrors or {}, backoff=backoff or Backoff(), timeout=timeout
    )
