"""Asking package indexes for pages, and standing before them."""

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults import Cut, Respond, fault_proxy
from tests.registries import make_certificate
from tests.wheelhouse import PASSWORD, USER, Answer, Mirror, make_wheel, serve, serve_answers

from warmbase.effects.front import Front, open_front
from warmbase.effects.pages import UNCHANGED, IndexLogin, Page, PageSource
from warmbase.effects.registry.retries import Backoff
from warmbase.errors import PackagesError
from warmbase.nightly.pages import IndexMemory
from warmbase.nightly.shelf import Shelf

WHEELS = [make_wheel("lib", "1.0", {"lib.py": ""}, requires=["other"]), make_wheel("lib", "1.1", {"lib.py": ""})]
AT_ONCE = Backoff(attempts=2, sleep=lambda _: None)


@contextmanager
def source(environment: Mapping[str, str] | None = None) -> Iterator[PageSource]:
    made = PageSource(environment or {}, tries=AT_ONCE)
    yield made
    made.close()


def login(mirror: Mirror, user: str = "", password: str = "") -> IndexLogin:
    return IndexLogin(address=f"http://127.0.0.1:{mirror.port}{mirror.simple}", user=user, password=password)


def test_a_page_is_sent_again_only_when_it_changed() -> None:
    with serve(Mirror(wheels=[*WHEELS], conditional=True)) as mirror, source() as asking:
        page = asking.ask(login(mirror), "lib")
        assert isinstance(page, Page)
        assert [file.name for file in page.files] == [wheel.file for wheel in WHEELS]
        assert asking.ask(login(mirror), "lib", page.validator) is UNCHANGED
        mirror.wheels.pop()
        changed = asking.ask(login(mirror), "lib", page.validator)
        assert isinstance(changed, Page)
        assert len(changed.files) == 1
        assert asking.ask(login(mirror), "nothing") is None
        assert asking.requests == 4


