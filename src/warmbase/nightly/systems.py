"""The packages of foundations' systems, as apt says: what a Debian one would be made of, and what an image is behind.

To ask apt about an image, its packages, sources and keys have to be known. They are read from its layers, which are
pulled for that if this machine does not have them, once for each image: the answer keeps them. What only a build can
make, the image of a Dockerfile, is looked into where it was made.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from warmbase.catalog.model import CatalogFoundation, DebianFoundation, ImageFoundation, LayoutFoundation
from warmbase.effects.process import Processes
from warmbase.errors import FoundationError, mask_userinfo
from warmbase.foundation.apt import AptSystem, Offer, ask_upgrades, read_apt_system
from warmbase.foundation.debian import ask_archives, pin_asked
from warmbase.foundation.dockerfile import dockerfile_recipe
from warmbase.foundation.groundwork import Groundwork, find_foundation
from warmbase.foundation.image import image_recipe
from warmbase.foundation.mmdebstrap import architecture_of
from warmbase.foundation.pins import DockerfilePin, ImagePin
from warmbase.foundation.sources import open_source
from warmbase.foundation.upstream import read_manifest, take_layers
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.tree import merge_layers
from warmbase.nightly.archives import Answer
from warmbase.nightly.model import Held, Reason
from warmbase.oci.digests import canonical_json, digest_of
from warmbase.publish.journal import format_time

_MOST = 1 << 18  # bytes of files that are remembered


def question_of_image(pin: ImagePin | DockerfilePin) -> str:
    """The question what is newer than an image's packages."""
    digest = pin.manifest if isinstance(pin, ImagePin) else pin.image
    return digest_of(canonical_json([digest, pin.platform]))


def ask_debian(foundation: DebianFoundation, platform: str, now: datetime, processes: Processes) -> Answer:
    """Ask apt what a Debian foundation would be pinned to. Raises FoundationError."""
    asked = ask_archives(foundation, platform, processes=processes)
    return Answer(
        asked=format_time(now),
        architecture=architecture_of(platform),
        suites=asked.suites,
        pin=pin_asked(foundation, platform, asked),
        offers=tuple(offer for offer in asked.offers if offer.security),
    )


def ask_image(
    system: AptSystem | None, platform: str, subjects: Iterable[str], now: datetime, processes: Processes
) -> Answer:
    """Ask apt what is newer than an image's packages; nothing is where apt has nothing to do with it.

    Raises FoundationError.
    """
    architecture, time = architecture_of(platform), format_time(now)
    if system is None:
        return Answer(asked=time, architecture=architecture, subjects=tuple(subjects))
    upgrades = ask_upgrades(system, architecture, processes=processes)
    return Answer(
        asked=time,
        architecture=architecture,
        suites=upgrades.suites,
        offers=upgrades.offers,
        system=system if _may_be_kept(system) else None,
        subjects=tuple(subjects),
    )


def _may_be_kept(system: AptSystem) -> bool:
    """Whether what is known of an image is small, and nobody wrote a password into its sources."""
    texts = [content.decode(errors="replace") for content in system.files.values()]
    return sum(map(len, texts)) < _MOST and all(mask_userinfo(text) == text for text in texts)


def read_system(
    wanted: CatalogFoundation, pin: ImagePin | DockerfilePin, ground: Groundwork, codecs: Collection[Codec]
) -> AptSystem | None:
    """What apt has to know of a pinned image. Raises FoundationError, RegistryError for layers that cannot be had."""
    layers = _layers(wanted, pin, ground, codecs)
    return read_apt_system(merge_layers(ground.unpacked.listings(layers), ground.unpacked.folders(layers)))


def _layers(
    wanted: CatalogFoundation, pin: ImagePin | DockerfilePin, ground: Groundwork, codecs: Collection[Codec]
) -> tuple[Layer, ...]:
    for codec in codecs:
        recipe = image_recipe(pin, codec) if isinstance(pin, ImagePin) else dockerfile_recipe(pin, codec)
        if known := find_foundation(ground.store, recipe):
            return known.layers
    if isinstance(wanted, ImageFoundation | LayoutFoundation) and isinstance(pin, ImagePin):
        source = open_source(wanted, pin.reference, ground.registries, digest=pin.manifest)
        return take_layers(source, read_manifest(source, source.root()), ground)
    raise FoundationError("what its Dockerfile made is not on this machine", next_step="run `warmbase build`")


def explain_offer(offer: Offer) -> Reason:
    """What is newer in the archive, as a reason to make an image anew."""
    return Reason(
        axis="security" if offer.security else "foundation",
        subject=offer.name,
        old=offer.installed,
        new=offer.version,
        note="security" if offer.security else "",
    )


def hold_offer(offer: Offer, foundation: str) -> Held:
    """What is newer in the archive and comes only with the next image of a foundation."""
    urgent = "security update, " if offer.security else ""
    detail = f"{urgent}comes with the next image of {foundation}"
    return Held(subject=offer.name, current=offer.installed, offered=offer.version, by="upstream", detail=detail)
