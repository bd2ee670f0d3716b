"""Does real work with what `core` brings: HTTP, settings, logging, a command line, tests. No network.

Run it with the image's Python; it exits non-zero and says which check failed.
"""

import json
import os
import ssl
import sys
import tempfile
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def expect(what: str, got: object, wanted: object) -> None:
    """End the run unless `got` is what was `wanted`."""
    if got != wanted:
        sys.exit(f"smoke: {what}: got {got!r}, wanted {wanted!r}")


def check_http_clients() -> None:
    import certifi
    import httpx
    import requests

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"path": request.url.path})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="https://service.example") as client:
        expect("httpx", client.get("/health").json(), {"path": "/health"})
    prepared = requests.Request("GET", "https://service.example/", params={"q": "ü"}).prepare()
    expect("requests", prepared.url, "https://service.example/?q=%C3%BC")
    trusted = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509_ca"]
    expect("certifi has authorities", trusted > 50, True)


def check_settings_and_data() -> None:
    import orjson
    import yaml
    from dateutil.relativedelta import relativedelta
    from dotenv import dotenv_values
    from packaging.version import Version
    from pydantic_settings import BaseSettings, SettingsConfigDict

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="SMOKE_")
        port: int = 0
        hosts: list[str] = []

    os.environ |= {"SMOKE_PORT": "8080", "SMOKE_HOSTS": '["a", "b"]'}
    expect("pydantic-settings", Settings().model_dump(), {"port": 8080, "hosts": ["a", "b"]})
    expect("orjson", orjson.loads(orjson.dumps({"at": START})), {"at": "2026-03-01T12:00:00+00:00"})
    expect("pyyaml uses libyaml", yaml.__with_libyaml__, True)
    expect("pyyaml", yaml.load("a: [1, 2]", Loader=yaml.CSafeLoader), {"a": [1, 2]})
    expect("dateutil", (START + relativedelta(months=-1, day=31)).date().isoformat(), "2026-02-28")
    berlin = START.astimezone(zoneinfo.ZoneInfo("Europe/Berlin"))
    expect("tzdata", berlin.isoformat(), "2026-03-01T13:00:00+01:00")
    expect("packaging", Version("1.10") > Version("1.9"), True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, ".env")
        file.write_text("TOKEN='x y'\n")
        expect("python-dotenv", dotenv_values(file), {"TOKEN": "x y"})


def check_operations() -> None:
    import psutil
    import structlog
    import tenacity
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from prometheus_client import CollectorRegistry, Counter, generate_latest

    box = Fernet(Fernet.generate_key())
    expect("cryptography encrypts", box.decrypt(box.encrypt(b"secret")), b"secret")
    key = Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b"signed"), b"signed")

    attempts = tenacity.Retrying(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none())
    failures = iter([OSError(), OSError(), None])

    def sometimes() -> str:
        if (failure := next(failures)) is not None:
            raise failure
        return "done"

    expect("tenacity", attempts(sometimes), "done")
    registry = CollectorRegistry()
    Counter("requests", "seen", registry=registry).inc(3)
    expect("prometheus-client", b"requests_total 3.0" in generate_latest(registry), True)
    expect("psutil", psutil.Process().pid, os.getpid())
    rendered = structlog.processors.JSONRenderer()(None, "info", {"event": "started", "port": 8080})
    expect("structlog", json.loads(rendered), {"event": "started", "port": 8080})


def check_command_line() -> None:
    import typer
    from typer.testing import CliRunner

    app = typer.Typer()

    @app.command()
    def greet(name: str, times: int = 1) -> None:
        typer.echo(f"hello {name} " * times)

    result = CliRunner().invoke(app, ["world", "--times", "2"])
    expect("typer", (result.exit_code, result.output.split()), (0, ["hello", "world"] * 2))


def check_tests_run() -> None:
    import pytest

    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder, "test_smoke.py")
        test.write_text(
            "def test_mock(mocker):\n"
            "    getcwd = mocker.patch('os.getcwd', return_value='/mocked')\n"
            "    import os\n"
            "    assert os.getcwd() == '/mocked' and getcwd.called\n"
        )
        arguments = ["-q", "-p", "no:cacheprovider", f"--rootdir={folder}", str(test)]
        expect("pytest", pytest.main(arguments), 0)


def main() -> None:
    """Run every check."""
    check_http_clients()
    check_settings_and_data()
    check_operations()
    check_command_line()
    check_tests_run()


if __name__ == "__main__":
    main()
