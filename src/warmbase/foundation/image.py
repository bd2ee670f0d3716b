"""Foundations that are images: pinned by digest, their layers taken as they are.

The name says which image is meant today, its pin which one was meant when it was locked. What the lock has to know,
the interpreter, its version and the C library, is read from the image itself.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from warmbase.catalog.model import ImageFoundation, LayoutFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.groundwork import FoundationLayers, Groundwork, foundation_notes
from warmbase.foundation.model import Base, Drift, Foundation, Package
from warmbase.foundation.pins import DockerfilePin, ImagePin
from warmbase.foundation.python import (
    FoundPython,
    find_libc,
    find_other_builds,
    find_pythons,
    find_system_libc,
    full_version,
    is_for,
)
from warmbase.foundation.rootfs import parse_os_release
from warmbase.foundation.sources import UPGRADE, open_source
from warmbase.foundation.system import find_packages
from warmbase.foundation.upstream import ImageSource, PlatformImage, again, read_image, read_manifest, take_layers
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.recipe import recipe_key
from warmbase.layers.tree import ImageTree, merge_layers
from warmbase.oci.digests import Json
from warmbase.oci.manifest import Platform, variables_of
from warmbase.oci.reference import Reference

IMAGE_FORMAT = 2
"""Part of every recipe: raise it when the same image would become another foundation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An image that is looked into: what messages call it, its platform, and what its containers start as."""

    name: str
    platform: Platform
    run: Mapping[str, Json]

    @classmethod
    def of(cls, source: ImageSource, image: PlatformImage) -> "Opened":
        """What a source's image says of itself."""
        return cls(name=source.name, platform=image.config.platform, run=image.config.run)

    def __str__(self) -> str:
        return f"{self.name} for {self.platform}"

    @property
    def machine(self) -> str:
        """The platform without a variant."""
        return f"linux/{self.platform.architecture}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What an image was found to have; no `python` and "" as its `version` where none was looked for."""

    python: FoundPython | None
    version: str
    libc: tuple[str, str]
    os_release: tuple[tuple[str, str], ...]
    packages: tuple[Package, ...]


def pin_image(
    wanted: ImageFoundation | LayoutFoundation,
    platform: str,
    python: str,
    ground: Groundwork,
    *,
    previous: ImagePin | None = None,
    index: str = "",
) -> ImagePin:
    """Pin what the image's name points to now, or did when another platform was pinned: `index`; `previous`, if that is
    the same.

    The image is pulled, which a build needs anyway. Raises FoundationError, also if it has no such Python, and
    RegistryError.
    """
    source, image = _find_image(wanted, platform, python, ground, index)
    reference = wanted.reference(python)
    known = previous and (previous.reference, previous.index, previous.manifest)
    if previous and known == (reference, image.index, image.digest):
        return previous
    asked = "" if wanted.managed else python
    seen = inspect_image(Opened.of(source, image), take_layers(source, image, ground), asked, ground)
    return ImagePin(
        reference=reference,
        platform=platform,
        index=image.index,
        manifest=image.digest,
        created=_to_the_second(image.config.created),
        python=seen.version,
        interpreter=seen.python.interpreter if seen.python else "",
        libc=seen.libc,
    )


def _find_image(
    wanted: ImageFoundation | LayoutFoundation, platform: str, python: str, ground: Groundwork, index: str
) -> tuple[ImageSource, PlatformImage]:
    if index:
        with suppress(FoundationError):  # it is gone, or was not there for this platform
            source = open_source(wanted, wanted.reference(python), ground.registries, digest=index)
            return source, read_image(source, platform)
    source = open_source(wanted, wanted.reference(python), ground.registries)
    return source, read_image(source, platform)


def image_recipe(pin: ImagePin, codec: Codec) -> str:
    """The key under which a pinned image lies in the store."""
    facts: dict[str, Json] = {name: value for name, value in asdict(pin).items() if name != "index"}
    return recipe_key("foundation", {"kind": "image", "format": IMAGE_FORMAT, **facts}, codec)


def make_image_foundation(
    wanted: ImageFoundation | LayoutFoundation, pin: ImagePin, key: str, ground: Groundwork
) -> FoundationLayers:
    """Take the pinned image into the store. Raises FoundationError, also if it is not what the pin says."""
    minor = ".".join(pin.python.split(".")[:2])  # of a managed Python, which is not in the image, ""
    source = open_source(wanted, pin.reference, ground.registries, digest=pin.manifest)
    image = read_manifest(source, source.root())
    layers = take_layers(source, image, ground)
    seen = inspect_image(Opened.of(source, image), layers, minor, ground)
    found = (seen.version, seen.python.interpreter if seen.python else "", seen.libc)
    if found != (pin.python, pin.interpreter, pin.libc):
        raise FoundationError(f"{source.name} has not what its pin says", next_step=UPGRADE)
    base = _base_of(wanted, pin, layers)
    foundation = describe_image(wanted.name, pin, image, seen, base)
    return keep_image(foundation, layers, key, key, ground)


