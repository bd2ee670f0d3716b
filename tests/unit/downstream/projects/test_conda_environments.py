"""environment.yml: conda's names and versions in the words of a Python index."""

from pathlib import Path

import pytest
from tests.projects.samples import needed, sample, versions, write

from warmbase.downstream.projects.condanames import PYTHON_NAMES, why_not_python
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError


def test_condas_packages_are_needed_under_their_names_in_an_index() -> None:
    project = sample("conda")
    assert (project.kind, project.name, project.requires_python) == ("environment.yml", "forecast", "==3.12.*")
    assert not project.is_locked
    assert versions(project) == {
        "fastapi": ">=0.110",
        "matplotlib": "<4,>=3.9",
        "mlflow": "2.14.1",
        "numpy": "==1.26.*",
        "opencv-python": "",
        "pandas": "<3,>=2.2",
        "pyyaml": "",
        "scikit-learn": "1.5.1",
        "scipy": "<1.15,>=1.13",
        "torch": "==2.4.*",
    }
    assert needed(project)["fastapi"].extras == ("standard",)
    assert needed(project)["fastapi"].index == ""


def test_what_is_no_python_package_is_listed_with_the_reason() -> None:
    system = "it is a library or a program of the system: install it in the Dockerfile"
    assert [(each.name, each.why) for each in sample("conda").unknown] == [
        ("cudatoolkit", "wheels hold it, or need packages that do: most likely there is nothing to install"),
        ("ffmpeg", system),
        ("r-base", system),
        ("openssl", system),
        ("geoviewer", "'1.0j' is not a version of a Python package"),
    ]


def test_r_packages_and_condas_own_have_a_reason_too() -> None:
    assert why_not_python("r-dplyr") == "it is a package of R"
    assert why_not_python("nb-conda-kernels") == "it is conda's own"
    assert why_not_python("-libgcc-mutex")
    assert why_not_python("ld-impl-linux-64")
    assert not why_not_python("librosa")


def test_no_name_is_both_a_python_package_and_none() -> None:
    assert not [name for name in PYTHON_NAMES if why_not_python(name)]


@pytest.mark.parametrize(
    ("written", "admitted"),
    [
        ("a", ""),
        ("a=1.2", "==1.2.*"),
        ("a =1.2", "==1.2.*"),
        ("a==1.2", "1.2"),
        ("a 1.2", "1.2"),
        ("a=1.2.*", "==1.2.*"),
        ("a 1.2*", "==1.2.*"),
        ("a=1.2.3=py312_0", "1.2.3"),
        ("a 1.2.3 py312_0", "1.2.3"),
        ("forge/linux-64::a >=1.2, <2", "<2,>=1.2"),
        ("a>=1.2.*", ">=1.2"),
        ("a[version='>=1',build=py*]", ">=1"),
        ("a=*", ""),
    ],
)
def test_match_specifications_in_the_words_of_pep_440(tmp_path: Path, written: str, admitted: str) -> None:
    write(tmp_path, environment_yml=f'dependencies: ["{written}"]\n')
    assert versions(read_project(tmp_path)) == {"a": admitted}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\n", "this is not the file of a conda environment"),
        ("- a\n", "this is not the file of a conda environment"),
        ("dependencies:\n  - a\n  - [b]\n", "environment.yml:3: '[\"b\"]' is not the name of a package"),
        ("dependencies:\n  - '?'\n", "environment.yml:2: '?' is not the name of a package"),
        ("dependencies:\n  - pip:\n    - a\n    - b=>1\n", "environment.yml:4: 'b=>1' is not a requirement"),
        ("dependencies: [a\n", "environment.yml:1: YAML syntax error"),
        ("dependencies: !!python/object/apply:os.system [x]\n", "environment.yml:1"),
        ("a: &a [x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1 or str()}'] * 9)}]\n" for n in range(1, 9)),
         "with its anchors expanded"),
        ("dependencies: " + "[" * 5000, "levels of nesting"),
    ],
)  # fmt: skip
def test_a_broken_environment_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_project(write(tmp_path, environment_yml=text))
    assert said in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("pytorch-cuda", "wheels hold it"),
        ("mkl", "wheels hold it"),
        ("libcublas", "wheels hold it"),
        ("cuda-cudart", "wheels hold it"),
        ("cuda-nvcc", "install it in the Dockerfile"),
        ("libcurl", "install it in the Dockerfile"),
        ("gcc", "install it in the Dockerfile"),
        ("r-ggplot2", "it is a package of R"),
    ],
)
def test_what_wheels_bring_is_told_from_what_the_system_has_to_have(name: str, why: str) -> None:
    assert why in why_not_python(name)
