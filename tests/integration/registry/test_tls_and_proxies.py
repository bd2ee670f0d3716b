"""Registries of companies: with a certificate authority of their own, behind a proxy."""

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.faults import handler_for, running_server
from tests.registries import client_of, make_certificate, running_registry, small_image

from warmbase.errors import RegistryError

HOST = "registry.example"


@dataclass(slots=True)
class Tunnels:
    """A proxy that leads every tunnel to one registry, whatever host is asked for; `asked` says which were."""

    registry: str
    address: str = ""
    asked: list[str] = field(default_factory=list)


class _Tunnel(BaseHTTPRequestHandler):
    state: Tunnels

    def do_CONNECT(self) -> None:
        self.state.asked.append(self.path)
        name, _, port = self.state.registry.partition(":")
        with socket.create_connection((name, int(port))) as registry:
            self.send_response_only(200)
            self.end_headers()
            ends = {self.connection: registry, registry: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    content = end.recv(65536)
                    if not content:
                        return
                    ends[end].sendall(content)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    """A registry for https://registry.example, reached through a proxy alone, and its certificate."""

    tunnels: Tunnels
    certificate: Path


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("company")
    certificate, key = make_certificate(folder, HOST)
    with running_registry(folder / "registry", tls=(certificate, key)) as registry:
        tunnels = Tunnels(registry=registry.host)
        with running_server(handler_for(_Tunnel, tunnels)) as port:
            tunnels.address = f"127.0.0.1:{port}"
            yield Company(tunnels=tunnels, certificate=certificate)


def test_a_registry_behind_a_proxy_with_its_own_authority_is_reached(company: Company, tmp_path: Path) -> None:
    environment = {"SSL_CERT_FILE": str(company.certificate), "HTTPS_PROXY": f"http://{company.tunnels.address}"}
    image = small_image()

    client = client_of(HOST, environment=environment)

    assert image.push(client, "bases/data", "v1") == image.digest
    client.pull_blob("bases/data", image.blobs[0][0], tmp_path / "layer")
    assert set(company.tunnels.asked) == {f"{HOST}:443"}


def test_an_unknown_authority_is_refused_at_once_with_what_to_do(company: Company) -> None:
    pauses: list[float] = []
    client = client_of(HOST, environment={"HTTPS_PROXY": company.tunnels.address}, pauses=pauses)

    with pytest.raises(RegistryError, match="its certificate is not trusted: self-signed certificate") as caught:
        client.tags("bases/data")

    assert "SSL_CERT_FILE" in caught.value.next_step
    assert pauses == []


def test_a_proxy_s_password_is_in_no_error() -> None:
    client = client_of(HOST, environment={"HTTPS_PROXY": "http://somebody:hunter2@127.0.0.1:1"})

    with pytest.raises(RegistryError) as caught:
        client.tags("bases/data")

    assert "hunter2" not in repr(caught.value) + str(caught.value)


def test_what_no_proxy_names_is_reached_directly(company: Company) -> None:
    """Nothing of that name is there, so it fails; but not at the proxy."""
    asked = len(company.tunnels.asked)
    environment = {"HTTPS_PROXY": company.tunnels.address, "NO_PROXY": "localhost,.example"}

    with pytest.raises(RegistryError):
        client_of(HOST, environment=environment).tags("bases/data")

    assert len(company.tunnels.asked) == asked


def test_a_bundle_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(RegistryError, match=r"missing\.pem: No such file") as caught:
        client_of(HOST, environment={"SSL_CERT_FILE": str(missing)}).tags("bases/data")
    assert "SSL_CERT_FILE" in caught.value.next_step
