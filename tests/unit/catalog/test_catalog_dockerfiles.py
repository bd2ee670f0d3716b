"""Foundations that a Dockerfile makes: what their keys mean, and the exact words where they are wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.catalog.model import BuildSecret, Catalog, DockerfileFoundation

IMAGES = "images: {core: {foundation: geo, requirements: [attrs]}}"


@pytest.fixture(autouse=True)
def dockerfile(tmp_path: Path) -> Path:
    folder = tmp_path / "bases" / "geo"
    folder.mkdir(parents=True)
    (folder / "Dockerfile.slim").write_text("FROM debian:trixie-slim\n")
    file = folder / "Dockerfile"
    file.write_text("FROM debian:trixie\n")
    return file


def geo(load: Callable[[str], Catalog], said: str, images: str = IMAGES) -> DockerfileFoundation:
    catalog = load(f"uv: 0.13.8\nfoundations: {{geo: {{{said}}}}}\n{images}")
    (foundation,) = catalog.foundations
    assert isinstance(foundation, DockerfileFoundation)
    return foundation


def test_a_folder_means_the_dockerfile_in_it(load: Callable[[str], Catalog], dockerfile: Path) -> None:
    found = geo(load, "dockerfile: bases/geo, python: '3.13'")

    assert found.file == dockerfile
    assert found.context == dockerfile.parent
    assert found.pythons == ("3.13",)


def test_a_file_means_itself_and_its_folder_is_the_context(load: Callable[[str], Catalog], dockerfile: Path) -> None:
    found = geo(load, "dockerfile: bases/geo/Dockerfile.slim, python: '3.13'")

    assert (found.file.name, found.context) == ("Dockerfile.slim", dockerfile.parent)


def test_one_dockerfile_serves_several_pythons(load: Callable[[str], Catalog]) -> None:
    found = geo(load, "dockerfile: bases/geo, python: ['3.12', '3.13'], args: {PY: 'python{python}', CUDA: '12.6'}")

    assert found.arguments("3.12") == {"PY": "python3.12", "CUDA": "12.6"}


def test_words_that_only_begin_like_a_secret_are_arguments(load: Callable[[str], Catalog]) -> None:
    found = geo(load, "dockerfile: bases/geo, python: '3.13', args: {PATCHES: a, AUTHOR: b, KEYBOARD: c, COMPASS: d}")

    assert len(found.args) == 4


def test_everything_that_a_build_takes_can_be_said(load: Callable[[str], Catalog]) -> None:
    found = geo(
        load,
        "dockerfile: bases/geo, python: managed, target: run, ssh: [default], contexts: {files: assets, debian: "
        "'docker-image://mirror.example/debian'}, secrets: {token: {env: TOKEN}, netrc: {file: secrets/netrc}}",
        "images: {core: {foundation: geo, python: ['3.13'], requirements: [attrs]}}",
    )

    assert (found.managed, found.target, found.ssh) == (True, "run", ("default",))
    assert dict(found.contexts) == {"files": "assets", "debian": "docker-image://mirror.example/debian"}
    assert found.secrets == (BuildSecret(id="token", env="TOKEN"), BuildSecret(id="netrc", file="secrets/netrc"))


def test_a_catalog_names_its_builder(load: Callable[[str], Catalog]) -> None:
    text = f"uv: 0.13.8\nbuilder: cluster\nfoundations: {{geo: {{dockerfile: bases/geo, python: '3.13'}}}}\n{IMAGES}"

    assert load(text).builder == "cluster"


WRONG = {
    "dockerfile: bases/gis, python: '3.13'": "images.yaml:2:33: foundations.geo.dockerfile: there is no Dockerfile at "
    "'bases/gis'; write bases/gis/Dockerfile, or correct the path",
    "dockerfile: ../geo, python: '3.13'": "images.yaml:2:33: foundations.geo.dockerfile: '../geo' leads out of the "
    "catalog's folder; keep what a catalog needs beside it",
    "dockerfile: bases/geo": "images.yaml:2:15: foundations.geo: which Python versions 'bases/geo' offers is not "
    'known; add `python: ["3.…"]`',
    "image: debian, dockerfile: bases/geo, python: '3.13'": "images.yaml:2:36: foundations.geo.dockerfile: `image` "
    "is there as well; keep one: a foundation is of one kind",
    "dockerfile: bases/geo, python: '3.13', packages: [gcc]": "images.yaml:2:60: foundations.geo.packages: `packages` "
    "is for Debian foundations; take it out: its steps install packages",
    "debian: trixie, args: {A: b}": "images.yaml:2:37: foundations.geo.args: `args` is for foundations with "
    "`dockerfile`; take it out",
    "dockerfile: bases/geo, python: '3.13', args: {SOURCE_DATE_EPOCH: '0'}": "images.yaml:2:67: "
    "foundations.geo.args.SOURCE_DATE_EPOCH: the argument 'SOURCE_DATE_EPOCH' is the pin's time; take it out",
    "dockerfile: bases/geo, python: '3.13', args: {API_TOKEN: abc}": "images.yaml:2:67: "
    "foundations.geo.args.API_TOKEN: the argument 'API_TOKEN' would end up in the image's history; give it under "
    "`secrets`, and mount it in the step that needs it",
    "dockerfile: bases/geo, python: '3.13', args: {GITHUB_PAT: abc}": "images.yaml:2:67: "
    "foundations.geo.args.GITHUB_PAT: the argument 'GITHUB_PAT' would end up in the image's history; give it under "
    "`secrets`, and mount it in the step that needs it",
    "dockerfile: bases/geo, python: '3.13', args: {INDEX: 'https://joe:pw@index.example/simple'}": "images.yaml:2:74: "
    "foundations.geo.args.INDEX: the login in 'https://***@index.example/simple' would end up in the image's history; "
    "give the login under `secrets`, and mount it in the step that needs it",
    "dockerfile: bases/geo, python: '3.13', args: {A: 3}": "images.yaml:2:70: foundations.geo.args.A: 3 without "
    'quotes is the number 3, not text; write "3" in quotes',
    "dockerfile: bases/geo, python: '3.13', secrets: {a: {}}": "images.yaml:2:70: foundations.geo.secrets.a: the "
    "secret has neither 'env' nor 'file'; write one of them, e.g. {env: TOKEN}",
    "dockerfile: bases/geo, python: '3.13', secrets: {a: {env: A, file: a}}": "images.yaml:2:70: "
    "foundations.geo.secrets.a: the secret has 'env' and 'file'; write one of them, e.g. {env: TOKEN}",
    "dockerfile: bases/geo, python: '3.13', secrets: {warmbase-ca: {env: A}}": "images.yaml:2:70: "
    "foundations.geo.secrets.warmbase-ca: ids that begin with 'warmbase-' are warmbase's own; choose another one",
    "dockerfile: bases/geo, python: '3.13', contexts: {a: 'https://git.example/a.git'}": "images.yaml:2:74: "
    "foundations.geo.contexts.a: contexts from 'https' are not pinned; write a folder's path, docker-image://NAME or "
    "oci-layout://PATH",
    "dockerfile: bases/geo, python: '3.13', contexts: {a: '../../..'}": "images.yaml:2:74: "
    "foundations.geo.contexts.a: '../../..' leads out of the catalog's folder; keep what a catalog needs beside it, or "
    "write an absolute path without '..'",
    "dockerfile: bases/geo, python: '3.13', contexts: {a: 'oci-layout://../a'}": "images.yaml:2:74: "
    "foundations.geo.contexts.a: 'oci-layout://../a' leads out of the catalog's folder; keep what a catalog needs "
    "beside it, or write an absolute path without '..'",
    "dockerfile: bases/geo, python: '3.13', ssh: ['a b']": "images.yaml:2:66: foundations.geo.ssh[0]: 'a b' is not an "
    "ssh agent or key; write `default`, or ID=PATH of a socket or a key",
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_wrong_is_named_with_its_place_and_the_way_out(problems: Callable[[str], list[str]], said: str) -> None:
    assert problems(f"uv: 0.13.8\nfoundations: {{geo: {{{said}}}}}\n{IMAGES}") == [WRONG[said]]


def test_a_builder_is_named_as_buildx_lists_it(problems: Callable[[str], list[str]]) -> None:
    said = "uv: 0.13.8\nbuilder: my builder\nfoundations: {geo: {debian: trixie}}\n"

    assert problems(said + IMAGES) == [
        "images.yaml:2:10: builder: 'my builder' is not a builder's name; write it as `docker buildx ls` lists it"
    ]
