"""The command line: help with an example, exit codes, and a start that loads nothing heavy."""

import inspect
import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from warmbase import __version__, errors
from warmbase.cli import (
    adopt,
    build,
    catalog,
    changelog,
    choose,
    diff,
    doctor,
    layers,
    matrix,
    operate,
    project,
    publish,
    site,
)
from warmbase.cli.app import app, run
from warmbase.errors import WarmbaseError

_ = (adopt, build, catalog, changelog, choose, diff, doctor, layers, matrix, operate, project, publish, site)


def commands(group: typer.Typer, *names: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every command of `group`: the words that call it, and its documentation."""
    for command in group.registered_commands:
        assert command.callback
        name = command.name or command.callback.__name__.replace("_", "-")
        yield (*names, name), inspect.getdoc(command.callback) or ""
    for inner in group.registered_groups:
        assert inner.typer_instance
        yield from commands(inner.typer_instance, *names, inner.name or "")


COMMANDS = dict(commands(app))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_shows_what_it_does_and_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert f"Usage: warmbase {' '.join(words)}" in result.output
    assert f"Example: warmbase {' '.join(words)}" in " ".join(result.output.split())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_example_of_a_command_is_one_that_it_takes(words: tuple[str, ...]) -> None:
    """Its options exist: an unknown one ends with exit code 2 before anything is done."""
    example = re.search(r"Example: warmbase (.*)", COMMANDS[words])
    assert example
    arguments = example[1].split(" > ")[0].split()
    assert tuple(arguments[: len(words)]) == words
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("words", [words for words in COMMANDS if words != ("schema",)], ids=" ".join)
def test_every_command_has_json(words: tuple[str, ...]) -> None:
    assert "--json" in CliRunner().invoke(app, [*words, "--help"]).output


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"warmbase {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["build", "--no-such-option"],
        ["build", "--jobs", "0"],
        ["verify", "--engine", "rkt"],
        ["load", "data", "--engine", "none"],
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2


def called(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["warmbase", *arguments])
    with pytest.raises(SystemExit) as ended:
        run()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_catalog_that_cannot_be_used_ends_with_65_and_every_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images.yaml").write_text("images: {a: {nonsense: 1}}\nuv: 7\n")
    assert called(["check", "-f", str(tmp_path / "images.yaml")], monkeypatch) == 65
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert f"{tmp_path}/images.yaml:1:" in said
    assert f"{tmp_path}/images.yaml:2:" in said


def test_an_image_that_the_catalog_does_not_have_ends_with_64(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(__file__).parents[3] / "images.yaml"
    assert called(["list", "dada", "-f", str(own)], monkeypatch) == 64
    assert "data" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "--registry", "https://joe:s3cret@localhost:5000/bases"],
        ["gc", "--registry", "joe:s3cret@localhost:5000/bases"],
        ["promote", "joe:s3cret@localhost:5000/data:py3.13", "localhost:5000/production/data"],
        ["promote", "localhost:5000/data:py3.13", "https://joe:s3cret@localhost:5000/production/data"],
    ],
    ids=" ".join,
)
def test_a_password_in_a_registry_s_name_is_refused_and_not_told(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path))
    own = Path(__file__).parents[3] / "images.yaml"
    assert called([*arguments, "-f", str(own)], monkeypatch) == 64
    said = "".join(capsys.readouterr())
    assert "localhost:5000" in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    "failure",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WarmbaseError)],
    ids=lambda kind: kind.__name__,
)
def test_an_error_becomes_its_message_its_next_step_and_its_exit_code(
    failure: type[WarmbaseError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = failure(["what", "where"] if failure is errors.CatalogError else "what\nwhere", next_step="do that")  # type: ignore[arg-type]

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("warmbase.catalog.load.load_catalog", fail)
    assert called(["check"], monkeypatch) == failure.exit_code
    assert capsys.readouterr().err == "error: what\nwhere\n  next: do that\n"
    assert failure.exit_code in range(64, 79)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_say_that_what_is_done_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    def interrupt(*_: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("warmbase.catalog.load.load_catalog", interrupt)
    usual = signal.getsignal(signal.SIGTERM)
    try:
        assert called(["check"], monkeypatch) == code
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert capsys.readouterr().err == "interrupted; what is done is kept, run the command again to go on\n"


def test_a_failure_of_the_system_ends_with_74_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "/some/file")

    monkeypatch.setattr("warmbase.catalog.load.load_catalog", fail)
    assert called(["check"], monkeypatch) == 74
    assert capsys.readouterr().err == "error: /some/file: No space left on device\n"


def test_a_folder_that_cannot_be_started_is_a_wrong_command_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["init", str(tmp_path / "file" / "bases")])
    assert result.exit_code == 2
    assert "cannot be written: Not a directory" in " ".join(result.output.split())


def test_the_problems_of_a_catalog_are_objects_in_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "images.yaml"
    path.write_text(
        "uv: 0.13.8\nfoundations: {trixie: {debian: trixie}}\nimages: {a: {foundation: trixy, warm: [b]}}\n"
    )
    assert called(["check", "--json", "-f", str(path)], monkeypatch) == 65
    assert json.loads(capsys.readouterr().out) == {
        "valid": False,
        "problems": [
            {
                "file": str(path),
                "line": 3,
                "column": 26,
                "path": "images.a.foundation",
                "message": "there is no foundation 'trixy'",
                "advice": "did you mean 'trixie'?",
            }
        ],
    }
