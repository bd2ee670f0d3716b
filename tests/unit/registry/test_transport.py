"""Where a registry may lead its clients."""

import httpx
import pytest

from warmbase.effects.registry.auth import Authenticator
from warmbase.effects.registry.retries import Backoff
from warmbase.effects.registry.transport import Transport
from warmbase.errors import RegistryError


@pytest.fixture
def transport() -> Transport:
    """A transport to https://registry.example, which may also reach plain.example without TLS."""
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500)))

    def is_plain(host: str) -> bool:
        return host == "plain.example:5000"

    return Transport(
        host="registry.example",
        base=httpx.URL("https://registry.example/"),
        http=http,
        authenticator=Authenticator("registry.example", http=http, find=lambda: None, is_plain=is_plain),
        backoff=Backoff(),
        is_plain=is_plain,
    )


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/a/blobs/uploads/1?state=x%2Fy%3D", "https://registry.example/v2/a/blobs/uploads/1?state=x%2Fy%3D"),
        ("1?state=x", "https://registry.example/v2/a/blobs/1?state=x"),
        ("https://storage.example/1?signature=a+b", "https://storage.example/1?signature=a+b"),
        ("http://registry.example/v2/1", "https://registry.example/v2/1"),
        ("http://registry.example:80/v2/1", "https://registry.example/v2/1"),
        ("http://plain.example:5000/1", "http://plain.example:5000/1"),
    ],
    ids=["absolute path", "relative path", "another host", "without TLS", "without TLS, with its port", "insecure"],
)
def test_a_location_is_followed(transport: Transport, location: str, target: str) -> None:
    base = transport.address("a/blobs/uploads")

    assert str(transport.follow(base, location, "sending")) == target


@pytest.mark.parametrize(
    "location",
    ["http://storage.example/1", "file:///etc/passwd", "ftp://storage.example/1", "https://registry.example:port/"],
)
def test_nothing_leads_away_from_tls(transport: Transport, location: str) -> None:
    with pytest.raises(RegistryError, match=r"sending: registry.example points to an address that is not https"):
        transport.follow(transport.address("a/blobs/uploads"), location, "sending")


def test_parameters_are_part_of_an_address(transport: Transport) -> None:
    assert str(transport.address("a/tags/list", n="1000")) == "https://registry.example/v2/a/tags/list?n=1000"
