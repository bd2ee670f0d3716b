"""Every error says what to do about it."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import warmbase

SOURCE = Path(warmbase.__file__).parent

KINDS: Mapping[str, str] = {
    "CatalogError": "each of its problems has advice of its own",
    "UnknownLayoutError": "it has its next step from its class",
}
"""Errors that need no next step where they are raised, and why."""

PLACES: Mapping[str, str] = {
    "effects/docker/runner.py _load": "a mistake of the code that asks",
    "effects/namespace_runner.py _check_layers": "a mistake of the code that asks",
    "effects/runner.py check_binds": "a mistake of the code that asks",
    "effects/process.py _failure": "what the program said is the message; what that means, its caller knows",
    "effects/runner.py run": "what the program said is the message; what that means, its caller knows",
    "lock/project.py lock_project": "the stage of locks reads what uv said, and names the step",
    "layers/remote.py _take": "it becomes a warning, and the layer is made here",
    "verify/children.py _name_user": "it becomes a finding",
    "verify/children.py _write_project": "it becomes a finding",
    "verify/sandboxes.py open": "somebody has interrupted the command",
}
"""Functions whose errors need none, and why."""


def name_of(function: ast.expr) -> str:
    """The last part of what is called."""
    return str(getattr(function, "attr", getattr(function, "id", "")))


def own_errors(trees: Iterable[ast.Module]) -> set[str]:
    """The names of warmbase's own kinds of errors."""
    bases = {
        node.name: {name_of(base) for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    own = {"WarmbaseError"}
    while more := {name for name, parents in bases.items() if parents & own} - own:
        own |= more
    return own


def errors_made(tree: ast.Module, kinds: set[str]) -> Iterator[tuple[str, ast.Call]]:
    """Each error that is made, and the name of the function that makes it."""
    pending: list[tuple[str, ast.AST]] = [("", tree)]
    while pending:
        function, node = pending.pop()
        if isinstance(node, ast.Call) and name_of(node.func) in kinds:
            yield function, node
        inner = node.name if isinstance(node, ast.FunctionDef) else function
        pending += [(inner, child) for child in ast.iter_child_nodes(node)]


def says_a_step(keyword: ast.keyword) -> bool:
    """Whether an argument is a next step that is not empty; `**more` may have one."""
    empty = isinstance(keyword.value, ast.Constant) and not keyword.value.value
    return keyword.arg is None or (keyword.arg == "next_step" and not empty)


@cache
def errors() -> Mapping[str, list[tuple[str, ast.Call]]]:
    """All errors that warmbase makes, by their kinds: the module and the function, and the call."""
    trees = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_bytes()) for path in sorted(SOURCE.rglob("*.py"))}
    found: dict[str, list[tuple[str, ast.Call]]] = {kind: [] for kind in own_errors(trees.values())}
    for path, tree in trees.items():
        for function, call in errors_made(tree, set(found)):
            found[name_of(call.func)].append((f"{path} {function}", call))
    return found


def without_a_step() -> list[tuple[str, int]]:
    """Where errors are made without one: the module and the function, and the line."""
    return [
        (place, call.lineno)
        for kind, made in errors().items()
        for place, call in made
        if kind not in KINDS and not any(map(says_a_step, call.keywords))
    ]


def test_the_errors_are_found() -> None:
    assert {"WarmbaseError", "LockError", "ListingError", "ProjectError", *KINDS} <= errors().keys()
    assert sum(map(len, errors().values())) > 250


def test_every_error_names_the_next_step() -> None:
    assert [(place, line) for place, line in without_a_step() if place not in PLACES] == []


def test_what_is_excepted_is_still_there() -> None:
    assert PLACES.keys() <= {place for place, _ in without_a_step()}
    assert all(errors()[kind] for kind in KINDS)
