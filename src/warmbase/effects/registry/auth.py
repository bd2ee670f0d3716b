"""Who a client is for a registry: Basic, Bearer with tokens from a token server, or nobody.

The distribution project's "Token Authentication Specification" and "OAuth2 Token Authentication"; challenges as in
RFC 9110, section 11.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from warmbase.effects.process import mask_secrets
from warmbase.effects.registry.credentials import Credentials
from warmbase.effects.registry.retries import Interrupted, passes
from warmbase.errors import RegistryError

Access = frozenset[tuple[str, str]]
"""What a request needs: pairs of a resource, "repository:data", and an action, "pull"."""

_DEFAULT_SECONDS = 60.0
"""How long a token is good if its server does not say."""
_MARGIN = 0.1
"""The last part of a token's life in which it is not used: a request takes time to arrive."""
_CLIENT = "warmbase"
_ASK_OPERATOR = "try `docker login`; where that fails too, ask whoever runs the registry"
_PIECE = re.compile(r"""([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?""")


def access(repository: str, *actions: str) -> Access:
    """The right to do `actions` in a repository."""
    return frozenset((f"repository:{repository}", action) for action in actions)


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header; its scheme is in lowercase."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    value: str = field(repr=False)
    granted: Access
    expires: float


class Authenticator:
    """Answers one registry's challenges, and keeps what it learns. Safe for several threads.

    `find` gives the credentials, and is asked once, when the registry wants some; `is_plain` says which hosts may be
    reached by http://; `now` is a clock that runs evenly.
    """

    def __init__(
        self,
        host: str,
        *,
        http: httpx.Client,
        find: Callable[[], Credentials | None],
        is_plain: Callable[[str], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._http = http
        self._find = find
        self._is_plain = is_plain
        self._now = now
        self._challenge: Challenge | None = None
        self._tokens: list[_Token] = []
        self._credentials: Credentials | None = None
        self._asked = False
        self._lock = threading.RLock()

    def header(self, wanted: Access) -> str:
        """The Authorization header for `wanted`; empty as long as the registry asks for none."""
        with self._lock:
            if not self._challenge:
                return ""
            if self._challenge.scheme == "basic":
                credentials = self._known()
                return f"Basic {credentials.basic}" if credentials and credentials.user else ""
            return f"Bearer {self._cached(wanted) or self._fetch(wanted)}"

    def answer(self, challenges: Sequence[str], wanted: Access, refused: str) -> bool:
        """Do what WWW-Authenticate headers ask; whether `header` now has another answer than the `refused` one.

        Raises RegistryError where the token server refuses, and Interrupted where it fails for now.
        """
        offered = {each.scheme: each for header in challenges for each in parse_challenges(header)}
        chosen = offered.get("bearer") or offered.get("basic")
        if not chosen:
            return False
        with self._lock:
            self._challenge = chosen
            if chosen.scheme == "bearer":
                self._tokens = [token for token in self._tokens if f"Bearer {token.value}" != refused]
                if not self._cached(wanted):
                    self._fetch(wanted | parse_scope(chosen.parameters.get("scope", "")))
            return self.header(wanted) not in ("", refused)

    def mask(self, text: str) -> str:
        """The text without the secrets that are in use."""
        with self._lock:
            known = self._credentials.secrets if self._credentials else ()
            return mask_secrets(text, (*known, *(token.value for token in self._tokens)))

    def _known(self) -> Credentials | None:
        if not self._asked:
            self._credentials = self._find()
            self._asked = True
        return self._credentials

    def _cached(self, wanted: Access) -> str:
        now = self._now()
        self._tokens = [token for token in self._tokens if token.expires > now]
        return next((token.value for token in self._tokens if token.granted >= wanted), "")

    def _fetch(self, wanted: Access) -> str:
        """A new token. Some servers let nobody read what does not exist yet but give out the right to create it."""
        known = self._known()
        if known and known.registry_token:
            return known.registry_token
        token = self._ask_server(wanted)
        if not token and self._known():
            token = self._ask_server(wanted | {(resource, "push") for resource, _ in wanted})
        if not token:
            who = "these credentials" if self._known() else "anonymous users"
            what = ", ".join(sorted(f"{resource}:{action}" for resource, action in wanted))
            raise RegistryError(
                f"{self._host}: its token server gives {who} no right to {what}",
                next_step=f"log in with `docker login {self._host}` as somebody who has it",
                status=401,
            )
        self._tokens.append(token)
        return token.value

    def _ask_server(self, wanted: Access) -> _Token | None:
        """Ask the token server; None where it refuses."""
        started = self._now()
        response = self._send(wanted)
        if response.status_code in (400, 401, 403, 404):
            return None
        if response.status_code != 200:
            raise RegistryError(
                f"{self._host}: its token server answers {response.status_code}", next_step=_ASK_OPERATOR
            )
        try:
            value: Any = response.json()
            token = value.get("token") or value.get("access_token")
            seconds = float(value.get("expires_in") or _DEFAULT_SECONDS)
        except (ValueError, TypeError, AttributeError):
            token, seconds = "", 0.0
        if not token or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise RegistryError(f"{self._host}: its token server answers without a token", next_step=_ASK_OPERATOR)
        return _Token(value=token, granted=wanted, expires=started + seconds * (1 - _MARGIN))

    def _send(self, wanted: Access) -> httpx.Response:
        assert self._challenge
        realm, service = (self._challenge.parameters.get(name, "") for name in ("realm", "service"))
        url = self._check_realm(realm)
        scopes = format_scopes(wanted)
        credentials = self._known()
        try:
            if credentials and credentials.identity_token:
                form = {
                    "grant_type": "refresh_token",
                    "refresh_token": credentials.identity_token,
                    "service": service,
                    "client_id": _CLIENT,
                    "scope": " ".join(scopes),
                }
                response = self._http.post(url, data=form, follow_redirects=False)
            else:
                pairs = [("service", service)] if service else []
                asked = url.copy_merge_params([*url.params.multi_items(), *pairs, *(("scope", s) for s in scopes)])
                headers = {"Authorization": f"Basic {credentials.basic}"} if credentials else {}
                response = self._http.get(asked, headers=headers, follow_redirects=False)
        except httpx.HTTPError:
            response = None
        if response is None:
            raise Interrupted(f"its token server {url.host} cannot be reached")
        if passes(response.status_code):
            retry_after = response.headers.get("Retry-After", "")
            reason = f"its token server answers {response.status_code}"
            raise Interrupted(reason, status=response.status_code, retry_after=retry_after)
        return response

    def _check_realm(self, realm: str) -> httpx.URL:
        """The token server's address. A password goes to no server without TLS that the user has not named."""
        try:
            url = httpx.URL(realm)
        except httpx.InvalidURL:
            url = httpx.URL()
        plain = url.scheme == "http" and self._is_plain(url.netloc.decode("ascii", "replace"))
        if not url.host or (url.scheme != "https" and not plain):
            raise RegistryError(
                f"{self._host} names a token server whose address is not https",
                next_step="a token server that is only reached by http:// has to be listed under `insecure`",
            )
        return url


def parse_challenges(header: str) -> Iterator[Challenge]:
    """The challenges of one WWW-Authenticate header: words without a value are schemes, the rest their parameters."""
    scheme, parameters = "", dict[str, str]()
    for name, quoted, plain in _PIECE.findall(header):
        if quoted or plain:
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        else:
            if scheme:
                yield Challenge(scheme=scheme, parameters=parameters)
            scheme, parameters = name.lower(), {}
    if scheme:
        yield Challenge(scheme=scheme, parameters=parameters)


def parse_scope(scope: str) -> Access:
    """The access that a `scope` means: "repository:data:pull,push repository:other:pull"."""
    pairs = (each.rpartition(":") for each in scope.split())
    return frozenset((resource, action) for resource, _, actions in pairs if resource for action in actions.split(","))


def format_scopes(wanted: Access) -> tuple[str, ...]:
    """One scope for each resource."""
    resources = sorted({resource for resource, _ in wanted})
    return tuple(
        f"{each}:{','.join(sorted(action for resource, action in wanted if resource == each))}" for each in resources
    )
