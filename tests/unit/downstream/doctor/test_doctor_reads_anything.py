"""Whatever stands in a project's files, doctor says something, or says in words why it cannot."""

import tempfile
from contextlib import suppress
from pathlib import Path

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.diagnosed import BASE, IN_PLACE, OWN_VENV, PYPROJECT, patient

from warmbase.downstream.doctor.model import Place
from warmbase.downstream.doctor.options import SWITCHES, VALUES, VARIABLES, read_file, read_words
from warmbase.downstream.doctor.telling import describe, tell
from warmbase.errors import WarmbaseError

words = st.sampled_from(
    [*SWITCHES, *VALUES, *(f"{name}=1" for name in VARIABLES), "uv", "pip", "sync", "run", "install", "uv==1", "=", "-",
     "/opt/venv", "[", "http://[", "&&", ";", "|", "$(", "'", '"', "\\", "\\\n", "<<EOF",
     "--mount=type=cache,target=/opt", "--mount=", "$X"]
)  # fmt: skip
lines = st.builds(
    lambda keyword, rest: f"{keyword} {' '.join(rest)}",
    st.sampled_from(["RUN", "ENV", "ARG", "COPY --from=x", "CMD", "USER", "WORKDIR", f"FROM {BASE.reference}", "#"]),
    st.lists(words, max_size=6),
)
texts = st.one_of(st.text(max_size=5), st.sampled_from(["http://[", ">=0.14", "==x", "/opt/uv/cache", "packaging"]))
settings_of_uv = st.dictionaries(
    st.sampled_from(
        ["no-cache", "cache-dir", "index", "index-url", "pip", "link-mode", "reinstall-package", "required-version"]
    ),
    st.one_of(st.booleans(), st.integers(), texts, st.lists(texts, max_size=2)),
    max_size=4,
)


@settings(max_examples=60)
@given(dockerfile=st.sampled_from([IN_PLACE, OWN_VENV]), more=st.lists(lines, max_size=4))
def test_any_dockerfile_is_examined_or_refused(dockerfile: str, more: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(WarmbaseError):
        diagnosis = patient(Path(folder), dockerfile + "\n".join(more)).examine()
        assert list(tell(diagnosis))
        assert describe(diagnosis)["packages"] == len(diagnosis.verdicts)


@given(st.lists(st.one_of(words, st.text(max_size=8)), max_size=8))
def test_any_words_are_read(told: list[str]) -> None:
    assert all(option.name and option.said for option in read_words(told, Place(file="x")))


@settings(max_examples=60)
@given(settings_of_uv)
def test_any_settings_are_read(settings_: dict[str, object]) -> None:
    text = f"{PYPROJECT}\n[tool.uv]\n{tomlkit.dumps(settings_)}"
    assert all(option.place.line > 5 for option in read_file(text, "pyproject.toml"))
    with tempfile.TemporaryDirectory() as folder:
        case = patient(Path(folder), OWN_VENV, files={"pyproject.toml": text})
        assert case.examine().verdicts
