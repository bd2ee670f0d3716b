"""What can be said of an image without running it. Pure but for the content of its unpacked files.

That every blob and every tar has the digest that the manifest and the config name is proven by unpacking, which
takes both (see `layers.unpack`); here the documents are held against the layers.
"""

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from warmbase.image import contract, promises
from warmbase.image.assemble import BuiltImage
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.listing import Listing
from warmbase.layers.tree import ImageTree, merge_layers
from warmbase.lock.model import Lock
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import Config, Manifest, variables_of
from warmbase.oci.tar import OPEN_TO_ALL
from warmbase.packages.entries import SHARED_FOLDER
from warmbase.verify.bill import STATUS, check_bill
from warmbase.verify.model import Finding

_IN_CACHE = rf"{CACHE}(?:/(?!archive-[^/]+/).*)?$"  # what is unpacked there has its wheel's modes
_OPEN = re.compile(rf"{VENV}(?:/|$)|{_IN_CACHE}")
_PASSING_ON = re.compile(rf"{VENV}(?:/bin|/lib(?:/python[^/]+(?:/site-packages)?)?)?$|{_IN_CACHE}")
_FILES = ("base.json", "constraints.txt", "pylock.toml", "uv.lock", "sbom.cdx.json")
_SHORTEST_TRACE = 8  # shorter secrets would be found by chance in compiled code
_SHORTEST_WORD = 16  # and so would words, which are settings more often than secrets
_USERINFO = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_PROXY_NAME = re.compile(r"(https?|all|ftp)_proxy", re.IGNORECASE)
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|SECRET", re.IGNORECASE)
_SHORTEST_PATH = 3  # parts, with the root
_MOST = 5  # examples in a message
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ImageFiles:
    """The unpacked layers of an image, the lowest first: what is in each, and where."""

    listings: tuple[Listing, ...]
    folders: tuple[Path, ...]

    @cached_property
    def tree(self) -> ImageTree:
        """What a container sees of them."""
        return merge_layers(self.listings, self.folders)

    @cached_property
    def paths(self) -> Collection[str]:
        """Every path of the tree that is no folder."""
        return {path for path, node in self.tree.nodes.items() if node.kind != "dir"}

    def read(self, path: str) -> bytes | None:
        """The content of a file, None if a container has none there."""
        return self.tree.read(path)


@dataclass(frozen=True, slots=True)
class SearchedLayers:
    """Layers that hold none of some traces, as this process has found. They are not read for the same ones again: most
    images of a run have most layers in common. Traces are secrets, so nothing of this is written down.
    """

    clean: set[tuple[str, frozenset[bytes]]] = field(default_factory=set)


def check_image(
    image: BuiltImage,
    lock: Lock,
    files: ImageFiles,
    traces: Mapping[str, bytes],
    searched: SearchedLayers | None = None,
) -> Iterator[Finding]:
    """All static findings. `traces` are what no file and no history may hold: what it is → its bytes. What is found of
    a layer is added to `searched`."""
    # The layers of a base image are as others made them.
    own = list(enumerate(files.listings))[len(image.base.layers) if image.base else 0 :]
    yield make_finding("documents", _check_documents(image))
    yield make_finding("no path twice in a layer", _check_paths(own))
    yield make_finding("hardlinks inside their layer", _check_hardlinks(own))
    yield make_finding("readable by everyone", _check_modes(files.listings))
    yield make_finding("venv and cache open to all", _check_open(files))
    yield make_finding("variables", _check_variables(image))
    yield make_finding("contract files", _check_contract(image, lock, files))
    yield make_finding("bill of materials", _check_bill(files))
    found = _check_traces(image, files, traces, searched or SearchedLayers())
    yield make_finding("no secret and no path of the build machine", found)


def traces_of(
    environment: Mapping[str, str], paths: Iterable[Path], addresses: Iterable[str] = ()
) -> Mapping[str, bytes]:
    """What must not get into an image: secrets and proxies in the variables of a build, secrets in addresses, and the
    build's own paths.

    Short paths, such as /project or /home/user, are not looked for: wheels are full of those of their own builds.
    """
    absolute = dict.fromkeys(path.absolute() for path in paths)
    traces = {f"the path {path}": os.fsencode(path) for path in absolute if len(path.parts) > _SHORTEST_PATH}
    for name, value in environment.items():
        secrets = [value] if _SECRET_NAME.search(name) else _USERINFO.findall(value)
        traces |= {f"the secret in {name}": os.fsencode(secret) for secret in secrets if _is_secret(secret)}
        if _PROXY_NAME.fullmatch(name) and (host := _host_of_proxy(value)):
            traces[f"the address in {name}"] = os.fsencode(host)
    for address in addresses:
        found = _secrets_of_address(address)
        traces |= {what: os.fsencode(secret) for what, secret in found.items() if _is_secret(secret)}
    return traces


