"""A registry in memory that can be told to break, and counts what it is asked."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from warmbase.effects.registry.model import Document, Progress, PushOutcome, Traffic, ignore_progress
from warmbase.errors import RegistryError
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import Descriptor, Index, Manifest, is_index
from warmbase.oci.reference import Reference


class MemoryRegistry:
    """A registry as `Registry` has it. `before` gets each request's name and object before it takes effect."""

    def __init__(self, host: str = "registry.example", *, can_delete: bool = True) -> None:
        self.host = host
        self.asked: Counter[str] = Counter()
        self.before: Callable[[str, str], object]
        self.let_pass()
        self.can_mount = True
        self._can_delete = can_delete
        self._manifests: dict[str, dict[str, Document]] = defaultdict(dict)
        self._tags: dict[str, dict[str, str]] = defaultdict(dict)
        self._blobs: dict[str, dict[str, bytes]] = defaultdict(dict)
        self._lock = threading.RLock()

    def at(self, number: int, act: Callable[[], object]) -> None:
        """Do something in the middle of the request with this number from now on, counted from 1."""
        asked = 0

        def before(what: str, where: str) -> None:
            nonlocal asked
            asked += 1
            if asked == number:
                self.let_pass()
                act()

        self.before = before

    def let_pass(self) -> None:
        """Break no longer."""
        self.before = lambda what, where: None

    def find_manifest(self, repository: str, reference: str) -> Descriptor | None:
        self._ask("HEAD", f"{repository}:{reference}")
        document = self._find(repository, reference)
        return document.descriptor() if document else None

    def read_manifest(self, repository: str, reference: str) -> Document | None:
        self._ask("GET", f"{repository}:{reference}")
        return self._find(repository, reference)

    def write_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> str:
        self._ask("PUT", f"{repository}:{reference}")
        self._check_complete(repository, content, media_type)
        digest = digest_of(content)
        with self._lock:
            self._manifests[repository][digest] = Document(content=content, media_type=media_type, digest=digest)
            if ":" not in reference:
                self._tags[repository][reference] = digest
        return digest

    def has_blob(self, repository: str, digest: str) -> bool:
        self._ask("HEAD", f"{repository}@{digest}")
        return digest in self._blobs[repository]

    def read_blob(self, repository: str, blob: Descriptor) -> bytes:
        self._ask("GET", f"{repository}@{blob.digest}")
        return self._blobs[repository][blob.digest]

    def pull_blob(
        self, repository: str, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress
    ) -> None:
        target.write_bytes(self.read_blob(repository, blob))

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
        if self.has_blob(repository, blob.digest):
            return "present"
        if mount_from and self.mount_blob(repository, blob, mount_from):
            return "mounted"
        self._ask("send", f"{repository}@{blob.digest}")
        content = source if isinstance(source, bytes) else source.read_bytes()
        assert digest_of(content) == blob.digest
        self._blobs[repository][blob.digest] = content
        return "sent"

    def mount_blob(self, repository: str, blob: Descriptor, origin: str) -> bool:
        self._ask("mount", f"{repository}@{blob.digest}")
        if self.can_mount and blob.digest in self._blobs[origin]:
            self._blobs[repository][blob.digest] = self._blobs[origin][blob.digest]
        return blob.digest in self._blobs[repository]

    def tags(self, repository: str) -> tuple[str, ...]:
        self._ask("GET", f"{repository} tags")
        return tuple(sorted(self._tags[repository]))

    def referrers(self, repository: str, digest: str, artifact_type: str = "") -> tuple[Descriptor, ...]:
        self._ask("GET", f"{repository} referrers of {digest}")
        found = []
        for document in self._manifests[repository].values():
            if is_index(document.media_type):
                continue
            manifest = Manifest.from_bytes(document.content)
            if manifest.subject and manifest.subject.digest == digest:
                found.append(
                    Descriptor(
                        media_type=document.media_type,
                        digest=document.digest,
                        size=len(document.content),
                        artifact_type=manifest.artifact_type,
                    )
                )
        return tuple(each for each in found if artifact_type in ("", each.artifact_type))

    def delete_manifest(self, repository: str, digest: str) -> bool:
        self._ask("DELETE", f"{repository}@{digest}")
        if not self._can_delete:
            return False
        with self._lock:
            self._manifests[repository].pop(digest, None)
            self._tags[repository] = {tag: of for tag, of in self._tags[repository].items() if of != digest}
        return True

    def delete_tag(self, repository: str, tag: str) -> bool:
        self._ask("DELETE", f"{repository}:{tag}")
        if self._can_delete:
            self._tags[repository].pop(tag, None)
        return self._can_delete

    def digests(self, repository: str) -> set[str]:
        """All manifests and indexes."""
        return set(self._manifests[repository])

    def _find(self, repository: str, reference: str) -> Document | None:
        digest = reference if ":" in reference else self._tags[repository].get(reference, "")
        return self._manifests[repository].get(digest)

    def _check_complete(self, repository: str, content: bytes, media_type: str) -> None:
        """A manifest is refused before what it names is there."""
        if is_index(media_type):
            missing = [m.digest for m in Index.from_bytes(content).manifests if not self._find(repository, m.digest)]
        else:
            manifest = Manifest.from_bytes(content)
            blobs = (manifest.config, *manifest.layers)
            missing = [blob.digest for blob in blobs if blob.digest not in self._blobs[repository]]
        if missing:
            raise RegistryError(f"{repository} lacks {missing}", status=404)

    def _ask(self, what: str, where: str) -> None:
        with self._lock:
            self.asked[what] += 1
        self.before(what, where)


class MemoryRegistries:
    """Registries in memory, by host."""

    def __init__(self, *registries: MemoryRegistry) -> None:
        self._registries = {registry.host: registry for registry in registries}

    def at(self, host: str) -> MemoryRegistry:
        return self._registries[host]

    def locate(self, reference: Reference) -> Reference:
        return reference

    @property
    def traffic(self) -> Mapping[str, Traffic]:
        return {}