def describe_image(
    name: str,
    pin: ImagePin | DockerfilePin,
    image: PlatformImage,
    seen: Inspection,
    base: Base,
    drift: tuple[Drift, ...] = (),
) -> Foundation:
    """The foundation called `name` that an image is."""
    return Foundation(
        name=name,
        platform=pin.platform,
        interpreter=seen.python.interpreter if seen.python else "",
        stdlib=seen.python.stdlib if seen.python else "",
        python=seen.version,
        libc=seen.libc,
        os_release=seen.os_release,
        packages=seen.packages,
        created=pin.created,
        drift=drift,
        run=image.config.run,
        history=image.config.history,
        base=base,
    )


def keep_image(
    foundation: Foundation, layers: tuple[Layer, ...], key: str, recipe: str, ground: Groundwork
) -> FoundationLayers:
    """Keep an image, whose layers are in the store, under the recipe `key` of its pin; `recipe` is the key of what it
    really is."""
    *below, top = layers
    with ground.store.workspace() as work:
        notes = foundation_notes(foundation, recipe, below)
        kept = ground.store.put(key, again(top, work / "top", ground), notes)
    return FoundationLayers(foundation=foundation, layers=(*below, kept), recipe=recipe)


def inspect_image(image: Opened, layers: tuple[Layer, ...], minor: str, ground: Groundwork) -> Inspection:
    """Look into an image whose layers are in the store; "" as `minor` does not look for a Python.

    Raises FoundationError if it has no Python `minor`, or no C library.
    """
    tree = merge_layers(ground.unpacked.listings(layers), ground.unpacked.folders(layers))
    os_release = parse_os_release((tree.read("/etc/os-release") or b"").decode(errors="replace"))
    packages = find_packages(tree)
    if not minor:
        libc = find_system_libc(tree, image.machine)
        if libc is None:
            raise _without_libc(f"{image} has no C library that is known")
        return Inspection(python=None, version="", libc=libc, os_release=os_release, packages=packages)
    python = _find_python(image, tree, minor, os_release)
    libc = find_libc(tree, python.interpreter)
    if libc is None:
        raise _without_libc(f"{image}: {python.interpreter} names no C library that is there")
    version = full_version(tree, python, packages)
    return Inspection(python=python, version=version, libc=libc, os_release=os_release, packages=packages)


def _without_libc(message: str) -> FoundationError:
    return FoundationError(message, next_step="name an image with glibc or musl")


def _find_python(image: Opened, tree: ImageTree, minor: str, os_release: tuple[tuple[str, str], ...]) -> FoundPython:
    variables = variables_of(image.run)
    pythons = find_pythons(tree, variables)
    python = next((one for one in pythons if one.minor == minor), None)
    if python is None:
        system = dict(os_release).get("PRETTY_NAME", "a system without a name")
        known = [f"Python {one.minor} ({one.interpreter})" for one in pythons]
        known += [f"a free-threaded or debug build ({path})" for path in find_other_builds(tree, variables)]
        has = " and ".join(known) or "no Python on its PATH"
        raise FoundationError(
            f"{image} has no Python {minor}: it is {system} and has {has}",
            next_step="correct `python` of the foundation in the catalog, name an image that has it, or write"
            " `python: managed`, which brings one",
        )
    if not is_for(tree, python, image.machine):
        raise FoundationError(
            f"{image.name} says that it is for {image.platform}, but {python.interpreter} is not",
            next_step="push an image that is what it says, or take the platform out of `platforms`",
        )
    return python


def _base_of(wanted: ImageFoundation | LayoutFoundation, pin: ImagePin, layers: tuple[Layer, ...]) -> Base:
    digests = tuple(layer.digest for layer in layers)
    if isinstance(wanted, LayoutFoundation):
        return Base(name="", digest=pin.manifest, layers=digests)
    reference = Reference.parse(pin.reference)
    return Base(
        name=str(reference),
        digest=pin.manifest,
        layers=digests,
        registry=reference.registry,
        repository=reference.repository,
    )


def _to_the_second(time: str) -> str:
    """RFC 3339 text in UTC without fractions; "" for a time that says nothing. One without a zone is in UTC."""
    try:
        moment = datetime.fromisoformat(time[:19] + "+00:00" if time.endswith("Z") else time)
    except ValueError:
        return ""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year > 1 else ""
