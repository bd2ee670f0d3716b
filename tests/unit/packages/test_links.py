"""Where wheels say that more is to be read."""

from pathlib import Path

import pytest

from warmbase.packages.links import links_of, read_links


def links(folder: Path, *fields: str) -> dict[str, str]:
    info = folder / "some_package-1.0.dist-info"
    info.mkdir(parents=True)
    text = "\n".join(
        ["Metadata-Version: 2.4", "Name: some-package", *fields, "", "Project-URL: Of, https://text.example"]
    )
    (info / "METADATA").write_text(text)
    return read_links(folder)


def test_labels_stay_as_the_package_has_them(tmp_path: Path) -> None:
    found = links(
        tmp_path,
        "Home-page: https://some.example",
        "Project-URL: Source Code, https://code.example/some?a=b,c",
        "Project-URL: Changelog,https://some.example/news",
    )
    assert found == {
        "Changelog": "https://some.example/news",
        "Homepage": "https://some.example",
        "Source Code": "https://code.example/some?a=b,c",
    }


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "https://somebody:password@some.example/",
        "UNKNOWN",
        "",
        "ftp://some.example",
        'https://some.example/"onclick="x',
        "https://some.example/" + "x" * 300,
    ],
)
def test_nothing_but_a_plain_web_address_is_kept(tmp_path: Path, address: str) -> None:
    assert links(tmp_path, f"Project-URL: Homepage, {address}", f"Home-page: {address}") == {}


def test_the_label_homepage_counts_more_than_the_old_field(tmp_path: Path) -> None:
    found = links(tmp_path, "Home-page: https://old.example", "Project-URL: Homepage, https://new.example")
    assert found == {"Homepage": "https://new.example"}


def test_a_wheel_without_metadata_gives_none(tmp_path: Path) -> None:
    assert read_links(tmp_path) == {}


def test_notes_of_another_form_give_none() -> None:
    assert links_of(None) == ()
    assert links_of({"Homepage": "https://some.example"}) == (("Homepage", "https://some.example"),)
