"""Where it stands what is published."""

from pathlib import Path

import pytest

from warmbase.downstream.setting import VARIABLE, Source, find_source, parse_source
from warmbase.errors import ListingError, ProjectError

SETTING = '[tool.warmbase]\nindex = "{}"\n'


@pytest.mark.parametrize(
    ("text", "kind", "means"),
    [
        ("registry.example/bases", "place", "registry.example/bases"),
        ("registry.example/bases/", "place", "registry.example/bases"),
        ("registry.example:5000", "place", "registry.example:5000"),
        ("localhost:5000/bases", "place", "localhost:5000/bases"),
        ("localhost/bases", "place", "localhost/bases"),
        ("[::1]:5000/bases", "place", "[::1]:5000/bases"),
        ("https://pages.example/bases", "address", "https://pages.example/bases/index.json"),
        ("https://pages.example/bases/", "address", "https://pages.example/bases/index.json"),
        ("https://pages.example", "address", "https://pages.example/index.json"),
        ("https://pages.example/bases/index.html#data", "address", "https://pages.example/bases/index.json"),
        ("https://pages.example/all.json?raw=1", "address", "https://pages.example/all.json?raw=1"),
        ("./site", "path", "site/index.json"),
        ("/srv/site/index.json", "path", "/srv/site/index.json"),
        ("file:///srv/my%20site", "path", "/srv/my site/index.json"),
        ("file:///srv/a%2520b/index.html", "path", "/srv/a%20b/index.json"),
        ("./site/index.html", "path", "site/index.json"),
        ("site/page.htm", "path", "site/index.json"),
        ("other.json", "path", "other.json"),
    ],
)
def test_a_text_names_a_place_an_address_or_a_path(text: str, kind: str, means: str) -> None:
    source = parse_source(text, Path(), "--index")
    assert (source.kind, Path(source.text).as_posix() if kind == "path" else source.text) == (kind, means)


@pytest.mark.parametrize("text", ["bases", "data:py3.13", "ftp://registry.example", " "])
def test_what_is_none_of_them_is_an_error_that_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ListingError, match="WARMBASE_INDEX") as raised:
        parse_source(text, Path(), VARIABLE)
    assert "registry.example/bases" in raised.value.next_step


@pytest.mark.parametrize("image", ["data:py3.13", f"data:py3.13@sha256:{'0' * 64}", f"data@sha256:{'0' * 64}"])
def test_an_image_is_told_from_its_place(image: str) -> None:
    with pytest.raises(ListingError, match="is an image and not a place") as raised:
        parse_source(f"localhost:5000/bases/{image}", Path(), "--index")
    assert raised.value.next_step == "leave its name out: localhost:5000/bases"


def test_a_folder_with_an_index_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.json").write_text("{}")
    assert parse_source("site", tmp_path, "").text == str(tmp_path / "site/index.json")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in a project that says it, beside a catalog that says it too."""
    (tmp_path / "pyproject.toml").write_text(SETTING.format("project.example/bases"))
    folder = tmp_path / "services/report"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "warmbase-user"\n')
    return folder


def catalog(folder: Path, registry: str = "registry: catalog.example/bases") -> Path:
    path = folder / "images.yaml"
    path.write_text(
        f"uv: 0.13.8\n{registry}\nfoundations: {{trixie: {{debian: trixie}}}}\n"
        "images: {data: {description: Data., python: ['3.13'], foundations: [trixie], requirements: [six]}}\n"
    )
    return path


def test_the_command_line_counts_before_the_environment_the_project_and_the_catalog(project: Path) -> None:
    variables, listed = {VARIABLE: "variable.example/bases"}, catalog(project)

    def find(given: str, environment: dict[str, str], folder: Path) -> str:
        return find_source(given, folder, environment, listed).text

    assert find("given.example/bases", variables, project) == "given.example/bases"
    assert find("", variables, project) == "variable.example/bases"
    assert find("", {}, project) == "project.example/bases"
    assert find("", {VARIABLE: ""}, project.parent.parent.parent) == "catalog.example/bases"


def test_it_is_said_where_it_stands(project: Path) -> None:
    assert find_source("", project, {}, project / "none.yaml") == Source(
        kind="place", text="project.example/bases", said=str(project.parent.parent / "pyproject.toml")
    )


def test_a_path_in_a_project_is_relative_to_its_file(project: Path) -> None:
    top = project.parent.parent
    (top / "pyproject.toml").write_text(SETTING.format("./site"))
    assert find_source("", project, {}).text == str(top / "site/index.json")


@pytest.mark.parametrize("registry", ["", "# none"])
def test_where_nothing_says_it_all_ways_to_say_it_are_told(tmp_path: Path, registry: str) -> None:
    with pytest.raises(ListingError, match="nothing says where") as raised:
        find_source("", tmp_path, {}, catalog(tmp_path, registry) if registry else tmp_path / "images.yaml")
    assert all(word in raised.value.next_step for word in ("--index", VARIABLE, "[tool.warmbase]"))


@pytest.mark.parametrize(
    "text",
    [
        "[tool.warmbase\n",
        "tool.warmbase = 1",
        'tool = "warmbase"',
        "[tool]\nwarmbase.index = []",
        "[tool.warmbase]\nindex = 1",
    ],
)
def test_a_project_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ProjectError, match=r"pyproject\.toml"):
        find_source("", tmp_path, {})
