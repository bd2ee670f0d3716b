"""What every image promises its children in paths and variables (see `contract`). Constants alone: they are also for
those who only read what is published, on any system."""

from collections.abc import Mapping

from warmbase.packages.uvcache import ARCHIVES, PAGES, SOURCES, WHEELS

VENV = "opt/venv"
CACHE = "opt/uv/cache"
FOLDER = "opt/warmbase"
IDENTITY = f"{FOLDER}/base.json"
BILL = f"{FOLDER}/sbom.cdx.json"
BUCKETS = {"archives": ARCHIVES, "wheels": WHEELS, "pages": PAGES, "sources": SOURCES}
UV = "/usr/local/bin/uv"
VENV_BIN = f"/{VENV}/bin"
FIRST_FOLDERS = f"{VENV_BIN}:/usr/local/bin"
"""The start of every image's PATH: the venv's programs, then the folder that has uv."""
PATH = f"{FIRST_FOLDERS}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

ENVIRONMENT: Mapping[str, str] = {
    "PATH": PATH,
    "UV_CACHE_DIR": f"/{CACHE}",
    "UV_PROJECT_ENVIRONMENT": f"/{VENV}",
    "UV_PYTHON_DOWNLOADS": "manual",
    "UV_SYSTEM_CERTS": "1",
}
