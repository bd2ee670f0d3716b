"""What a failed lock says: uv's own words, and the places in the catalog that they speak of."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from warmbase.catalog.load import load_catalog
from warmbase.effects.process import Finished
from warmbase.effects.uv import Uv
from warmbase.errors import LockError
from warmbase.lock.resolve import Resolver, Upgrade

SECRET = "correct-horse"


def failure(tmp_path: Path, requirements: Sequence[str], said: str) -> str:
    """What locking an image with `requirements` says when uv says `said`."""
    images = {"app": {"requirements": list(requirements), "foundation": "trixie"}}
    document = {"uv": "0.13.8", "foundations": {"trixie": {"debian": "trixie"}}, "images": images}
    (tmp_path / "images.yaml").write_text(json.dumps(document, indent=1))
    (variant,) = load_catalog(tmp_path / "images.yaml").variants

    def processes(argv: Sequence[str | Path], *, check: bool = True, **_: object) -> Finished:
        if "compile" in argv:
            return Finished(code=0, stdout=b"--index-url https://index.example/simple\n", stderr=b"")
        assert not check
        return Finished(code=1, stdout=b"", stderr=said.encode())

    environment = {"UV_INDEX_MINE_PASSWORD": SECRET}
    uv = Uv(binary=Path("uv"), version="0.13.8", environment=environment, home=Path("uvs"), processes=processes)
    resolver = Resolver(uv=uv, cache=tmp_path / "cache", ask_size=lambda address: 0)
    with pytest.raises(LockError) as caught:
        resolver.resolve(variant, libc={"linux/amd64": ("glibc", "2.41")}, previous=None, upgrade=Upgrade())
    return caught.value.message


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("PyYAML>=99", "only pyyaml<=7 is available"),
        ("scikit_learn", "because scikit-learn>=2 depends"),
        ("zope.interface", "zope-interface was not found."),
        ("zope-interface", "there are no versions of zope.interface"),
        ("rich[jupyter]", "your project depends on rich[jupyter]"),
        ("rich", "we conclude that rich."),
    ],
)
def test_the_line_that_asks_for_a_package_is_found_however_it_is_spelt(
    requirement: str, said: str, tmp_path: Path
) -> None:
    assert f"asked for in the catalog:\n  {tmp_path}/images.yaml:" in failure(tmp_path, [requirement], said)


@pytest.mark.parametrize("said", ["enrich is old", "rich-click is old", "my.rich is old", "richer", "rich_click"])
def test_a_part_of_another_name_is_not_the_package(said: str, tmp_path: Path) -> None:
    assert "asked for in the catalog" not in failure(tmp_path, ["rich"], said)


def test_all_of_uv_s_explanation_is_shown_without_secrets(tmp_path: Path) -> None:
    lines = "\n".join(f"reason {number}" for number in range(60))
    said = f"{lines}\nat https://me:p@ss@index.example/simple with {SECRET}"
    message = failure(tmp_path, ["rich"], said)
    assert lines in message
    assert message.endswith("at https://***@index.example/simple with ***")
