"""What a catalog makes: variants, with defaults, sets and overrides applied."""

from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.catalog.images import RESERVED
from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import (
    Catalog,
    Compression,
    DebianFoundation,
    ImageConfig,
    ImageFoundation,
    LayoutFoundation,
    Variant,
)
from warmbase.layers.remote import REPOSITORY as REPOSITORY_OF_LAYERS
from warmbase.publish.model import JOURNAL

REPOSITORY = Path(__file__).parents[3]

Load = Callable[[str], Catalog]
Problems = Callable[[str], list[str]]

HEAD = """
uv: 0.13.8
foundations:
  trixie: {debian: trixie}
  bookworm: {debian: bookworm}
"""


def named(catalog: Catalog, name: str) -> Variant:
    return next(variant for variant in catalog.variants if variant.name == name)


def texts(variant: Variant) -> list[str]:
    return [requirement.text for requirement in variant.requirements]


def test_an_image_has_a_variant_for_the_python_of_each_foundation(load: Load) -> None:
    catalog = load(HEAD + "images: {core: {foundations: [trixie, bookworm], requirements: [attrs]}}")
    assert [variant.tags for variant in catalog.variants] == [
        ("py3.13-trixie", "py3.13"),
        ("py3.11-bookworm", "py3.11"),
    ]


def test_only_the_first_foundation_that_offers_a_python_gets_the_short_tag(load: Load) -> None:
    catalog = load(
        """
        uv: 0.13.8
        foundations:
          slim: {debian: trixie}
          fat: {debian: trixie, packages: [git, libgomp1]}
        images: {core: {foundations: [slim, fat], requirements: [attrs]}}
        """
    )
    assert [variant.tags for variant in catalog.variants] == [("py3.13-slim", "py3.13"), ("py3.13-fat",)]
    fat = catalog.variants[1].foundation
    assert isinstance(fat, DebianFoundation)
    assert fat.packages == ("git", "libgomp1")


@pytest.mark.parametrize(
    ("suite", "python"), [("bullseye", "3.9"), ("bookworm", "3.11"), ("trixie", "3.13"), ("forky", "3.14")]
)
def test_the_python_follows_from_a_debian_release(load: Load, suite: str, python: str) -> None:
    image = "{foundation: f, requirements: [attrs]}"
    catalog = load(f"uv: 0.13.8\nfoundations: {{f: {{debian: {suite}}}}}\nimages: {{i: {image}}}")
    assert catalog.variants[0].python == python


def test_an_unknown_suite_says_its_python(load: Load) -> None:
    image = "{foundation: f, requirements: [attrs]}"
    catalog = load(f'uv: 0.13.8\nfoundations: {{f: {{debian: sid, python: "3.15"}}}}\nimages: {{i: {image}}}')
    assert catalog.variants[0].name == "i:py3.15-f"


def test_an_image_offers_the_pythons_that_the_catalog_lists(load: Load, tmp_path: Path) -> None:
    catalog = load(
        """
        uv: 0.13.8
        mirrors: {docker.io: mirror.example/hub}
        insecure: ["registry.example:5000"]
        foundations:
          slim: {image: "python:{python}-slim", python: ["3.12", "3.13"]}
          taken: {oci: "layouts/{python}.tar", python: "3.13"}
          trixie: {debian: trixie}
        images: {core: {foundations: [slim, taken, trixie], requirements: [attrs]}}
        """
    )
    assert [variant.tag for variant in catalog.variants] == [
        "py3.12-slim",
        "py3.13-slim",
        "py3.13-taken",
        "py3.13-trixie",
    ]
    slim, taken, _ = catalog.foundations
    assert slim == ImageFoundation(name="slim", image="python:{python}-slim", pythons=("3.12", "3.13"))
    assert slim.reference("3.12") == "python:3.12-slim"
    assert taken == LayoutFoundation(name="taken", oci="layouts/{python}.tar", folder=tmp_path, pythons=("3.13",))
    assert (catalog.mirrors, catalog.insecure) == ((("docker.io", "mirror.example/hub"),), ("registry.example:5000",))


def test_a_python_that_no_foundation_of_the_image_offers_is_reported(problems: Problems) -> None:
    assert problems(
        """
        uv: 0.13.8
        foundations: {slim: {image: "python:{python}-slim", python: ["3.12", "3.13"]}}
        images: {core: {foundation: slim, python: ["3.14"], requirements: [attrs]}}
        """
    ) == ["images.yaml:3:44: images.core.python[0]: no Python 3.14 comes with 'slim'; slim offers 3.12 and 3.13"]