def _host_of_proxy(value: str) -> str:
    """ "host:port" of a proxy; "" for names such as `proxy` and this machine's own, of which documentation is full."""
    host = value.rpartition("://")[2].rpartition("@")[2].partition("/")[0]
    name = host.partition(":")[0]
    return host if "." in name and not name.startswith("127.") else ""


def _secrets_of_address(address: str) -> Mapping[str, str]:
    """The user information of an address (RFC 3986, section 3.2.1), as it is written and as it is sent."""
    parts = urlsplit(address)
    userinfo = parts.netloc.rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    index = f"of {parts.hostname}"
    return {
        f"the user and password {index}": userinfo if password else "",
        f"the password {index}": password or user,  # a token is a user without a password
        f"the decoded password {index}": unquote(password or user),
    }


def _is_secret(value: str) -> bool:
    """Whether a value is one to look for: no path of a file that holds the secret, and nothing found by chance."""
    return not value.startswith("/") and len(value) >= (_SHORTEST_WORD if value.isalpha() else _SHORTEST_TRACE)


def make_finding(check: str, problems: Iterable[str]) -> Finding:
    """The finding of a check that names problems, of which the first few are said."""
    found = list(problems)
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return Finding(check=check, outcome="failed" if found else "passed", detail="\n".join(found[:_MOST] + more))


def _check_documents(image: BuiltImage) -> Iterator[str]:
    manifest_bytes, config_bytes = image.documents
    manifest, config = Manifest.from_bytes(manifest_bytes), Config.from_bytes(config_bytes)
    if digest_of(manifest_bytes) != image.digest:
        yield f"the manifest is {digest_of(manifest_bytes)}, not {image.digest}"
    if digest_of(config_bytes) != manifest.config.digest:
        yield f"the config is {digest_of(config_bytes)}, the manifest names {manifest.config.digest}"
    if manifest.layers != tuple(layer.descriptor() for layer in image.layers):
        yield "the manifest names other layers than the image has"
    if config.diff_ids != tuple(layer.diff_id for layer in image.layers):
        yield "the config's diff_ids are not those of the layers"
    if config.history and sum(not step.empty_layer for step in config.history) != len(config.diff_ids):
        yield "the history does not match the layers"
    if str(config.platform) != image.platform:
        yield f"the config is for {config.platform}, not for {image.platform}"


def _check_paths(listings: Iterable[tuple[int, Listing]]) -> Iterator[str]:
    for number, listing in listings:
        seen: set[str] = set()
        for entry in listing.entries:
            if entry.path in seen:
                yield f"layer {number}: {entry.path}"
            seen.add(entry.path)


def _check_hardlinks(listings: Iterable[tuple[int, Listing]]) -> Iterator[str]:
    for number, listing in listings:
        files = {entry.path for entry in listing.entries if entry.kind == "file"}
        for entry in listing.entries:
            if entry.kind == "hardlink" and entry.target not in files:
                yield f"layer {number}: {entry.path} points to {entry.target}"


def _check_modes(listings: Sequence[Listing]) -> Iterator[str]:
    for number, listing in enumerate(listings):
        for entry in listing.entries:
            if entry.path.startswith((f"{VENV}/", f"{CACHE}/")):
                wanted = {"dir": 0o555, "file": 0o444}.get(entry.kind, 0)
                if entry.mode & wanted != wanted:
                    yield f"layer {number}: {entry.path} has the mode {entry.mode:o}"


def _check_open(files: ImageFiles) -> Iterator[str]:
    """The topmost entry of a folder decides its mode and its default ACL."""
    topmost: dict[str, tuple[int, int]] = {}
    for number, listing in enumerate(files.listings):
        topmost |= {entry.path: (number, entry.mode) for entry in listing.entries if entry.kind == "dir"}
    ((acl, value),) = OPEN_TO_ALL
    for path, (number, mode) in topmost.items():
        if not _OPEN.match(path):
            continue
        if mode & 0o777 != SHARED_FOLDER:
            yield f"layer {number}: {path} has the mode {mode:o}"
        elif _PASSING_ON.match(path) and acl not in files.listings[number].unset:
            place = files.folders[number] / path
            if acl not in os.listxattr(place) or os.getxattr(place, acl) != value:
                yield f"layer {number}: what is made in {path} does not become open to all"


