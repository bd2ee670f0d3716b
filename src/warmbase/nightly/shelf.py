"""The pages of package indexes in one night: each is asked for once, whoever needs it, and none that is unchanged is
read, unless a resolution needs it and it is not on this machine.

A folder keeps what was read, from night to night: pages with their validators, and the metadata of files, which never
changes.
"""

import hashlib
import json
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from warmbase.effects.files import replace_file
from warmbase.effects.pages import UNCHANGED, FileAnswer, IndexLogin, Page, PageSource, Unchanged, admits, join_forms
from warmbase.effects.simple import IndexFile, files_from_json
from warmbase.errors import WarmbaseError
from warmbase.nightly.offered import Releases, read_releases
from warmbase.nightly.pages import IndexMemory, PageKey, PageMemory, hash_of

_AT_ONCE = 16


class Shelf:
    """What `indexes`, by the catalog's name, say at the RFC 3339 time `seen`; `memory` is what they said before. It is
    the front's library, and safe for several threads. What is on it counts as it was when it was asked for, and a page
    that could not be had is not asked for again."""

    def __init__(
        self, source: PageSource, indexes: Mapping[str, IndexLogin], folder: Path, memory: IndexMemory, seen: str
    ) -> None:
        self._source = source
        self._indexes = indexes
        self._names = {name: hash_of(index.address)[:8] for name, index in indexes.items()}
        self._folder = folder
        self._known = memory.pages
        self._seen = seen
        self._lock = threading.Lock()
        self._locks: dict[PageKey, threading.Lock] = {}
        self._found: dict[PageKey, PageMemory] = {}
        self._pages: dict[PageKey, Page | None] = {}
        self._releases: dict[PageKey, Releases] = {}
        self._failures: dict[PageKey, WarmbaseError] = {}

    @property
    def found(self) -> dict[PageKey, PageMemory]:
        """All pages that were asked for, as they are now."""
        return dict(self._found)

    def check(self, keys: Collection[PageKey]) -> dict[PageKey, WarmbaseError]:
        """Ask for these pages, many at once; which of them could not be asked for, and why."""
        failures: dict[PageKey, WarmbaseError] = {}

        def check(key: PageKey) -> None:
            try:
                with self._lock_of(key):
                    self._check(key)
            except WarmbaseError as error:
                failures[key] = error

        wanted = [key for key in sorted(keys) if key[0] in self._indexes and key not in self._found]
        if wanted:
            with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
                list(pool.map(check, wanted))
        return failures

    def page(self, index: str, package: str) -> Page | None:
        """The page of a package, None where its index has no such package. Raises PackagesError."""
        key = index, package
        with self._lock_of(key):
            if key not in self._pages:
                self._read(key)
            return self._pages[key]

    def releases(self, index: str, package: str) -> Releases:
        """The releases on a page, the newest first; none where there is no page. Raises PackagesError."""
        key = index, package
        if key not in self._releases:
            page = self.page(index, package)
            self._releases[key] = read_releases(page.files if page else ())
        return self._releases[key]

    def metadata(self, index: str, file: IndexFile) -> bytes | None:
        """The metadata of a file that has some (PEP 658), None where the index has not. Raises PackagesError."""
        kept = self._kept_metadata(file)
        with self._lock_of((index, file.address)):
            if kept.is_file():
                return kept.read_bytes()
            content = self._source.read(self._indexes[index], f"{file.address}.metadata")
            if content is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                replace_file(kept, content)
            return content

    def open_file(self, index: str, file: IndexFile, asked: Mapping[str, str]) -> AbstractContextManager[FileAnswer]:
        """A file, as its index answers to the headers `asked`."""
        return self._source.open_file(self._indexes[index], file.address, asked)

    def _check(self, key: PageKey) -> None:
        """Find out whether a page is as it was."""
        known = self._known.get(key)
        validator = known.validator if known and known.source == self._names[key[0]] else ""
        answer = self._ask(key, validator)
        if answer is not UNCHANGED:
            self._take(key, answer)
        elif known:
            self._found[key] = known

    def _read(self, key: PageKey) -> None:
        """Get a page; one that is on this machine already is not sent again if that is what the index has now."""
        kept = self._load(key)
        found = self._found.get(key)
        if found and not found.content:
            self._pages[key] = None
        elif found and kept and admits(found.validator, kept.validator) and found.source == self._names[key[0]]:
            self._pages[key] = kept
        else:
            answer = self._ask(key, kept.validator if kept else "")
            self._take(key, kept if answer is UNCHANGED else answer)

    def _ask(self, key: PageKey, validator: str) -> Page | Unchanged | None:
        """Ask the index, unless it was asked in vain in this night."""
        if key in self._failures:
            raise self._failures[key]
        try:
            return self._source.ask(self._indexes[key[0]], key[1], validator)
        except WarmbaseError as error:
            self._failures[key] = error
            raise

    def _take(self, key: PageKey, page: Page | None) -> None:
        """Put a page on the shelf; one that says what it said before is remembered as it was."""
        known, now = self._known.get(key), self._describe(key, page)
        if known == now:
            now = replace(now, validator=join_forms(known.validator, now.validator))
        self._pages[key] = page
        same = known and (known, known.validator, known.source) == (now, now.validator, now.source)
        self._found[key] = known if known and same else now
        if page and page.validator:
            self._save(key, page)

    def _describe(self, key: PageKey, page: Page | None) -> PageMemory:
        if page is None:
            return PageMemory(seen=self._seen, content="")
        # without times: a file's never changes, and one form of an index's pages has them and the other not
        read = sorted([f.name, f.hashes.get("sha256", ""), f.requires_python, f.yanked is None] for f in page.files)
        yanked = {}
        if any(file.yanked is not None for file in page.files):
            reasons = ((release.version, release.yanked) for release in read_releases(page.files))
            yanked = {str(version): reason for version, reason in reasons if reason is not None}
        source = self._names[key[0]] if page.validator else ""
        return PageMemory(
            seen=self._seen, content=hash_of(read), validator=page.validator, source=source, yanked=yanked
        )

    def _load(self, key: PageKey) -> Page | None:
        path = self._kept_page(key)
        try:
            document = json.loads(path.read_bytes())
            return Page(files=tuple(files_from_json(document["files"], "")), validator=document["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _save(self, key: PageKey, page: Page) -> None:
        path = self._kept_page(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"validator": page.validator, "files": [file.to_json() for file in page.files]}
        replace_file(path, json.dumps(document).encode())

    def _kept_page(self, key: PageKey) -> Path:
        return self._folder / "pages" / self._names[key[0]] / f"{key[1]}.json"

    def _kept_metadata(self, file: IndexFile) -> Path:
        return self._folder / "metadata" / hashlib.sha256(file.address.encode()).hexdigest()

    def _lock_of(self, key: tuple[str, str]) -> threading.Lock:
        """The lock of a page, or of a file by its index and address."""
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())
