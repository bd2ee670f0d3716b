"""Names of images in registries, as Docker and podman users write them.

host[:port]/repository[:tag][@digest] (OCI distribution specification 1.1, "Pulling manifests"; the grammar of the
`reference` package of the distribution project). Without a host, Docker Hub is meant, and there `python` is
`library/python`.
"""

import re
from dataclasses import dataclass, replace

from warmbase.errors import mask_login

DOCKER_HUB = "docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
_LONGEST_REPOSITORY = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An image in a registry. `tag` and `digest` may both be empty: then the repository alone is named."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """The reference that `text` means. Raises ValueError that says what is wrong, without a password in `text`."""
        rest, _, digest = text.partition("@")
        if digest and not _DIGEST.fullmatch(digest):
            raise ValueError(f"{mask_login(text)!r}: {mask_login(digest)!r} is not a sha256 digest")
        head, slash, path = rest.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost" or head.startswith("[")):
            host = head
        else:
            host, path = DOCKER_HUB, rest
        name, colon, tag = path.partition(":")
        if host == DOCKER_HUB and name and "/" not in name:
            name = f"library/{name}"
        if not _HOST.fullmatch(host):
            raise ValueError(f"{text!r}: {host!r} is not a registry's host")
        if not _REPOSITORY.fullmatch(name) or len(name) > _LONGEST_REPOSITORY:
            raise ValueError(f"{text!r}: {name!r} is not a repository's name; they are in lowercase")
        if colon and not _TAG.fullmatch(tag):
            raise ValueError(f"{text!r}: {tag!r} is not a tag")
        return cls(registry=host, repository=name, tag=tag, digest=digest)

    @property
    def reference(self) -> str:
        """What a request asks for: the digest, else the tag, else "latest"."""
        return self.digest or self.tag or "latest"

    def at(self, *, tag: str = "", digest: str = "") -> "Reference":
        """The same repository at another tag or digest."""
        return replace(self, tag=tag, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"
