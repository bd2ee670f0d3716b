"""Credentials are found where `docker login` and its helpers keep them."""

import base64
import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from warmbase.effects.process import Finished
from warmbase.effects.registry.credentials import Credentials, find_credentials
from warmbase.errors import ProcessError, RegistryError

HOST = "registry.example"
AUTH = base64.b64encode(b"somebody:pass:word").decode()
SOMEBODY = Credentials(user="somebody", password="pass:word")


class Helper:
    """Plays a credential helper: answers for hosts, says "not found" of others."""

    def __init__(self, answers: Mapping[str, str], *, code: int = 1, said: bytes = b"credentials not found\n") -> None:
        self.answers = answers
        self.missing = Finished(code=code, stdout=said, stderr=b"")
        self.asked: list[tuple[str, str]] = []

    def __call__(self, argv: Sequence[str | Path], *, input: bytes = b"", **_: Any) -> Finished:
        self.asked.append((str(argv[0]), input.decode()))
        answer = self.answers.get(input.decode())
        return Finished(code=0, stdout=answer.encode(), stderr=b"") if answer is not None else self.missing


def configured(folder: Path, config: object) -> dict[str, str]:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return {"DOCKER_CONFIG": str(folder)}


@pytest.mark.parametrize(
    "key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/", f"{HOST}/v1/"], ids=["host", "address", "v2", "v1"]
)
def test_an_entry_of_auths_is_found_however_it_names_the_host(tmp_path: Path, key: str) -> None:
    environment = configured(tmp_path, {"auths": {"other.example": {"auth": "x"}, key: {"auth": AUTH}}})

    assert find_credentials(HOST, environment) == SOMEBODY


def test_a_port_belongs_to_the_host(tmp_path: Path) -> None:
    environment = configured(tmp_path, {"auths": {f"{HOST}:5000": {"auth": AUTH}}})

    assert find_credentials(HOST, environment) is None
    assert find_credentials(f"{HOST}:5000", environment) == SOMEBODY


def test_docker_hub_has_a_key_of_its_own(tmp_path: Path) -> None:
    environment = configured(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}})

    assert find_credentials("docker.io", environment) == SOMEBODY


def test_an_identity_token_goes_before_a_password(tmp_path: Path) -> None:
    environment = configured(tmp_path, {"auths": {HOST: {"auth": AUTH, "identitytoken": "opaque"}}})

    assert find_credentials(HOST, environment) == Credentials(identity_token="opaque")


@pytest.mark.parametrize("entry", [{}, {"email": "somebody@team.example"}, {"auth": "", "email": "x@team.example"}])
def test_an_entry_without_a_login_is_no_login(tmp_path: Path, entry: dict[str, str]) -> None:
    environment = configured(tmp_path, {"auths": {HOST: entry, f"https://{HOST}/v2/": {"auth": AUTH}}})

    assert find_credentials(HOST, environment) == SOMEBODY


def test_an_entry_may_hold_the_token_that_the_registry_wants(tmp_path: Path) -> None:
    environment = configured(tmp_path, {"auths": {HOST: {"registrytoken": "opaque"}}})

    assert find_credentials(HOST, environment) == Credentials(registry_token="opaque")


def test_without_a_docker_config_the_home_folder_has_it(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    configured(tmp_path / ".docker", {"auths": {HOST: {"auth": AUTH}}})

    assert find_credentials(HOST, {"HOME": str(tmp_path)}) == SOMEBODY


def test_nobody_is_logged_in_where_there_is_no_file(tmp_path: Path) -> None:
    assert find_credentials(HOST, {"DOCKER_CONFIG": str(tmp_path / "missing")}) is None


def test_a_host_s_own_helper_goes_before_the_store(tmp_path: Path) -> None:
    helper = Helper({HOST: json.dumps({"Username": "somebody", "Secret": "pass:word"})})
    environment = configured(tmp_path, {"credsStore": "desktop", "credHelpers": {HOST: "ecr-login"}})

    assert find_credentials(HOST, environment, helper) == SOMEBODY
    assert helper.asked == [("docker-credential-ecr-login", HOST)]


def test_a_store_has_an_identity_token_or_nothing_and_then_auths_count(tmp_path: Path) -> None:
    helper = Helper({HOST: json.dumps({"Username": "<token>", "Secret": "opaque"})})
    environment = configured(tmp_path, {"credsStore": "desktop", "auths": {HOST: {}, "b.example": {"auth": AUTH}}})

    assert find_credentials(HOST, environment, helper) == Credentials(identity_token="opaque")
    assert find_credentials("b.example", environment, helper) == SOMEBODY
    assert find_credentials("c.example", environment, helper) is None


def test_a_helper_knows_docker_hub_by_its_address(tmp_path: Path) -> None:
    helper = Helper({})

    find_credentials("docker.io", configured(tmp_path, {"credsStore": "desktop"}), helper)

    assert helper.asked == [("docker-credential-desktop", "https://index.docker.io/v1/")]


def test_a_failing_helper_is_named_and_what_it_said_is_not(tmp_path: Path) -> None:
    helper = Helper({}, code=3, said=b"cannot unlock the keyring with hunter2")
    environment = configured(tmp_path, {"credsStore": "desktop"})

    with pytest.raises(RegistryError) as caught:
        find_credentials(HOST, environment, helper)

    assert caught.value.message == f"docker-credential-desktop fails with exit code 3 for {HOST}"


def test_a_missing_helper_is_named(tmp_path: Path) -> None:
    def missing(*_: object, **__: object) -> Finished:
        raise ProcessError("docker-credential-desktop: program not found")

    with pytest.raises(RegistryError) as caught:
        find_credentials(HOST, configured(tmp_path, {"credsStore": "desktop"}), missing)

    assert "put docker-credential-desktop on PATH" in caught.value.next_step


@pytest.mark.parametrize(
    "config",
    ["{hunter2", "[]", {"auths": ["hunter2"]}, {"auths": {HOST: {"auth": "hunter2"}}}, {"credHelpers": "hunter2"}],
    ids=["no JSON", "a list", "auths is a list", "damaged entry", "helpers are text"],
)
def test_a_damaged_file_is_named_without_its_content(tmp_path: Path, config: object) -> None:
    environment = configured(tmp_path, config)

    with pytest.raises(RegistryError) as caught:
        find_credentials(HOST, environment)

    assert str(tmp_path / "config.json") in caught.value.message
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_credentials_show_no_secret() -> None:
    credentials = Credentials(user="somebody", password="hunter2", identity_token="opaque", registry_token="signed")

    told = repr(credentials) + str(credentials) + "".join(traceback.format_exception(ValueError(credentials)))

    assert not any(secret in told for secret in credentials.secrets)
