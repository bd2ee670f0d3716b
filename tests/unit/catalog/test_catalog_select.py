"""Which variants a command line means."""

from pathlib import Path

import pytest

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog
from warmbase.catalog.select import select_variants
from warmbase.errors import SelectionError


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = tmp_path / "images.yaml"
    path.write_text(
        """
uv: 0.13.8
foundations: {trixie: {debian: trixie}, bookworm: {debian: bookworm}, fat: {debian: trixie}}
defaults: {foundations: [trixie, bookworm, fat], requirements: [attrs]}
images: {core: {}, data: {}, team/web: {foundation: bookworm}}
"""
    )
    return load_catalog(path)


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        (["data"], ["data:py3.13-trixie", "data:py3.11-bookworm", "data:py3.13-fat"]),
        (["data:py3.13"], ["data:py3.13-trixie"]),
        (["data:py3.13-fat"], ["data:py3.13-fat"]),
        (["*:py3.11"], ["core:py3.11-bookworm", "data:py3.11-bookworm", "team/web:py3.11-bookworm"]),
        (["team/*"], ["team/web:py3.11-bookworm"]),
        (["*:*-fat"], ["core:py3.13-fat", "data:py3.13-fat"]),
        (["data:py3.11", "core:py3.11", "data:py3.11-bookworm"], ["core:py3.11-bookworm", "data:py3.11-bookworm"]),
    ],
)
def test_names_select_variants_in_catalog_order(catalog: Catalog, names: list[str], selected: list[str]) -> None:
    assert [variant.name for variant in select_variants(catalog, names)] == selected


def test_no_names_select_everything(catalog: Catalog) -> None:
    assert select_variants(catalog, ()) == catalog.variants


@pytest.mark.parametrize(
    ("name", "message", "next_step"),
    [
        ("dat", "has no image 'dat'", "did you mean 'data'?"),
        ("zzz", "has no image 'zzz'", "there are 'core', 'data' and 'team/web'"),
        ("data:py3.12", "has no variant 'data:py3.12'", "did you mean 'data:py3.13'?"),
        ("dta:py3.13", "has no image 'dta'", "did you mean 'data'?"),
        ("*:py3.12", "has no variant '*:py3.12'", "did you mean '*:py3.13'?"),
        ("", "has no image ''", "there are"),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(
    catalog: Catalog, name: str, message: str, next_step: str
) -> None:
    with pytest.raises(SelectionError) as caught:
        select_variants(catalog, [name])
    assert message in caught.value.message
    assert next_step in caught.value.next_step
