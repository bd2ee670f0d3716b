"""A token server, as `docker-registry` with `auth: token` wants one: it signs JSON Web Tokens (RFC 7519)."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults import FaultProxy, handler_for, running_server
from tests.registries import RunningRegistry, make_certificate, running_registry

USER, PASSWORD, IDENTITY = "somebody", "hunter2-of-the-registry", "identity-token-of-somebody"
SERVICE, ISSUER = "registry of the tests", "token server of the tests"
HTPASSWD = "somebody:$2y$04$VZRZ5L23KDOQy1heHTXCcuXdg2kL3DgA7oavZOALQQzH4hVwX4lzS"
"""USER and PASSWORD as `htpasswd -B` writes them."""
WELL_KNOWN_SECRETS = (PASSWORD, IDENTITY, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())


@dataclass(slots=True)
class TokenServer:
    """Gives everybody the right to read "public/…", and USER every right.

    Nobody may read what `unborn` names: it does not exist yet. `answer_as` is the field that holds the token, `seconds`
    how long it says that a token is good (None: says nothing).
    """

    folder: Path
    address: str = ""
    answer_as: str = "token"
    seconds: int | None = 300
    unborn: str = ""
    given: list[str] = field(default_factory=list)
    scopes: list[Sequence[str]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)

    def token(self, scopes: Sequence[str], *, trusted: bool) -> dict[str, Any]:
        """The answer to who asks for `scopes`; what is not granted is left out of the token, not refused."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = actions.split(",") if trusted else ["pull"] if name.startswith("public/") else []
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": USER, "aud": SERVICE, "nbf": now - 5, "iat": now, "exp": now + 300,
                  "jti": str(len(self.given)), "access": access}  # fmt: skip
        signed = self._sign(claims)
        self.given.append(signed)
        return {self.answer_as: signed, **({"expires_in": self.seconds} if self.seconds is not None else {})}

    def _sign(self, claims: Mapping[str, Any]) -> str:
        pem = (self.folder / "certificate.pem").read_text()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(pem.splitlines()[1:-1])]}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.folder / "key.pem"],
            input=text.encode(),
            capture_output=True,
            check=True,
        )
        return f"{text}.{_base64url(signature.stdout)}"


@contextmanager
def registry_with_tokens(folder: Path) -> Iterator[tuple[RunningRegistry, TokenServer]]:
    """Run a registry that trusts a token server, and that server."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = TokenServer(folder=folder)
    make_certificate(folder, "tokens.example")
    with running_server(handler_for(_Handler, tokens)) as port:
        tokens.address = f"http://127.0.0.1:{port}/token"
        auth = {"realm": tokens.address, "service": SERVICE, "issuer": ISSUER,
                "rootcertbundle": str(folder / "certificate.pem")}  # fmt: skip
        with running_registry(folder / "registry", auth={"token": auth}) as registry:
            yield registry, tokens


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: TokenServer

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        authorization = self.headers.get("Authorization", "")
        if authorization and authorization != f"Basic {WELL_KNOWN_SECRETS[2]}":
            self._answer(401, {"details": f"who is {authorization}?"})
        else:
            self._give(asked.get("service", [""])[0], asked.get("scope", []), trusted=bool(authorization))

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["grant_type"] != ["refresh_token"] or form["refresh_token"] != [IDENTITY]:
            self._answer(401, {"details": f"who is {form}?"})
        else:
            self._give(form["service"][0], form.get("scope", [""])[0].split(), trusted=True)

    def _give(self, service: str, scopes: Sequence[str], *, trusted: bool) -> None:
        self.state.methods.append(self.command)
        self.state.scopes.append(scopes)
        if service != SERVICE:
            self._answer(400, {"details": "another service"})
        elif self.state.unborn and f"repository:{self.state.unborn}:pull" in scopes:
            self._answer(403, {})
        elif self.state.failures:
            self._answer(self.state.failures.pop(0), {})
        else:
            self._answer(200, self.state.token(scopes, trusted=trusted))

    def _answer(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def no_secret_in(text: str, tokens: TokenServer | None = None) -> bool:
    """Whether a text holds none of the passwords and tokens that are in use."""
    secrets = (*WELL_KNOWN_SECRETS, *(tokens.given if tokens else ()))
    return not any(secret in text for secret in secrets)


def sent_authorization(proxy: FaultProxy) -> list[str]:
    """The schemes of the Authorization headers that came to a proxy; "" for a request without one."""
    return [seen.headers.get("authorization", "").partition(" ")[0] for seen in proxy.seen]


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
