"""The markers of a variant (PEP 508), as values to evaluate with and as an expression for uv."""

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