def test_listed_pythons_and_foundations_make_a_cross_product(load: Load) -> None:
    catalog = load(
        HEAD
        + """
defaults: {requirements: [attrs]}
images:
  both: {foundations: [bookworm, trixie], python: ["3.13", "3.11"]}
  one: {foundations: [bookworm, trixie], python: ["3.13"], exclude: [{foundation: bookworm}]}
  other: {foundations: [bookworm, trixie], exclude: [{python: "3.13"}]}
"""
    )
    assert [variant.name for variant in catalog.variants] == [
        "both:py3.11-bookworm",
        "both:py3.13-trixie",
        "one:py3.13-trixie",
        "other:py3.11-bookworm",
    ]


def test_sets_come_before_requirements_with_what_they_include_first(load: Load) -> None:
    catalog = load(
        HEAD
        + """
sets:
  base: [requests, "urllib3>=2"]
  left: {include: [base], requirements: [attrs]}
  right: {include: [base], requirements: [requests, "numpy >= 2"]}
images:
  data: {foundation: trixie, sets: [left, right], requirements: [polars, "numpy>=2", "numpy<3"]}
"""
    )
    variant = catalog.variants[0]
    assert variant.sets == ("base", "left", "right")
    # what is said twice is dropped, what is said differently is not
    assert texts(variant) == ["requests", "urllib3>=2", "attrs", "numpy >= 2", "polars", "numpy<3"]
    assert [requirement.group for requirement in variant.requirements] == ["base"] * 2 + ["left", "right", "", ""]


def test_a_requirement_knows_where_it_was_asked_for(load: Load, tmp_path: Path) -> None:
    catalog = load(HEAD + "images:\n  data:\n    foundation: trixie\n    requirements:\n      - polars\n")
    assert str(catalog.variants[0].requirements[0].position) == f"{tmp_path}/images.yaml:9:9"


def test_lists_of_an_image_replace_the_defaults_and_mappings_are_merged(load: Load) -> None:
    catalog = load(
        HEAD
        + """
sets: {basics: [requests], other: [attrs]}
defaults:
  foundations: [trixie, bookworm]
  sets: [basics]
  labels: {com.example.team: platform, com.example.tier: base}
  config: {command: [python], workdir: /srv}
  winners: {"tests/*": First.Name}
images:
  plain: {}
  own:
    foundation: trixie
    sets: [other]
    labels: {com.example.team: data}
    config: {workdir: /app, user: "1000"}
    winners: {"docs/*": second}
"""
    )
    plain, own = named(catalog, "plain:py3.13-trixie"), named(catalog, "own:py3.13-trixie")
    assert [variant.name for variant in catalog.images[1].variants] == ["own:py3.13-trixie"]
    assert texts(plain) == ["requests"]
    assert texts(own) == ["attrs"]
    assert plain.labels == (("com.example.team", "platform"), ("com.example.tier", "base"))
    assert own.labels == (("com.example.team", "data"), ("com.example.tier", "base"))
    assert plain.config == ImageConfig(command=("python",), workdir="/srv")
    assert own.config == ImageConfig(command=("python",), workdir="/app", user="1000")
    assert own.winners == (("docs/*", "second"), ("tests/*", "first-name"))


def test_overrides_add_to_the_variants_they_match(load: Load) -> None:
    catalog = load(
        HEAD
        + """
sets: {extra: [attrs]}
images:
  data:
    foundations: [trixie, bookworm]
    requirements: [numpy]
    overrides:
      - match: {python: "3.11"}
        requirements: ["numpy<2.4"]
        sets: [extra]
        warm: [ruff]
        labels: {com.example.age: old}
        config: {user: app}
"""
    )
    new, old = catalog.variants
    assert (texts(new), new.sets, new.warm, new.labels, new.config.user) == (["numpy"], (), (), (), None)
    assert texts(old) == ["attrs", "numpy", "numpy<2.4"]
    assert [requirement.text for requirement in old.warm] == ["ruff"]
    assert old.labels == (("com.example.age", "old"),)
    assert old.config.user == "app"


def test_backends_join_what_is_only_warm(load: Load) -> None:
    catalog = load(
        HEAD + "images: {i: {foundation: trixie, requirements: [wheel], warm: [ruff], backends: [wheel, hatchling]}}"
    )
    # wheel is in the venv already
    assert [requirement.text for requirement in catalog.variants[0].warm] == ["ruff", "hatchling"]


def test_a_smoke_script_beside_the_locks_is_found(load: Load, tmp_path: Path) -> None:
    script = tmp_path / "bases/team/data/smoke.py"
    script.parent.mkdir(parents=True)
    script.touch()
    own = tmp_path / "check.py"
    own.touch()
    catalog = load(
        HEAD
        + """
defaults: {foundation: trixie, requirements: [attrs]}
images: {team/data: {}, other: {}, own: {smoke: check.py}}
"""
    )
    assert [variant.smoke for variant in catalog.variants] == [script, None, own]


