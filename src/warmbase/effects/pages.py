"""Pages of package indexes, asked for by warmbase itself, with validators (RFC 9110, section 13): an index says that a
page is unchanged without sending it. Proxies, certificates and netrc are those that uv has too.
"""

import hashlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from warmbase.effects.http import conditions_for, silence_http_logs, tls_context, validator_of
from warmbase.effects.indexes import netrc_login, same_host
from warmbase.effects.registry.retries import Backoff, Interrupted, passes
from warmbase.effects.simple import ACCEPTED, IndexFile, read_page
from warmbase.errors import PackagesError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

T = TypeVar("T")

TRIES = Backoff(attempts=4, patience=60)
"""How often an index is asked that does not answer."""

_OWN = "body:"
"""What a validator begins with that an index does not give: the page's hash, which spares taking it apart."""
_FORMS = 4
"""An index without validators may have several servers, each with a form of the same page."""

_SILENT = 2
"""So many pages for which an index answers nothing make it one that does not answer."""

_UNASKED = "the index at {} cannot be asked"
_CHECK = "see that the index can be reached from here; nothing was changed, and the next run asks it again"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexLogin:
    """Where an index is asked, without credentials or a final slash, and as whom: "" where netrc may know."""

    address: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What an index offers of a package; `validator` is what tells that this is unchanged."""

    files: tuple[IndexFile, ...]
    validator: str = ""


class Unchanged(Enum):
    """The answer of an index that has nothing new to say."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, kw_only=True, slots=True)
