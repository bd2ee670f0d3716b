"""How sandboxes of engines are asked for."""

import csv
import io
from pathlib import Path

import pytest

from warmbase.effects.docker.runner import mount_fields
from warmbase.effects.runner import Bind, RunnerChoice, check_binds, numeric_ids
from warmbase.errors import RunnerError


@pytest.mark.parametrize("name", ["plain", "with, a comma", 'with "quotes"', "with: a colon"])
def test_a_bind_is_a_line_of_csv_whatever_its_path(tmp_path: Path, name: str) -> None:
    line = ",".join(mount_fields(Bind(source=tmp_path / name, target="/mnt", read_only=True)))
    (fields,) = csv.reader(io.StringIO(line))
    assert fields == ["type=bind", f"source={tmp_path / name}", "target=/mnt", "readonly"]


def test_what_may_be_written_is_not_read_only(tmp_path: Path) -> None:
    assert "readonly" not in mount_fields(Bind(source=tmp_path, target="/mnt"))


def test_auto_is_either_engine_and_none_is_none() -> None:
    assert {choice.value: choice.engines for choice in RunnerChoice} == {
        "auto": ("docker", "podman"),
        "docker": ("docker",),
        "podman": ("podman",),
        "none": (),
    }


@pytest.mark.parametrize("user", ["app", "0", "0:root", ":", "-1:0"])
def test_users_are_numbers(user: str) -> None:
    with pytest.raises(RunnerError, match="is not numeric"):
        numeric_ids(user)


def test_what_cannot_be_bound_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="nothing does not exist"):
        check_binds([Bind(source=tmp_path / "nothing", target="/mnt")])
    with pytest.raises(RunnerError, match="'mnt' of a bind is not absolute"):
        check_binds([Bind(source=tmp_path, target="mnt")])
