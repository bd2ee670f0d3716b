"""The definition of a bake: JSON that Buildx reads, with secrets by reference alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from warmbase.effects.docker.bake import Host, Secret, Target, bake_definition, find_host

HOST = Host(bundle="/etc/ssl/company.pem", proxies=("HTTPS_PROXY", "no_proxy"))


def target(**more: Any) -> Target:
    return Target(**{"name": "a", "context": "folder", "output": {"type": "oci"}, "args": {}, "contexts": {}, **more})


def entry_of(host: Host = HOST, **more: Any) -> dict[str, Any]:
    definition: dict[str, Any] = json.loads(json.dumps(bake_definition([target(**more)], host)))
    entry: dict[str, Any] = definition["target"]["a"]
    return entry


def test_all_targets_are_baked_at_once() -> None:
    definition: Any = bake_definition([target(name="a"), target(name="b")], Host())
    assert definition["group"] == {"default": {"targets": ["a", "b"]}}
    assert sorted(definition["target"]) == ["a", "b"]
    assert "variable" not in definition


def test_secrets_and_proxies_are_references() -> None:
    entry = entry_of(secrets=(Secret(id="token", env="TOKEN"), Secret(id="netrc", file="/home/me/my, netrc")))
    assert entry["secret"] == [
        "id=token,type=env,env=TOKEN",
        'id=netrc,type=file,"src=/home/me/my, netrc"',
        "id=warmbase-ca,type=file,src=/etc/ssl/company.pem",
    ]
    https, no = "${HTTPS_PROXY}", "${no_proxy}"
    assert entry["args"] == {"HTTPS_PROXY": https, "https_proxy": https, "NO_PROXY": no, "no_proxy": no}
    definition: Any = bake_definition([target()], HOST)
    assert definition["variable"] == {"HTTPS_PROXY": {}, "no_proxy": {}}


def test_two_spellings_of_a_proxy_stay_two() -> None:
    args = entry_of(Host(proxies=("HTTP_PROXY", "http_proxy")))["args"]
    assert args == {"HTTP_PROXY": "${HTTP_PROXY}", "http_proxy": "${http_proxy}"}


def test_what_is_said_of_a_target_goes_before_the_host() -> None:
    assert entry_of(args={"HTTPS_PROXY": "http://other.example"})["args"]["HTTPS_PROXY"] == "http://other.example"


def test_texts_are_what_they_are_and_no_templates() -> None:
    entry = entry_of(Host(), args={"A": "${HOME} %{if}"}, inline="RUN echo ${HOME}\n")
    assert entry["args"] == {"A": "$${HOME} %%{if}"}
    assert entry["dockerfile-inline"] == "RUN echo $${HOME}\n"


def test_what_a_target_does_not_say_is_left_out() -> None:
    assert entry_of(Host()) == {
        "context": "folder",
        "output": ["type=oci"],
        "attest": ["type=provenance,disabled=true"],
    }
    assert entry_of(Host(), cached=False)["no-cache"] is True


def test_the_host_is_what_the_environment_says(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("certificate")
    found = find_host({"SSL_CERT_FILE": str(bundle), "https_proxy": "http://joe:pw@proxy.example", "HTTP_PROXY": ""})
    assert found == Host(bundle=str(bundle), proxies=("https_proxy",))
    assert "joe" not in repr(found)


@pytest.mark.parametrize("size", [0, 600_000])
def test_a_bundle_that_cannot_be_passed_is_left_out(tmp_path: Path, size: int) -> None:
    """BuildKit takes no secret over 500 KiB."""
    bundle = tmp_path / "bundle.pem"
    if size:
        bundle.write_bytes(b"x" * size)
    assert find_host({"SSL_CERT_FILE": str(bundle)}).bundle == ""
