"""The registry client: what `Registry` in model.py promises, by the OCI distribution specification 1.1.

Importing this imports httpx; do so where it is used.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from warmbase.effects.registry.auth import access
from warmbase.effects.registry.deletion import Deletion
from warmbase.effects.registry.download import download, download_bytes
from warmbase.effects.registry.listing import follow_pages
from warmbase.effects.registry.model import Document, Progress, PushOutcome, Traffic, ignore_progress
from warmbase.effects.registry.referrers import Referrers, subject_of
from warmbase.effects.registry.transport import Answer, Request, Transport
from warmbase.effects.registry.upload import Upload
from warmbase.errors import RegistryError
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import INDEX, MANIFEST, Descriptor

MANIFEST_TYPES = (
    INDEX,
    MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""What is accepted as a manifest or an index: OCI's and Docker's forms."""

_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}


class RegistryClient:
    """One registry. `prefix` goes before all repository names: where a mirror keeps another registry's."""

    def __init__(self, transport: Transport, *, host: str = "", prefix: str = "") -> None:
        self._transport = transport
        self._host = host or transport.host
        self._prefix = f"{prefix}/" if prefix else ""
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """The registry's host and port as references name it."""
        return self._host

    @property
    def traffic(self) -> Traffic:
        """What went to and came from the registry so far."""
        return self._transport.traffic

    def find_manifest(self, repository: str, reference: str) -> Descriptor | None:
        """See `Registry`. A registry that does not say the digest is asked for the manifest itself."""
        answer = self.ask("HEAD", repository, f"manifests/{reference}", ok=(200, 404, 405), headers=_ACCEPT)
        if answer.status == 404:
            return None
        digest, size = answer.headers.get("Docker-Content-Digest", ""), answer.headers.get("Content-Length", "")
        if answer.status == 405 or not digest or not size.isdecimal():
            document = self.read_manifest(repository, reference)
            return document.descriptor() if document else None
        return Descriptor(media_type=_media_type(answer), digest=digest, size=int(size))

    def read_manifest(self, repository: str, reference: str) -> Document | None:
        """See `Registry`."""
        answer = self.ask("GET", repository, f"manifests/{reference}", ok=(200, 404), headers=_ACCEPT)
        if answer.status == 404:
            return None
        digest = digest_of(answer.content)
        promised = reference if ":" in reference else answer.headers.get("Docker-Content-Digest", digest)
        if promised.startswith("sha256:") and digest != promised:
            raise RegistryError(
                f"the manifest {self.host}/{repository}:{reference} has the digest {digest}, not {promised}",
                next_step="the registry, or a proxy before it, has a damaged copy: push the image to it anew",
            )
        return Document(content=answer.content, media_type=_media_type(answer), digest=digest)

    def write_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> str:
        """See `Registry`."""
        digest = digest_of(content)
        answer = self.ask(
            "PUT",
            repository,
            f"manifests/{reference}",
            ok=(200, 201, 202),
            headers={"Content-Type": media_type},
            content=content,
        )
        said = answer.headers.get("Docker-Content-Digest", digest)
        if said.startswith("sha256:") and said != digest:
            raise RegistryError(
                f"{self.host}/{repository}: the manifest {digest} arrived as {said}",
                next_step="see whether a proxy before the registry changes what passes through it",
            )
        subject = subject_of(content)
        if subject and "OCI-Subject" not in answer.headers:
            Referrers(self, self._lock).add(repository, subject, content, media_type)
        return digest

    def has_blob(self, repository: str, digest: str) -> bool:
        """See `Registry`."""
        return self.ask("HEAD", repository, f"blobs/{digest}", ok=(200, 404)).status == 200

    def read_blob(self, repository: str, blob: Descriptor) -> bytes:
        """See `Registry`."""
        return download_bytes(self._transport, self._blob_request(repository, blob), blob)

    def pull_blob(
        self, repository: str, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress
    ) -> None:
        """See `Registry`."""
        download(self._transport, self._blob_request(repository, blob), blob, target, progress)

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
        """See `Registry`."""
        return self._upload(repository, blob, source, mount_from, progress).run(is_new=is_new)

    def mount_blob(self, repository: str, blob: Descriptor, origin: str) -> bool:
        """See `Registry`."""
        return self._upload(repository, blob, b"", origin, ignore_progress).mount()

    def _upload(
        self, repository: str, blob: Descriptor, source: Path | bytes, mount_from: str, progress: Progress
    ) -> Upload:
        origin = self._prefix + mount_from if mount_from else ""
        return Upload(self._transport, self._prefix + repository, blob, source, mount_from=origin, progress=progress)

    def tags(self, repository: str) -> tuple[str, ...]:
        """See `Registry`."""
        first = self._request("GET", repository, "tags/list", parameters={"n": "1000"})
        tags: list[str] = []
        for page in follow_pages(self._transport, first, ok=(200, 404)):
            if page.status == 200:
                document = page.json()
                if "tags" not in document:  # null where there are none
                    raise RegistryError(
                        f"{first.doing}: the answer is no list of tags",
                        next_step="run the command again; if it stays so, see what a proxy before the registry answers",
                    )
                tags += document["tags"] or ()
        return tuple(tags)

    def referrers(self, repository: str, digest: str, artifact_type: str = "") -> tuple[Descriptor, ...]:
        """See `Registry`."""
        return Referrers(self, self._lock).find(repository, digest, artifact_type)

    def delete_manifest(self, repository: str, digest: str) -> bool:
        """See `Registry`."""
        return Deletion(self).manifest(repository, digest)

    def delete_tag(self, repository: str, tag: str) -> bool:
        """See `Registry`."""
        return Deletion(self).tag(repository, tag)

    def drop_referrer(self, repository: str, subject: str, digest: str) -> None:
        """Take a deleted manifest out of the tag that lists its subject's referrers, if there is such a tag."""
        Referrers(self, self._lock).remove(repository, subject, digest)

    def _blob_request(self, repository: str, blob: Descriptor) -> Request:
        return self._request("GET", repository, f"blobs/{blob.digest}")

    def ask(
        self,
        method: str,
        repository: str,
        path: str,
        *actions: str,
        ok: Sequence[int],
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Ask for an endpoint below a repository, with the right to `actions` beyond reading and, for PUT, writing."""
        request = self._request(method, repository, path, *actions, headers=headers, content=content)
        return self._transport.ask(request, ok=ok)

    def pages(self, repository: str, path: str, parameters: Mapping[str, str], ok: Sequence[int]) -> list[Answer]:
        """All pages of a list below a repository."""
        first = self._request("GET", repository, path, headers={"Accept": INDEX}, parameters=parameters)
        return list(follow_pages(self._transport, first, ok=ok))

    def _request(
        self,
        method: str,
        repository: str,
        path: str,
        *actions: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Request:
        repository = self._prefix + repository
        words = {"HEAD": "looking for", "GET": "reading", "PUT": "writing", "DELETE": "deleting"}
        return Request(
            doing=f"{words[method]} {self._transport.host}/{repository}/{path}",
            method=method,
            url=self._transport.address(f"{repository}/{path}", **(parameters or {})),
            access=access(repository, "pull", *(("push",) if method == "PUT" else ()), *actions),
            headers=headers or {},
            body=None if content is None else lambda: iter([content]),
            size=len(content or b""),
        )


def _media_type(answer: Answer) -> str:
    """The type of a manifest: the header's, and where that says nothing of use, the document's own."""
    header = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return header if header in MANIFEST_TYPES else str(answer.json().get("mediaType") or header or MANIFEST)
