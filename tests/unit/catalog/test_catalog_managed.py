"""Foundations with a managed Python: they offer what images ask for."""

from collections.abc import Callable

import pytest

from warmbase.catalog.model import Catalog

Load = Callable[[str], Catalog]
Problems = Callable[[str], list[str]]

HEAD = """uv: 0.13.8
foundations:
  cuda: {image: "nvidia/cuda:13.0-runtime", python: managed}
  plain: {debian: sid, python: managed}
  folder: {oci: "systems/{python}", python: managed}
  trixie: {debian: trixie}
"""


def names(catalog: Catalog) -> list[str]:
    return [variant.name for variant in catalog.variants]


def test_a_managed_foundation_offers_what_the_images_on_it_ask_for(load: Load) -> None:
    catalog = load(
        HEAD
        + """
defaults: {foundations: [cuda, trixie], python: ["3.13"], requirements: [attrs]}
images:
  usual: {}
  older: {foundations: [plain, cuda], python: ["3.12", "3.9"]}
  newer: {foundation: cuda, python: ["3.14", "3.12"], exclude: [{foundation: cuda, python: "3.12"}]}
"""
    )
    offered = {foundation.name: foundation.pythons for foundation in catalog.foundations}
    assert offered == {
        "cuda": ("3.9", "3.12", "3.13", "3.14"),
        "plain": ("3.9", "3.12"),
        "folder": (),
        "trixie": ("3.13",),
    }
    assert [foundation.managed for foundation in catalog.foundations] == [True, True, True, False]
    assert names(catalog) == [
        "usual:py3.13-cuda",
        "usual:py3.13-trixie",
        "older:py3.12-plain",
        "older:py3.9-plain",
        "older:py3.12-cuda",
        "older:py3.9-cuda",
        "newer:py3.14-cuda",
    ]


def test_a_suite_need_not_be_known_where_its_python_does_not_count(load: Load) -> None:
    (variant,) = load(HEAD + 'images: {a: {foundation: plain, python: ["3.13"], requirements: [attrs]}}').variants
    assert (variant.foundation.managed, variant.tag) == (True, "py3.13-plain")


NOT_SAID = 'where it is managed, is not said; add `python: ["3.…"]` to the image or to `defaults`'
WRONG = {
    "{foundations: [trixie, cuda], requirements: [attrs]}": ("8:36: images.a.foundations[1]", "cuda"),
    "{foundation: plain, requirements: [attrs]}": ("8:26: images.a.foundation", "plain"),
    "{requirements: [attrs]}": ("8:10: images.a", "cuda"),
}


@pytest.mark.parametrize(("image", "named"), WRONG.items(), ids=WRONG)
def test_who_asks_for_no_python_is_told_where_to_ask(problems: Problems, image: str, named: tuple[str, str]) -> None:
    defaults = "defaults: {foundation: cuda}\n" if "foundation" not in image else "\n"
    assert problems(HEAD + defaults + f"images: {{a: {image}}}") == [
        f"images.yaml:{named[0]}: which Python is meant on {named[1]}, {NOT_SAID}"
    ]


def test_managed_stands_alone(problems: Problems) -> None:
    written = 'foundations: {f: {debian: trixie, python: ["3.13", managed]}}\n'
    image = "images: {a: {foundation: f, requirements: [attrs]}}"
    (problem,) = problems(f"uv: 0.13.8\n{written}{image}")
    assert problem.startswith("images.yaml:2:52: foundations.f.python[1]: 'managed' is not a Python version")
