"""Whatever the client of registries fails with, it says what to do."""

import ast
from pathlib import Path

import httpx
import pytest

from warmbase.effects import registry
from warmbase.effects.registry.auth import Authenticator
from warmbase.effects.registry.retries import Backoff
from warmbase.effects.registry.transport import Request, Transport
from warmbase.errors import RegistryError

MODULES = sorted(Path(registry.__path__[0]).glob("*.py"))


def errors_made(module: Path) -> list[ast.Call]:
    """The calls that make a RegistryError."""
    calls = (node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "RegistryError"]


def test_every_error_is_made_with_a_next_step() -> None:
    made = [(module.name, call) for module in MODULES for call in errors_made(module)]

    assert len(made) > 20
    assert [
        f"{name}:{call.lineno}" for name, call in made if "next_step" not in {word.arg for word in call.keywords}
    ] == []


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 413, 415, 418, 422, 501, 505])
def test_every_final_status_has_a_next_step(status: int) -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(status, stream=httpx.ByteStream(b""))))
    transport = Transport(
        host="registry.example",
        base=httpx.URL("https://registry.example/"),
        http=http,
        authenticator=Authenticator("registry.example", http=http, find=lambda: None, is_plain=lambda _: False),
        backoff=Backoff(),
        is_plain=lambda _: False,
    )
    asked = Request(doing="reading", method="GET", url=transport.address("a/tags/list"), access=frozenset())

    with pytest.raises(RegistryError) as caught:
        transport.ask(asked, ok=(200,))

    assert caught.value.status == status
    assert caught.value.next_step