@pytest.mark.parametrize("by", ["address", "netrc"])
def test_a_private_index_is_asked_with_what_is_known_of_it(by: str, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n" if by == "netrc" else "")
    known = (USER, PASSWORD) if by == "address" else ("", "")
    with serve(Mirror(wheels=WHEELS, secret=True)) as mirror, source({"HOME": str(tmp_path)}) as asking:
        assert isinstance(asking.ask(login(mirror, *known), "lib"), Page)
        with pytest.raises(PackagesError, match="answers 401") as refused:
            asking.ask(login(mirror, USER, "wrong"), "lib")
        assert "netrc" in refused.value.next_step
        assert "wrong" not in str(refused.value)


def test_a_password_goes_to_no_other_host() -> None:
    """Files may be elsewhere than their index."""
    with serve(Mirror(wheels=WHEELS)) as index, serve(Mirror(wheels=WHEELS, secret=True)) as elsewhere:
        address = f"http://127.0.0.1:{elsewhere.port}/{WHEELS[0].path}"
        with source() as asking, asking.open_file(login(index, USER, PASSWORD), address, {}) as answer:
            assert answer.status == 401


def test_an_index_that_is_down_is_asked_no_more() -> None:
    with source() as asking:
        nobody = IndexLogin(address="http://127.0.0.1:9/simple")
        for package in ("lib", "other"):
            with pytest.raises(PackagesError, match="tried 2 times"):
                asking.ask(nobody, package)
        assert asking.requests == 2


def test_a_page_that_fails_is_asked_for_again_and_stops_no_other() -> None:
    with (
        serve(Mirror(wheels=WHEELS)) as mirror,
        fault_proxy(f"127.0.0.1:{mirror.port}", lambda seen: Respond(503) if "other" in seen.path else None) as proxy,
        source() as asking,
    ):
        index = IndexLogin(address=f"http://{proxy.host}/simple")
        with pytest.raises(PackagesError, match="simple/other/ answers 503; tried 2 times"):
            asking.ask(index, "other")
        assert isinstance(asking.ask(index, "lib"), Page)
        assert asking.requests == 3


def test_a_page_for_which_nothing_is_answered_is_told_as_the_page_and_two_are_told_as_the_index() -> None:
    with (
        serve(Mirror(wheels=WHEELS)) as mirror,
        fault_proxy(f"127.0.0.1:{mirror.port}", lambda seen: None if "lib" in seen.path else Cut()) as proxy,
        source() as asking,
    ):
        index = IndexLogin(address=f"http://{proxy.host}/simple")
        with pytest.raises(PackagesError, match=r"^a page or file .* cannot be had: http://.*/simple/slow/: "):
            asking.ask(index, "slow")
        assert isinstance(asking.ask(index, "lib"), Page)
        with pytest.raises(PackagesError, match="/simple/other/"):
            asking.ask(index, "other")
        asked = asking.requests
        with pytest.raises(PackagesError, match="/simple/other/"):
            asking.ask(index, "lib")
        assert asking.requests == asked


def test_a_page_that_failed_is_asked_for_once_in_a_night(tmp_path: Path) -> None:
    with (
        serve(Mirror(wheels=WHEELS)) as mirror,
        fault_proxy(f"127.0.0.1:{mirror.port}", lambda seen: Respond(503)) as proxy,
        source() as asking,
    ):
        index = IndexLogin(address=f"http://{proxy.host}/simple")
        shelf = Shelf(asking, {"": index}, tmp_path, IndexMemory(), "2026-03-02T03:00:00Z")
        for _ in range(2):
            assert list(shelf.check([("", "lib")])) == [("", "lib")]
            with pytest.raises(PackagesError, match="503; tried 2 times"):
                shelf.page("", "lib")
        assert len(proxy.seen) == 2


def test_html_is_understood() -> None:
    html = b'<a href="../../files/lib-1.0-py3-none-any.whl">lib</a>'

    def answer(path: str) -> Answer | None:
        return ("text/html; charset=utf-8", html) if path == "/simple/lib/" else None

    with serve_answers(answer, lambda path, allowed: None) as port, source() as asking:
        page = asking.ask(IndexLogin(address=f"http://127.0.0.1:{port}/simple"), "lib")
        assert isinstance(page, Page)
        assert page.files[0].address == f"http://127.0.0.1:{port}/files/lib-1.0-py3-none-any.whl"


class Visit:
    """What somebody gets who asks the front."""

    def __init__(self, front: Front, visitor: str = "") -> None:
        self._at = http.client.HTTPConnection("127.0.0.1", front.port)
        self._known = (
            {"Authorization": "Basic " + base64.b64encode(f"{visitor}:x".encode()).decode()} if visitor else {}
        )

    def ask(self, address: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        path = address.removeprefix(f"http://127.0.0.1:{self._at.port}")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._at.request("GET", path, headers={**self._known, **sent})
        response = self._at.getresponse()
        return response.status, response.read(), dict(response.headers)

    def files(self, address: str) -> list[dict[str, Any]]:
        status, body, _ = self.ask(address)
        assert status == 200
        files: list[dict[str, Any]] = json.loads(body)["files"]
        return files

    def close(self) -> None:
        self._at.close()


@contextmanager
def before(mirror: Mirror, folder: Path) -> Iterator[Front]:
    """A front before a mirror, over a shelf that keeps in `folder`."""
    with source() as asking:
        indexes = {"": login(mirror, USER, PASSWORD)}
        shelf = Shelf(asking, indexes, folder, IndexMemory(), "2026-03-02T03:00:00Z")
        with open_front(shelf, {"": "own"}) as front:
            yield front


def test_the_front_knows_who_read_what_and_asks_the_index_once(tmp_path: Path) -> None:
    with serve(Mirror(wheels=WHEELS, secret=True, conditional=True)) as mirror, before(mirror, tmp_path) as front:
        for visitor, packages in (("one", ["lib"]), ("two", ["lib", "nothing"])):
            visit = Visit(front, visitor)
            for package in packages:
                visit.ask(f"{front.address('')}/{package}/")
            visit.close()
        assert front.visited("one") == {("", "lib")}
        assert front.visited("two") == {("", "lib"), ("", "nothing")}
        assert sorted(mirror.asked) == ["/simple/lib/", "/simple/nothing/"]


def test_the_front_says_of_a_page_that_it_is_unchanged(tmp_path: Path) -> None:
    with serve(Mirror(wheels=WHEELS)) as mirror, before(mirror, tmp_path) as front:
        visit = Visit(front, "one")
        _, _, headers = visit.ask(f"{front.address('')}/lib/")
        assert headers["Cache-Control"] == "max-age=0"
        assert visit.ask(f"{front.address('')}/lib/", If_None_Match=headers["ETag"])[0] == 304
        visit.close()


def test_files_are_had_through_the_front_and_their_metadata_is_kept(tmp_path: Path) -> None:
    with serve(Mirror(wheels=WHEELS, secret=True)) as mirror:
        with before(mirror, tmp_path) as front:
            visit = Visit(front, "one")
            address = visit.files(f"{front.address('')}/lib/")[0]["url"]
            assert visit.ask(address)[:2] == (200, WHEELS[0].content)
            assert visit.ask(f"{address}.metadata")[:2] == (200, WHEELS[0].metadata.encode())
            said = front.tell_real(
                f"not found: {address} on `{front.address('')}`", {"": "https://index.example/simple"}
            )
            assert said == (
                f"not found: http://127.0.0.1:{mirror.port}/{WHEELS[0].path} on `https://index.example/simple`"
            )
            visit.close()
        mirror.asked.clear()
        with before(mirror, tmp_path) as front:  # in another night
            visit = Visit(front, "one")
            address = visit.files(f"{front.address('')}/lib/")[0]["url"]
            assert visit.ask(f"{address}.metadata")[:2] == (200, WHEELS[0].metadata.encode())
            visit.close()
        assert mirror.asked == ["/simple/lib/"]


def test_nobody_reads_a_private_index_through_the_front_who_does_not_know_its_address(tmp_path: Path) -> None:
    with serve(Mirror(wheels=WHEELS, secret=True)) as mirror, before(mirror, tmp_path) as front:
        stranger, nameless = Visit(front, "one"), Visit(front)
        assert stranger.ask("/own/simple/lib/")[0] == 404
        assert stranger.ask("/guess/own/simple/lib/")[0] == 404
        assert nameless.ask(f"{front.address('')}/lib/")[0] == 401
        assert mirror.asked == []
        stranger.close()
        nameless.close()


def test_what_the_index_refuses_is_not_asked_for_again_by_uv(tmp_path: Path) -> None:
    with serve(Mirror(wheels=WHEELS, secret=True)) as mirror, source() as asking:
        shelf = Shelf(asking, {"": login(mirror)}, tmp_path, IndexMemory(), "2026-03-02T03:00:00Z")
        with open_front(shelf, {"": "own"}) as front:
            visit = Visit(front, "one")
            assert visit.ask(f"{front.address('')}/lib/")[0] == 424
            visit.close()
            (failure,) = front.failures("one")
            assert "answers 401" in failure.message


@contextmanager
def serve_securely(mirror: Mirror, folder: Path) -> Iterator[Path]:
    """Serve a mirror with TLS to `localhost`; the certificate to trust."""
    certificate, key = make_certificate(folder, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serve_answers(mirror.answer, lambda path, allowed: None, tls=context) as mirror.port:
        yield certificate


def test_certificates_are_checked_as_uv_checks_them(tmp_path: Path) -> None:
    mirror = Mirror(wheels=WHEELS)
    with serve_securely(mirror, tmp_path) as certificate:
        index = IndexLogin(address=f"https://localhost:{mirror.port}/simple")
        with source({"SSL_CERT_FILE": str(certificate)}) as trusting:
            assert isinstance(trusting.ask(index, "lib"), Page)
        with source({"UV_INSECURE_HOST": f"elsewhere.example localhost:{mirror.port}"}) as careless:
            assert isinstance(careless.ask(index, "lib"), Page)
        with source() as careful, pytest.raises(PackagesError, match="its certificate is not trusted") as refused:
            careful.ask(index, "lib")
        assert "SSL_CERT_FILE" in refused.value.next_step
        assert careful.requests == 1


def test_an_index_behind_a_proxy_is_asked_through_it() -> None:
    mirror = Mirror(wheels=WHEELS)

    def answer(address: str) -> Answer | None:
        return mirror.answer(address.removeprefix("http://index.example"))

    with serve_answers(answer, lambda path, allowed: None) as port:
        environment = {"HTTP_PROXY": f"http://127.0.0.1:{port}"}
        with source(environment) as asking:
            assert isinstance(asking.ask(IndexLogin(address="http://index.example/simple"), "lib"), Page)