class FileAnswer:
    """What an index answers to a request for a file: `body` is read once."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


class PageSource:
    """Asks indexes, over connections that are kept. Safe for several threads; an index that cannot be reached, or does
    not answer for several pages, is asked no more. `environment` has the proxies and what is trusted."""

    def __init__(self, environment: Mapping[str, str], *, tries: Backoff = TRIES) -> None:
        silence_http_logs()
        self._environment = environment
        self._tries = tries
        self._lock = threading.Lock()
        self._down: dict[str, PackagesError] = {}
        self._unreached: set[str] = set()  # indexes to which the last request made no connection
        self._silent: dict[str, set[str]] = {}  # by index, the pages for which it answered nothing
        self._clients: dict[bool, httpx.Client] = {}
        self._logins: dict[str, tuple[str, str] | None] = {}
        self._requests = 0

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return self._requests

    def ask(self, index: IndexLogin, package: str, validator: str = "") -> Page | Unchanged | None:
        """The page of a package, None where the index has no such package. With the `validator` of a page that is
        known already, the answer may be that it is unchanged. Raises PackagesError."""
        if index.address in self._down:
            raise self._down[index.address]
        address = f"{index.address}/{package}/"
        conditions = conditions_for("" if validator.startswith(_OWN) else validator)
        headers = {"Accept": ACCEPTED, "Accept-Encoding": "gzip", **conditions}
        try:
            response = self._retrying(index, lambda: self._get(address, index, headers))
        except RegistryError as error:
            failed = PackagesError(error.message, next_step=error.next_step)
            if not error.status and self._is_down(index, package):
                self._down[index.address] = failed
            raise failed from None
        if response.status_code == 304 and validator:
            return UNCHANGED
        if response.status_code in (404, 410):
            return None
        if response.status_code != 200:
            raise _refused(address, response.status_code)
        found = validator_of(response.headers) or _OWN + hashlib.sha256(response.content).hexdigest()[:32]
        if admits(validator, found):
            return UNCHANGED
        files = read_page(response.content, response.headers.get("Content-Type", ""), str(response.url))
        return Page(files=files, validator=found)

    def read(self, index: IndexLogin, address: str) -> bytes | None:
        """A small file of an index, None where it is not there. Raises PackagesError."""
        try:
            response = self._retrying(index, lambda: self._get(address, index, {"Accept-Encoding": "gzip"}))
        except RegistryError as error:
            raise PackagesError(error.message, next_step=error.next_step) from None
        if response.status_code in (404, 410):
            return None
        if response.status_code != 200:
            raise _refused(_bare(address), response.status_code)
        return response.content

    @contextmanager
    def open_file(self, index: IndexLogin, address: str, asked: Mapping[str, str]) -> Iterator[FileAnswer]:
        """A file of an index, as it is answered to the headers `asked`. Raises PackagesError."""
        import httpx

        self._count()
        headers = {"Accept-Encoding": "identity", **asked}
        try:
            with self._client(address).stream(
                "GET", address, headers=headers, auth=self._auth(address, index), follow_redirects=True
            ) as response:
                yield FileAnswer(status=response.status_code, headers=response.headers, body=response.iter_raw())
        except httpx.HTTPError as error:
            raise PackagesError(f"{_bare(address)} cannot be had: {type(error).__name__}", next_step=_CHECK) from None

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def _client(self, address: str) -> "httpx.Client":
        """The client for an address: one that checks certificates, but where the user says that it need not."""
        from warmbase.effects.registry.registries import open_http

        checked = not _is_insecure(address, self._environment.get("UV_INSECURE_HOST", ""))
        with self._lock:
            if checked not in self._clients:
                self._clients[checked] = open_http(self._environment, _trust if checked else _trust_anybody)
            return self._clients[checked]

    def _get(self, address: str, index: IndexLogin, headers: Mapping[str, str]) -> "httpx.Response":
        """Raises Interrupted for what may pass, and RegistryError for what does not."""
        import httpx

        from warmbase.effects.registry.transport import describe_failure, find_remedy

        self._count()
        client, auth = self._client(address), self._auth(address, index)
        try:
            response = client.get(address, headers=headers, auth=auth, follow_redirects=True)
        except httpx.TransportError as error:
            self._note(index, reached=not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout))
            reason, remedy = describe_failure(error), find_remedy(error)
            if not remedy:
                raise Interrupted(f"{_bare(address)}: {reason}", next_step=_CHECK) from None
            raise RegistryError(f"{_UNASKED.format(index.address)}: {reason}", next_step=remedy) from None
        except httpx.HTTPError as error:
            raise PackagesError(f"{_bare(address)} cannot be had: {type(error).__name__}", next_step=_CHECK) from None
        self._note(index, reached=True)
        if passes(response.status_code):
            retry_after = response.headers.get("Retry-After", "")
            reason = f"{_bare(address)} answers {response.status_code}"
            raise Interrupted(reason, status=response.status_code, retry_after=retry_after, next_step=_CHECK)
        return response

    def _retrying(self, index: IndexLogin, action: "Callable[[], T]") -> T:
        """Raises RegistryError, without a status where nothing was answered."""
        failures = 0
        while True:
            try:
                return action()
            except Interrupted as cause:
                failures += 1
                is_reached = index.address not in self._unreached
                said = "a page or file of the index cannot be had" if is_reached else _UNASKED.format(index.address)
                self._tries.pause(failures, cause, said)

    def _note(self, index: IndexLogin, *, reached: bool) -> None:
        with self._lock:
            (self._unreached.discard if reached else self._unreached.add)(index.address)

    def _is_down(self, index: IndexLogin, package: str) -> bool:
        """Whether an index that answered nothing for the page of `package` is worth no further request."""
        with self._lock:
            pages = self._silent.setdefault(index.address, set())
            pages.add(package)
            return index.address in self._unreached or len(pages) >= _SILENT

    def _auth(self, address: str, index: IndexLogin) -> tuple[str, str] | None:
        """Who to be for an address: nobody's password goes to another host than his index's."""
        if index.user and same_host(address, index.address):
            return index.user, index.password
        host = urlsplit(address).netloc
        if host not in self._logins:
            self._logins[host] = netrc_login(address, self._environment)
        return self._logins[host]

    def _count(self) -> None:
        with self._lock:
            self._requests += 1


def _bare(address: str) -> str:
    """An address without its query, in which a signature may be."""
    return address.partition("?")[0]


def admits(validator: str, found: str) -> bool:
    """Whether the validator `found` is that of a page, or of one of its forms."""
    return found == validator or (found.startswith(_OWN) and found in validator.split())


def join_forms(validator: str, found: str) -> str:
    """The validator of a page that was known by `validator`, and says the same in the form `found`."""
    if not (validator.startswith(_OWN) and found.startswith(_OWN)):
        return found
    others = [form for form in validator.split() if form != found]
    return " ".join([*others, found][-_FORMS:])


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext:
    context = tls_context(environment)
    if certificate := environment.get("SSL_CLIENT_CERT"):
        context.load_cert_chain(certificate)
    return context


def _trust_anybody(environment: Mapping[str, str]) -> ssl.SSLContext:
    context = _trust(environment)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_insecure(address: str, listed: str) -> bool:
    """Whether uv, too, would take any certificate from an address: hosts are listed as such, with a port, or in a
    URL."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return bool({host, parts.hostname, f"{parts.scheme}://{host}"} & set(listed.replace(",", " ").split()))


def _refused(address: str, status: int) -> PackagesError:
    if status in (401, 403):
        advice = "give the index's credentials in UV_DEFAULT_INDEX, in UV_INDEX_…_USERNAME and _PASSWORD, or in netrc"
    else:
        advice = "see that the address is that of the simple index, which often ends in /simple"
    return PackagesError(f"{address} answers {status}", next_step=advice)
