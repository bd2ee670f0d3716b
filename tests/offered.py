"""Bases as they are published, made by hand: one with a few packages, and a fleet as a large company has it.

Everything follows from names and versions alone, so that a file of a base and the same file in a lock agree: its name
is `wheel_name`, its hash `wheel_hash`, its bytes `wheel_size`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.errors import ListingError
from warmbase.publish.journal import format_time
from warmbase.publish.offer import Offer, OfferedLayer, OfferedPackage, OfferedPlatform, SystemPackage

PLACE = "registry.example/bases"
INDEX = "https://index.example/simple"
NEWEST = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
LICENCES = ("MIT", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "MPL-2.0")
FULL_PYTHONS = {"3.11": "3.11.14", "3.12": "3.12.12", "3.13": "3.13.9", "3.14": "3.14.1"}
DEFAULT_PACKAGES = {"numpy": "2.3.4", "pandas": "2.2.3"}
ALONE = 30  # so many packages have a layer of their own
SUITES = {"bookworm": "debian 12", "trixie": "debian 13"}


@cache
def digest(text: str) -> str:
    """A digest that stands for a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@cache
def number(text: str, most: int) -> int:
    """A number from 0 that follows from a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % most


def wheel_name(name: str, version: str) -> str:
    """The file that a package is installed from."""
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


@cache
def wheel_hash(file: str) -> str:
    """The SHA-256 of a file, by its name."""
    return hashlib.sha256(file.encode()).hexdigest()


def wheel_size(name: str) -> int:
    """The bytes of a package's file, 20 kB to 20 MB, most of them small."""
    return 20_000 + number(name, 200) ** 3 * 5 // 2


def offered(name: str, version: str, *, file: str = "", use: str = "venv", size: int = 0) -> OfferedPackage:
    """A package of a base."""
    file = file or wheel_name(name, version)
    return OfferedPackage(
        name=name,
        version=version,
        use=use,
        file=file,
        sha256=wheel_hash(file),
        size=size or wheel_size(name),
        licences=(LICENCES[number(name, len(LICENCES))],),
    )


def offered_platform(
    platform: str, packages: Sequence[OfferedPackage], *, python: str = "3.13.9", suite: str = "trixie"
) -> OfferedPlatform:
    """The image of a platform: the foundation's layer, one for each large package, one for the small ones, the last."""
    lowest = OfferedLayer(digest=digest(f"{suite} {python} {platform}"), size=48_000_000, words=f"foundation {suite}")
    alone = sorted(packages, key=lambda each: (-each.size, each.name))[:ALONE]
    pool = [each for each in packages if each not in alone]
    members = [*([each] for each in alone), *([pool] if pool else [])]
    layers = [
        OfferedLayer(
            digest=digest(f"{[each.file for each in own]} {python[:4]} {platform}"),
            size=sum(each.size for each in own),
            words=", ".join(f"{each.name} {each.version}" for each in own),
        )
        for own in members
    ]
    places = {each.name: number for number, own in enumerate(members, start=1) for each in own}
    words = digest(platform + "".join(layer.digest for layer in layers))
    return OfferedPlatform(
        platform=platform,
        digest=digest(f"manifest {words}"),
        python=python,
        system=SUITES.get(suite, suite),
        layers=(lowest, *layers, OfferedLayer(digest=words, size=30_000, words="contract")),
        packages=tuple(packages),
        places=tuple(places[each.name] for each in packages),
        system_packages=(
            SystemPackage(name="libc6", version="2.41-12", licences=("LGPL-2.1-or-later",)),
            SystemPackage(name="openssl", version="3.5.1-1", licences=("Apache-2.0",)),
        ),
        verified="run",
    )


def base(
    variant: str = "data:py3.13-trixie",
    packages: Mapping[str, str] | Sequence[OfferedPackage] | None = None,
    *,
    place: str = PLACE,
    python: str = "",
    platforms: Sequence[str] = ("linux/amd64",),
    tags: Sequence[str] = (),
    time: datetime = NEWEST,
    yanked: str = "",
    instead: str = "",
    description: str = "",
    uv: str = "0.13.8",
    parent: str = "",
    indexes: Mapping[str, tuple[str, ...]] | None = None,
    history: Sequence[Edition] = (),
) -> Base:
    """A published variant `<image>:py<minor>-<suite>`. `packages` are versions by name, or as `offered` makes them;
    `python` is the full version."""
    image, _, tag = variant.partition(":")
    minor, _, suite = tag.removeprefix("py").partition("-")
    python = python or FULL_PYTHONS.get(minor, f"{minor}.0")
    packages = DEFAULT_PACKAGES if packages is None else packages
    listed = [offered(*each) for each in packages.items()] if isinstance(packages, Mapping) else list(packages)
    built = tuple(
        offered_platform(platform, sorted(listed, key=lambda each: each.name), python=python, suite=suite)
        for platform in platforms
    )
    index = digest("".join(each.digest for each in built))
    offer = Offer(
        variant=variant,
        description=description or f"what {image} needs",
        python=minor,
        foundation=suite,
        uv=uv,
        contract=1,
        created=format_time(time - timedelta(hours=1)),
        parent=parent,
        indexes=indexes or {"": (INDEX,)},
        platforms=built,
    )
    return Base(
        place=place,
        variant=variant,
        tags=tuple(tags) or (tag, f"py{minor}"),
        digest=index,
        time=format_time(time),
        offer=offer,
        dated=f"{tag}-{time:%Y%m%d}",
        content=f"{tag}-{index[7:19]}",
        yanked=yanked,
        instead=instead,
        history=tuple(history),
    )


