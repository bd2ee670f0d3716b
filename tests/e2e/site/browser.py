"""Debian's Chromium, and pages in it that may ask for nothing but the site's own files and complain of nothing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

Theme = Literal["light", "dark"]

# It runs as root, in a container without a graphics card or a network; the rest keeps it from asking for either.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP, PHONE = (1280, 900), (390, 844)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    found = shutil.which("chromium")
    assert found, "Debian's chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        yield browser
        browser.close()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are no news."""


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """A static host of a folder's files; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=folder)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def opened(
    browser: Browser,
    site: Path | str,
    path: str = "index.html",
    *,
    theme: Theme = "light",
    size: tuple[int, int] = DESKTOP,
    scripts: bool = True,
) -> Iterator[Page]:
    """A page of a site in a folder, without any network, or at the address of a host. At the end it must not have
    complained, nor asked for anything outside."""
    root = site.as_uri() if isinstance(site, Path) else site
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        java_script_enabled=scripts,
        offline=isinstance(site, Path),
    )
    context.set_default_timeout(30_000)
    complaints: list[str] = []
    asked: list[str] = []
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(f"{root}/{path}")
    yield page
    context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(root)] == []


def violations(page: Page) -> list[Any]:
    """What axe finds against a page as it is: rules, with the first element that breaks each."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    # Without `preload`, which asks for style sheets once more: a page from a disk may not.
    options = {"resultTypes": ["violations"], "preload": False}
    found = page.evaluate("(options) => axe.run(document, options)", options)["violations"]
    return [(each["id"], each["nodes"][0]["html"], each["nodes"][0].get("failureSummary")) for each in found]


def search(page: Page, text: str) -> list[str]:
    """The bases that are shown once something is typed, the last of it key by key."""
    field = page.get_by_role("searchbox")
    field.fill(text[:-3])
    field.press_sequentially(text[-3:])
    return shown(page)


def shown(page: Page) -> list[str]:
    """What is not hidden, also before the browser has drawn what has just been moved into view."""
    links = page.locator("#results .image:not([hidden]) li:not([hidden]) > a")
    return [name for name in links.all_text_contents() if "strange" not in name]


def press_copy(button: Locator) -> None:
    """Press it, and wait until it says that it has copied."""
    button.click()
    expect(button).to_have_text("Copied")
