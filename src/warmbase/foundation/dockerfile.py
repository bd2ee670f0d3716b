"""Foundations that a Dockerfile makes: what BuildKit is asked for, and what its answer says.

The result is an OCI layout whose new layers are not compressed: their blobs then do not depend on the builder's
compressor, and they become layers of the store as all others. Layers of the images below stay what they are. Files
that a step made have the time of the pin, and steps run without the builder's cache: what is pinned has to be what
another machine makes too.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from warmbase.catalog.model import DockerfileFoundation
from warmbase.effects.docker.bake import Secret, Target
from warmbase.effects.registry.model import Registries
from warmbase.errors import FoundationError, RegistryError
from warmbase.foundation.groundwork import FoundationLayers, Groundwork
from warmbase.foundation.image import describe_image, inspect_image, keep_image
from warmbase.foundation.inputs import hash_inputs, split_layout
from warmbase.foundation.model import Base, Drift
from warmbase.foundation.pins import DockerfilePin
from warmbase.foundation.sources import FolderFiles, LayoutImage
from warmbase.foundation.upstream import read_image, take_layers
from warmbase.layers.codec import Codec
from warmbase.layers.recipe import recipe_key
from warmbase.oci.digests import Json
from warmbase.oci.reference import DOCKER_HUB, Reference

DOCKERFILE_FORMAT = 1
"""Part of every recipe: raise it when the same result of a build would become another foundation."""

EPOCH = "SOURCE_DATE_EPOCH"

_LAYOUT = "oci-layout://"
_IMAGE = "docker-image://"
_PROVENANCE = "buildx.build.provenance"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A Dockerfile foundation that is wanted for a platform and a Python, its layers compressed by `codec`.

    With `pin` it is built as it was pinned: on the same images, with the same time; else as of `created`.
    """

    foundation: DockerfileFoundation
    platform: str
    python: str
    codec: Codec
    created: str
    pin: DockerfilePin | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """The foundation's name, the platform and the Python version."""
        return self.foundation.name, self.platform, self.python


def target_of(order: Order, name: str, output: Path) -> Target:
    """What a builder is asked for; the layout goes to the folder `output`."""
    foundation = order.foundation
    epoch = int(datetime.fromisoformat(order.created).timestamp())
    return Target(
        name=name,
        context=str(foundation.context),
        dockerfile=foundation.file.name,
        stage=foundation.target,
        args=foundation.arguments(order.python) | {EPOCH: str(epoch)},
        contexts=_contexts(foundation, order.pin.bases if order.pin else ()),
        secrets=tuple(
            Secret(id=one.id, env=one.env, file=str(foundation.folder / one.file) if one.file else "")
            for one in foundation.secrets
        ),
        ssh=tuple(_ssh(foundation.folder, one) for one in foundation.ssh),
        platforms=(order.platform,),
        output={
            "type": "oci",
            "dest": str(output),
            "tar": "false",
            "compression": "uncompressed",
            "rewrite-timestamp": "true",
        },
        cached=False,
    )


def _ssh(folder: Path, access: str) -> str:
    name, _, paths = access.partition("=")
    return f"{name}={','.join(str(folder / path) for path in paths.split(','))}" if paths else access


