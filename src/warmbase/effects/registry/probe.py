"""What a registry can do, found out by doing it in a repository made for that, and what follows for warmbase.

Documentation of registries ages and proxies before them change what they do; a trial with a few hundred bytes does not
lie. Everything that was written is deleted again where the registry deletes.
"""

import gzip
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.referrers import referrers_tag
from warmbase.errors import RegistryError
from warmbase.oci.digests import canonical_json, digest_of
from warmbase.oci.manifest import (
    CONFIG,
    INDEX,
    MANIFEST,
    TAR_GZIP,
    TAR_ZSTD,
    Config,
    Descriptor,
    Index,
    Manifest,
    Platform,
    describe,
)
from warmbase.oci.records import record_manifest

REPOSITORY = "warmbase-check"
"""The repository, beside the images', in which things are tried."""

_UNKNOWN_CONFIG = "application/vnd.warmbase.check.v1+json"
_TAG = "check"
_EMPTY_TAR = bytes(10240)
_NOT_ABOUT_IT = (0, 401, 429)
"""No answer, a missing login or a limit says nothing of what a registry can do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """One thing that a registry can do or cannot: `detail` is what it said, `follows` what that means.

    Without what is `needed` nothing can be published.
    """

    name: str
    supported: bool
    follows: str
    detail: str = ""
    needed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What came of a trial; `left` are the digests of manifests that could not be deleted from `repository`."""

    repository: str
    capabilities: tuple[Capability, ...]
    left: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Capability, ...]:
        """What is needed and not there."""
        return tuple(each for each in self.capabilities if each.needed and not each.supported)


def probe_registry(registry: Registry, repository: str) -> Probe:
    """Try what publishing needs. Raises RegistryError if not even a plain image can be pushed."""
    trial = _Trial(registry, repository)
    plain = trial.push_image(TAR_GZIP, gzip.compress(_EMPTY_TAR, mtime=0))
    tries: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("zstd layers", trial.push_zstd),
        ("index of platforms", lambda: trial.push_index(plain)),
        ("records", lambda: trial.push_record(plain)),
        ("referrers", lambda: registry.find_manifest(repository, referrers_tag(plain.digest)) is None),
        ("unknown config types", trial.push_unknown_config),
        ("mount", trial.mount),
        ("delete a tag", trial.delete_tag),
        ("delete a manifest", trial.delete_all),
    )
    capabilities = tuple(_attempt(name, action) for name, action in tries)
    return Probe(repository=repository, capabilities=capabilities, left=tuple(trial.made))


_FOLLOWS = {
    "zstd layers": ("layers are sent as zstd", "write `compression: gzip` in the catalog"),
    "index of platforms": ("a tag stands for all platforms", "no variant can be published"),
    "records": ("journal, yanks and shared layers work", "no variant can be published: there can be no journal"),
    "referrers": (
        "the registry lists what refers to an image",
        "warmbase keeps that list itself, under tags sha256-<hex>",
    ),
    "unknown config types": ("nothing: warmbase's records are plain images",) * 2,
    "mount": (
        "a layer that another image has is not sent again",
        "a layer is sent once for each image that has it",
    ),
    "delete a tag": ("nothing: gc deletes a tag with its manifest",) * 2,
    "delete a manifest": ("gc deletes", "gc prints the commands of this host instead"),
}
"""What follows from a capability, and from its absence."""

_NEEDED = {"index of platforms", "records"}


def _attempt(name: str, action: Callable[[], bool]) -> Capability:
    detail = ""
    try:
        supported = action()
    except RegistryError as error:
        if error.status in _NOT_ABOUT_IT:
            raise
        supported, detail = False, error.message
    follows = _FOLLOWS[name][0 if supported else 1]
    return Capability(name=name, supported=supported, follows=follows, detail=detail, needed=name in _NEEDED)


class _Trial:
    """Writes into the repository and remembers what: always the same, so that trials do not pile up."""

    def __init__(self, registry: Registry, repository: str) -> None:
        self._registry = registry
        self._repository = repository
        self.made: list[str] = []

    def push_image(self, media_type: str, layer: bytes, config_type: str = CONFIG) -> Descriptor:
        config = _config() if config_type == CONFIG else canonical_json({"for": "a check"})
        blobs = (describe(config, config_type), config), (describe(layer, media_type), layer)
        for blob, content in blobs:
            self._registry.push_blob(self._repository, blob, content)
        manifest = Manifest(config=blobs[0][0], layers=(blobs[1][0],))
        return self._write(manifest.to_bytes(), MANIFEST)

    def push_zstd(self) -> bool:
        import zstandard

        self.push_image(TAR_ZSTD, zstandard.ZstdCompressor().compress(_EMPTY_TAR))
        return True

    def push_unknown_config(self) -> bool:
        self.push_image(TAR_GZIP, gzip.compress(_EMPTY_TAR, mtime=0), _UNKNOWN_CONFIG)
        return True

    def push_index(self, plain: Descriptor) -> bool:
        self._write(Index(manifests=(plain,)).to_bytes(), INDEX)
        return True

    def push_record(self, subject: Descriptor) -> bool:
        record = record_manifest("check", {"for": "a check"}, subject=subject)
        for blob, content in record.blobs:
            self._registry.push_blob(self._repository, blob, content)
        self._write(record.manifest, MANIFEST)
        found = self._registry.referrers(self._repository, subject.digest)
        return record.digest in {each.digest for each in found}

    def mount(self) -> bool:
        """With a blob that cannot be in the other repository yet."""
        content = secrets.token_bytes(16)
        blob = describe(content, TAR_GZIP)
        self._registry.push_blob(self._repository, blob, content)
        return self._registry.mount_blob(f"{self._repository}-mount", blob, self._repository)

    def delete_tag(self) -> bool:
        self._write(Index(manifests=(), annotations={"for": "a tag"}).to_bytes(), INDEX, _TAG)
        return self._registry.delete_tag(self._repository, _TAG)

    def delete_all(self) -> bool:
        """Indexes and records go before what they name."""
        for digest in reversed(self.made.copy()):
            if not self._registry.delete_manifest(self._repository, digest):
                return False
            self.made.remove(digest)
        return True

    def _write(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        digest = digest_of(content)
        self._registry.write_manifest(self._repository, tag or digest, content, media_type)
        self.made.append(digest)
        return describe(content, media_type, Platform())


def _config() -> bytes:
    return Config(platform=Platform(), created="", diff_ids=(digest_of(_EMPTY_TAR),)).to_bytes()
