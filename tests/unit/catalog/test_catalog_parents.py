"""Images that are `from` another image of the catalog: what they have of it, and what they cannot change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.catalog.model import Catalog, Compression, Variant
from warmbase.catalog.parents import MOST_GENERATIONS, lineage, parents_first, with_parents

Load = Callable[[str], Catalog]
Problems = Callable[[str], list[str]]

HEAD = """
uv: 0.13.8
foundations:
  trixie: {debian: trixie}
  bookworm: {debian: bookworm}
  any: {debian: trixie, python: managed}
"""
FAMILY = (
    HEAD
    + """
indexes: {company: "https://index.example/simple"}
sets: {numbers: [numpy>=2], plots: [matplotlib]}
defaults: {warm: [pytest], labels: {com.example.a: "1"}, config: {user: "1000"}}
images:
  deep: {from: ml, requirements: [torch], python: ["3.13"]}
  ml:
    from: data
    sets: [plots]
    requirements: [scikit-learn, numpy>=2]
    no_binary: [scikit-learn]
    build_packages: [gcc]
    winners: {"tests/*": scikit-learn}
    labels: {com.example.b: "2"}
    config: {workdir: /work}
    overrides: [{match: {python: "3.11"}, requirements: [tomli]}]
  data:
    description: Numbers.
    foundations: [trixie, bookworm]
    sets: [numbers]
    warm: [hatchling]
    sources: {numpy: company}
    no_binary: [numpy]
    build_packages: [g++]
    winners: {"tests/*": numpy, "bin/f2py": numpy}
    compression: gzip
