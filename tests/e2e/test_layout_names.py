"""The layout says what the catalog says, also where there is nothing to build."""

import json

from tests.bases import Bases


def full_names(bases: Bases) -> dict[str, str]:
    """The layout's entries: reference name → the name under which an engine loads it."""
    layout = bases.layout()
    return {name: layout.full_name(name) for name in layout.names}


def test_another_registry_in_the_catalog_renames_the_images_and_keeps_their_digests(copied: Bases) -> None:
    digests = copied.digests()
    catalog = json.loads(copied.catalog.read_text())
    copied.catalog.unlink()  # its inode is the other copies' too
    copied.catalog.write_text(json.dumps({**catalog, "registry": "moved.example/team"}))
    copied.build()
    assert copied.digests() == digests
    assert set(full_names(copied).values()) == {f"moved.example/team/{name}" for name in digests}


def test_an_image_that_the_catalog_drops_leaves_the_layout_though_nothing_is_built(copied: Bases) -> None:
    catalog = json.loads(copied.catalog.read_text())
    copied.catalog.unlink()
    other = {"other": {**catalog["images"]["small"]}}
    copied.catalog.write_text(json.dumps({**catalog, "images": {**catalog["images"], **other}}))
    copied.build()
    assert "other:py3.13" in copied.digests()
    copied.catalog.write_text(json.dumps(catalog))
    copied.build()
    assert set(copied.digests()) == {"small:py3.13", "small:py3.13-trixie"}
