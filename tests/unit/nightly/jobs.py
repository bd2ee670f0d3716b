"""A night's job in which no tool may be used: what needs none is tried with it."""

from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from tests.publishing import AMD64, DAY, describe_variant
from tests.unit.publish.memory import MemoryRegistry

from warmbase.catalog.model import Catalog, Compression, Image, Variant
from warmbase.effects.files import CacheFolders
from warmbase.nightly.setting import Job, Tools
from warmbase.publish.model import Place


def nobody_asks(*_: object) -> NoReturn:
    raise AssertionError("no tool is needed")


def start_of_day() -> datetime:
    """A clock that stands."""
    return DAY


def idle_job(folder: Path, *variants: Variant, registry: MemoryRegistry | None = None, **said: Any) -> Job:
    """The job of a night of `variants`, with a catalog and a cache in folders of their own in `folder`."""
    wanted = variants or (describe_variant("data"),)
    catalog = Catalog(
        path=folder / "catalog/images.yaml",
        uv="0.13.8",
        registry=None,
        platforms=(AMD64,),
        compression=Compression(),
        foundations=tuple({variant.foundation.name: variant.foundation for variant in wanted}.values()),
        images=tuple(Image(name=variant.image, description="", variants=(variant,)) for variant in wanted),
    )
    tools = Tools(
        uv=nobody_asks,
        ground=nobody_asks,
        resolver=nobody_asks,
        plant=nobody_asks,
        existing=nobody_asks,
        traffic=dict,
        native=AMD64,
    )
    place = Place(registry=registry or MemoryRegistry(), prefix="bases")
    folders = CacheFolders(root=folder / "cache")
    given = {"tools": tools, "clock": start_of_day, **said}
    return Job(catalog=catalog, variants=wanted, place=place, folders=folders, **given)
