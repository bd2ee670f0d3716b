"""Requests to one registry: addresses, redirects, what counts as a failure, and how failures are told.

Nothing that is said of a request holds its query or a header: storage hosts sign addresses in their query.
"""

import json
import ssl
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from warmbase.effects.registry.auth import Access, Authenticator
from warmbase.effects.registry.model import Traffic
from warmbase.effects.registry.retries import Backoff, Interrupted, passes
from warmbase.errors import RegistryError
from warmbase.oci.digests import CHUNK

Body = Callable[[], Iterator[bytes]]
"""Gives the pieces of a request's body, from the start each time it is called."""

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_HOPS = 8
_DOCUMENT_LIMIT = 16 << 20
"""More than any manifest, list of tags or error is long; distribution-spec 1.1 asks registries for 4 MiB at least."""
_ANSWER_EXCERPT = 300
TAKE_LONGER_BODIES = "let the proxy before the registry take longer bodies (nginx: client_max_body_size 0)"
"""What to do about 413."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A response that has been read whole; `url` is where it came from, which relative addresses in it mean."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    url: httpx.URL = field(repr=False)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one where it is none."""
        try:
            value = json.loads(self.content)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked: `doing` says it in words for messages, `access` is what it needs, `size` its body's length."""

    doing: str
    method: str
    url: httpx.URL
    access: Access
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    size: int = 0


