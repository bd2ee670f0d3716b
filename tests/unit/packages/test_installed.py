"""Wheels that bring the same path: equal files are fine, different ones need a winner."""

import hashlib
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.errors import OverlapError
from warmbase.packages.installed import InstalledWheel, order_wheels, read_installed

SITE = "opt/venv/lib/python3.13/site-packages"


def wheel(name: str, **files: str) -> InstalledWheel:
    return InstalledWheel(name=name, files={path.replace("__", "/"): content for path, content in files.items()})


def test_wheels_that_share_nothing_are_in_the_order_of_their_names() -> None:
    assert order_wheels([wheel("b", x="1"), wheel("a", y="1"), wheel("c")], (), "v") == ["a", "b", "c"]


def test_equal_files_are_fine() -> None:
    assert order_wheels([wheel("b", x="1"), wheel("a", x="1")], (), "v") == ["a", "b"]


def test_different_files_name_every_path_both_wheels_and_what_to_write() -> None:
    wheels = [wheel("one", pkg__a="1", pkg__b="1", pkg__c="1"), wheel("two", pkg__a="2", pkg__b="2", pkg__c="1")]
    with pytest.raises(OverlapError) as caught:
        order_wheels(wheels, (), "data:py3.13-trixie")
    assert caught.value.message == (
        "data:py3.13-trixie: wheels bring the same path with different content\n  pkg/a: one, two\n  pkg/b: one, two"
    )
    assert "winners" in caught.value.next_step


def test_what_lies_below_is_decided_and_loses_against_what_lies_above() -> None:
    wheels = [wheel("a", x="1", y="1"), wheel("b", x="2"), wheel("c", y="2"), wheel("d")]
    assert order_wheels(wheels, [("y", "c")], "v", below={"a", "b"}) == ["d", "c"]
    with pytest.raises(OverlapError, match=r"  y: a, c") as caught:
        order_wheels(wheels, [("y", "a")], "v", below={"a", "b"})
    assert "one that the image adds to what it is from" in caught.value.next_step


@pytest.mark.parametrize(("winner", "order"), [("a", ["b", "a"]), ("b", ["a", "b"])])
def test_the_winner_lies_higher(winner: str, order: list[str]) -> None:
    wheels = [wheel("a", pkg__x="1"), wheel("b", pkg__x="2")]
    assert order_wheels(wheels, [("pkg/x", winner)], "v") == order
    assert order_wheels(wheels, [("pkg/*", winner)], "v") == order


def test_the_first_rule_that_fits_decides_and_one_for_other_packages_does_not_fit() -> None:
    wheels = [wheel("a", pkg__x="1"), wheel("b", pkg__x="2")]
    assert order_wheels(wheels, [("pkg/x", "c"), ("pkg/x", "a"), ("*", "b")], "v") == ["b", "a"]


def test_winners_that_contradict_each_other_are_a_circle() -> None:
    wheels = [wheel("a", x="1", y="1"), wheel("b", x="2", y="2")]
    with pytest.raises(OverlapError, match=r"circle: .* → "):
        order_wheels(wheels, [("x", "a"), ("y", "b")], "v")


def test_of_three_wheels_the_winner_lies_above_both_others() -> None:
    wheels = [wheel("a", x="1"), wheel("b", x="2"), wheel("c", x="2")]
    assert order_wheels(wheels, [("x", "a")], "v") == ["b", "c", "a"]


@given(st.permutations("abcdef"), st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")))
def test_the_order_does_not_depend_on_that_of_the_input(names: list[str], files: dict[str, str]) -> None:
    wheels = [wheel(name, **(files if name in "ac" else {name: "1"})) for name in names]
    assert order_wheels(wheels, [("*", "c")], "v") == sorted(names)


def install(tree: Path, name: str, files: dict[str, bytes], *unrecorded: str) -> None:
    """A wheel's tree as uv leaves it."""
    site = tree / SITE
    rows = []
    for path, content in files.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        digest = urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f'"{path}",sha256={digest},{len(content)}')
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("\n".join([*rows, f"{name}-1.0.dist-info/RECORD,,"]) + "\n")
    for path in unrecorded:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(b"?")


def test_the_contents_are_known_from_the_record(tmp_path: Path) -> None:
    files = {"pkg/__init__.py": b"", "../../../bin/tool": b"#!", "odd, name.txt": b"x"}
    install(tmp_path, "pkg", files, "pkg/__pycache__/__init__.cpython-313.pyc")
    (tmp_path / "opt/uv/cache/archive-v0/id").mkdir(parents=True)
    (tmp_path / "opt/uv/cache/archive-v0/id/file").touch()
    found = read_installed(tmp_path)
    site = "lib/python3.13/site-packages"
    assert set(found) == {
        "bin/tool",
        f"{site}/pkg/__init__.py",
        f"{site}/odd, name.txt",
        f"{site}/pkg/__pycache__/__init__.cpython-313.pyc",
        f"{site}/pkg-1.0.dist-info/RECORD",
    }
    assert found[f"{site}/pkg/__init__.py"] == "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert found["bin/tool"].startswith("sha256=")
