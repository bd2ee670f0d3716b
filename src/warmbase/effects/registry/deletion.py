"""Deleting manifests and tags, where a registry can (distribution-spec 1.1, "Deleting tags", "Deleting Manifests").

Some registries delete manifests by their digest but no tags: the distribution project's before 3.0 does. There a tag
is first moved to a manifest made for that purpose, which is then deleted with it.
"""

import secrets
from typing import TYPE_CHECKING

from warmbase.effects.registry.records import write_record
from warmbase.effects.registry.referrers import subject_of
from warmbase.errors import RegistryError
from warmbase.oci.manifest import MANIFEST, describe
from warmbase.oci.records import plain_image

if TYPE_CHECKING:
    from warmbase.effects.registry.client import RegistryClient

_REFUSED = (400, 405, 501)


class Deletion:
    """Deletes from one registry; remembers nothing but whether it can."""

    def __init__(self, client: "RegistryClient") -> None:
        self._client = client

    def manifest(self, repository: str, digest: str) -> bool:
        """Delete a manifest, and take it out of its subject's list of referrers."""
        document = self._client.read_manifest(repository, digest)
        if document is None:
            return True
        deleted = self._delete(repository, digest)
        subject = subject_of(document.content)
        if deleted and subject:
            self._client.drop_referrer(repository, subject, digest)
        return deleted

    def tag(self, repository: str, tag: str) -> bool:
        """Delete a tag; the manifest stays."""
        return self._delete(repository, tag) or self._through_another_manifest(repository, tag)

    def _delete(self, repository: str, reference: str) -> bool:
        answer = self._client.ask(
            "DELETE", repository, f"manifests/{reference}", "delete", ok=(200, 202, 204, 404, *_REFUSED)
        )
        if answer.status == 400 and ":" in reference and b'"UNSUPPORTED"' not in answer.content:
            raise RegistryError(
                f"{self._client.host} does not delete {repository}@{reference}: it answers 400",
                next_step="something may still name it: see what the registry's log says",
            )
        return answer.status not in _REFUSED

    def _through_another_manifest(self, repository: str, tag: str) -> bool:
        if self._client.find_manifest(repository, tag) is None:
            return True
        nonce = secrets.token_bytes(16)
        other = plain_image([(describe(nonce, "application/octet-stream"), nonce)])
        digest = write_record(self._client, repository, other)
        if not self._delete(repository, digest):  # found out before the tag is touched
            return False
        self._client.write_manifest(repository, tag, other.manifest, MANIFEST)
        return self._delete(repository, digest)
