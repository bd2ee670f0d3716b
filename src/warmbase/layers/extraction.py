"""The entries of a layer's tar, one after the other, as files of a folder that an overlay mount takes as it is.

Nothing is written outside of the folder: names with `..` are refused, and an entry may lie only below folders
that this extraction made itself, so no symlink is ever followed. A folder's mode, time and attributes are set when all
is in it, since a default ACL or a set-group-id bit would act on what is created below. Whiteouts (OCI image
specification, layer.md, "Whiteouts") become what overlayfs knows: a character device 0:0, or the attribute `opaque`;
they act on lower layers only, so what the same layer has at such a path stays, wherever in the tar it is. Other device
nodes are left out, a container's runtime makes them, and so are attributes by which a layer could steer the overlay.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from warmbase.layers.listing import OPAQUE, ListedEntry, Listing
from warmbase.layers.untar import ListedKind, Member, TarStream, clean_path
from warmbase.oci.tar import BLOCK

_WHITEOUT, _RESERVED = ".wh.", ".wh..wh."  # AUFS kept notes of its own under the latter
_OVERLAY = re.compile(r"(trusted|user)\.overlay\.")
_NO_SUPPORT = {errno.ENOTSUP, errno.EPERM, errno.EINVAL, errno.ENOSYS}
_OWN_FILE, _OWN_FOLDER = 0o400, 0o700  # what a user who is not root needs to read a file, to read and remove a folder


@dataclass(slots=True)
class Extraction:
    """Writes members below `root` and remembers what it wrote.

    `moved` says where folders that no entry names lie in truth (path → path, see `Listing.implied`).
    """

    root: str
    moved: Mapping[str, str] = field(default_factory=dict)
    entries: list[ListedEntry] = field(default_factory=list)
    size: int = 0
    unset: set[str] = field(default_factory=set)
    _kinds: dict[str, ListedKind] = field(default_factory=lambda: {"": "dir"})
    _folders: dict[str, Member] = field(default_factory=dict)
    _opaque: set[str] = field(default_factory=set)
    _dangling: dict[str, str] = field(default_factory=dict)
    _implied: set[str] = field(default_factory=set)
    _privileged: bool = field(default_factory=lambda: os.geteuid() == 0)

    def add(self, member: Member, stream: TarStream) -> None:
        """Write one member, reading its content from `stream`. Raises ValueError for what no layer can have."""
        member.path = self._moved(member.path)
        folder, _, name = member.path.rpartition("/")
        if _WHITEOUT in member.path and not self._read_whiteout(member, folder, name, stream):
            return
        if not member.path and member.kind != "dir":
            raise ValueError("an entry without a name")
        if member.kind == "hardlink":
            member.target = self._moved(clean_path(member.target.encode("utf-8", "surrogateescape")))
        if member.path:
            self.entries.append(ListedEntry(member.path, member.kind, member.mode, member.target, member.size))
        known = self._kinds.get(member.path)
        if {known, member.kind} == {"whiteout", "dir"}:
            self._opaque.add(member.path)
            self._implied.discard(member.path)
        if known is None:
            self._require_folder(folder)
        elif member.kind == "whiteout":
            return
        elif known == "dir" != member.kind:
            self._remove_folder(member.path)
        if known == "device":
            self._dangling.pop(member.path, None)
        path = f"{self.root}/{member.path}"
        if known and known not in ("dir", "device"):  # the later one counts, as with tar itself
            os.unlink(path)  # noqa: PTH108 - a Path for each of 20,000 files is a third of the time
        self._kinds[member.path] = member.kind
        getattr(self, f"_add_{member.kind}")(member, path, stream)

    def _read_whiteout(self, member: Member, folder: str, name: str, stream: TarStream) -> bool:
        """Whether a member with a whiteout's words in its path is still to be added, as a whiteout or as it is."""
        if name == OPAQUE:
            self._require_folder(folder)
            self._opaque.add(folder)
            self.entries.append(ListedEntry(member.path, "whiteout", member.mode))
        if f"/{_RESERVED}" in f"/{member.path}":
            stream.skip(member.size + -member.size % BLOCK)
            return False
        if name.startswith(_WHITEOUT):
            if name[len(_WHITEOUT) :] in ("", ".", ".."):
                raise ValueError(f"the whiteout {member.path!r} names nothing")
            stream.skip(member.size + -member.size % BLOCK)
            path = member.path[: -len(name)] + name[len(_WHITEOUT) :]
            member.kind, member.path, member.size = "whiteout", path, 0
        return True

    def finish_folders(self) -> None:
        """Set what folders have, the deepest first."""
        for path, member in sorted(self._folders.items(), reverse=True):
            place = f"{self.root}/{path}"
            self._own(member, lambda uid, gid, place=place: os.chown(place, uid, gid))  # type: ignore[misc]
            os.chmod(place, member.mode | (0 if self._privileged else _OWN_FOLDER))  # noqa: PTH101
            self._set_xattrs(member, place)
            if path in self._opaque:
                prefix = "trusted" if self._privileged else "user"  # as overlayfs reads it with `userxattr` and without
                self._set_xattr(place, f"{prefix}.overlay.opaque", b"y")
            os.utime(place, ns=(member.mtime, member.mtime))

    def listing(self) -> Listing:
        return Listing(
            entries=tuple(self.entries),
            size=self.size,
            unset=tuple(sorted(self.unset)),
            dangling=tuple(self._dangling.items()),
            implied=tuple(sorted(self._implied)),
        )

    def _add_file(self, member: Member, path: str, stream: TarStream) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for part in stream.parts(member.size):
                written = os.write(descriptor, part)
                while written < len(part):
                    written += os.write(descriptor, part[written:])
            self._own(member, lambda uid, gid: os.fchown(descriptor, uid, gid))
            os.fchmod(descriptor, member.mode | (0 if self._privileged else _OWN_FILE))
            if member.xattrs:
                self._set_xattrs(member, path)
            os.utime(descriptor, ns=(member.mtime, member.mtime))
        finally:
            os.close(descriptor)
        stream.skip(-member.size % BLOCK)
        self.size += member.size

    def _add_dir(self, member: Member, path: str, _stream: TarStream) -> None:
        if member.path and member.path not in self._folders:
            os.mkdir(path, 0o700)  # noqa: PTH102
        self._folders[member.path] = member
        self._implied.discard(member.path)

    def _add_symlink(self, member: Member, path: str, _stream: TarStream) -> None:
        os.symlink(member.target.encode("utf-8", "surrogateescape"), path)  # noqa: PTH211
        self._own(member, lambda uid, gid: os.lchown(path, uid, gid))
        os.utime(path, ns=(member.mtime, member.mtime), follow_symlinks=False)

    def _add_hardlink(self, member: Member, path: str, _stream: TarStream) -> None:
        known = self._kinds.get(member.target)
        if known is None or member.target in self._dangling:
            self._kinds[member.path] = "device"  # as with devices, nothing is there yet
            self._dangling[member.path] = self._dangling.get(member.target, member.target)
            return
        if known not in ("file", "symlink", "hardlink") or member.target == member.path:
            raise ValueError(f"the hardlink {member.path!r} points to {member.target!r}, which is no file")
        os.link(f"{self.root}/{member.target}", path, follow_symlinks=False)

    def _add_whiteout(self, _member: Member, path: str, _stream: TarStream) -> None:
        os.mknod(path, stat.S_IFCHR, 0)  # allowed to everyone since Linux 5.8

    def _add_device(self, _member: Member, _path: str, _stream: TarStream) -> None:
        pass

    def _require_folder(self, path: str) -> None:
        known = self._kinds.get(path)
        if known == "dir":
            return
        if known == "whiteout":
            os.unlink(f"{self.root}/{path}")  # noqa: PTH108
            self._opaque.add(path)
        elif known is not None:
            raise ValueError(f"an entry lies below {path!r}, which is a {known}")
        else:
            self._implied.add(path)
        self._require_folder(path.rpartition("/")[0])
        os.mkdir(f"{self.root}/{path}", 0o700)  # noqa: PTH102
        self._kinds[path] = "dir"
        self._folders[path] = Member(path, "dir", 0o755, 0, 0, 0, 0, "", [])

    def _remove_folder(self, path: str) -> None:
        """Remove a folder for what comes later under its name, as tar itself does."""
        shutil.rmtree(f"{self.root}/{path}")
        start = f"{path}/"
        for below in [known for known in self._kinds if known == path or known.startswith(start)]:
            del self._kinds[below]
            self._folders.pop(below, None)
            self._dangling.pop(below, None)
            self._opaque.discard(below)
            self._implied.discard(below)

    def _moved(self, path: str) -> str:
        """Where a path lies in truth: what it is below may be moved."""
        parent = path.rpartition("/")[0] if self.moved else ""
        while parent:
            if parent in self.moved:
                return f"{self.moved[parent]}{path[len(parent) :]}".lstrip("/")
            parent = parent.rpartition("/")[0]
        return path

    def _own(self, member: Member, change: Callable[[int, int], None]) -> None:
        if self._privileged and (member.uid or member.gid):
            change(member.uid, member.gid)

    def _set_xattrs(self, member: Member, path: str) -> None:
        for name, value in member.xattrs:
            if not _OVERLAY.match(name):
                self._set_xattr(path, name, value)

    def _set_xattr(self, path: str, name: str, value: bytes) -> None:
        try:
            os.setxattr(path, name, value)
        except OSError as error:
            if error.errno not in _NO_SUPPORT:
                raise
            self.unset.add(name)
