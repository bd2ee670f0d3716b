"""What stages ask of a registry. `RegistryClient` in `client.py` is the real one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from warmbase.oci.manifest import Descriptor
from warmbase.oci.reference import Reference

PushOutcome = Literal["present", "mounted", "sent"]
"""What became of a blob: it was there, came from another repository, or its bytes were sent."""


Progress = Callable[[int], None]
"""Told of bytes that have moved, of a negative number where they have to move again; what it raises ends a transfer."""


def ignore_progress(_: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A manifest or an index as a registry has it: its exact bytes, media type and digest."""

    content: bytes = field(repr=False)
    media_type: str
    digest: str

    def descriptor(self) -> Descriptor:
        """What points to the document."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.content))


@dataclass(slots=True)
class Traffic:
    """What a client has sent and received: requests by method, and bodies in bytes."""

    requests: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    received: int = 0


class Registry(Protocol):
    """One registry, named by its host. Safe for several threads.

    `reference` is a tag or a digest. All methods raise RegistryError, whose message holds no secret; what is not there
    is None, empty or false where the return type has room for it, and an error elsewhere.
    """

    @property
    def host(self) -> str:
        """The registry's host and port, e.g. "localhost:5000"."""
        ...

    def find_manifest(self, repository: str, reference: str) -> Descriptor | None:
        """What `reference` points to, by a HEAD request."""
        ...

    def read_manifest(self, repository: str, reference: str) -> Document | None:
        """The manifest or index, whose digest is checked."""
        ...

    def write_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> str:
        """Put a manifest or an index under a tag or its digest, and return its digest.

        Where it has a `subject` and the registry does not know referrers, the subject's referrers tag is kept up.
        """
        ...

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the repository has the blob, by a HEAD request."""
        ...

    def read_blob(self, repository: str, blob: Descriptor) -> bytes:
        """A small blob's bytes, checked."""
        ...

    def pull_blob(
        self, repository: str, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress
    ) -> None:
        """Stream a blob into the new file `target`, its digest checked; after a failure nothing is left there."""
        ...

    def push_blob(
        self,
        repository: str,
        blob: Descriptor,
        source: Path | bytes,
        *,
        mount_from: str = "",
        is_new: bool = False,
        progress: Progress = ignore_progress,
    ) -> PushOutcome:
        """See that the repository has the blob: skip it, mount it from another repository of this registry, or send it.

        With `is_new` there is reason to think that it is not there, and nobody asks first. `progress` is told of bytes
        that are sent, so of none for a blob that is there or mounted.
        """
        ...

    def mount_blob(self, repository: str, blob: Descriptor, origin: str) -> bool:
        """See that the repository has a blob, if need be by a mount from `origin`; false where it has to be sent."""
        ...

    def tags(self, repository: str) -> tuple[str, ...]:
        """All tags; empty for a repository that does not exist."""
        ...

    def referrers(self, repository: str, digest: str, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """The manifests whose `subject` is `digest`, by the referrers API or the tag that stands in for it."""
        ...

    def delete_manifest(self, repository: str, digest: str) -> bool:
        """Delete a manifest with all of its tags; false where the registry cannot delete through its API."""
        ...

    def delete_tag(self, repository: str, tag: str) -> bool:
        """Delete a tag alone; false where the registry cannot."""
        ...


class Registries(Protocol):
    """Gives the client of each registry, with its credentials, mirror and scheme."""

    def at(self, host: str) -> Registry:
        """The client of the registry `host`, made once."""
        ...

    def locate(self, reference: Reference) -> Reference:
        """Where `reference` really is, once mirrors are taken into account.

        Two references with the same `registry` here can mount each other's blobs.
        """
        ...

    @property
    def traffic(self) -> Mapping[str, Traffic]:
        """What went to and came from each host so far."""
        ...
