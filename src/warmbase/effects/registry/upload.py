"""Sending blobs: skipped where they are, mounted, or sent, and continued where the connection broke.

Distribution-spec 1.1, "Pushing blobs". A blob goes in one PUT. After a break, and where a proxy refuses long bodies,
it goes in PATCH requests from the byte on that the registry has; where it has forgotten the session, from the start.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from warmbase.effects.registry.auth import Access, access
from warmbase.effects.registry.model import Progress, PushOutcome
from warmbase.effects.registry.retries import Interrupted
from warmbase.effects.registry.transport import TAKE_LONGER_BODIES, Answer, Body, Request, Transport
from warmbase.errors import RegistryError
from warmbase.oci.digests import CHUNK, digest_of, digest_of_file
from warmbase.oci.manifest import Descriptor

PART = 32 << 20
"""The longest body of a PATCH request: what a break costs at most, and under the limit of many proxies."""
_SMALLEST_PART = 64 << 10
_TOO_LONG = 413

_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
_CODE = re.compile(r'"code"\s*:\s*"([A-Z_]{1,40})"')
_STREAM = "application/octet-stream"


class Upload:
    """One blob on its way into a repository."""

    def __init__(
        self,
        transport: Transport,
        repository: str,
        blob: Descriptor,
        source: Path | bytes,
        *,
        mount_from: str = "",
        progress: Progress,
    ) -> None:
        self._transport = transport
        self._repository = repository
        self._blob = blob
        self._source = source
        self._mount_from = mount_from
        self._progress = progress
        self._doing = f"sending {blob.digest} to {transport.host}/{repository}"
        self._access = access(repository, "pull", "push")
        self._session: httpx.URL | None = None
        self._offset = 0
        self._begun = False
        self._parts_refused = False
        self._part, self._smallest_part = PART, _SMALLEST_PART
        self._reported = 0

    def run(self, *, is_new: bool = False) -> PushOutcome:
        """See that the repository has the blob; each break that came no further than those before counts as a failure.

        With `is_new` it is asked only after a break. Raises RegistryError.
        """
        failures = furthest = 0
        while True:
            try:
                return self._advance(ask=not is_new or failures > 0)
            except Interrupted as interrupted:
                cause = interrupted
            failures = 1 if self._offset > furthest else failures + 1
            furthest = max(furthest, self._offset)
            self._transport.backoff.pause(failures, cause, self._doing)

    def mount(self) -> bool:
        """See that the repository has the blob without sending it; false where the registry wants the bytes."""
        self._transport.retrying(self._begin_unless_present, self._doing)
        return self._session is None

    def _begin_unless_present(self) -> None:
        if not self._is_present():
            self._begin()

    def _advance(self, *, ask: bool) -> PushOutcome:
        in_parts = self._begun and not self._parts_refused
        if ask and self._is_present():
            return "sent" if self._begun else "present"
        if self._session and in_parts:
            self._ask_where()
        else:
            self._session = None
        if not self._session and self._begin():
            return "mounted"
        if not in_parts:
            self._finish(self._body(0, self._blob.size), self._blob.size)
            return "sent"
        while self._offset < self._blob.size:
            self._send_part()
        self._finish(None, 0)
        return "sent"

    def _is_present(self) -> bool:
        url = self._transport.address(f"{self._repository}/blobs/{self._blob.digest}")
        return self._request("HEAD", url, ok=(200, 404)).status == 200

    def _begin(self) -> bool:
        """Open a session; true where the blob was mounted and needs none."""
        url = self._transport.address(f"{self._repository}/blobs/uploads/")
        answer: Answer | None = None
        if self._mount_from:
            mount = url.copy_merge_params({"mount": self._blob.digest, "from": self._mount_from})
            answer = self._try_mount(mount, self._access | access(self._mount_from, "pull"))
            self._mount_from = ""
        answer = answer or self._request("POST", url, ok=(202,))
        if answer.status == 201:
            return True
        self._session = self._next(answer)
        self._begun = True
        self._smallest_part = max(_SMALLEST_PART, _number(answer.headers.get("OCI-Chunk-Min-Length", "")))
        self._part = max(self._part, self._smallest_part)
        self._report(0)
        return False

    def _try_mount(self, url: httpx.URL, wanted: Access) -> Answer | None:
        """Mount, or at least open a session; None where the registry wants to hear nothing of mounts."""
        try:
            return self._request("POST", url, ok=(201, 202), wanted=wanted)
        except RegistryError as error:
            if error.status in (400, 401, 403, 404, 405):
                return None
            raise

    def _ask_where(self) -> None:
        """Continue at the byte that the registry is at; it may have forgotten the session, or not say."""
        assert self._session
        answer = self._request("GET", self._session, ok=(204, 400, 401, 403, 404, 405, 416))
        received = _received(answer.headers)
        if answer.status == 204 and received is not None and received <= self._blob.size:
            self._session = self._next(answer) if "Location" in answer.headers else self._session
            self._report(received)
        else:
            self._session = None

    def _send_part(self) -> None:
        assert self._session
        start, end = self._offset, min(self._offset + self._part, self._blob.size)
        headers = {"Content-Type": _STREAM, "Content-Range": f"{start}-{end - 1}"}
        body = self._body(start, end)
        answer = self._request(
            "PATCH",
            self._session,
            ok=(202, 400, 404, 405, _TOO_LONG, 416, 501),
            headers=headers,
            body=body,
            size=end - start,
        )
        if answer.status == _TOO_LONG:
            self._shorten_parts(end - start)
            return
        if answer.status != 202:
            self._session = self._session if answer.status == 416 else None
            self._parts_refused = answer.status in (400, 405, 501)
            raise Interrupted("the registry does not accept a part of the upload", status=answer.status)
        self._session = self._next(answer)
        received = _received(answer.headers) or end  # "0-0" may also mean one byte
        if received <= start:
            raise Interrupted("the registry keeps nothing of a part of the upload")
        self._report(min(received, end))

    def _shorten_parts(self, refused: int) -> None:
        """Halve the parts for a proxy that takes no body as long as the `refused` one. The session goes on."""
        if refused <= self._smallest_part:
            raise RegistryError(
                f"{self._doing}: a proxy before the registry refuses even {refused} bytes at once",
                next_step=TAKE_LONGER_BODIES,
                status=_TOO_LONG,
            )
        self._part = max(refused // 2, self._smallest_part)

    def _finish(self, body: Body | None, size: int) -> None:
        assert self._session
        url = _with_digest(self._session, self._blob.digest)
        headers = {"Content-Type": _STREAM} if body else {}
        answer = self._request(
            "PUT", url, ok=(201, 204, 400, 404, _TOO_LONG, 416), headers=headers, body=body, size=size
        )
        if answer.status in (201, 204):
            self._report(self._blob.size)
            return
        self._session = None
        if answer.status == 400:
            self._check_source()
        codes = ", ".join(dict.fromkeys(_CODE.findall(answer.content.decode("utf-8", "replace"))))
        raise Interrupted(
            f"the registry does not accept what arrived ({codes or answer.status})",
            status=answer.status,
            next_step=TAKE_LONGER_BODIES if answer.status == _TOO_LONG else "",
        )

    def _check_source(self) -> None:
        """Raise RegistryError if not the transfer but the source is damaged."""
        source = self._source
        digest = digest_of(source) if isinstance(source, bytes) else digest_of_file(source)
        if digest != self._blob.digest:
            raise RegistryError(f"{self._doing}: the local copy is damaged", next_step="build the image again")

    def _request(
        self,
        method: str,
        url: httpx.URL,
        *,
        ok: tuple[int, ...],
        wanted: Access | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        size: int = 0,
    ) -> Answer:
        request = Request(
            doing=self._doing,
            method=method,
            url=url,
            access=wanted or self._access,
            headers=headers or {},
            body=body,
            size=size,
        )
        return self._transport.ask(request, ok=ok, retry=False)

    def _next(self, answer: Answer) -> httpx.URL:
        location = answer.headers.get("Location", "")
        if not location:
            raise RegistryError(
                f"{self._doing}: {self._transport.host} does not say where to send it",
                next_step="see whether a proxy before the registry takes Location headers away",
            )
        return self._transport.follow(answer.url, location, self._doing)

    def _body(self, start: int, end: int) -> Body:
        def pieces() -> Iterator[bytes]:
            self._report(start)
            for piece in _read(self._source, start, end):
                yield piece
                self._advance_report(len(piece))

        return pieces

    def _report(self, offset: int) -> None:
        """Note where the registry is."""
        self._offset = offset
        self._advance_report(offset - self._reported)

    def _advance_report(self, size: int) -> None:
        self._reported += size
        if size:
            self._progress(size)


def _read(source: Path | bytes, start: int, end: int) -> Iterator[bytes]:
    if isinstance(source, bytes):
        view = memoryview(source)
        for position in range(start, end, CHUNK):
            yield bytes(view[position : min(position + CHUNK, end)])
        return
    with source.open("rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(CHUNK, end - start))):
            start += len(piece)
            yield piece


def _received(headers: Mapping[str, str]) -> int | None:
    """How many bytes a Range header says the registry has; None where there is none.

    "0-0" is what the distribution project's registry says of an empty session.
    """
    found = _RANGE.fullmatch(headers.get("Range", ""))
    if not found:
        return None
    return int(found[1]) + 1 if found[1] != "0" else 0


def _with_digest(session: httpx.URL, digest: str) -> httpx.URL:
    """The address with the digest added; its own query, which may be signed, stays as it is."""
    query = b"&".join(part for part in (session.query, f"digest={digest.replace(':', '%3A')}".encode()) if part)
    return session.copy_with(query=query)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
