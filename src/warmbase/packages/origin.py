"""Where an installed package says that it came from, if it was compiled here.

uv installs the compiled wheel from a folder, and notes that folder's facts. What it would have noted, had it compiled
the package itself, takes their place: children whose locks name the same repository or address find it installed.
"""

import base64
import csv
import hashlib
import io
import json
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from warmbase.lock.model import LockedPackage
from warmbase.oci.digests import Json

_FOLDERS_FACTS = "uv_cache.json"
_BUILD_FACTS = "uv_build.json"  # which settings of the build differ from the usual ones: none
_DIRECT_URL = "direct_url.json"


def settle_origin(venv: Path, package: LockedPackage) -> None:
    """Correct what the one package below `venv` says of its origin, in its RECORD too (PEP 376)."""
    (info,) = venv.glob("lib/python*/site-packages/*.dist-info")
    (info / _FOLDERS_FACTS).unlink(missing_ok=True)
    added = {_BUILD_FACTS: b"{}"}
    if package.source:
        added[_DIRECT_URL] = json.dumps(direct_url(package), separators=(",", ":")).encode()
    record = info / "RECORD"
    with record.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.reader(lines) if row[0] != f"{info.name}/{_FOLDERS_FACTS}"]
    for name, content in added.items():
        (info / name).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append([f"{info.name}/{name}", f"sha256={digest}", str(len(content))])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    record.write_text(text.getvalue(), encoding="utf-8")


def direct_url(package: LockedPackage) -> dict[str, Json]:
    """The contents of direct_url.json (PEP 610, "Specification"), in the order in which uv writes them."""
    address, fragment = urldefrag(package.source)
    subdirectory = dict(part.partition("=")[::2] for part in fragment.split("&")).get("subdirectory", "")
    below: dict[str, Json] = {"subdirectory": subdirectory} if subdirectory else {}
    if not address.startswith("git+"):
        return {"url": address, "archive_info": {}, **below}
    repository, _, commit = address.removeprefix("git+").rpartition("@")
    asked = revision_of(package.asked)
    vcs: dict[str, Json] = {"vcs": "git", "commit_id": commit}
    return {"url": repository, "vcs_info": vcs | ({"requested_revision": asked} if asked else {}), **below}


def revision_of(address: str) -> str:
    """The branch, tag or commit that the address of a repository names; "" for none."""
    return urlsplit(address).path.rpartition("@")[2] if "@" in urlsplit(address).path else ""
