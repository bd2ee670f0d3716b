"""Whether a base's Python serves a project: its `requires-python` and its `.python-version`. Pure."""

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from warmbase.downstream.projects.model import Project
from warmbase.downstream.words import spell_specifier

_REQUEST = re.compile(
    r"(?P<kind>cpython|cp|python|pypy|pp|graalpy|gp|pyodide)?[@-]?"
    r"(?P<minor>\d+(?:\.\d+)?)(?P<patch>\.\d+)?(?P<threads>t|\+freethreaded)?(?:-.*)?"
)
_OURS = (None, "cpython", "cp", "python")


def is_python_request(text: str) -> bool:
    """Whether `admits_python` can read a request; "" asks for nothing in particular."""
    if not text.strip() or _REQUEST.fullmatch(text.strip().lower()):
        return True
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def admits_python(request: str, python: str) -> bool:
    """Whether CPython `python` ("3.13.9", or "3.13" for any of it) is what a request asks for: "3.13", "3.13.2",
    "cpython@3.13", ">=3.12", as uv reads `.python-version`. True for what it cannot read, such as a path."""
    text = request.strip().lower()
    if not text:
        return True
    try:
        return SpecifierSet(text).contains(python, prereleases=True)
    except InvalidVersion:
        return False
    except InvalidSpecifier:
        pass
    found = _REQUEST.fullmatch(text)
    if not found:
        return True
    asked = found["minor"] + (found["patch"] or "")
    return found["kind"] in _OURS and not found["threads"] and f"{python}.".startswith(f"{asked}.")


def describe_mismatch(project: Project, python: str) -> str:
    """Why a base with Python `python` cannot be used for a project, in words that follow its name; "" where it can.

    A `.python-version` with a patch level is of the machine where it was written: another patch is no reason.
    """
    if project.requires_python and not admits_python(project.requires_python, python):
        return f"would need Python {spell_specifier(project.requires_python)}"
    found = _REQUEST.fullmatch(project.python.strip().lower())
    request = project.python.replace(found["patch"], "", 1) if found and found["patch"] else project.python
    if not admits_python(request, python):
        return f"would need Python {spell_specifier(request)}, as .python-version says"
    return ""
