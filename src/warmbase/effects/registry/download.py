"""Getting blobs: checked while they stream, continued where the connection broke."""

import hashlib
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import httpx

from warmbase.effects.registry.model import Progress, ignore_progress
from warmbase.effects.registry.retries import Interrupted
from warmbase.effects.registry.transport import Request, Transport
from warmbase.errors import RegistryError
from warmbase.oci.digests import hex_of
from warmbase.oci.manifest import Descriptor

_SMALL = 64 << 20
_PUSH_ANEW = "the registry, or a proxy before it, has a damaged copy: push the image to it anew"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")  # RFC 9110, section 14.4


class Download:
    """One blob on its way into `target`, a file that can be emptied again."""

    def __init__(
        self, transport: Transport, request: Request, blob: Descriptor, target: BinaryIO, progress: Progress
    ) -> None:
        self._transport = transport
        self._request = request
        self._blob = blob
        self._hex = _hex_of(blob, request)
        self._target = target
        self._progress = progress
        self._hash = hashlib.sha256()
        self._done = 0

    def run(self) -> None:
        """Fetch the blob; each break that came no further than those before it counts as a failure.

        Raises RegistryError.
        """
        failures = furthest = 0
        corrupted = False
        while True:
            try:
                self._fetch()
            except Interrupted as interrupted:
                cause = interrupted
            else:
                if self._hash.hexdigest() == self._hex:
                    return
                if corrupted:
                    raise self._mismatch()
                corrupted, cause = True, Interrupted("what arrived does not have the blob's digest")
                self._restart()
            failures = 1 if self._done > furthest else failures + 1
            furthest = max(furthest, self._done)
            self._transport.backoff.pause(failures, cause, self._request.doing)

    def _fetch(self) -> None:
        request, ok = self._request, [200]
        if self._done:
            request = replace(request, headers={**request.headers, "Range": f"bytes={self._done}-"})
            ok = [200, 206, 416]
        with self._transport.open(request, ok=ok) as response:
            if self._done and not _continues(response, self._done):
                self._restart()
                if response.status_code != 200:
                    raise Interrupted("the download cannot be continued")
            for piece in self._transport.pieces(response):
                if self._done + len(piece) > self._blob.size:
                    raise self._mismatch()
                self._target.write(piece)
                self._hash.update(piece)
                self._done += len(piece)
                self._progress(len(piece))
        if self._done < self._blob.size:
            raise Interrupted("the answer ended too early")

    def _restart(self) -> None:
        self._progress(-self._done)
        self._target.seek(0)
        self._target.truncate()
        self._hash = hashlib.sha256()
        self._done = 0

    def _mismatch(self) -> RegistryError:
        return RegistryError(
            f"{self._request.doing}: what {self._transport.host} sends is not {self._blob.digest}"
            f" of {self._blob.size} bytes",
            next_step=_PUSH_ANEW,
        )


def _hex_of(blob: Descriptor, request: Request) -> str:
    try:
        return hex_of(blob.digest)
    except ValueError as error:
        raise RegistryError(f"{request.doing}: {error}", next_step=_PUSH_ANEW) from None


def _continues(response: httpx.Response, done: int) -> bool:
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return response.status_code == 206 and found is not None and int(found[1]) == done


def download(transport: Transport, request: Request, blob: Descriptor, target: Path, progress: Progress) -> None:
    """Fetch a blob into a new file; after a failure of any kind the file is gone."""
    with target.open("wb") as file:
        try:
            Download(transport, request, blob, file, progress).run()
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def download_bytes(transport: Transport, request: Request, blob: Descriptor) -> bytes:
    """Fetch a small blob. Raises RegistryError, also for one that is too large for memory."""
    if blob.size > _SMALL:
        raise RegistryError(
            f"{request.doing}: {blob.size} bytes are too many for a document",
            next_step="check the name: this is no image that warmbase can use",
        )
    target = BytesIO()
    Download(transport, request, blob, target, ignore_progress).run()
    return target.getvalue()
