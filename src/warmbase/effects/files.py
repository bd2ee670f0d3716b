"""The folders that warmbase uses outside of a project (XDG Base Directory Specification)."""

from collections.abc import Mapping
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


def cache_folders(environment: Mapping[str, str]) -> CacheFolders:
    """WARMBASE_CACHE_DIR, or `warmbase` in XDG_CACHE_HOME, which is `~/.cache` where it is not set."""
    own = environment.get("WARMBASE_CACHE_DIR")
    if own:
        return CacheFolders(root=Path(own).absolute())
    given = environment.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path(environment.get("HOME") or "/root") / ".cache"
    return CacheFolders(root=base / "warmbase")
