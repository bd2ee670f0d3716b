"""Reading Dockerfiles: what instructions say, and that whatever is not changed stays byte for byte."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.downstream.commands import read_commands, spans_without, unfold
from warmbase.downstream.dockerfile import Dockerfile, expand, read_dockerfile
from warmbase.errors import ProjectError

PROJECTS = Path(__file__).parents[2] / "e2e" / "children" / "projects"

DOCKERFILE = r"""# syntax=docker/dockerfile:1
# escape=\

ARG PYTHON=3.12
ARG REGISTRY
FROM --platform=$BUILDPLATFORM python:${PYTHON}-slim AS Builder
ENV A=1 B="two words" \
    # why
    C='3'
env OLD the rest of the line
RUN --mount=type=cache,dst=/root/.cache/uv \
    --mount=source=uv.lock,target=uv.lock \

    uv sync --locked \
    # and then
 && echo "done # not a comment"
COPY <<-"EOF" <<OTHER /etc/
	first
	EOF
second
OTHER
FROM builder
FROM ${REGISTRY:-registry.example}/nginx:${TAG}
CMD ["nginx", "-g"]
"""

FRAGMENTS = st.sampled_from(
    [
        "FROM a\n", "FROM a AS b\r\n", "RUN x\n", "RUN x \\\n", "# c\n", "\n", "RUN <<EOF\n", "EOF\n", "  y && z\n",
        "ENV A=1\\\n", "copy --from=b /x /y\n", "RUN 'a b' \\ \n", "ARG X\n", "\t# d\n", "HEALTHCHECK NONE\n",
        'CMD ["a"]', "RUN a\x0b\u2028b\n", "\\", "`\n", "(", "$(",
    ]
)  # fmt: skip


def test_instructions_know_their_lines_flags_and_arguments() -> None:
    dockerfile = read_dockerfile(DOCKERFILE)
    assert [(each.keyword, each.line, each.end) for each in dockerfile.instructions] == [
        ("ARG", 4, 4), ("ARG", 5, 5), ("FROM", 6, 6), ("ENV", 7, 9), ("ENV", 10, 10), ("RUN", 11, 16), ("COPY", 17, 21),
        ("FROM", 22, 22), ("FROM", 23, 23), ("CMD", 24, 24),
    ]  # fmt: skip
    _, _, start, env, old, run, copy, *_, cmd = dockerfile.instructions
    assert start.flags == (("platform", "$BUILDPLATFORM"),)
    assert env.pairs == {"A": "1", "B": "two words", "C": "3"}
    assert old.pairs == {"OLD": "the rest of the line"}
    assert run.mounts == (
        {"type": "cache", "target": "/root/.cache/uv"},
        {"type": "bind", "source": "uv.lock", "target": "uv.lock"},
    )
    assert run.arguments.split() == ["uv", "sync", "--locked", "&&", "echo", '"done', "#", "not", "a", 'comment"']
    assert [(each.name, each.text) for each in copy.heredocs] == [("EOF", "\tfirst\n"), ("OTHER", "second\n")]
    assert cmd.exec_form == ("nginx", "-g")


def test_stages_know_their_image_or_the_stage_that_they_stand_on() -> None:
    dockerfile = read_dockerfile(DOCKERFILE)
    first, second, third = dockerfile.stages
    assert (first.name, first.image, first.parent, first.is_sure) == ("builder", "python:3.12-slim", None, True)
    assert (second.image, second.parent) == ("", 0)
    assert (third.image, third.is_sure) == ("registry.example/nginx:", False)
    assert dockerfile.ancestry(second) == (first, second)
    assert dockerfile.find_stage("0") is dockerfile.find_stage("BUILDER") is first


def test_what_is_not_changed_stays_byte_for_byte() -> None:
    dockerfile = read_dockerfile(DOCKERFILE)
    assert dockerfile.replaced({each.line: each.text for each in dockerfile.instructions}) == DOCKERFILE
    changed = dockerfile.replaced({10: "", 24: 'CMD ["x"]\n'})
    assert changed == DOCKERFILE.replace("env OLD the rest of the line\n", "").replace('["nginx", "-g"]', '["x"]')


@pytest.mark.parametrize("path", sorted(PROJECTS.rglob("Dockerfile")), ids=lambda path: path.parent.name)
def test_real_dockerfiles_are_what_their_instructions_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    dockerfile = read_dockerfile(text)
    assert dockerfile.replaced({each.line: each.text for each in dockerfile.instructions}) == text


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_any_text_is_read_whole_or_refused_with_its_line(text: str) -> None:
    try:
        dockerfile = read_dockerfile(text)
    except ProjectError as refused:
        error = refused
    else:
        _check_whole(dockerfile, text)
        return
    assert re.match(r"Dockerfile:\d+: .", error.message)
    assert error.next_step


def _check_whole(dockerfile: Dockerfile, text: str) -> None:
    assert dockerfile.replaced({each.line: each.text for each in dockerfile.instructions}) == text
    for instruction in dockerfile.instructions:
        for command in read_commands(instruction):
            assert all(0 <= word.start < word.end <= len(instruction.text) for word in command.words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RUN x\nFROM a\n", "Dockerfile:1: RUN comes before the first FROM"),
        ("# nothing\n", "Dockerfile:1: there is no FROM"),
        ("FROM a\n{{ jinja }}\n", "Dockerfile:2: '{{' is no instruction"),
        ("FROM a\nRUN <<EOF\nx\n", "Dockerfile:2: the here-document EOF has no end"),
        ("FROM a b\n", "Dockerfile:1: FROM a b"),
        ("# escape=x\nFROM a\n", "Dockerfile:1: the escape character is 'x'"),
    ],
)
def test_what_is_no_dockerfile_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_dockerfile(text)
    assert caught.value.message == said


def test_another_escape_character_leaves_backslashes_alone() -> None:
    dockerfile = read_dockerfile("# escape=`\nFROM a\nRUN dir C:\\\nRUN x `\n  y\n")
    assert [each.arguments for each in dockerfile.instructions] == ["a", "dir C:\\", "x   y"]


@pytest.mark.parametrize(
    ("text", "values", "expanded"),
    [
        ("a:$T", {"T": "1"}, ("a:1", True)),
        ("a:${T:-2}", {}, ("a:2", True)),
        ("a:${T:-2}", {"T": ""}, ("a:2", True)),
        ("a:${T-2}", {"T": ""}, ("a:", True)),
        ("a${T:+-slim}", {"T": "x"}, ("a-slim", True)),
        ("${A:-${B:-c}}", {"B": "b"}, ("b", True)),
        ("a:$T", {}, ("a:", False)),
        (r"\$T", {"T": "1"}, ("$T", True)),
    ],
)
def test_variables_are_expanded_as_a_build_does(text: str, values: dict[str, str], expanded: tuple[str, bool]) -> None:
    assert expand(text, values) == expanded


@pytest.mark.parametrize(
    ("run", "programs"),
    [
        ("RUN a 1 && b; c | d || e", [("a", "1"), ("b",), ("c",), ("d",), ("e",)]),
        ('RUN X=1 /usr/bin/uv \'a b\' "c\\"d" \\\n  # comment\n  e', [("uv", "a b", 'c\\"d', "e")]),
        ("RUN echo $(cat a; date) `x`", [("echo", "$(cat a; date)", "`x`")]),
        ('RUN ["uv", "pip", "x y"]', [("uv", "pip", "x y")]),
        ("RUN <<EOF\nset -e # stop\nuv venv\n\nEOF\n", [("set", "-e"), ("uv", "venv")]),
        ("RUN cat <<EOF > x\nuv venv\nEOF\n", [("cat", "<<EOF", ">", "x")]),
        ("HEALTHCHECK --interval=1s CMD /bin/x -y", [("x", "-y")]),
        ("RUN --mount=type=cache,target=/x \\\n    uv sync", [("uv", "sync")]),
        ("RUN if [ -e x ]; then uv sync; fi", [("[", "-e", "x", "]"), ("uv", "sync"), ()]),
        ("RUN time env -u A B=1 uv sync && ! sudo -E -u me python3 -m uv sync", [("uv", "sync"), ("uv", "sync")]),
        ('CMD ["exec", "timeout", "-k", "5", "60", "uv", "run"]', [("uv", "run")]),
    ],
)
def test_commands_are_split_as_a_shell_does(run: str, programs: list[tuple[str, ...]]) -> None:
    (_, instruction) = read_dockerfile(f"FROM a\n{run}").instructions
    assert [command.program for command in read_commands(instruction)] == programs


def test_what_a_shell_is_handed_as_a_word_is_read_too() -> None:
    (_, instruction) = read_dockerfile("FROM a\nRUN bash -euo pipefail -c 'cd x && uv sync'\n").instructions
    (command,) = read_commands(instruction)
    found = list(unfold(command))
    assert [each.program for each in found[1:]] == [("cd", "x"), ("uv", "sync")]
    assert {each.start for each in found[1:]} == {instruction.text.index("'")}


def test_a_part_of_a_compound_command_cannot_be_left_out() -> None:
    (_, instruction) = read_dockerfile("FROM a\nRUN if a; then b; c; fi\n").instructions
    commands = read_commands(instruction)
    assert spans_without(commands, {1}) is None
    assert spans_without(commands, {2}) == ((commands[2].start, commands[3].start),)
