"""Registries that ask who is there, for passwords and for tokens; and that nobody else ever learns them."""

import base64
import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.faults import Respond, fault_proxy, first
from tests.registries import RunningRegistry, client_of, running_registry, small_image
from tests.tokens import (
    HTPASSWD,
    IDENTITY,
    PASSWORD,
    USER,
    WELL_KNOWN_SECRETS,
    TokenServer,
    no_secret_in,
    registry_with_tokens,
    sent_authorization,
)

from warmbase.errors import RegistryError

BASIC = WELL_KNOWN_SECRETS[2]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry with names and passwords."""
    with running_registry(tmp_path_factory.mktemp("guarded"), htpasswd=HTPASSWD) as registry:
        yield registry


@pytest.fixture(scope="module")
def tokened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRegistry, TokenServer]]:
    """A registry with a token server, in which public/data:v1 is."""
    folder = tmp_path_factory.mktemp("tokened")
    with registry_with_tokens(folder) as (registry, tokens):
        client = client_of(registry.host, environment=logged_in(folder, {registry.host: {"auth": BASIC}}))
        small_image().push(client, "public/data", "v1")
        yield registry, tokens


@pytest.fixture
def with_tokens(tokened: tuple[RunningRegistry, TokenServer]) -> tuple[RunningRegistry, TokenServer]:
    """The same, with what the server noted and how it answers as at the start."""
    registry, tokens = tokened
    for noted in (tokens.scopes, tokens.methods, tokens.failures):
        noted.clear()
    tokens.answer_as, tokens.seconds, tokens.unborn = "token", 300, ""
    return registry, tokens


def logged_in(folder: Path, auths: Mapping[str, Any], **more: Any) -> dict[str, str]:
    """The environment of somebody whose config.json has these entries."""
    (folder / "config.json").write_text(json.dumps({"auths": auths, **more}))
    return {"DOCKER_CONFIG": str(folder)}


def test_a_name_and_a_password_open_a_registry(tmp_path: Path, guarded: RunningRegistry) -> None:
    image = small_image()
    client = client_of(guarded.host, environment=logged_in(tmp_path, {guarded.host: {"auth": BASIC}}))

    image.push(client, "data", "v1")

    assert client.tags("data") == ("v1",)


def test_who_is_not_logged_in_is_told_how(guarded: RunningRegistry) -> None:
    with pytest.raises(RegistryError) as caught:
        client_of(guarded.host).find_manifest("data", "v1")

    assert caught.value.status == 401
    assert caught.value.next_step == f"log in with `docker login {guarded.host}`"


@pytest.mark.parametrize("answer_as", ["token", "access_token"])
def test_a_token_opens_a_registry(
    tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer], answer_as: str
) -> None:
    registry, tokens = with_tokens
    tokens.answer_as = answer_as
    client = client_of(registry.host, environment=logged_in(tmp_path, {registry.host: {"auth": BASIC}}))

    small_image().push(client, f"private/{answer_as}", "v1")

    assert client.tags(f"private/{answer_as}") == ("v1",)
    assert tokens.scopes == [[f"repository:private/{answer_as}:pull,push"]]


def test_anonymous_users_read_what_is_public_and_nothing_else(
    with_tokens: tuple[RunningRegistry, TokenServer],
) -> None:
    registry, _ = with_tokens
    client = client_of(registry.host)

    assert client.tags("public/data") == ("v1",)
    with pytest.raises(RegistryError, match="answers 401: UNAUTHORIZED"):
        client.tags("private/data")


def test_an_identity_token_is_exchanged(tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer]) -> None:
    registry, tokens = with_tokens
    environment = logged_in(tmp_path, {registry.host: {"auth": "", "identitytoken": IDENTITY}})
    client = client_of(registry.host, environment=environment)

    small_image().push(client, "private/identity", "v1")

    assert tokens.methods == ["POST"]


def test_a_token_of_the_registry_s_own_is_shown_as_it_is(
    tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer]
) -> None:
    registry, tokens = with_tokens
    token = tokens.token(["repository:private/own:pull,push"], trusted=True)["token"]
    client = client_of(registry.host, environment=logged_in(tmp_path, {registry.host: {"registrytoken": token}}))

    small_image().push(client, "private/own", "v1")
    with pytest.raises(RegistryError) as caught:
        client.tags("private/other")

    assert tokens.methods == []
    assert caught.value.status == 401
    assert no_secret_in(str(caught.value), tokens)


def test_a_helper_gives_the_credentials(tmp_path: Path, guarded: RunningRegistry) -> None:
    helper = tmp_path / "docker-credential-tests"
    answer = json.dumps({"ServerURL": guarded.host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f'#!/bin/sh\n[ "$1 $(cat)" = "get {guarded.host}" ] && echo \'{answer}\'\n')
    helper.chmod(0o755)
    environment = logged_in(tmp_path, {}, credHelpers={guarded.host: "tests"})

    client = client_of(guarded.host, environment={**environment, "PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert client.tags("nothing-here") == ()


def test_mounting_asks_for_both_repositories(tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer]) -> None:
    registry, tokens = with_tokens
    client = client_of(registry.host, environment=logged_in(tmp_path, {registry.host: {"auth": BASIC}}))
    blob, content = small_image().blobs[0]

    assert client.push_blob("private/mounted", blob, content, mount_from="public/data") == "mounted"

    assert ["repository:private/mounted:pull,push", "repository:public/data:pull"] in tokens.scopes


def test_who_may_create_a_repository_is_not_stopped_by_its_absence(
    tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer]
) -> None:
    """Some token servers let nobody read what does not exist."""
    registry, tokens = with_tokens
    tokens.unborn = "private/new"
    client = client_of(registry.host, environment=logged_in(tmp_path, {registry.host: {"auth": BASIC}}))

    assert client.find_manifest("private/new", "v1") is None
    assert small_image().push(client, "private/new", "v1") == small_image().digest


def test_a_token_is_asked_for_once(with_tokens: tuple[RunningRegistry, TokenServer]) -> None:
    registry, tokens = with_tokens
    client = client_of(registry.host)

    for _ in range(5):
        client.find_manifest("public/data", "v1")

    assert tokens.methods == ["GET"]
    assert client.traffic.requests["HEAD"] == 6  # the first was refused


def test_threads_share_a_client_and_its_token(tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer]) -> None:
    registry, tokens = with_tokens
    client = client_of(registry.host, environment=logged_in(tmp_path, {registry.host: {"auth": BASIC}}))
    images = [small_image(seed) for seed in range(24)]

    with ThreadPoolExecutor(8) as threads:
        digests = list(threads.map(lambda image: image.push(client, "private/threads", image.digest), images))

    assert digests == [image.digest for image in images]
    assert tokens.methods == ["GET"]
    assert client.traffic.sent == sum(len(image.layer + image.config + image.manifest) for image in images)


def test_a_token_that_says_nothing_of_its_end_is_good_for_more_than_one_request(
    with_tokens: tuple[RunningRegistry, TokenServer],
) -> None:
    registry, tokens = with_tokens
    tokens.seconds = None
    client = client_of(registry.host)

    client.find_manifest("public/data", "v1")
    client.find_manifest("public/data", "v1")

    assert tokens.methods == ["GET"]


def test_a_token_that_has_ended_is_asked_for_anew(with_tokens: tuple[RunningRegistry, TokenServer]) -> None:
    registry, tokens = with_tokens
    with fault_proxy(registry.host) as proxy:
        client = client_of(proxy.host)
        client.find_manifest("public/data", "v1")
        challenge = f'Bearer realm="{tokens.address}",service="registry of the tests",error="invalid_token"'
        proxy.fault = first(1, Respond(401, {"WWW-Authenticate": challenge}))

        assert client.find_manifest("public/data", "v1")

    assert tokens.methods == ["GET", "GET"]


def test_a_token_server_that_is_overloaded_is_asked_again(with_tokens: tuple[RunningRegistry, TokenServer]) -> None:
    registry, tokens = with_tokens
    tokens.failures += [503, 429]
    pauses: list[float] = []

    assert client_of(registry.host, pauses=pauses).find_manifest("public/data", "v1")
    assert len(pauses) == 2


@pytest.mark.parametrize("where", ["upload", "redirect"])
def test_another_host_never_sees_the_credentials(tmp_path: Path, guarded: RunningRegistry, where: str) -> None:
    blob, content = small_image(seed=len(where)).blobs[0]
    hosts: dict[str, str] = {}

    def elsewhere(seen: Any) -> Respond | None:
        """Send uploads and downloads to the storage host, with a signature."""
        path = seen.path.partition("?")[0]
        if "authorization" not in seen.headers:
            return None
        if where == "upload" and seen.method == "POST":
            return Respond(202, {"Location": f"http://{hosts['storage']}/upload/1?signature=s3cr3t"})
        if where == "redirect" and seen.method == "GET":
            return Respond(307, {"Location": f"http://{hosts['storage']}{path}?signature=s3cr3t"})
        return None

    def store(seen: Any) -> Respond:
        return Respond(201) if seen.method == "PUT" else Respond(200, body=content)

    environment: dict[str, str] = {}
    with fault_proxy(guarded.host, elsewhere) as registry, fault_proxy("", store) as storage:
        hosts["storage"] = storage.host
        environment = logged_in(tmp_path, {registry.host: {"auth": BASIC}})
        client = client_of(registry.host, environment=environment)
        if where == "upload":
            assert client.push_blob("elsewhere", blob, content) == "sent"
            assert storage.asked("PUT") == [
                f"/upload/1?signature=s3cr3t&digest=sha256%3A{blob.digest.removeprefix('sha256:')}"
            ]
        else:
            assert client.read_blob("elsewhere", blob) == content
        assert sent_authorization(registry)[-1] == "Basic"
        assert set(sent_authorization(storage)) == {""}


def test_no_secret_is_in_an_error_or_a_log(
    tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer], caplog: pytest.LogCaptureFixture
) -> None:
    registry, tokens = with_tokens
    caplog.set_level(logging.DEBUG)

    def tell_tales(seen: Any) -> Respond | None:
        """An error that repeats what it was sent, as careless servers do."""
        said = seen.headers.get("authorization", "")
        body = json.dumps({"errors": [{"code": "DENIED", "message": f"you are {said}"}]}).encode()
        return Respond(403, body=body) if said else None

    with fault_proxy(registry.host, tell_tales) as proxy:
        client = client_of(proxy.host, environment=logged_in(tmp_path, {proxy.host: {"auth": BASIC}}))
        with pytest.raises(RegistryError) as caught:
            client.tags("private/data")

    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert "you are Bearer ***" in told
    assert no_secret_in(told, tokens)
    assert caught.value.__context__ is None


def test_no_secret_is_in_what_a_refusing_token_server_leads_to(
    tmp_path: Path, with_tokens: tuple[RunningRegistry, TokenServer]
) -> None:
    registry, _ = with_tokens
    wrong = base64.b64encode(b"somebody:a-wrong-password").decode()
    client = client_of(registry.host, environment=logged_in(tmp_path, {registry.host: {"auth": wrong}}))

    with pytest.raises(
        RegistryError, match="gives these credentials no right to repository:private/data:pull"
    ) as caught:
        client.tags("private/data")

    assert wrong not in str(caught.value)
    assert "a-wrong-password" not in str(caught.value)
    assert caught.value.next_step.startswith(f"log in with `docker login {registry.host}`")


def test_a_signed_address_is_in_no_error(registry: RunningRegistry) -> None:
    blob, _ = small_image().blobs[0]
    with fault_proxy("", lambda _: Respond(403, body=b"<Error>s3cr3t</Error>")) as storage:
        signed = Respond(307, {"Location": f"http://{storage.host}/blob?signature=s3cr3t"})
        with fault_proxy(registry.host, lambda _: signed) as proxy, pytest.raises(RegistryError) as caught:
            client_of(proxy.host).read_blob("data", blob)

    assert storage.host in caught.value.message
    assert "s3cr3t" not in "".join(traceback.format_exception(caught.value))
