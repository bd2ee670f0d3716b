"""Digests and the canonical JSON that they are taken of.

A digest is written `sha256:<64 hex>` (OCI image specification, descriptor.md, section "Digests"). JSON that
is hashed has one form only: sorted keys, no spaces, UTF-8, so that equal documents have equal digests.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None

CHUNK = 1 << 20
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def canonical_json(value: Json) -> bytes:
    """The one JSON text of `value`. NaN and infinities, which JSON does not have, raise ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(content: bytes) -> str:
    """The digest of bytes in memory."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """The digest of a file's content, read in chunks. Raises OSError."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def hex_of(digest: str) -> str:
    """The hexadecimal part of a sha256 digest. Anything else raises ValueError: it may become a file name."""
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"not a sha256 digest: {digest!r}")
    return digest[7:]
