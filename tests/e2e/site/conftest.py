"""A small site, and windows of Chromium that show it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.e2e.site.browser import opened, running_browser
from tests.sites import write_small_site

from warmbase.downstream.site.model import page_path

DATA = page_path("data:py3.13-trixie")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def window(browser: Browser, folder: Path) -> Iterator[Page]:
    """One for all tests that look at pages in the usual way."""
    with opened(browser, folder) as page:
        yield page


@pytest.fixture
def front(window: Page, folder: Path) -> Page:
    window.goto(f"{folder.as_uri()}/index.html")
    return window


@pytest.fixture
def data(window: Page, folder: Path) -> Page:
    window.goto(f"{folder.as_uri()}/{DATA}")
    return window
