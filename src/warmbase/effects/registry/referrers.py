"""What refers to a manifest by its `subject`, and the tag that keeps the list where a registry has no API for it.

Distribution-spec 1.1, "Listing Referrers", "Referrers Tag Schema" and "Unavailable Referrers API".
"""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from warmbase.errors import RegistryError
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import INDEX, Descriptor, Index

if TYPE_CHECKING:
    from warmbase.effects.registry.client import RegistryClient

_NO_API = (400, 403, 404, 405, 406, 501)
"""What registries without the API answer; after 403 the tag is asked for with the same rights."""
_MOST_ROUNDS = 5


class Referrers:
    """The referrers of one registry's manifests."""

    def __init__(self, client: "RegistryClient", lock: threading.Lock) -> None:
        self._client = client
        self._lock = lock

    def find(self, repository: str, digest: str, artifact_type: str) -> tuple[Descriptor, ...]:
        """All referrers of a type; of every type, if it is empty."""
        listed = self._ask(repository, digest, artifact_type)
        found = self._read_tag(repository, digest) if listed is None else listed
        return tuple(each for each in found if not artifact_type or each.artifact_type == artifact_type)

    def add(self, repository: str, subject: str, content: bytes, media_type: str) -> None:
        """Enter a manifest under its subject's tag.

        `lock` keeps threads apart. Other machines have none: who writes reads again, and enters anew what was dropped.
        """
        entry = _describe(content, media_type)
        with self._lock:
            for _ in range(_MOST_ROUNDS):
                known = self._read_tag(repository, subject)
                if any(each.digest == entry.digest for each in known):
                    return
                self._write_tag(repository, subject, (*known, entry))
        raise RegistryError(
            f"{self._client.host}/{repository}: others keep changing the referrers of {subject}",
            next_step="run the command again",
        )

    def remove(self, repository: str, subject: str, digest: str) -> None:
        """Take a manifest out of its subject's tag, if there is one; the last one takes the tag along."""
        with self._lock:
            known = self._read_tag(repository, subject)
            left = tuple(each for each in known if each.digest != digest)
            if left and len(left) < len(known):
                self._write_tag(repository, subject, left)
            elif known and not left:
                listed = self._client.find_manifest(repository, referrers_tag(subject))
                if listed:
                    self._client.delete_manifest(repository, listed.digest)

    def _ask(self, repository: str, digest: str, artifact_type: str) -> list[Descriptor] | None:
        """By the API; None where the registry has none."""
        parameters = {"artifactType": artifact_type} if artifact_type else {}
        found: list[Descriptor] = []
        for page in self._client.pages(repository, f"referrers/{digest}", parameters, ok=(200, *_NO_API)):
            entries = page.json().get("manifests")
            if page.status != 200 or not isinstance(entries, list):
                return None
            found += self._descriptors(entries)
        return found

    def _read_tag(self, repository: str, subject: str) -> tuple[Descriptor, ...]:
        document = self._client.read_manifest(repository, referrers_tag(subject))
        return tuple(self._descriptors(_object(document.content).get("manifests") or ())) if document else ()

    def _descriptors(self, entries: Iterable[Mapping[str, Any]]) -> list[Descriptor]:
        try:
            return [Descriptor.from_json(entry) for entry in entries]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RegistryError(
                f"{self._client.host} lists referrers that are no descriptors",
                next_step="see what answers there: a registry, or a proxy before it",
            ) from None

    def _write_tag(self, repository: str, subject: str, entries: tuple[Descriptor, ...]) -> None:
        self._client.write_manifest(repository, referrers_tag(subject), Index(manifests=entries).to_bytes(), INDEX)


def referrers_tag(digest: str) -> str:
    """The tag under which the referrers of `digest` are listed."""
    return digest.replace(":", "-", 1)


def subject_of(content: bytes) -> str:
    """The digest of a manifest's subject; empty where it has none."""
    subject = _object(content).get("subject")
    return str(subject.get("digest", "")) if isinstance(subject, dict) else ""


def _describe(content: bytes, media_type: str) -> Descriptor:
    """A referrer's entry: with its artifact type, for a manifest without one its config's, and its annotations."""
    value = _object(content)
    return Descriptor(
        media_type=media_type,
        digest=digest_of(content),
        size=len(content),
        artifact_type=value.get("artifactType") or value.get("config", {}).get("mediaType", ""),
        annotations=value.get("annotations") or {},
    )


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