class Transport:
    """Sends requests to the registry at `base`, with its credentials, and follows it to its storage without them."""

    def __init__(
        self,
        *,
        host: str,
        base: httpx.URL,
        http: httpx.Client,
        authenticator: Authenticator,
        backoff: Backoff,
        is_plain: Callable[[str], bool],
    ) -> None:
        self.host = host
        self.backoff = backoff
        self.traffic = Traffic()
        self._base = base
        self._http = http
        self._auth = authenticator
        self._is_plain = is_plain
        self._lock = threading.Lock()

    def address(self, path: str, **parameters: str) -> httpx.URL:
        """The address of an endpoint below /v2/."""
        url = self._base.join(f"/v2/{path}")
        return url.copy_merge_params(parameters) if parameters else url

    def follow(self, base: httpx.URL, location: str, doing: str) -> httpx.URL:
        """The address that a Location or Link header of `base` means."""
        try:
            url = base.join(location)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme == "http" and self._base.scheme == "https" and url.host == self._base.host:
            # a registry that does not know of the TLS proxy before it
            url = url.copy_with(scheme="https", port=self._base.port)
        if url.scheme not in ("http", "https") or (url.scheme == "http" and not self._is_plain(_host_of(url))):
            raise RegistryError(
                f"{doing}: {self.host} points to an address that is not https",
                next_step="a registry that is only reached by http:// has to be listed under `insecure`",
            )
        return url

    def ask(self, request: Request, *, ok: Collection[int], retry: bool = True) -> Answer:
        """Make a request and read the answer, whose status is one of `ok`; raises RegistryError for any other.

        Without `retry`, a failure that may pass raises Interrupted.
        """

        def once() -> Answer:
            with self.open(request, ok=ok) as response:
                content = b"".join(limited(self.pieces(response), _DOCUMENT_LIMIT, request.doing))
                return Answer(status=response.status_code, headers=response.headers, content=content, url=response.url)

        return self.retrying(once, request.doing) if retry else once()

    def retrying(self, action: Callable[[], T], doing: str) -> T:
        """Do something until it is not interrupted, as long as the backoff goes on."""
        failures = 0
        while True:
            try:
                return action()
            except Interrupted as interrupted:
                cause = interrupted
            failures += 1
            self.backoff.pause(failures, cause, doing)

    @contextmanager
    def open(self, request: Request, *, ok: Collection[int]) -> Iterator[httpx.Response]:
        """The response to a request, its body still to be read by `pieces`. Raises RegistryError or Interrupted."""
        response = self._authorized(request)
        try:
            if response.status_code not in ok:
                raise self._failure(request, response)
            yield response
        finally:
            response.close()

    def pieces(self, response: httpx.Response) -> Iterator[bytes]:
        """The body as it arrives. Raises Interrupted where it breaks off."""
        reason = ""
        try:
            for piece in response.iter_raw():
                with self._lock:
                    self.traffic.received += len(piece)
                yield piece
        except httpx.TransportError as error:
            reason = describe_failure(error)
        if reason:
            raise Interrupted(reason)

    def _authorized(self, request: Request) -> httpx.Response:
        """Answer challenges and follow redirects. Only the registry itself is shown its credentials."""
        url = request.url
        answered = False
        for _ in range(_MOST_HOPS):
            ours = _origin(url) == _origin(self._base)
            authorization = self._auth.header(request.access) if ours else ""
            headers = {**request.headers, **({"Authorization": authorization} if authorization else {})}
            response = self._once(request, url, headers)
            try:
                if response.status_code == 401 and ours and not answered:
                    challenges = response.headers.get_list("WWW-Authenticate")
                    if not self._auth.answer(challenges, request.access, authorization):
                        return response
                    answered = True
                elif response.status_code in _REDIRECTS and "Location" in response.headers:
                    url = self.follow(url, response.headers["Location"], request.doing)
                else:
                    return response
            except BaseException:
                response.close()
                raise
            self._drain(response)
        raise RegistryError(
            f"{request.doing}: {self.host} redirects in circles",
            next_step="check the registry's address, and what the proxies before it do",
        )

    def _once(self, request: Request, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
        with self._lock:
            self.traffic.requests[request.method] = self.traffic.requests.get(request.method, 0) + 1
        length = {"Content-Length": str(request.size)} if request.body else {}
        content = self._counted(request.body()) if request.body else None
        prepared = self._http.build_request(request.method, url, headers={**headers, **length}, content=content)
        try:
            return self._http.send(prepared, stream=True, auth=None, follow_redirects=False)
        except httpx.TransportError as error:
            reason, final = describe_failure(error), find_remedy(error)
        if final:
            raise RegistryError(f"{request.doing}: {_host_of(url)}: {reason}", next_step=final)
        raise Interrupted(reason)

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            with self._lock:
                self.traffic.sent += len(piece)

    def _drain(self, response: httpx.Response) -> None:
        """Read a short body to its end, so that the connection serves again."""
        try:
            for _ in limited(self.pieces(response), CHUNK, ""):
                pass
        except (Interrupted, RegistryError):
            pass
        finally:
            response.close()

    def _failure(self, request: Request, response: httpx.Response) -> RegistryError | Interrupted:
        status = response.status_code
        if passes(status):
            self._drain(response)
            retry_after = response.headers.get("Retry-After", "")
            return Interrupted(f"{self.host} answers {status}", status=status, retry_after=retry_after)
        said = self._explain(response)
        if request.method == "PUT" and "BLOB_UNKNOWN" in said:
            # The distribution project's before 3.0 says so of a blob that another client sends at this moment.
            return Interrupted(f"{self.host} answers {status}{said}", status=status, next_step="send the image anew")
        message = f"{request.doing}: {_host_of(response.url)} answers {status}{said}"
        return RegistryError(message, next_step=self._next_step(status, said), status=status)

    def _next_step(self, status: int, said: str) -> str:
        """What to do about a status, and what was said with it, that no later attempt changes."""
        if "NAME_UNKNOWN" in said:
            return "create the repository first: not every registry does"
        steps = {
            401: f"log in with `docker login {self.host}`",
            403: "ask whoever runs the registry for that right",
            404: "check the name, and that what runs there is a registry",
            413: TAKE_LONGER_BODIES,
        }
        return steps.get(status, f"see what `warmbase check --registry` says of {self.host}, and what its log does")

    def _explain(self, response: httpx.Response) -> str:
        """What an error's body says (distribution-spec 1.1, "Error Codes"); storage hosts' answers are not repeated."""
        if _origin(response.url) != _origin(self._base):
            return ""
        try:
            document = json.loads(b"".join(limited(self.pieces(response), CHUNK, "")))
            errors: Sequence[Any] = document["errors"]
            said = "; ".join(f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors)
        except (Interrupted, RegistryError, ValueError, KeyError, TypeError, AttributeError):
            return ""
        return f": {self._auth.mask(said)[:_ANSWER_EXCERPT]}" if said else ""


def limited(pieces: Iterator[bytes], limit: int, doing: str) -> Iterator[bytes]:
    """The pieces, whose sum may not pass `limit`."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise RegistryError(
                f"{doing}: the answer is longer than {limit} bytes",
                next_step="check the registry's address: no registry answers at such length",
            )
        yield piece


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _host_of(url: httpx.URL) -> str:
    return url.netloc.decode("ascii", "replace")


def describe_failure(error: httpx.TransportError) -> str:
    """The failure in words that cannot hold an address or a header."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ProxyError):
        return "the proxy refuses the connection"
    if certificate := _cause(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {certificate.verify_message}"
    if isinstance(error, httpx.ConnectError):
        system = _cause(error, OSError)
        return f"no connection: {system.strerror}" if system and system.strerror else "no connection"
    return "the connection broke"


def find_remedy(error: httpx.TransportError) -> str:
    """What to do about a failure that no later attempt changes; empty where one may."""
    import socket

    if _cause(error, ssl.SSLCertVerificationError):
        return "name a file with your certificate authority in SSL_CERT_FILE"
    if (unknown := _cause(error, socket.gaierror)) and unknown.errno == socket.EAI_NONAME:
        return "check the host's name"
    if isinstance(error, httpx.LocalProtocolError):
        return "run the command again: a file changed while it was sent"
    if isinstance(error, httpx.ProxyError):
        return "check HTTPS_PROXY and NO_PROXY"
    return ""


E = TypeVar("E", bound=BaseException)


def _cause(error: BaseException, kind: type[E]) -> E | None:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
