"""The licences that Debian's copyright files name."""

import io
import tarfile
from pathlib import Path

import pytest

from warmbase.foundation.copyright import licences_of
from warmbase.foundation.rootfs import read_contents

MACHINE_READABLE = """\
Format: https://docs.example/copyright-format/1.0/

Files: *
Copyright: somebody
License: {}
 The whole text follows.
"""


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("GPL-2+", ("GPL-2.0-or-later",)),
        ("GPL-3", ("GPL-3.0-only",)),
        ("LGPL-2.1+", ("LGPL-2.1-or-later",)),
        ("Expat", ("MIT",)),
        ("BSD-3-clause", ("BSD-3-Clause",)),
        ("GPL-1+ or Artistic", ("Artistic-1.0-Perl", "GPL-1.0-or-later")),
        ("public-domain", ("public-domain",)),
        ("GPL-3+ with Bison exception", ("GPL-3+ with Bison exception",)),
        ("Permission to use, copy, modify, and distribute this", ()),
        ("", ()),
    ],
)
def test_short_names_are_said_in_the_words_of_spdx_where_it_has_some(written: str, named: tuple[str, ...]) -> None:
    assert licences_of(MACHINE_READABLE.format(written)) == named


def test_prose_names_the_licences_that_it_points_to() -> None:
    text = "The full text is in `/usr/share/common-licenses/GPL-2'.\nSee /usr/share/common-licenses/BSD."
    assert licences_of(text) == ("BSD", "GPL-2.0-only")


def test_packages_that_share_a_documentation_folder_share_its_licences(tmp_path: Path) -> None:
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
        for name in ("base", "library", "silent")
    )
    files = {
        "var/lib/dpkg/status": status,
        "usr/lib/os-release": "ID=debian\n",
        "usr/share/doc/base/copyright": MACHINE_READABLE.format("ISC"),
    }
    tar = tmp_path / "rootfs.tar"
    with tarfile.open(tar, "w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("usr/share/doc/library")
        link.type, link.linkname = tarfile.SYMTYPE, "base"
        archive.addfile(link)
    packages = read_contents(tar).packages
    assert {package.name: package.licences for package in packages} == {
        "base": ("ISC",),
        "library": ("ISC",),
        "silent": (),
    }
