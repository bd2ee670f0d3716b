"""How two pins of a foundation differ, in words."""

from dataclasses import replace

from warmbase.foundation.pins import DebianPin, DockerfilePin, FoundationPin, ImagePin, ManagedPin
from warmbase.nightly.pinmoves import explain_moves

DEBIAN = DebianPin(
    suite="trixie",
    platform="linux/amd64",
    epoch=1,
    archives=(),
    packages=(("libc6", "2.41-12"), ("openssl", "3.5.1-1"), ("python3.13-minimal", "3.13.5-2")),
)
IMAGE = ImagePin(
    reference="python:3.13-slim",
    platform="linux/amd64",
    index="sha256:" + "a" * 64,
    manifest="sha256:" + "b" * 64,
    created="2026-11-01T00:00:00Z",
    python="3.13.5",
    interpreter="/usr/local/bin/python3.13",
    libc=("glibc", "2.41"),
)
DOCKERFILE = DockerfilePin(
    inputs="1" * 64,
    platform="linux/amd64",
    bases=(("docker.io/library/debian:trixie", "sha256:" + "a" * 64),),
    image="sha256:" + "b" * 64,
    created="2026-11-01T00:00:00Z",
    python="3.13.5",
    interpreter="/usr/bin/python3.13",
    libc=("glibc", "2.41"),
)


def explain(old: FoundationPin, new: FoundationPin, *security: str) -> list[str]:
    return [f"{reason.axis}: {reason}" for reason in explain_moves(old, new, "3.13", security)]


def with_packages(**versions: str) -> DebianPin:
    packages = dict(DEBIAN.packages) | {name.replace("_", "."): version for name, version in versions.items()}
    return replace(DEBIAN, packages=tuple(sorted((name, version) for name, version in packages.items() if version)))


def test_the_same_packages_signed_on_another_day_are_the_same() -> None:
    assert explain(DEBIAN, replace(DEBIAN, epoch=2)) == []


def test_security_comes_first_and_is_said() -> None:
    new = with_packages(libc6="2.41-13", openssl="3.5.1-2", tzdata="2026a")
    assert explain(DEBIAN, new, "openssl", "apt") == [
        "security: openssl 3.5.1-1 → 3.5.1-2 (security)",
        "foundation: libc6 2.41-12 → 2.41-13",
        "foundation: tzdata (new) → 2026a",
    ]


def test_a_package_that_goes_is_no_security_update() -> None:
    assert explain(DEBIAN, with_packages(openssl=""), "openssl") == ["foundation: openssl 3.5.1-1 → (gone)"]


def test_a_patch_release_of_python_belongs_to_the_tool_and_a_rebuild_of_the_package_does_not() -> None:
    minimal = "python3.13-minimal"
    rebuilt, newer = (with_packages(**{minimal: version}) for version in ("3.13.5-2+deb13u1", "3.13.6-1"))
    assert explain(DEBIAN, rebuilt, minimal) == [f"security: {minimal} 3.13.5-2 → 3.13.5-2+deb13u1 (security)"]
    assert explain(DEBIAN, newer)[-1] == "tool: python 3.13.5 → 3.13.6"


def test_an_image_is_told_by_what_its_name_points_to() -> None:
    moved = replace(IMAGE, index="sha256:" + "c" * 64, manifest="sha256:" + "d" * 64, python="3.13.6")
    assert explain(IMAGE, moved) == [
        "foundation: python:3.13-slim sha256:aaaaaaaaaaaa → sha256:cccccccccccc",
        "tool: python 3.13.5 → 3.13.6",
    ]
    assert explain(IMAGE, replace(IMAGE, index="sha256:" + "c" * 64)) == []


def test_what_a_dockerfile_makes_is_told_by_the_images_below_or_by_itself() -> None:
    below = replace(DOCKERFILE, bases=((DOCKERFILE.bases[0][0], "sha256:" + "c" * 64),), image="sha256:" + "d" * 64)
    assert explain(DOCKERFILE, below) == [
        "foundation: docker.io/library/debian:trixie sha256:aaaaaaaaaaaa → sha256:cccccccccccc"
    ]
    itself = replace(DOCKERFILE, image="sha256:" + "d" * 64)
    assert explain(DOCKERFILE, itself) == ["foundation: Dockerfile sha256:bbbbbbbbbbbb → sha256:dddddddddddd"]


def test_a_managed_python_moves_beside_its_system() -> None:
    old = ManagedPin(base=DEBIAN, python="3.13.5", archive="a", sha256="0" * 64)
    new = replace(old, base=with_packages(openssl="3.5.1-2"), python="3.13.6")
    assert explain(old, new) == ["foundation: openssl 3.5.1-1 → 3.5.1-2", "tool: python 3.13.5 → 3.13.6"]


def test_another_kind_of_foundation_is_the_catalog_s_doing() -> None:
    assert explain(IMAGE, DEBIAN)[0] == "catalog: foundation (of another kind)"