def _contexts(foundation: DockerfileFoundation, bases: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The named contexts, and the images that were pinned: a context takes the place of the image with its name."""
    pinned = {name: f"{_IMAGE}{name}@{digest}" for name, digest in bases if "@" not in name}
    own = {}
    for name, source in foundation.contexts:
        if source.startswith(_LAYOUT):
            path, image = split_layout(source)
            own[name] = f"{_LAYOUT}{(foundation.folder / path).absolute()}{image}"
        elif source.startswith(_IMAGE):
            own[name] = pinned.pop(_normal(source.removeprefix(_IMAGE)), source)
        else:
            own[name] = str(foundation.folder / source)
    return {_familiar(name): source for name, source in (pinned | own).items()}


def name_targets(orders: Sequence[Order]) -> dict[str, list[Order]]:
    """The orders by the names of the targets that serve them: one target for all that ask for the same build."""
    alike: dict[tuple[object, ...], list[Order]] = {}
    for order in orders:
        inputs = hash_inputs(order.foundation, order.python)
        bases = order.pin.bases if order.pin else ()
        alike.setdefault((order.foundation.name, inputs, order.platform, order.created, bases), []).append(order)
    named: dict[str, list[Order]] = {}
    for group in alike.values():
        first = group[0]
        same = first.foundation.arguments("") == first.foundation.arguments(first.python)
        words = [first.foundation.name, *([] if same else [f"py{first.python}"]), first.platform.partition("/")[2]]
        name = re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(words))  # Docker's manual, "Bake file reference": no dots
        named[name if name not in named else f"{name}-{len(named)}"] = group
    return named


def dockerfile_recipe(pin: DockerfilePin, codec: Codec) -> str:
    """The key under which the result of a Dockerfile lies in the store."""
    facts: dict[str, Json] = {"image": pin.image, "platform": pin.platform, "created": pin.created}
    found: dict[str, Json] = {name: asdict(pin)[name] for name in ("python", "interpreter", "libc")}
    return recipe_key("foundation", {"kind": "dockerfile", "format": DOCKERFILE_FORMAT, **facts, **found}, codec)


def take_result(
    order: Order, layout: Path, metadata: Mapping[str, Any], ground: Groundwork
) -> tuple[DockerfilePin, FoundationLayers]:
    """Take what a builder wrote into the store: the order's pin, a new one if it has none, and the foundation.

    Raises FoundationError for an image that cannot be a foundation.
    """
    ground = replace(ground, codec=order.codec)
    wanted = order.foundation
    source = LayoutImage(name=wanted.dockerfile, files=FolderFiles(folder=layout))
    image = read_image(source, order.platform)
    layers = take_layers(source, image, ground)
    seen = inspect_image(source, image, layers, "" if wanted.managed else order.python, ground)
    made = DockerfilePin(
        inputs=hash_inputs(wanted, order.python),
        platform=order.platform,
        bases=find_bases(metadata),
        image=image.manifest.config.digest,
        created=order.created,
        python=seen.version,
        interpreter=seen.python.interpreter if seen.python else "",
        libc=seen.libc,
    )
    pin = order.pin or made
    if (made.interpreter, made.libc) != (pin.interpreter, pin.libc):
        raise FoundationError(
            f"{wanted.dockerfile} now makes an image with {made.interpreter or 'no Python'} and {' '.join(made.libc)};"
            f" pinned are {pin.interpreter or 'no Python'} and {' '.join(pin.libc)}",
            next_step="run `warmbase lock --upgrade-foundation`, which pins what it makes now",
        )
    same = made.image == pin.image
    drift = () if same else (Drift(package=wanted.dockerfile, pinned=pin.image, got=made.image),)
    base = Base(name="", digest=image.digest, layers=tuple(layer.digest for layer in layers))
    foundation = describe_image(wanted.name, pin, image, seen, base, drift)
    recipe = dockerfile_recipe(replace(pin, image=made.image, python=made.python), order.codec)
    return pin, keep_image(foundation, layers, dockerfile_recipe(pin, order.codec), recipe, ground)


def find_bases(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The images that a build stood on, (name, digest), from its provenance (SLSA 0.2, "materials"; purl, "docker")."""
    found = {}
    for key, provenance in metadata.items():
        if not key.startswith(_PROVENANCE):
            continue
        for material in provenance.get("materials") or ():
            kind, _, rest = str(material["uri"]).partition("/")
            if kind != "pkg:docker":
                continue
            path, _, query = rest.partition("?")
            name, _, version = unquote(path).rpartition("@")
            digest = parse_qs(query).get("digest", [""])[0]
            text = f"{name or version}{f':{version}' if name and not version.startswith('sha256:') else ''}"
            pinned = digest or (version if version.startswith("sha256:") else "")
            found[_normal(f"{text}@{pinned}" if pinned else text)] = f"sha256:{material['digest']['sha256']}"
    return tuple(sorted(found.items()))


def bases_moved(pin: DockerfilePin, registries: Callable[[], Registries]) -> bool:
    """Whether an image that the pinned one stands on is another one now, as far as its registry can say."""
    for name, digest in pin.bases:
        reference = Reference.parse(name)
        if reference.digest:
            continue
        try:
            found = registries().at(reference.registry).find_manifest(reference.repository, reference.reference)
        except RegistryError:
            return True
        if found is None or found.digest != digest:
            return True
    return False


def _normal(name: str) -> str:
    """An image's name with its registry and its tag."""
    reference = Reference.parse(name)
    return str(reference if reference.tag or reference.digest else replace(reference, tag="latest"))


def _familiar(name: str) -> str:
    """A context's name as BuildKit compares it with images' names: as short as may be (distribution/reference)."""
    try:
        reference = Reference.parse(name)
    except ValueError:
        return name
    registry = "" if reference.registry == DOCKER_HUB else f"{reference.registry}/"
    repository = reference.repository if registry else reference.repository.removeprefix("library/")
    return f"{registry}{repository}" + (f":{reference.tag}" if reference.tag not in ("", "latest") else "")
