"""What is published where: values that the other modules of this package share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from warmbase.effects.registry.model import Registries, Registry
from warmbase.errors import PublishError
from warmbase.oci.manifest import Descriptor
from warmbase.oci.reference import Reference
from warmbase.publish.tags import content_tag

if TYPE_CHECKING:  # what is published is read on any system, what builds it is for Linux alone
    from warmbase.catalog.model import Variant
    from warmbase.plan import BuildStep
    from warmbase.verify.model import VerifiedImage

JOURNAL = "warmbase-journal"
"""The repository, beside the images', that keeps the journal."""

NIGHTS = "warmbase-nights"
"""The repository that keeps what nightly runs know."""

CLAIMS = "warmbase-claims"
"""The repository that says what each of several workers is at."""


class Attestation(Protocol):
    """What is attested of one platform's image: a manifest, what points to it in the index, and its blobs."""

    @property
    def manifest(self) -> bytes: ...

    @property
    def descriptor(self) -> Descriptor: ...

    @property
    def blobs(self) -> tuple[tuple[Descriptor, bytes], ...]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where images are published: the repositories below `prefix` in a registry.

    `locate` says where another reference really is: in the same registry, perhaps.
    """

    registry: Registry
    prefix: str
    locate: Callable[[Reference], Reference] = field(default=lambda reference: reference, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, registries: Registries) -> "Place":
        """The place of "host[:port][/path]", as the catalog's `registry` has it."""
        host, _, prefix = text.partition("/")
        return cls(registry=registries.at(host), prefix=prefix, locate=registries.locate)

    def repository(self, name: str) -> str:
        """The repository of an image, or of the journal."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def journal(self) -> str:
        """The repository of the journal."""
        return self.repository(JOURNAL)

    def __str__(self) -> str:
        return f"{self.registry.host}/{self.prefix}" if self.prefix else self.registry.host


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishableVariant:
    """A variant, verified on all of its platforms: an image and the step that built it for each, in platform order.

    `seconds` is how long building and verifying them took in this run, 0 where they were there.

    Raises PublishError where a platform is missing: tags never name a part of a variant.
    """

    variant: "Variant"
    images: "tuple[tuple[BuildStep, VerifiedImage], ...]"
    seconds: float = 0.0

    def __post_init__(self) -> None:
        platforms = [image.image.platform for _, image in self.images]
        if sorted(platforms) != sorted(self.variant.platforms) or platforms != sorted(platforms):
            missing = ", ".join(sorted(set(self.variant.platforms) - set(platforms)))
            raise PublishError(
                f"{self.variant.name} has no verified image for {missing}",
                next_step=f"run `warmbase build {self.variant.name}`",
            )

    @property
    def content_tag(self) -> str:
        """The tag that stands for the recipes of all platforms."""
        return content_tag(self.variant.tag, {image.image.platform: image.image.recipe for _, image in self.images})