"""
)


def named(catalog: Catalog, name: str) -> Variant:
    return next(variant for variant in catalog.variants if variant.name == name)


def texts(variant: Variant) -> list[str]:
    return [requirement.text for requirement in variant.requirements]


def test_a_child_has_its_parents_variants_and_may_have_fewer(load: Load) -> None:
    catalog = load(FAMILY)
    assert [variant.name for variant in catalog.variants] == [
        "deep:py3.13-trixie",
        "ml:py3.13-trixie",
        "ml:py3.11-bookworm",
        "data:py3.13-trixie",
        "data:py3.11-bookworm",
    ]
    assert {variant.name: variant.parent for variant in catalog.variants} == {
        "deep:py3.13-trixie": "ml:py3.13-trixie",
        "ml:py3.13-trixie": "data:py3.13-trixie",
        "ml:py3.11-bookworm": "data:py3.11-bookworm",
        "data:py3.13-trixie": "",
        "data:py3.11-bookworm": "",
    }


def test_a_child_asks_for_all_that_its_parent_asks_for_and_more(load: Load) -> None:
    catalog = load(FAMILY)
    data, ml, old = (named(catalog, name) for name in ("data:py3.13-trixie", "ml:py3.13-trixie", "ml:py3.11-bookworm"))
    assert texts(ml) == ["numpy>=2", "matplotlib", "scikit-learn"]
    assert texts(old) == [*texts(ml), "tomli"]
    assert texts(named(catalog, "deep:py3.13-trixie")) == [*texts(ml), "torch"]
    assert ml.sets == ("numbers", "plots")
    assert [one.group for one in ml.requirements] == ["numbers", "plots", ""]
    assert [one.text for one in ml.warm] == ["hatchling"], (
        "what replaced the defaults in the parent does so in the child"
    )
    assert ml.no_binary == ("numpy", "scikit-learn")
    assert [name for name, _ in ml.no_binary_at] == ["numpy", "scikit-learn"]
    assert ml.build_packages == ("g++", "gcc")
    assert dict(ml.winners) == {"tests/*": "scikit-learn", "bin/f2py": "numpy"}
    assert dict(ml.labels) == {"com.example.a": "1", "com.example.b": "2"}
    assert (ml.config.user, ml.config.workdir) == ("1000", "/work")
    assert dict(ml.sources) == dict(data.sources) == {"numpy": "company"}
    assert ml.compression == Compression(codec="gzip")
    assert ml.description == ""


def test_the_checks_of_a_childs_parents_come_first(load: Load, tmp_path: Path) -> None:
    scripts = {image: tmp_path / f"bases/{image}/smoke.py" for image in ("data", "deep")}
    for script in scripts.values():
        script.parent.mkdir(parents=True)
        script.write_text("")
    catalog = load(FAMILY)
    assert named(catalog, "deep:py3.13-trixie").smokes == (scripts["data"], scripts["deep"])
    assert named(catalog, "ml:py3.13-trixie").smokes == (scripts["data"],)
    assert named(catalog, "ml:py3.13-trixie").smoke is None


def test_a_variant_comes_after_what_it_is_from_and_else_stays_where_it_was(load: Load) -> None:
    catalog = load(FAMILY)
    ordered = [variant.name for variant in parents_first(catalog.variants)]
    assert ordered == [
        "data:py3.13-trixie",
        "ml:py3.13-trixie",
        "deep:py3.13-trixie",
        "data:py3.11-bookworm",
        "ml:py3.11-bookworm",
    ]
    deep = named(catalog, "deep:py3.13-trixie")
    assert [variant.image for variant in lineage(deep)] == ["data", "ml", "deep"]
    assert parents_first([deep]) == (deep,)
    assert with_parents([deep]) == lineage(deep)


def test_a_managed_python_is_not_offered_because_of_a_child(load: Load) -> None:
    catalog = load(
        HEAD
        + """
        defaults: {foundations: [any], python: ["3.14"]}
        images:
          data: {python: ["3.12", "3.13"], requirements: [attrs]}
          ml: {from: data, python: ["3.13"]}
        """.replace("\n        ", "\n")
    )
    assert [variant.name for variant in catalog.variants] == ["data:py3.12-any", "data:py3.13-any", "ml:py3.13-any"]
    (offered,) = {foundation.pythons for foundation in catalog.foundations if foundation.name == "any"}
    assert offered == ("3.12", "3.13")


DATA = "data: {foundations: [trixie, bookworm], requirements: [attrs], sources: {attrs: company}}"
WRONG = {
    "ml: {from: dat}": "images.ml.from: there is no image 'dat'; did you mean 'data'?",
    "ml: {from: ml}": "images.ml.from: images are from each other: ml → ml; let one of them be from none",
    "ml: {from: deep}, deep: {from: ml}": "images.deep.from: images are from each other: ml → deep → ml; "
    "let one of them be from none",
    "ml: {from: data, foundations: [any]}": "images.ml.foundations[0]: 'data', which the image is from, is not on any; "
    "it is on 'trixie' and 'bookworm'",
    'ml: {from: data, python: ["3.12"]}': "images.ml.python[0]: 'data', which the image is from, has no Python 3.12; "
    "it has '3.13' and '3.11'",
    'ml: {from: data, exclude: [{python: "3.12"}]}': "images.ml.exclude[0]: this excludes nothing: "
    "the image has no such pair; correct it or take it out",
    "ml: {from: data, exclude: [{foundation: trixie}, {foundation: bookworm}]}": "images.ml: `exclude` leaves no "
    "variant of the image; exclude less",
    "ml: {from: data, compression: gzip}": "images.ml.compression: its layers are compressed as those of 'data', "
    "which the image is from; take it out here",
    "ml: {from: data, sources: {Attrs: default}}": "images.ml.sources.Attrs: 'data', which the image is from, has "
    "Attrs from the index 'company'; take it out here, or change it there",
}


@pytest.mark.parametrize("images", WRONG)
def test_what_a_child_cannot_be_is_reported(problems: Problems, images: str) -> None:
    text = HEAD + f'indexes: {{company: "https://index.example/simple"}}\nimages: {{{DATA}, {images}}}\n'
    (problem,) = problems(text)
    assert problem.partition(": ")[2] == WRONG[images]


def test_a_parent_that_is_wrong_is_reported_once(problems: Problems) -> None:
    found = problems(HEAD + "images: {data: {foundations: [trixi], requirements: [attrs]}, ml: {from: data}}")
    assert [problem.partition(": ")[2] for problem in found] == [
        "images.data.foundations[0]: there is no foundation 'trixi'; did you mean 'trixie'?"
    ]


def test_images_are_from_each_other_only_so_often(load: Load, problems: Problems) -> None:
    def chain(length: int) -> str:
        first = "  i0: {foundation: trixie, requirements: [attrs]}\n"
        rest = (f"  i{number}: {{from: i{number - 1}}}\n" for number in range(1, length))
        return HEAD + "images:\n" + first + "".join(rest)

    assert len(lineage(load(chain(MOST_GENERATIONS)).variants[-1])) == MOST_GENERATIONS
    (problem,) = problems(chain(MOST_GENERATIONS + 2))
    assert f"images.i{MOST_GENERATIONS}.from: {MOST_GENERATIONS} images are from each other before this one" in problem
