"""Which set brings a package: wheels of one set share a pool, so this must not depend on chance."""

from pathlib import Path

from packaging.requirements import Requirement

from warmbase.catalog.model import CatalogRequirement, DebianFoundation, ImageConfig, Position, Variant
from warmbase.lock.groups import group_packages
from warmbase.lock.model import LockedFile, LockedPackage


def asked(text: str, group: str) -> CatalogRequirement:
    position = Position(file=Path("images.yaml"), line=1, column=1)
    return CatalogRequirement(requirement=Requirement(text), text=text, position=position, group=group)


def package(name: str, *requires: str, use: str = "venv") -> LockedPackage:
    file = LockedFile(name=f"{name}-1.0-py3-none-any.whl", sha256="a" * 64, path=name)
    return LockedPackage(
        name=name,
        version="1.0",
        use=use,
        requires_dist=requires,
        requires_python="",
        extras=(),
        files=(file,),
        wheels=(("linux/amd64", file.name),),
    )


def variant(*requirements: CatalogRequirement, warm: tuple[CatalogRequirement, ...] = ()) -> Variant:
    return Variant(
        image="a",
        python="3.13",
        foundation=DebianFoundation(name="trixie", suite="trixie", python="3.13"),
        first=True,
        description="",
        requirements=requirements,
        warm=warm,
        winners=(),
        sets=("basics", "web"),
        smoke=None,
        config=ImageConfig(),
        labels=(),
        platforms=("linux/amd64",),
    )


PACKAGES = (
    package("app", "lib", "win ; sys_platform == 'win32'", "fancy ; extra == 'more'", "old ; python_version < '3.9'"),
    package("lib", "deep"),
    package("deep", "app"),
    package("fancy"),
    package("win"),
    package("old"),
)


def groups(chosen: Variant) -> dict[str, str]:
    return {package.name: package.group for package in group_packages(PACKAGES, chosen)}


def test_a_package_belongs_to_the_first_set_that_leads_to_it() -> None:
    found = groups(variant(asked("app", "web"), asked("lib", "basics")))
    assert (found["lib"], found["deep"], found["app"]) == ("basics", "basics", "basics")  # deep needs app
    assert groups(variant(asked("fancy", "web"), asked("app[more]", "basics")))["fancy"] == "basics"


def test_extras_and_markers_are_followed_as_uv_does() -> None:
    assert groups(variant(asked("app", "web")))["fancy"] == ""
    found = groups(variant(asked("App[more]", "web")))
    assert (found["fancy"], found["win"], found["old"]) == ("web", "", "")


def test_the_image_s_own_requirements_come_after_its_sets() -> None:
    found = groups(variant(asked("app", ""), asked("deep", "web")))
    assert found["lib"] == "web"
    assert groups(variant(asked("fancy", "")))["fancy"] == ""


def test_nothing_else_about_the_packages_changes() -> None:
    grouped = group_packages(PACKAGES, variant(asked("app", "web")))
    assert [package.name for package in grouped] == [package.name for package in PACKAGES]
