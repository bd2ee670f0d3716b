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
from warmbase.errors import FoundationError, mask_userinfo
from warmbase.foundation.groundwork import FoundationLayers, Groundwork, find_foundation
from warmbase.foundation.image import Opened, describe_image, inspect_image, keep_image
from warmbase.foundation.inputs import IMAGE, LAYOUT, inputs_of, split_layout
from warmbase.foundation.model import Base, Drift
from warmbase.foundation.pins import DockerfilePin
from warmbase.foundation.sources import FolderFiles, LayoutImage
from warmbase.foundation.upstream import read_image, take_layers
from warmbase.layers.codec import Codec
from warmbase.layers.recipe import recipe_key
from warmbase.oci.digests import Json
from warmbase.oci.manifest import Platform
from warmbase.oci.reference import DOCKER_HUB, Reference

DOCKERFILE_FORMAT = 1
"""Part of every recipe: raise it when the same result of a build would become another foundation."""

EPOCH = "SOURCE_DATE_EPOCH"

REBUILD = "run `warmbase lock --rebuild-foundation`"
"""The way out where a Dockerfile no longer makes what is pinned."""

_PROVENANCE = "buildx.build.provenance"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A Dockerfile foundation that is wanted for a platform and a Python, its layers compressed by `codec`.

    It is built as of `created`, on the images `bases`, (name, digest), where they are known. With `pin` it is to become
    what was pinned; `sibling` is the pin of the same for another Python.
    """

    foundation: DockerfileFoundation
    platform: str
    python: str
    codec: Codec
    created: str
    bases: tuple[tuple[str, str], ...] = ()
    pin: DockerfilePin | None = None
    sibling: DockerfilePin | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """The foundation's name, the platform and the Python version."""
        return self.foundation.name, self.platform, self.python

    @property
    def epoch(self) -> int:
        """The time of the build as SOURCE_DATE_EPOCH has it."""
        return int(datetime.fromisoformat(self.created).timestamp())


def target_of(order: Order, name: str, output: Path) -> Target:
    """What a builder is asked for; the layout goes to the folder `output`."""
    foundation = order.foundation
    return Target(
        name=name,
        context=str(foundation.context),
        dockerfile=foundation.file.name,
        stage=foundation.target,
        args=foundation.arguments(order.python) | {EPOCH: str(order.epoch)},
        contexts=_contexts(foundation, order.bases),
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
    pinned = {name: f"{IMAGE}{name}@{digest}" for name, digest in bases if not re.search("@|://", name)}
    own = {}
    for name, source in foundation.contexts:
        if source.startswith(LAYOUT):
            path, image = split_layout(source)
            own[name] = f"{LAYOUT}{(foundation.folder / path).absolute()}{image}"
        elif source.startswith(IMAGE):
            own[name] = pinned.pop(_normal(source.removeprefix(IMAGE)), source)
        else:
            own[name] = str(foundation.folder / source)
    return {_familiar(name): source for name, source in (pinned | own).items()}


def name_targets(orders: Sequence[Order]) -> dict[str, list[Order]]:
    """The orders by the names of the targets that serve them: one target for all that ask for the same build."""
    alike: dict[tuple[object, ...], list[Order]] = {}
    for order in orders:
        inputs = inputs_of(order.foundation, order.python)
        same = (order.foundation.name, inputs, order.platform, order.created, order.bases)
        alike.setdefault(same, []).append(order)
    named: dict[str, list[Order]] = {}
    for group in alike.values():
        first = group[0]
        plain = first.foundation.arguments("") == first.foundation.arguments(first.python)
        words = [first.foundation.name, *([] if plain else [f"py{first.python}"]), first.platform.partition("/")[2]]
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
    seen = inspect_image(Opened.of(source, image), layers, "" if wanted.managed else order.python, ground)
    made = DockerfilePin(
        inputs=inputs_of(wanted, order.python),
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
            next_step=f"{REBUILD}, which pins what it makes now",
        )
    same = made.image == pin.image
    drift = () if same else (Drift(package=wanted.dockerfile, pinned=pin.image, got=made.image),)
    base = Base(name="", digest=image.digest, layers=tuple(layer.digest for layer in layers))
    foundation = describe_image(wanted.name, pin, image, seen, base, drift)
    recipe = dockerfile_recipe(replace(pin, image=made.image, python=made.python), order.codec)
    return pin, keep_image(foundation, layers, dockerfile_recipe(pin, order.codec), recipe, ground)


def take_sibling(order: Order, ground: Groundwork) -> DockerfilePin | None:
    """The order's pin, where what its sibling pins is on this machine: the same image, with another Python in it.

    Raises FoundationError if the image has no such Python.
    """
    pin, wanted = order.sibling, order.foundation
    known = find_foundation(ground.store, dockerfile_recipe(pin, order.codec)) if pin else None
    if pin is None or known is None or known.foundation.drift:
        return None
    image = Opened(name=wanted.dockerfile, platform=Platform.parse(order.platform), run=known.foundation.run)
    seen = inspect_image(image, known.layers, order.python, ground)
    assert seen.python  # or it were an error
    path, stdlib = seen.python.interpreter, seen.python.stdlib
    made = replace(pin, python=seen.version, interpreter=path, libc=seen.libc)
    key = dockerfile_recipe(made, order.codec)
    foundation = replace(known.foundation, python=seen.version, interpreter=path, stdlib=stdlib, libc=seen.libc)
    keep_image(foundation, known.layers, key, key, replace(ground, codec=order.codec))
    return made


def has_drifted(order: Order, ground: Groundwork) -> bool:
    """Whether the Dockerfile has made something else on this machine than what is pinned."""
    known = find_foundation(ground.store, dockerfile_recipe(order.pin, order.codec)) if order.pin else None
    return bool(known and known.foundation.drift)


def find_bases(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a build was made from, (name, digest), from its provenance (SLSA 0.2, "materials"; purl, "docker"): images,
    and by their addresses files and git repositories that a step added. What an address asks for may be secret."""
    found = {}
    for key, provenance in metadata.items():
        if not key.startswith(_PROVENANCE):
            continue
        for material in provenance.get("materials") or ():
            kind, _, rest = str(material["uri"]).partition("/")
            if "://" in material["uri"]:
                address = mask_userinfo(material["uri"]).partition("?")[0]
                ((algorithm, value),) = material["digest"].items()
                found[address] = f"{algorithm}:{value}"
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
    """Whether an image that the pinned one stands on is another one now. Raises RegistryError if nobody can tell."""
    for reference, digest in moving_bases(pin):
        found = registries().at(reference.registry).find_manifest(reference.repository, reference.reference)
        if found is None or found.digest != digest:
            return True
    return False


def moving_bases(pin: DockerfilePin) -> tuple[tuple[Reference, str], ...]:
    """The images that the pinned one stands on by a tag, which may come to name another, with the digest of each.

    What came from other addresses is not among them: what that is now is known when it is downloaded.
    """
    named = ((Reference.parse(name), digest) for name, digest in pin.bases if "://" not in name)
    return tuple((reference, digest) for reference, digest in named if not reference.digest)


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
