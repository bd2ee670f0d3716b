"""What adopt says of lines that run conda, wherever they stand."""

import pytest
from tests.offered import base

from warmbase.downstream.adopt.patching import patch_dockerfile

BASE = base("data:py3.13-trixie")
REST = """\
COPY environment.yml .
RUN conda env create -f environment.yml && conda clean -a
SHELL ["conda", "run", "-n", "myenv", "/bin/bash", "-c"]
RUN echo conda
ENTRYPOINT ["conda", "run", "--no-capture-output", "-n", "myenv", "python", "run.py"]
"""
WRITTEN = [
    (3, "RUN uv pip install -r requirements.lock.txt"),
    (4, 'SHELL ["/bin/sh", "-c"]'),
    (6, 'ENTRYPOINT ["python", "run.py"]'),
]


@pytest.mark.parametrize("image", ["continuumio/miniconda3", "python:3.13", BASE.reference])
def test_each_line_of_conda_has_a_note_with_what_to_write(image: str) -> None:
    patched = patch_dockerfile(f"FROM {image}\n{REST}", "Dockerfile", BASE, exported="requirements.lock.txt")
    assert [(note.number, note.line) for note in patched.notes if note.text == "the base has no conda"] == WRITTEN
    assert all(note.is_blocking for note in patched.notes)
    assert patched.text.partition("\n")[2] == REST
