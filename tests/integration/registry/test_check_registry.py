"""`warmbase check --registry` finds out what a registry can do by doing it."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases
from tests.faults import Action, Change, Respond, Seen, fault_proxy
from tests.registries import RunningRegistry, client_of, running_registry

REFUSED = Respond(400, body=b'{"errors": [{"code": "MANIFEST_INVALID", "message": "unknown media type"}]}')


@pytest.fixture
def bases(tmp_path: Path) -> Bases:
    """A folder of bases with a catalog."""
    bases = Bases(folder=tmp_path / "bases", cache=tmp_path / "cache")
    bases.write_catalog({"nothing": ["packaging"]})
    return bases


def report(bases: Bases, host: str) -> dict[str, Any]:
    """What --json says of the registry."""
    said: dict[str, Any] = json.loads(bases.run("check", "--registry", f"{host}/bases", "--json").stdout)["registry"]
    return said


def capabilities(bases: Bases, host: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in report(bases, host)["capabilities"]}


def refuse_manifest(number: int) -> Any:
    """Refuse the manifest that is written as this one, from 0 on."""
    written = count()
    return lambda seen: REFUSED if _writes_manifest(seen) and next(written) == number else None


def _writes_manifest(seen: Seen) -> bool:
    return seen.method == "PUT" and "/manifests/" in seen.path


def test_a_table_says_what_the_registry_can_do_and_nothing_is_left(registry: RunningRegistry, bases: Bases) -> None:
    done = bases.run("check", "--registry", f"{registry.host}/bases")

    lines = {line[:26].strip(): line[26:].split(maxsplit=1)[0] for line in done.stdout.splitlines()[4:]}
    assert lines == {
        "zstd layers": "yes",
        "index of platforms": "yes",
        "records": "yes",
        "referrers": "no",
        "unknown config types": "yes",
        "mount": "yes",
        "delete a tag": "yes",
        "delete a manifest": "yes",
    }
    assert "gc deletes tags" not in done.stdout  # it deletes them with what they name
    assert client_of(registry.host).tags("bases/warmbase-check") == ()


def test_where_nothing_can_be_deleted_the_commands_that_do_are_printed(tmp_path: Path, bases: Bases) -> None:
    with running_registry(tmp_path / "registry", delete=False) as registry:
        first, second = (report(bases, registry.host) for _ in range(2))

    assert first["usable"]
    assert first["left"] == second["left"]  # trials do not pile up
    assert all(any(left in command for command in first["commands"]) for left in first["left"])


def test_a_registry_without_zstd_is_answered_with_a_setting(registry: RunningRegistry, bases: Bases) -> None:
    with fault_proxy(registry.host, refuse_manifest(1)) as proxy:
        found = capabilities(bases, proxy.host)["zstd layers"]

    assert not found["supported"]
    assert "gzip" in found["follows"]
    assert "MANIFEST_INVALID unknown media type" in found["detail"]


def test_a_registry_without_indexes_is_of_no_use(registry: RunningRegistry, bases: Bases) -> None:
    with fault_proxy(registry.host, refuse_manifest(2)) as proxy:
        done = bases.run("check", "--registry", f"{proxy.host}/bases", code=69)

    assert "no variant can be published" in done.stdout


def test_a_registry_without_mounts_is_found_out(registry: RunningRegistry, bases: Bases) -> None:
    def forget_mounts(seen: Seen) -> Action | None:
        return Change(path=seen.path.partition("?")[0]) if "mount=" in seen.path else None

    with fault_proxy(registry.host, forget_mounts) as proxy:
        found = capabilities(bases, proxy.host)

    assert [name for name, each in found.items() if not each["supported"]] == ["referrers", "mount"]


def test_a_registry_that_refuses_a_plain_image_is_an_error(registry: RunningRegistry, bases: Bases) -> None:
    with fault_proxy(registry.host, refuse_manifest(0)) as proxy:
        done = bases.run("check", "--registry", f"{proxy.host}/bases", code=69)

    assert "answers 400: MANIFEST_INVALID unknown media type" in done.stderr


def test_a_place_without_its_option_is_a_wrong_command_line(bases: Bases) -> None:
    done = bases.run("check", "localhost:5000/bases", code=2)

    assert "--registry" in done.stderr
