"""`make screenshots`: the README's pictures of the catalog page, of the sample beside this module.

They are the same wherever Debian's chromium, pngquant and fonts-dejavu-core are of the same versions.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.site.browser import DESKTOP, PHONE, Theme, opened, running_browser
from tests.e2e.site.sample import SAMPLE

from warmbase.downstream.site.model import page_path

FOLDER = Path(__file__).with_name("screenshots")
DATA = page_path("data:py3.13-trixie")


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A page in a window, as far as it is scrolled to."""

    path: str
    theme: Theme = "light"
    size: tuple[int, int] = DESKTOP
    at: str = ""


PICTURES: Mapping[str, Picture] = {
    "search-light.png": Picture(path="index.html#query=pandas>=3 polars"),
    "search-dark.png": Picture(path="index.html#query=pandas>=3 polars", theme="dark"),
    "search-phone.png": Picture(path="index.html#query=fastapi", size=PHONE),
    "base-light.png": Picture(path=DATA),
    "base-dark.png": Picture(path=DATA, theme="dark"),
    "base-phone.png": Picture(path=DATA, theme="dark", size=PHONE),
    "history-light.png": Picture(path=DATA, at=".history"),
}


def write_sample_site(folder: Path) -> None:
    """The site of the sample, as the command writes it."""
    command: list[str | Path] = [sys.executable, "-m", "warmbase", "site", folder, "--index", SAMPLE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def take_pictures(folder: Path) -> None:
    """Write all pictures, with as many colours as a palette has."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, running_browser() as browser:
        site = Path(temporary)
        write_sample_site(site)
        for name, picture in PICTURES.items():
            with opened(browser, site, picture.path, theme=picture.theme, size=picture.size) as page:
                if picture.at:
                    page.locator(f"{picture.at} details").first.evaluate("details => { details.open = true; }")
                    page.locator(picture.at).evaluate("part => part.scrollIntoView({ behavior: 'instant' })")
                page.screenshot(path=folder / name, animations="disabled")
            shrink = ["pngquant", "--force", "--strip", "--speed", "1", "--quality", "80-100", "--output"]
            subprocess.run([*shrink, folder / name, "256", folder / name], check=True)


if __name__ == "__main__":
    if not shutil.which("pngquant"):
        sys.exit("error: pngquant is not installed: apt-get install pngquant")
    take_pictures(FOLDER)
