"""The keys of a company's Debian archive, as the catalog names them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.catalog.model import Catalog, DebianFoundation

MIRROR = "mirror: 'https://mirror.example/debian'"
IMAGE = "images: {i: {foundation: own, requirements: [attrs]}}"


def catalog_of(entry: str) -> str:
    return f"uv: 0.13.8\nfoundations: {{own: {{{entry}}}}}\n{IMAGE}"


def test_a_keyring_lies_beside_the_catalog(load: Callable[[str], Catalog], tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/company.gpg").write_bytes(b"keys")
    (foundation,) = load(catalog_of(f"debian: trixie, {MIRROR}, keyring: keys/company.gpg")).foundations
    assert isinstance(foundation, DebianFoundation)
    assert foundation.keyring == tmp_path / "keys/company.gpg"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (f"debian: trixie, {MIRROR}, keyring: gone.gpg", "there is no file 'gone.gpg'; write it, or correct the path"),
        (
            f"debian: trixie, {MIRROR}, keyring: ../keys.gpg",
            "'../keys.gpg' leads out of the catalog's folder; keep what a catalog needs beside it",
        ),
        (
            f"debian: trixie, {MIRROR}, keyring: keys.txt",
            "apt reads no keys from 'keys.txt'; call it '.asc', '.gpg' or '.pgp', as apt asks: .asc is ASCII-armored",
        ),
        (
            "debian: trixie, keyring: keys.asc",
            "`keyring` is for a `mirror`; name the mirror that is signed with these keys",
        ),
        (
            "image: 'python:{python}-slim', python: '3.13', keyring: keys.asc",
            "`keyring` is for Debian foundations; take it out: an image is taken as it is",
        ),
    ],
)
def test_a_keyring_that_apt_could_not_use_is_a_problem(
    entry: str, problem: str, problems: Callable[[str], list[str]], tmp_path: Path
) -> None:
    for name in ("keys.txt", "keys.asc"):
        (tmp_path / name).write_bytes(b"keys")
    (said,) = problems(catalog_of(entry))
    assert said.endswith(f"foundations.own.keyring: {problem}")