def test_the_rest_of_the_catalog_has_its_defaults(load: Load, tmp_path: Path) -> None:
    catalog = load(HEAD + "images: {core: {foundation: trixie, requirements: [attrs]}}")
    assert catalog.path == tmp_path / "images.yaml"
    assert catalog.folder == tmp_path
    assert (catalog.uv, catalog.registry, catalog.platforms) == ("0.13.8", None, ("linux/amd64",))
    assert catalog.compression == Compression(codec="zstd", level=1)
    assert [foundation.name for foundation in catalog.foundations] == ["trixie", "bookworm"]


@pytest.mark.parametrize("short", ["gzip", "{codec: gzip, level: 1}"])
def test_an_image_may_be_compressed_otherwise_than_the_others(load: Load, short: str) -> None:
    catalog = load(
        HEAD + "compression: {level: 3}\n"
        f"images: {{old: {{foundation: trixie, requirements: [attrs], compression: {short}}},"
        " new: {foundation: trixie, requirements: [attrs]}}"
    )
    assert [variant.compression for variant in catalog.variants] == [
        Compression(codec="gzip", level=1),
        Compression(codec="zstd", level=3),
    ]


def test_the_short_form_of_a_compression_counts_for_all_images(load: Load) -> None:
    catalog = load(HEAD + "compression: gzip\nimages: {core: {foundation: trixie, requirements: [attrs]}}")
    assert {variant.compression for variant in catalog.variants} == {catalog.compression} == {Compression(codec="gzip")}


def test_platforms_get_their_normal_names(load: Load) -> None:
    catalog = load(
        HEAD
        + "platforms: [linux/amd64, linux/arm64/v8]\n"
        + "images: {core: {foundation: trixie, requirements: [attrs]}}"
    )
    assert catalog.variants[0].platforms == ("linux/amd64", "linux/arm64")


def test_the_catalog_of_this_repository_has_three_images_on_two_foundations() -> None:
    catalog = load_catalog(REPOSITORY / "images.yaml")
    assert [variant.name for variant in catalog.variants] == [
        f"{image}:{tag}" for image in ("core", "data", "web") for tag in ("py3.13-trixie", "py3.11-bookworm")
    ]
    for variant in catalog.variants:
        assert variant.description
        assert variant.smoke == REPOSITORY / "bases" / variant.image / "smoke.py"
        # verification runs pytest in a workspace, and builds its members
        assert "pytest" in texts(variant)
        assert {"setuptools", "hatchling", "editables"} <= {requirement.text for requirement in variant.warm}
    # what they share is one set, so that they share its layers
    shared = set.intersection(*(set(variant.sets) for variant in catalog.variants))
    assert shared == {"testing", "basics"}


def test_the_repositories_that_warmbase_keeps_beside_images_are_no_names_of_images() -> None:
    assert {JOURNAL, REPOSITORY_OF_LAYERS} < RESERVED.keys()


def test_what_compiling_needs_is_said_once_and_added_to_by_overrides(load: Load) -> None:
    catalog = load(
        HEAD
        + """
defaults: {build_packages: [gcc], foundations: [trixie, bookworm], no_binary: [Markup_Safe]}
images:
  core:
    requirements: [markupsafe, psycopg2]
    overrides:
      - match: {foundation: bookworm}
        build_packages: [libpq-dev, gcc]
        no_binary: [psycopg2]
  own: {requirements: [attrs], build_packages: []}
"""
    )
    first, second = named(catalog, "core:py3.13-trixie"), named(catalog, "core:py3.11-bookworm")
    assert (first.build_packages, first.no_binary) == (("gcc",), ("markup-safe",))
    assert (second.build_packages, second.no_binary) == (("gcc", "libpq-dev"), ("markup-safe", "psycopg2"))
    assert named(catalog, "own:py3.13-trixie").build_packages == ()
    places = [(name, place.line) for name, place in second.no_binary_at]
    assert places == [("markup-safe", first.no_binary_at[0][1].line), ("psycopg2", places[0][1] + 7)]


def test_a_requirement_may_name_a_repository_or_a_file(load: Load) -> None:
    catalog = load(
        HEAD
        + """
images:
  core:
    foundation: trixie
    requirements: ["a @ git+ssh://git@code.example/a@v1", "b @ https://files.example/b-1.0-py3-none-any.whl"]
"""
    )
    assert [requirement.requirement.url for requirement in catalog.variants[0].requirements] == [
        "git+ssh://git@code.example/a@v1",
        "https://files.example/b-1.0-py3-none-any.whl",
    ]