def _check_variables(image: BuiltImage) -> Iterator[str]:
    variables = environment_of(image)
    if not f"{variables.get('PATH')}:".startswith(f"{promises.FIRST_FOLDERS}:"):
        yield f"PATH is {variables.get('PATH')!r}, its first folders are not {promises.FIRST_FOLDERS}"
    for name, value in promises.ENVIRONMENT.items():
        if name != "PATH" and variables.get(name) != value:
            yield f"{name} is {variables.get(name)!r}, not {value!r}"
    for name, value in sorted(variables.items()):
        if reason := contract.why_left_out(name, value):
            yield f"{name} is set, which {reason}"


def environment_of(image: BuiltImage) -> dict[str, str]:
    """The variables that a container of the image starts with."""
    return variables_of(Config.from_bytes(image.documents[1]).run)


def _check_contract(image: BuiltImage, lock: Lock, files: ImageFiles) -> Iterator[str]:
    wanted = [f"{promises.FOLDER}/{name}" for name in _FILES]
    wanted += ["etc/profile.d/warmbase.sh", "usr/local/bin/uv", "usr/local/bin/uvx", f"{VENV}/bin/python",
               f"{VENV}/pyvenv.cfg", f"{CACHE}/CACHEDIR.TAG"]  # fmt: skip
    missing = [path for path in wanted if path not in files.paths]
    yield from (f"{path} is missing" for path in missing)
    if not any(path.endswith("/EXTERNALLY-MANAGED") for path in files.paths):
        yield "no EXTERNALLY-MANAGED file tells people where to install"
    if missing:
        return
    try:
        base = json.loads(files.read(f"{promises.FOLDER}/base.json") or b"")
        facts = {"name": image.variant.name, "platform": image.platform, "recipe": image.recipe, "uv": lock.uv.version}
        for key, value in facts.items():
            if base.get(key) != value:
                yield f"base.json says {key} {base.get(key)!r}, not {value!r}"
    except ValueError as error:
        yield f"base.json is no JSON: {error}"
    constraints = (files.read(f"{promises.FOLDER}/constraints.txt") or b"").decode().split()
    pins = [f"{p.name}=={p.version}" for p in lock.installed(image.platform) if p.use == "venv"]
    for pin in sorted(set(pins) ^ set(constraints)):
        yield f"constraints.txt and the lock differ in {pin}"


def _check_bill(files: ImageFiles) -> Iterator[str]:
    bill, base = files.read(promises.BILL), files.read(f"{promises.FOLDER}/base.json")
    if bill is None or base is None:
        yield f"{promises.BILL} or base.json is missing"
        return
    try:
        reproducible = bool(json.loads(base).get("reproducible"))
    except ValueError as error:
        yield f"base.json is no JSON: {error}"
        return
    yield from check_bill(bill, files.paths, files.read(STATUS), reproducible=reproducible)


def _check_traces(
    image: BuiltImage, files: ImageFiles, traces: Mapping[str, bytes], searched: SearchedLayers
) -> Iterator[str]:
    for what, content in traces.items():
        if any(content in document for document in image.documents):
            yield f"the manifest or the config holds {what}"
    for number, (layer, listing, folder) in enumerate(zip(image.layers, files.listings, files.folders, strict=True)):
        key = layer.digest, frozenset(traces.values())
        if key in searched.clean:
            continue
        found = [f"layer {number}: {problem}" for problem in _search_layer(listing, folder, traces)]
        if not found:
            searched.clean.add(key)
        yield from found


def _search_layer(listing: Listing, folder: Path, traces: Mapping[str, bytes]) -> Iterator[str]:
    """The files and links of a layer that hold any of `traces`."""
    seen = set()
    for path, node in merge_layers([listing], [folder]).nodes.items():
        if node.kind == "file" and node.size >= _SHORTEST_TRACE and node.identity not in seen:
            seen.add(node.identity)
            with node.open() as file:
                for what in find_traces(file, traces):
                    yield f"{path} holds {what}"
        elif node.kind == "symlink":
            for what, content in traces.items():
                if content in os.fsencode(node.target):
                    yield f"{path} points to {what}"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


def find_traces(file: _Readable, traces: Mapping[str, bytes]) -> Iterator[str]:
    """Those of `traces` that the file holds, each once; a file of any size is read in little memory."""
    overlap = max(map(len, traces.values()), default=1) - 1
    left, tail = dict(traces), b""
    while left and (chunk := file.read(_CHUNK)):
        text = tail + chunk
        for what in [what for what, content in left.items() if content in text]:
            del left[what]
            yield what
        tail = text[max(len(text) - overlap, 0) :]
