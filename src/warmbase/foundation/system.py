"""The packages of an image's system, as its package manager keeps them: dpkg, Debian without dpkg, or apk."""

from warmbase.foundation.model import Package
from warmbase.foundation.rootfs import name_licences, parse_status
from warmbase.layers.tree import ImageTree

_STATUS = "var/lib/dpkg/status"
_STATUS_FOLDER = "var/lib/dpkg/status.d"  # distroless images have a file for each package, in the same format
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")  # since apk-tools 3 in /usr


def find_packages(tree: ImageTree) -> tuple[Package, ...]:
    """The installed packages in order of their names; none for another package manager."""
    for path in _APK:
        installed = tree.read(path)
        if installed is not None:
            return parse_apk(installed.decode(errors="replace"))
    status = (tree.read(_STATUS) or b"").decode(errors="replace")
    for name in tree.names(_STATUS_FOLDER):
        if not name.endswith(".md5sums"):
            text = (tree.read(f"{_STATUS_FOLDER}/{name}") or b"").decode(errors="replace").strip()
            status += f"\n\n{text}\nStatus: install ok installed\n"
    packages = parse_status(status)
    copyrights = {one.name: tree.read(f"usr/share/doc/{one.name}/copyright") for one in packages}
    return name_licences(packages, {name: text for name, text in copyrights.items() if text is not None})


def parse_apk(text: str) -> tuple[Package, ...]:
    """Read apk's database of installed packages (apk-tools, "Apk spec"): lines `P:name`, a blank line between them."""
    found = []
    for record in text.split("\n\n"):
        fields = {line[0]: line[2:] for line in record.splitlines() if line[1:2] == ":"}
        if {"P", "V", "A"} <= fields.keys():
            licences = (fields["L"],) if fields.get("L") else ()
            version, architecture = fields["V"], fields["A"]
            found.append(
                Package(name=fields["P"], version=version, architecture=architecture, licences=licences, kind="apk")
            )
    return tuple(sorted(found, key=lambda package: package.name))
