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
    return refusal(tmp_path, requirements, said).message


def refusal(tmp_path: Path, requirements: Sequence[str], said: str) -> LockError:
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
    return caught.value


@pytest.mark.parametrize(
    ("requirement", "advised"),
    [
        (
            "rich @ git+https://code.example/rich@v1",
            "names what you mean (`git ls-remote` says); where it wants a login,",
        ),
        ("rich @ git+ssh://git@code.example/rich", "have the key in ssh-agent and the host in known_hosts"),
        ("rich @ https://files.example/rich-1.0.tar.gz", "where it wants a login, give it in netrc"),
    ],
)
def test_an_address_that_cannot_be_had_is_to_be_checked(requirement: str, advised: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, [requirement], f"Failed to download and build `{requirement}`")
    assert error.next_step.startswith("check that ")
    assert advised in error.next_step
    (tmp_path / "again").mkdir()
    unsatisfiable = "No solution found when resolving dependencies: because rich depends on idna>99"
    assert refusal(tmp_path / "again", [requirement], unsatisfiable).next_step.startswith("loosen or remove")


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
