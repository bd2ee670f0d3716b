"""What a uv without a network is told about packages that come from no wheel of an index, and what is kept of it.

Of a source, and of a file at an address, it is given a stand-in below the alias of the host; of a repository the
scratch project says what it needs (`dependency-metadata`, uv's documentation, "Dependency metadata").

What uv files about a source of an index is kept, with the real hash and a link to what was compiled: a project's own
`.venv` gets that, as if uv had compiled it there. Nothing is kept under the addresses of repositories and other files,
whose names in the cache depend on how a project writes them; a venv that has such a package is complete for uv.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.image.promises import CACHE
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.oci.tar import Entry, directory, file_of, symlink
from warmbase.packages import uvcache
from warmbase.packages.entries import SHARED_FOLDER, FilledCache, moment_of
from warmbase.packages.index import IndexAlias, answer_file
from warmbase.packages.origin import revision_of
from warmbase.packages.standin import stand_in

_RECORDED = re.compile(r"^\[\[manifest\.dependency-metadata\]\]\n(?:.+\n)*\n?", re.MULTILINE)


def asked_texts(requirements: Iterable[str], lock: Lock, aliases: Mapping[str, IndexAlias]) -> list[str]:
    """The catalog's requirements, as they can be asked for in a sandbox: a file below its alias, a repository by its
    commit."""
    sources = {package.name: package for package in lock.packages if package.source}
    texts = []
    for text in requirements:
        requirement = Requirement(text)
        package = sources.get(str(canonicalize_name(requirement.name)))
        if requirement.url and package:
            requirement.url = next((aliases[file.path].url for file in package.files), package.source)
        texts.append(str(requirement))
    return texts


def metadata_tables(lock: Lock) -> str:
    """What a scratch project says of the lock's packages from repositories (TOML, which JSON's strings are)."""
    lines = []
    for package in lock.packages:
        if package.source and not package.files:
            lines += ["[[tool.uv.dependency-metadata]]", f"name = {json.dumps(package.name)}"]
            lines += [f"version = {json.dumps(package.version)}"]
            lines += [f"requires-dist = {json.dumps(list(package.requires_dist))}"]
            lines += [f"provides-extra = {json.dumps(list(package.extras))}"] if package.extras else []
    return "".join(f"{line}\n" for line in lines)


def source_responses(lock: Lock, aliases: Mapping[str, IndexAlias]) -> Mapping[str, Mapping[str, str]]:
    """What the hosts of the lock's own files answer."""
    found = ((package, file) for package in lock.packages if package.source for file in package.files)
    return dict(answer_file(aliases[file.path].url, stand_in(package, file)) for package, file in found)


def real_text(text: str, lock: Lock) -> str:
    """A lock of uv's without what only the scratch project said."""
    for package in lock.packages:
        if package.source.startswith("git+"):
            text = _as_asked(text, package)
    return _RECORDED.sub("", text)


def _as_asked(text: str, package: LockedPackage) -> str:
    """The revision of a repository that was asked for, in the place of the commit."""
    commit, asked = package.source.partition("#")[0].rpartition("@")[2], revision_of(package.asked)
    if asked:
        return text.replace(f"rev={commit}", f"rev={asked}")
    return text.replace(f"&rev={commit}", "").replace(f"?rev={commit}&", "?").replace(f"?rev={commit}", "")


def source_entries(cache: FilledCache, lock: Lock, platform: str) -> Iterator[Entry]:
    """What uv has filed about the sources of indexes that are compiled for `platform`."""
    folders, files = set[Path](), []
    for name, bucket, made in cache.buckets():
        for package, file in _looked_at(lock, platform, name):
            version = Path(CACHE, uvcache.SOURCES, bucket, package.name, package.version)
            filed = cache.folder / uvcache.SOURCES / made / package.name / package.version
            data = uvcache.revision_data(_revision(file), sha256=file.sha256, size=file.size)
            policy = cache.read(filed / uvcache.REVISION, moment_of(lock)).policy
            page = cache.read(cache.folder / uvcache.PAGES / made / f"{package.name}.rkyv", moment_of(lock))
            if bytes.fromhex(file.sha256) not in page.data:
                raise uvcache.UnknownLayoutError("uv's index pages do not hold hashes as expected")
            pointer = uvcache.write_framed(uvcache.Framed(data=data, policy=policy))
            folders |= {version / _revision(file), version, *version.parents}
            files.append(file_of(str(version / uvcache.REVISION), pointer, 0o666))
            files.append(file_of(str(version / ".lock"), b"", 0o666))
            kept = version / _revision(file) / uvcache.SOURCE_METADATA
            files.append(file_of(str(kept), uvcache.source_metadata(_core(package)), 0o666))
    root = Path(CACHE, uvcache.SOURCES)
    yield from (directory(str(path), SHARED_FOLDER) for path in sorted(folders) if root in path.parents)
    yield from files


def _core(package: LockedPackage) -> uvcache.CoreMetadata:
    return uvcache.CoreMetadata(
        name=package.name,
        version=package.version,
        requires_dist=package.requires_dist,
        requires_python=package.requires_python,
        extras=package.extras,
    )


def compiled_in_spite_of_wheels(lock: Lock, platform: str) -> list[LockedPackage]:
    """The packages whose source uv only looks at when it is to install it: it reads the metadata of a wheel."""
    compiled = (package for package in lock.compiled(platform) if not package.source)
    return [package for package in compiled if any(file.is_wheel for file in package.files)]


def compiled_links(
    lock: Lock, platform: str, buckets: Iterable[tuple[str, str]], wheels: Mapping[str, str]
) -> Iterator[Entry]:
    """Beside them, what was compiled: `wheels` are the names of the wheels by package, `buckets` the name of each
    index with one of its buckets."""
    for name, bucket in buckets:
        for package, file in _looked_at(lock, platform, name):
            below = f"{uvcache.SOURCES}/{bucket}/{package.name}/{package.version}/{_revision(file)}"
            archive = uvcache.archive_id(package.identity(platform))
            up = "../" * len(Path(below).parts)
            stem = wheels[package.name].removesuffix(".whl")
            yield symlink(f"{CACHE}/{below}/{stem}", f"{up}{uvcache.ARCHIVES}/{archive}")


def _looked_at(lock: Lock, platform: str, index: str) -> Sequence[tuple[LockedPackage, LockedFile]]:
    """The packages of an index that are compiled, with what of."""
    compiled = (package for package in lock.compiled(platform) if package.index == index and not package.source)
    return [(package, file) for package in compiled if (file := package.file(platform))]


def _revision(file: LockedFile) -> str:
    """The name that uv would draw by lot for what it files about a source."""
    return file.sha256[:16]
