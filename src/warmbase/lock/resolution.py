"""What resolving a variant came to, before it is made into a lock."""

from collections.abc import Mapping
from dataclasses import dataclass

from warmbase.lock.built import Addresses
from warmbase.lock.project import Key, Record


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnResolution:
    """What decides every version of a variant: its packages as uv.lock has them, the use of each and the platforms that
    need it, and the file that is installed on each platform (for a repository the commit). `addresses` are those of
    packages that come from no index; `undated` the packages whose index does not say when their files were uploaded,
    and that no time can hold back."""

    records: Mapping[Key, Record]
    uses: Mapping[str, tuple[str, tuple[str, ...]]]  # name → (use, platforms)
    files: Mapping[str, Mapping[str, str]]  # name → platform → file name
    addresses: Addresses
    undated: frozenset[str] = frozenset()

    def versions(self) -> dict[str, str]:
        """The version of each package of the image, by name, as `Lock.versions` has them."""
        return {name: version for name, version in sorted(self.records) if name in self.files}