def edition(of: Base, *, days: int = 0, changes: str = "", packages: Mapping[str, str] | None = None) -> Edition:
    """What a base was some days before, by default as it is now."""
    moment = datetime.fromisoformat(of.time) - timedelta(days=days)
    tag = of.tags[0]
    own = {each.name: each.version for each in of.offer.platforms[0].packages}
    name = of.digest if not days else digest(f"{of.digest} {days} days before")
    return Edition(
        time=format_time(moment),
        action="publish",
        digest=name,
        dated=f"{tag}-{moment:%Y%m%d}",
        content=f"{tag}-{name[7:19]}",
        changes=changes,
        size=of.offer.platforms[0].size,
        packages=own if packages is None else packages,
        yanked="" if days else of.yanked,
        instead="" if days else of.instead,
    )


COMMON = """
numpy pandas scipy scikit-learn matplotlib requests pyyaml pydantic fastapi uvicorn starlette anyio httpx
httpcore h11 idna certifi urllib3 charset-normalizer click rich typer jinja2 markupsafe python-dateutil
pytz tzdata six packaging typing-extensions pyarrow polars duckdb sqlalchemy psycopg boto3 botocore
s3transfer jmespath attrs jsonschema referencing rpds-py tqdm joblib threadpoolctl pillow torch torchvision
transformers tokenizers safetensors huggingface-hub filelock fsspec networkx sympy mpmath contourpy cycler
fonttools kiwisolver pyparsing ipykernel ipython jupyterlab notebook traitlets tornado pyzmq
"""
"""What many bases have; the rest of a fleet's packages are a company's own."""

IMAGES = """
data web ml batch vision nlp geo finance stream report notebook search voice robot sensor risk price stock
media graph audit mail pay ship fleet
"""


def names_of_fleet(packages: int) -> list[str]:
    """The names of all packages of a fleet in which a variant has so many; half as many again."""
    return [
        *COMMON.split(),
        *(f"acme-part-{each:03}" for each in range(max(0, packages * 3 // 2 - len(COMMON.split())))),
    ]


def version_in_fleet(name: str, image: str) -> str:
    """The version of a package in an image's variants: three versions are in use of each."""
    return f"{1 + number(name, 4)}.{number(name, 13) + number(image + name, 3)}.{number(name, 7)}"


def fleet(
    *, variants: int = 200, packages: int = 150, platforms: Sequence[str] = ("linux/amd64", "linux/arm64")
) -> tuple[Base, ...]:
    """Bases as a large company has them: several Pythons, two foundations, versions that differ between images, layers
    that they share, some yanked, some old. Always the same for the same numbers."""
    names, images = names_of_fleet(packages), IMAGES.split()
    made: list[Base] = []
    for position in range(variants):
        turn, rest = divmod(position, len(FULL_PYTHONS) * len(SUITES))
        minor, suite = list(FULL_PYTHONS)[rest // len(SUITES)], list(SUITES)[1 - rest % len(SUITES)]
        again, number_of = divmod(turn, len(images))
        image = f"{images[number_of]}-{again + 1}" if again else images[number_of]
        tag = f"py{minor}-{suite}"
        chosen = sorted(names, key=lambda name: (number(f"{image} {name}", 1000), name))[:packages]
        made.append(
            base(
                f"{image}:{tag}",
                {name: version_in_fleet(name, image) for name in chosen},
                platforms=platforms,
                tags=(tag, f"py{minor}") if suite == "trixie" else (tag,),
                time=NEWEST - timedelta(days=number(image, 90)),
                yanked="a broken build of openssl" if position % 40 == 39 else "",
                instead=f"{image}:{tag}-20261121@{digest(f'{image}:{tag} before')}" if position % 40 == 39 else "",
            )
        )
    return tuple(made)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offering:
    """What is published, as a test has it. It finds bases by variant, name, reference and digest."""

    bases: tuple[Base, ...]
    source: str = PLACE

    def listing(self) -> Listing:
        """See `Published`."""
        return Listing(bases=self.bases, source=self.source, time=format_time(NEWEST))

    def editions(self, variant: str) -> tuple[Edition, ...]:
        """See `Published`."""
        return next((each.history or (edition(each),) for each in self.bases if each.variant == variant), ())

    def histories(self) -> dict[str, tuple[Edition, ...]]:
        """See `Published`."""
        return {each.variant: self.editions(each.variant) for each in self.bases}

    def find(self, text: str) -> Base:
        """See `Published`."""
        for each in self.bases:
            tags = (*each.tags, each.dated, each.content)
            if text in {each.reference, each.digest, *(f"{each.image}:{tag}" for tag in tags)}:
                return each
        raise ListingError(f"there is no base {text}", next_step="see `warmbase list`")


def published(*bases: Base, source: str = PLACE) -> Offering:
    """Something that has these bases."""
    return Offering(bases=bases, source=source)
