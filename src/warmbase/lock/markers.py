"""The markers of a variant (PEP 508), as values to evaluate with and as an expression for uv."""

from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.catalog.model import Variant
from warmbase.lock.wheels import ARCHITECTURES


def marker_environment(python: str, platform: str) -> dict[str, str]:
    """The marker values (PEP 508) of CPython `python` on `platform`; the patch level stands at 0."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": ARCHITECTURES[platform],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
        "extra": "",
    }


def environment_marker(python: str, platform: str) -> str:
    """The expression that is true for CPython `python` on `platform` alone."""
    return (
        f"python_version == '{python}' and sys_platform == 'linux' and implementation_name == 'cpython'"
        f" and platform_machine == '{ARCHITECTURES[platform]}'"
    )


def platforms_needing(exported: Iterable[Requirement], variant: Variant) -> dict[str, tuple[str, ...]]:
    """Each of the `exported` packages, by normalized name, and the platforms whose environments its marker admits."""
    environments = {platform: marker_environment(variant.python, platform) for platform in variant.platforms}
    needed = {}
    for requirement in exported:
        marker = requirement.marker
        needed[str(canonicalize_name(requirement.name))] = tuple(
            platform for platform, values in environments.items() if marker is None or marker.evaluate(values)
        )
    return needed
