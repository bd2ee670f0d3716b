"""How two published images differ."""

import json

from tests.offered import base, edition

from warmbase.downstream.difference import compare_bases, difference_to_json
from warmbase.downstream.naming import as_base

OLD = base("data:py3.12-bookworm", {"numpy": "2.0", "pandas": "2.2", "six": "1.0"}, uv="0.13.7")
NEW = base("web:py3.13-trixie", {"numpy": "2.1", "pandas": "2.2", "fastapi": "1.0"})


def test_packages_python_and_uv_are_compared() -> None:
    assert [(move.kind, move.name, move.old, move.new) for move in compare_bases(OLD, NEW).moves] == [
        ("python", "fastapi", "", "1.0"),
        ("python", "numpy", "2.0", "2.1"),
        ("python", "six", "1.0", ""),
        ("tool", "python", "3.12.12", "3.13.9"),
        ("tool", "uv", "0.13.7", "0.13.8"),
    ]


def test_a_pull_costs_what_is_not_shared() -> None:
    before = base(packages={"numpy": "2.0", "pandas": "2.2"})
    after = base(packages={"numpy": "2.1", "pandas": "2.2"})
    [platform] = compare_bases(before, after).platforms
    sizes = {layer.words.partition(" ")[0]: layer.size for layer in after.offer.platforms[0].layers}
    assert platform.pulled == sizes["numpy"] + sizes["contract"]
    assert (platform.shared_layers, platform.layers) == (2, 4)
    assert platform.shared + platform.pulled == platform.new_size == after.offer.platforms[0].size


def test_an_image_differs_from_itself_in_nothing() -> None:
    found = compare_bases(OLD, OLD)
    assert found.moves == ()
    assert [each.pulled for each in found.platforms] == [0]


def test_platforms_that_one_of_them_has_are_named_and_not_compared() -> None:
    both = base(platforms=["linux/amd64", "linux/arm64"])
    found = compare_bases(base(platforms=["linux/arm64", "linux/riscv64"]), both)
    assert ([each.platform for each in found.platforms], found.only_old, found.only_new) == (
        ["linux/arm64"],
        ("linux/riscv64",),
        ("linux/amd64",),
    )


def test_what_is_not_known_of_an_earlier_image_is_not_compared() -> None:
    before = as_base(NEW, edition(NEW, days=1, packages={"numpy": "2.1", "pandas": "2.2"}))
    found = compare_bases(before, NEW)
    assert [(move.kind, move.name) for move in found.moves] == [("python", "fastapi")]
    assert found.platforms == ()


def test_the_document_says_where_things_went() -> None:
    document = json.loads(json.dumps(difference_to_json(compare_bases(OLD, NEW))))
    assert [move["direction"] for move in document["moves"]] == ["added", "up", "removed", "up", "up"]
    assert document["new"]["reference"] == NEW.reference
