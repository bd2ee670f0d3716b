"""Catalogs written on the spot."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog
from warmbase.errors import CatalogError


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Catalog]:
    """Load a catalog from text."""

    def load_text(text: str) -> Catalog:
        path = tmp_path / "images.yaml"
        path.write_text(dedent(text).lstrip("\n"))
        return load_catalog(path)

    return load_text


@pytest.fixture
def problems(load: Callable[[str], Catalog], tmp_path: Path) -> Callable[[str], list[str]]:
    """Load a catalog from text and return its problems as printed, without the folder."""

    def problems_of(text: str) -> list[str]:
        with pytest.raises(CatalogError) as caught:
            load(text)
        return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]

    return problems_of
