"""Patching Dockerfiles: what fights a base goes, all else stays, and a second time changes nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.offered import base

from warmbase.downstream.adopt.patching import move_dockerfile, patch_dockerfile
from warmbase.downstream.dockerfile import read_dockerfile
from warmbase.errors import ProjectError

BASE = base("data:py3.13-trixie")
REF = BASE.reference
PROJECTS = Path(__file__).parents[3] / "e2e" / "children" / "projects"


def patched(text: str, exported: str = "") -> str:
    """The text on the base; patched again it stays the same."""
    once = patch_dockerfile(text, "Dockerfile", BASE, exported=exported).text
    assert patch_dockerfile(once, "Dockerfile", BASE, exported=exported).text == once
    return once


@pytest.mark.parametrize(
    ("image", "is_replaced"),
    [
        ("python:3.12-slim", True),
        ("docker.io/library/python:3.13@sha256:" + "0" * 64, True),
        ("registry.example/mirror/python", True),
        ("ghcr.example/astral-sh/uv:python3.13-trixie-slim", True),
        ("gcr.example/distroless/python3-debian12", True),
        (f"{BASE.place}/web:py3.12", True),
        ("node:22", False),
        ("nginx", False),
        ("scratch", False),
        ("public.example/lambda/python:3.13", False),
        ("debian:trixie", False),
    ],
)
def test_a_stage_on_a_python_image_comes_to_stand_on_the_base(image: str, is_replaced: bool) -> None:
    last = f"FROM {image}\nCOPY . .\n"
    assert patched(f"FROM python:3.12 AS one\n{last}") == (
        f"FROM {REF} AS one\nFROM {REF if is_replaced else image}\nCOPY . .\n"
    )


@pytest.mark.parametrize(
    ("begin", "becomes"),
    [
        ("FROM --platform=linux/amd64 python:3.12 AS x\n", f"FROM --platform=linux/amd64 {REF} AS x\n"),
        ("from python:3.12 as X\r\n", f"from {REF} as X\r\n"),
        ("ARG V=3.12\nFROM python:${V}-slim\n", f"ARG V=3.12\nFROM {REF}\n"),
        ("ARG BASE=python:3.12\nFROM $BASE\n", f"ARG BASE={REF}\nFROM $BASE\n"),
        ('ARG BASE="python:3.12" X=1\nFROM ${BASE} AS a\n', f"ARG BASE={REF} X=1\nFROM ${{BASE}} AS a\n"),
        ("# syntax=x\n\n# why\nFROM python:3.12", f"# syntax=x\n\n# why\nFROM {REF}"),
    ],
)
def test_from_keeps_its_flags_its_name_and_its_argument(begin: str, becomes: str) -> None:
    assert patched(begin) == becomes


# What stands in a stage, and what becomes of it ("" it goes).
CASES = {
    # environments of its own
    "uv venv": ("RUN uv venv", ""),
    "uv venv with its Python": ("RUN uv venv --python 3.12 /app/.venv && uv pip install x", "RUN uv pip install x"),
    "python -m venv": ("RUN python3 -m venv /venv && . /venv/bin/activate && pip install x", "RUN pip install x"),
    "virtualenv": ("RUN virtualenv -p python3 /env; /env/bin/pip install x", "RUN pip install x"),
    "in a here-document": ("RUN <<EOF\nset -e\nuv venv\nuv sync\nEOF", "RUN <<EOF\nset -e\nuv sync\nEOF"),
    "VIRTUAL_ENV and PATH": ('ENV VIRTUAL_ENV=/venv\nENV PATH="$VIRTUAL_ENV/bin:$PATH"', ""),
    "one variable of several": ("ENV A=1 \\\n    UV_PROJECT_ENVIRONMENT=/app \\\n    B=2", "ENV A=1 \\\n    B=2"),
    "the last variable": ("ENV A=1 \\\n    UV_SYSTEM_PYTHON=1", "ENV A=1"),
    "the old form of ENV": ("ENV UV_SYSTEM_PYTHON 1", ""),
    "before a command": ("RUN UV_SYSTEM_PYTHON=1 uv pip install x", "RUN uv pip install x"),
    # where packages go
    "--system": ("RUN uv pip install --system -r a.txt", "RUN uv pip install -r a.txt"),
    "--user": ("RUN pip install --user --no-cache-dir -r a.txt", "RUN pip install --no-cache-dir -r a.txt"),
    "--prefix": ("RUN pip install --prefix=/install -r a.txt", "RUN pip install -r a.txt"),
    "--prefix with a word of its own": ("RUN pip install --prefix /install x", "RUN pip install x"),
    "--python of another version": ("RUN uv sync --frozen -p 3.12", "RUN uv sync --frozen"),
    "on lines of its own": ("RUN uv pip install \\\n  --system \\\n  -r a.txt", "RUN uv pip install \\\n  -r a.txt"),
    # what the base has
    "pip upgrades itself": ("RUN python -m pip install --upgrade pip setuptools", ""),
    "uv by pip": ("RUN pip install uv==0.9 && uv sync", "RUN uv sync"),
    "uv among others": ("RUN pip install uv httpx", "RUN pip install httpx"),
    "uv by its installer": ("RUN curl -LsSf https://astral.sh/uv/install.sh | sh", ""),
    "uv by an added installer": ("ADD https://astral.sh/uv/install.sh /i.sh\nRUN sh /i.sh && rm /i.sh", ""),
    "uv by COPY": ("COPY --from=ghcr.example/astral-sh/uv:0.9 /uv /uvx /bin/", ""),
    "uv by a mount": (
        "RUN --mount=from=ghcr.example/astral-sh/uv,source=/uv,target=/bin/uv \\\n    uv sync --frozen",
        "RUN uv sync --frozen",
    ),
    "a Python of uv's": ("RUN uv python install 3.12 && uv sync", "RUN uv sync"),
    "Debian's Python": ("RUN apt-get update && apt-get install python3 python3-pip && rm -rf /var/lib/apt/lists/*", ""),
    "Python among others": ("RUN apt install git \\\n  python3-pip \\\n  curl", "RUN apt install git \\\n  curl"),
    # its cache
    "a mount over the cache": (
        "RUN --mount=type=cache,target=/opt/uv/cache \\\n    --mount=type=bind,source=a,target=a \\\n    uv sync",
        "RUN --mount=type=bind,source=a,target=a \\\n    uv sync",
    ),
    "another cache": ("ENV UV_CACHE_DIR=/root/.cache/uv", ""),
    "a cleaned cache": ("RUN uv sync && uv cache clean", "RUN uv sync"),
    # programs by their path
    "CMD": ('CMD ["/app/.venv/bin/uvicorn", "a:b"]', 'CMD ["uvicorn", "a:b"]'),
    "CMD by a relative path": ('CMD [".venv/bin/python3.12", "-m", "x"]', 'CMD ["python", "-m", "x"]'),
    "CMD by a variable": ("CMD $VIRTUAL_ENV/bin/gunicorn a:b", "CMD gunicorn a:b"),
    "CMD by the system's Python": ('CMD ["/usr/local/bin/python", "x.py"]', 'CMD ["python", "x.py"]'),
    "CMD by another version": ("CMD python3.12 x.py", "CMD python x.py"),
    "ENTRYPOINT": ('ENTRYPOINT ["/app/.venv/bin/x"]', 'ENTRYPOINT ["x"]'),
    "HEALTHCHECK": ("HEALTHCHECK --retries=2 CMD /app/.venv/bin/x || exit", "HEALTHCHECK --retries=2 CMD x || exit"),
    "a program within a line": ("RUN cd x && /app/.venv/bin/python manage.py", "RUN cd x && python manage.py"),
    "CMD of poetry": ('CMD ["poetry", "run", "x", "-v"]', 'CMD ["x", "-v"]'),
    "the environment's owner beside others": ("RUN chown -R a /app/.venv /app/x", "RUN chown -R a /app/x"),
    "the environment's owner": ("RUN chown -R app:app /app/.venv && true", "RUN true"),
}  # fmt: skip

STAYS = [
    "RUN uv sync --locked --no-dev --no-editable --compile-bytecode",
    "RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen",
    "RUN --mount=type=cache,target=/opt/uv/cache,from=x,source=/opt/uv/cache uv sync",
    "ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/venv",
    'ENV PATH="/app/bin:$PATH"',
    "RUN pip install --no-cache-dir -r requirements.txt",
    "RUN uv pip install --python 3.13 -e .",
    "RUN python -c 'import venv; print(\"uv venv\")'",
    "RUN echo uv venv",
    "RUN A=1",
    "RUN apt-get install -y python3-dev libpq-dev",
    'CMD ["uv", "run", "greet"]',
    "CMD /opt/venv/bin/python x.py",
    'SHELL ["/bin/bash", "--login", "-c"]',
    "USER 1000:0",
    "WORKDIR /srv\nRUN chown -R app /srv",
    "ONBUILD RUN uv venv",
]


@pytest.mark.parametrize("case", CASES)
def test_what_fights_the_base_is_changed_and_no_more(case: str) -> None:
    before, after = CASES[case]
    around = "FROM python:3.12 AS x\nWORKDIR /app\n{}# the end\nRUN uv sync --frozen\n"
    expected = around.format(f"{after}\n" if after else "").replace("python:3.12", REF)
    assert patched(around.format(f"{before}\n")) == expected


@pytest.mark.parametrize("line", STAYS)
def test_what_works_on_a_base_stays_as_it_is(line: str) -> None:
    text = f"FROM {REF} AS x\nWORKDIR /app\n{line}\n"
    assert patched(text) == text


@pytest.mark.parametrize("line", [before for before, _ in CASES.values()])
def test_a_stage_on_another_image_is_not_touched(line: str) -> None:
    text = f"FROM node:22\nWORKDIR /app\n{line}\nFROM {REF}\n"
    assert patched(text) == text


# What a stage copies from one that installed, after both are on the base.
COPIES = {
    "COPY --from=b --chown=app:app /app/.venv /app/.venv": "COPY --from=b /opt/venv /opt/venv",
    "COPY --from=b $WORK/.venv /srv": "COPY --from=b /opt/venv /opt/venv",
    "COPY --from=b --chown=app /app/.venv /app/data /srv": (
        "COPY --from=b /opt/venv /opt/venv\nCOPY --from=b --chown=app /app/data /srv/"
    ),
    "COPY --from=b /root/.local /root/.local": "COPY --from=b /opt/venv /opt/venv",
    "COPY --from=b /usr/local/lib/python3.12/site-packages /usr/local/lib/python3.12/site-packages\n"
    "COPY --from=b /usr/local/bin /usr/local/bin": "COPY --from=b /opt/venv /opt/venv",
    "COPY --from=b --chown=app /app /app": "COPY --from=b /opt/venv /opt/venv\nCOPY --from=b --chown=app /app /app",
    "COPY --from=b /usr/local /usr/local": "COPY --from=b /opt/venv /opt/venv\nCOPY --from=b /usr/local /usr/local",
    "COPY --from=b /opt/venv /opt/venv": "COPY --from=b /opt/venv /opt/venv",
    "COPY --from=b --chown=1000 /opt/venv /opt/venv": "COPY --from=b /opt/venv /opt/venv",
    "COPY --from=b /etc/x /etc/x": "COPY --from=b /etc/x /etc/x",
}


@pytest.mark.parametrize("line", COPIES)
def test_the_next_stage_gets_the_environment_where_the_base_has_it(line: str) -> None:
    around = (
        "FROM python:3.12 AS b\nWORKDIR /app\nRUN uv sync --frozen\n"
        "FROM python:3.12-slim\nENV WORK=/app\n{}\nUSER app\n"
    )
    expected = around.format(COPIES[line]).replace("python:3.12-slim", REF).replace("python:3.12", REF)
    assert patched(around.format(line)) == expected


def test_an_environment_for_another_image_keeps_its_place_and_its_owner() -> None:
    last = "FROM registry.example/run\nCOPY --from=b --chown=1 {} /venv\n"
    text = "FROM python:3.12 AS b\nWORKDIR /app\nRUN uv sync --inexact\n" + last.format("/app/.venv")
    assert patched(text).endswith(last.format("/opt/venv"))
    (note,) = patch_dockerfile(text, "Dockerfile", BASE).notes
    assert note.text.startswith("registry.example/run needs Python 3.13 where the base has it")


# How people bring packages from one stage to another, both stages whole: before, and after.
TWO_STAGES = {
    "a prefix": (
        "RUN pip install --prefix=/install -r a.txt\nFROM python:3.12\nCOPY --from=b /install /usr/local\n",
        "RUN pip install -r a.txt\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\n",
    ),
    "parts of a prefix": (
        "RUN pip install --prefix=/install -r a.txt\nFROM python:3.12\n"
        "COPY --from=b /install/lib/python3.12/site-packages /usr/local/lib/python3.12/site-packages\n"
        "COPY --from=b /install/bin /usr/local/bin\n",
        "RUN pip install -r a.txt\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\n",
    ),
    "wheels": (
        "RUN pip wheel --no-input -w /wheels \\\n  -r a.txt\nFROM python:3.12\nCOPY --from=b /wheels /w/\n"
        "RUN pip install --no-index --find-links=/w /w/* && rm -r /w\n",
        "RUN pip install --no-input \\\n  -r a.txt\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\nRUN rm -r /w\n",
    ),
    "an environment that a variable names": (
        "RUN uv sync --frozen\nFROM python:3.12\nENV VIRTUAL_ENV=/app/.venv \\\n    A=1\n"
        "COPY --from=b ${VIRTUAL_ENV} ${VIRTUAL_ENV}\n",
        "RUN uv sync --frozen\nFROM {base}\nENV A=1\nCOPY --from=b /opt/venv /opt/venv\n",
    ),
    "a Python of uv's too": (
        "ENV UV_PYTHON_INSTALL_DIR=/python\nRUN uv sync --frozen\nFROM debian:bookworm-slim\n"
        "COPY --from=b /python /python\nCOPY --from=b /app /app\n",
        "RUN uv sync --frozen\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\nCOPY --from=b /app /app\n",
    ),
    "a folder that only held an environment": (
        "RUN python -m venv /opt/x/venv && /opt/x/venv/bin/pip install a\nFROM python:3.12\n"
        "COPY --from=b /opt/x /opt/x\n",
        "RUN pip install a\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\n",
    ),
    "a folder that holds more than an environment": (
        "RUN python -m venv /opt/x/venv\nCOPY . /opt/x/code\nFROM python:3.12\nCOPY --from=b /opt/x /opt/x\n",
        "COPY . /opt/x/code\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\nCOPY --from=b /opt/x /opt/x\n",
    ),
    "an image that starts Python": (
        "RUN pip install --target /deps x\nFROM gcr.example/distroless/python3\nCOPY --from=b /deps /d\nCMD [\"a\"]\n",
        "RUN pip install x\nFROM {base}\nCOPY --from=b /opt/venv /opt/venv\nCMD [\"python\", \"a\"]\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", TWO_STAGES)
def test_packages_reach_the_next_stage_in_the_bases_environment(way: str) -> None:
    before, after = TWO_STAGES[way]
    begin = "FROM {} AS b\nWORKDIR /app\n"
    assert patched(begin.format("python:3.12") + before) == begin.format(REF) + after.replace("{base}", REF)


@pytest.mark.parametrize(
    "lines",
    [
        "RUN pip install -t ./package x && cd package && zip -r ../x.zip .\n",
        "RUN pip install --target=/app/package x\nRUN tar -czf /x.tgz /app/package/x\n",
        "RUN pip install --target /app/package x\nFROM registry.example/lambda/python\nCOPY --from=b /app/package /\n",
    ],
)
def test_packages_go_where_something_else_needs_them(lines: str) -> None:
    begin = "FROM {} AS b\nWORKDIR /app\n"
    found = patch_dockerfile(begin.format("python:3.12") + lines, "Dockerfile", BASE)
    assert found.text == begin.format(REF) + lines
    assert any(note.number == 3 and "other lines use" in note.text for note in found.notes)


@pytest.mark.parametrize("keyword", ["FROM python:3.12\n", "ARG UV_CACHE_DIR=/a\nFROM python:3.12\n"])
def test_a_file_that_begins_with_a_byte_order_mark_is_patched(keyword: str) -> None:
    assert patched(f"\ufeff{keyword}RUN uv venv && uv sync\n").endswith(f"FROM {REF}\nRUN uv sync\n")


def test_who_leaves_an_image_without_a_shell_is_told_the_user() -> None:
    text = "FROM gcr.example/distroless/python3-debian12:nonroot\n"
    (note,) = patch_dockerfile(text, "Dockerfile", BASE).notes
    assert note.line == "USER 65532:65532"
    (note,) = patch_dockerfile(f"{text}USER 1000\n", "Dockerfile", BASE).notes
    assert not note.line


def test_a_stage_that_only_had_uv_goes_with_its_last_use() -> None:
    text = "FROM ghcr.example/astral-sh/uv:0.9 AS uv\nFROM python:3.12\nCOPY --from=uv /uv /bin/\nRUN uv sync\n"
    assert patched(text) == f"FROM {REF}\nRUN uv sync\n"
    kept = text.replace("RUN uv sync", "COPY --from=uv /licences /licences")
    assert patched(kept).startswith("FROM ghcr.example/astral-sh/uv:0.9 AS uv\n")


def test_a_lock_that_uv_does_not_read_is_replaced_by_what_is_exported() -> None:
    text = (
        "FROM python:3.12\nRUN pip install poetry==2.1\nCOPY pyproject.toml poetry.lock* ./\n"
        "RUN poetry config virtualenvs.create false && poetry install --no-root --only main\n"
    )
    assert patched(text, "requirements.lock.txt") == (
        f"FROM {REF}\nCOPY pyproject.toml poetry.lock* requirements.lock.txt ./\n"
        "RUN uv pip install -r requirements.lock.txt\n"
    )
    with_project = text.replace(" --no-root", "").replace("./\n", "./\nCOPY src src\n")
    assert "requirements.lock.txt && uv pip install --no-deps -e .\n" in patched(with_project, "requirements.lock.txt")


@pytest.mark.parametrize(
    ("text", "number", "said", "line"),
    [
        ("FROM python:3-alpine\nRUN apk add gcc\n", 2, "has no apk", "RUN apt-get update && apt-get install -y gcc"),
        ("FROM python:3.12\nRUN poetry install\n", 2, "poetry downloads by itself", "RUN uv sync --frozen --inexact"),
        ("FROM python:3.12\nRUN uv venv || true\n", 2, "take `uv venv` out", ""),
        ("FROM nvidia/cuda:12.8\nRUN pip install x\n", 1, "no plain Python image", f"FROM {REF}"),
        (
            "FROM python:3 AS b\nRUN pip install x\nFROM nginx\nCOPY --from=b /usr/local /usr/local\n",
            3, "nginx needs Python 3.13", f"FROM {REF}",
        ),
        ("FROM nginx\nCOPY . .\n", 1, "no stage stands on a Python image", f"FROM {REF}"),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_safely_is_said_with_the_line_to_write(
    text: str, number: int, said: str, line: str
) -> None:
    notes = [note for note in patch_dockerfile(text, "Dockerfile", BASE).notes if note.is_blocking]
    assert notes
    assert said in notes[0].text
    assert notes[0].line.startswith(line)
    assert notes[0].number == number


def test_every_changed_line_has_its_reason() -> None:
    found = patch_dockerfile("FROM python:3.12\nRUN uv venv\nRUN uv pip install --system x\n", "Dockerfile", BASE)
    assert found.reasons == (
        "line 1: the base",
        "line 2: the base has an environment",
        "line 3: packages go into the base's environment",
    )


@pytest.mark.parametrize("path", sorted(PROJECTS.rglob("Dockerfile")), ids=lambda path: path.parent.name)
def test_the_ways_to_inherit_a_base_are_patched_once(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    again = patched(text)
    assert text.count("\nFROM") == again.count("\nFROM")
    assert "/app/.venv/bin/" not in again.replace('ENV PATH="/app/.venv/bin:$PATH"', "")


def test_moving_changes_from_alone() -> None:
    old = REF.replace(BASE.digest, "sha256:" + "0" * 64)
    text = f"FROM {old} AS a\nRUN uv venv\nFROM python:3.12\nFROM a\nFROM {old}\n"
    assert move_dockerfile(text, "Dockerfile", BASE).text == text.replace(old, REF)


LINES = st.sampled_from(
    ["FROM python:3.12 AS b", "FROM node", "FROM b", *(before for before, _ in CASES.values()), *STAYS, *COPIES]
)


@settings(max_examples=60)
@given(st.lists(LINES, min_size=1, max_size=8))
def test_any_dockerfile_stays_one_and_is_patched_once(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in ["FROM python:3.12 AS x", *lines])
    try:
        read_dockerfile(text)
    except ProjectError:
        return
    assert patched(f"\ufeff{text}") in (f"\ufeff{patched(text)}", patched(text))
    assert len(read_dockerfile(patched(text)).stages) == len(read_dockerfile(text).stages)
