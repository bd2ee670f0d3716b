"""The site's own styles and scripts, as those who change them read them."""

import re
from collections import Counter

import pytest

from warmbase.downstream.site.anatomy import PARTS
from warmbase.downstream.site.pages import ASSETS

WRITTEN = sorted(path.name for path in ASSETS.iterdir() if path.suffix in {".css", ".js"})


@pytest.mark.parametrize("name", WRITTEN)
def test_a_line_can_be_read_without_scrolling(name: str) -> None:
    lines = (ASSETS / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 140 and "/^" not in line] == []


def test_a_style_is_declared_once() -> None:
    """Of what holds everywhere; what holds for paper or for small screens may say it anew."""
    text = (ASSETS / "site.css").read_text(encoding="utf-8")
    rules = re.findall(r"^([^@\s}][^{]*) \{([^}]*)\}", text, re.MULTILINE)
    declared = Counter(
        (selector.strip(), declaration.partition(":")[0].strip())
        for selectors, body in rules
        for selector in selectors.split(",")
        for declaration in re.sub(r"\([^)]*\)", "", body).split(";")
        if declaration.strip()
    )
    assert len(declared) > 100
    assert [each for each, times in declared.items() if times > 1] == []


def test_what_a_script_offers_to_others_is_used() -> None:
    scripts = {name: (ASSETS / name).read_text(encoding="utf-8") for name in WRITTEN if name.endswith(".js")}
    for name, text in scripts.items():
        for offered in re.findall(r"^  return \{ (.*) \};\n\}\)\(\);", text, re.MULTILINE):
            module = re.findall(r"^const (\w+) = \(\(\) =>", text, re.MULTILINE)[0]
            others = "".join(other for each, other in scripts.items() if each != name)
            assert [each for each in offered.split(", ") if f"{module}.{each}(" not in others] == []


def test_every_part_of_the_picture_is_drawn_in_a_colour_of_its_own() -> None:
    style, script = ((ASSETS / name).read_text(encoding="utf-8") for name in ("site.css", "base.js"))
    assert [part for part in PARTS if f".part-{part} {{" not in style or f'"{part}"' not in script] == []
    colors = re.findall(r"--part-\w+: (#\w+);", style)
    assert len(set(colors)) == len(colors) == 2 * len(PARTS)
