"""The folders that warmbase uses outside of a project (XDG Base Directory Specification); files that appear whole."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheFolders:
    """Everything in it can be made again; it lies on one file system, because wheel trees are moved and linked."""

    root: Path

    @property
    def store(self) -> Path:
        """The layer store."""
        return self.root / "store"

    @property
    def unpacked(self) -> Path:
        """Unpacked foundations."""
        return self.root / "unpacked"

    @property
    def scratch(self) -> Path:
        """What sandboxes write."""
        return self.root / "scratch"

    @property
    def uv_cache(self) -> Path:
        """uv's cache for resolving."""
        return self.root / "uv-cache"

    @property
    def verified(self) -> Path:
        """Records of verifications."""
        return self.root / "verified"

    @property
    def journal(self) -> Path:
        """Entries of journals that were read from registries."""
        return self.root / "journal"

    @property
    def published(self) -> Path:
        """What was last read of places that publish images."""
        return self.root / "published"

    @property
    def nights(self) -> Path:
        """Copies of what nightly runs keep in registries."""
        return self.root / "nights"


def cache_folders(environment: Mapping[str, str], *, is_windows: bool = os.name == "nt") -> CacheFolders:
    """WARMBASE_CACHE_DIR, or `warmbase` in XDG_CACHE_HOME, which is `~/.cache` where it is not set: on macOS too, and
    on Windows LOCALAPPDATA, as uv has it."""
    own = environment.get("WARMBASE_CACHE_DIR")
    if own:
        return CacheFolders(root=Path(own).absolute())
    local = environment.get("LOCALAPPDATA", "") if is_windows else ""
    if local:
        return CacheFolders(root=Path(local) / "warmbase" / "cache")
    given = environment.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path(environment.get("HOME") or "/root") / ".cache"
    return CacheFolders(root=base / "warmbase")


def make_private(folder: Path) -> None:
    """Make `folder` and see that only its owner can reach what is in it. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_mode & 0o077 and status.st_uid == os.geteuid():
        folder.chmod(0o700)


@contextmanager
def new_file(folder: Path) -> Iterator[Path]:
    """A file in `folder` under a name of its own, removed at the end if it is still there. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes, *, folder: Path | None = None, durable: bool = False) -> None:
    """Make `content` the file at `path`: whoever reads sees the old file or the new one, whole. Raises OSError.

    It is written in `folder` first (left out: beside `path`), and with `durable` forced to disk before it is seen.
    """
    with new_file(folder or path.parent) as partial:
        with partial.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
