"""Which address a registry has, and what lies between."""

import pytest

from warmbase.effects.http import proxies_of
from warmbase.effects.registry.registries import is_loopback, may_be_plain, open_registries
from warmbase.oci.reference import Reference


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "[::1]"])
def test_this_machine_needs_no_tls(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["registry.example", "localhost.example", "10.0.0.1:5000", "[2001:db8::1]", "127.0.0.1.example"]
)
def test_others_need_it_unless_they_are_named(host: str) -> None:
    assert not may_be_plain(host, insecure=())
    assert may_be_plain(host, insecure=(host,))


@pytest.mark.parametrize(
    ("mirrors", "located"),
    [
        ({}, "docker.io/library/python:3.13"),
        ({"docker.io": "mirror.example"}, "mirror.example/library/python:3.13"),
        ({"docker.io": "mirror.example/hub/"}, "mirror.example/hub/library/python:3.13"),
        ({"quay.io": "mirror.example"}, "docker.io/library/python:3.13"),
    ],
)
def test_mirrors_rewrite_names(mirrors: dict[str, str], located: str) -> None:
    registries = open_registries({}, mirrors=mirrors)

    assert str(registries.locate(Reference.parse("python:3.13"))) == located
    assert registries.at("docker.io").host == "docker.io"
    assert registries.at("docker.io") is registries.at("docker.io")


def test_proxies_are_the_environment_s() -> None:
    proxies = proxies_of(
        {
            "HTTPS_PROXY": "proxy.example:3128",
            "http_proxy": "http://other.example",
            "NO_PROXY": ".corp.example, 10.0.0.1",
        }
    )

    assert proxies == {
        "https://": "http://proxy.example:3128",
        "http://": "http://other.example",
        "all://*corp.example": None,
        "all://10.0.0.1": None,
        "all://localhost": None,
        "all://127.0.0.1": None,
        "all://[::1]": None,
    }
    assert proxies_of({"HTTPS_PROXY": "proxy.example", "NO_PROXY": "*"}) == {}
