"""`warmbase check`, `lock`, `list`, `show` and `schema`: what the catalog says and what its locks hold."""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.build import BuilderOption, Variants
from warmbase.cli.output import print_json, print_table, reporting
from warmbase.cli.publish import OneVariant, RegistryOption, open_place
from warmbase.cli.published import IndexOption
from warmbase.errors import CatalogError, LockError

if TYPE_CHECKING:
    from warmbase.catalog.model import Variant
    from warmbase.cli.session import Session
    from warmbase.lock.model import Lock, LockedPackage

DEFAULT_CATALOG = Path("images.yaml")


@app.command()
def check(
    place: Annotated[
        str, typer.Argument(metavar="[HOST/PATH]", help="With --registry: another registry than the catalog's.")
    ] = "",
    catalog: CatalogOption = DEFAULT_CATALOG,
    registry: Annotated[
        bool, typer.Option("--registry", help="Try what the target registry can do, in a repository made for that.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say everything that is wrong with the catalog, with file, line and column; and what the registry can do.

    Example: warmbase check --registry localhost:5000/bases
    """
    from warmbase.catalog.load import load_catalog

    if place and not registry:
        raise typer.BadParameter("it names a registry, so --registry has to be there too", param_hint="HOST/PATH")
    try:
        loaded = load_catalog(catalog)
    except CatalogError as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": [_describe(problem) for problem in error.problems]})
        sys.exit(error.exit_code)
    if not as_json:
        typer.echo(f"{catalog}: {len(loaded.images)} images, {len(loaded.variants)} variants, nothing wrong")
    if registry:
        from warmbase.cli.registry import check_registry

        check_registry(catalog, place, as_json=as_json)
    elif as_json:
        print_json({"valid": True, "problems": []})


def _describe(problem: object) -> dict[str, str | int]:
    from warmbase.catalog.problems import Problem, format_path

    assert isinstance(problem, Problem)
    position = problem.position
    return {
        "file": str(position.file),
        "line": position.line,
        "column": position.column,
        "path": format_path(problem.path),
        "message": problem.message,
        "advice": problem.advice,
    }


@app.command()
def lock(
    variants: Variants = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", "-U", help="Move everything to its newest version, foundations too.")
    ] = False,
    upgrade_foundation: Annotated[
        bool, typer.Option("--upgrade-foundation", help="Pin the foundations anew, and move no package.")
    ] = False,
    rebuild_foundation: Annotated[
        bool,
        typer.Option(
            "--rebuild-foundation",
            help="The same, and build every Dockerfile anew: for today's system packages in it.",
        ),
    ] = False,
    upgrade_package: Annotated[
        list[str] | None, typer.Option("--upgrade-package", "-P", help="Move this package; may be repeated.")
    ] = None,
    builder: BuilderOption = "",
    as_json: JsonOption = False,
) -> None:
    """Resolve variants with uv and write their locks under bases/.

    Example: warmbase lock data --upgrade-package pandas
    """
    from packaging.utils import canonicalize_name

    from warmbase.cli.session import Session

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report, builder=builder)
        named = [canonicalize_name(name) for name in upgrade_package or []]
        results = session.lock(
            session.select(variants or []),
            everything=upgrade,
            foundations=upgrade_foundation,
            rebuild=rebuild_foundation,
            packages=named,
        )
    if as_json:
        print_json([
            {"variant": r.variant.name, "changed": r.changed, "moved": list(r.moved), "error": str(r.error or "")}
            for r in results
        ])  # fmt: skip
    else:
        for result in results:
            state = "failed" if result.error else "changed" if result.changed else "unchanged"
            typer.echo(f"{result.variant.name}: {state}" + "".join(f"\n  {move}" for move in result.moved))
            if result.error:
                typer.echo(f"error: {result.error}", err=True)
    if any(result.error for result in results):
        sys.exit(1)


@app.command("list")
def list_variants(
    variants: Variants = None,
    catalog: CatalogOption = DEFAULT_CATALOG,
    published: Annotated[
        bool, typer.Option("--published", help="Say what the registry has of each, and what of that was yanked.")
    ] = False,
    registry: RegistryOption = "",
    index: IndexOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the variants of the catalog with their tags and what is in their locks. Where there is no catalog, or with
    --index, it is what is published: tags, Python, size, end of life, yanks.

    Example: warmbase list --index registry.example/bases
    """
    if _is_about_published(index, catalog):
        from warmbase.cli.offers import list_published

        list_published(variants or (), index or registry, as_json=as_json)
        return
    from warmbase.cli.session import Session
    from warmbase.lock.files import read_lock

    with reporting(quiet=True) as report:
        session = Session(catalog, report)
        chosen = session.select(variants or [])
        found = _find_published(session, registry, chosen) if published or registry else None
    locks: dict[str, Lock | None] = {}
    errors: dict[str, LockError] = {}
    for each in chosen:
        try:
            locks[each.name] = read_lock(session.catalog, each)
        except LockError as error:
            errors[each.name] = error
    if as_json:
        print_json([
            {"variant": v.name, "tags": list(v.tags), "python": v.python, "foundation": v.foundation.name,
             "platforms": list(v.platforms), "description": v.description, "from": v.parent,
             "packages": _count(locks.get(v.name)), "locked": locks.get(v.name) is not None,
             "error": str(errors.get(v.name, "")), **({} if found is None else asdict(found[v.name]))}
            for v in chosen
        ])  # fmt: skip
    else:
        states = {v.name: "damaged" if v.name in errors else str(_count(locks[v.name]) or "not locked") for v in chosen}
        has_parents = any(v.parent for v in chosen)
        rows = [
            (v.name, ", ".join(v.tags[1:]), v.python, ", ".join(v.platforms), states[v.name],
             *([str(found[v.name])] if found else []), *([v.parent or "-"] if has_parents else []), v.description)
            for v in chosen
        ]  # fmt: skip
        has = [*(["published"] if found else []), *(["from"] if has_parents else [])]
        print_table(("variant", "also", "python", "platforms", "packages", *has, "description"), rows)
        for name, damage in errors.items():
            typer.echo(f"error: {name}: {damage}", err=True)
    if errors:
        sys.exit(1)


def _is_about_published(index: str, catalog: Path) -> bool:
    """Whether a command is not about the catalog: another one is named, or there is none here."""
    return bool(index) or (catalog == DEFAULT_CATALOG and not catalog.exists())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Published:
    """The digest that a variant's rolling tag names, "" for none, and why it is not to be used."""

    published: str
    yanked: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join([self.published[:19] or "-", *(f"YANKED: {reason}" for reason in self.yanked)])


def _find_published(session: "Session", registry: str, variants: Iterable["Variant"]) -> dict[str, _Published]:
    """What the registry has of each variant, by name."""
    from warmbase.publish.yank import find_yanks

    place = open_place(session, registry)
    found = {}
    for variant in variants:
        repository = place.repository(variant.image)
        named = place.registry.find_manifest(repository, variant.tag)
        yanks = find_yanks(place.registry, repository, named.digest) if named else ()
        found[variant.name] = _Published(published=named.digest if named else "", yanked=tuple(map(str, yanks)))
    return found


def _count(lock: "Lock | None") -> int:
    return sum(package.use == "venv" for package in lock.packages) if lock else 0


@app.command()
def show(
    variant: OneVariant,
    catalog: CatalogOption = DEFAULT_CATALOG,
    index: IndexOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the packages of a variant as its lock has them. Where there is no catalog, or with --index, it is what is
    published: the FROM line, tags, layers, packages with sizes and licences, end of life, yanks.

    Example: warmbase show data:py3.13 --index registry.example/bases
    """
    if _is_about_published(index, catalog):
        from warmbase.cli.offers import show_published

        show_published(variant, index, as_json=as_json)
        return
    from warmbase.cli.session import Session
    from warmbase.lock.files import read_lock

    with reporting(quiet=True) as report:
        session = Session(catalog, report)
        chosen = session.select([variant])
    for each in chosen:
        lock = read_lock(session.catalog, each)
        if lock is None:
            raise LockError(f"{each.name} has no lock", next_step=f"run `warmbase lock {each.name}`")
        packages = [package for package in lock.packages if package.use != "index"]
        if as_json:
            print_json(
                {
                    "variant": each.name,
                    "tags": list(each.tags),
                    "python": each.python,
                    "uv": lock.uv.version,
                    "packages": [
                        {"name": p.name, "version": p.version, "use": p.use, "wheels": dict(p.wheels)} for p in packages
                    ],
                }
            )
            continue
        typer.echo(f"{each.name}  (uv {lock.uv.version})")
        print_table(("package", "version", "in"), [(p.name, p.version, _place(p, each)) for p in packages])


def _place(package: "LockedPackage", variant: "Variant") -> str:
    """Where a package is: in the venv or in the cache alone, and for which platforms, if not for all; and for which of
    them it has no wheel."""
    platforms = [platform for platform, _ in package.wheels]
    missing = set(variant.platforms) - set(platforms)
    compiled = [platform for platform in platforms if package.is_compiled(platform)]
    words = [f"{package.use} ({', '.join(platforms) or 'on no platform'})" if missing else package.use]
    words += [f"compiled for {', '.join(compiled)}"] if compiled else []
    return ", ".join(words)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the catalog, for editors.

    Example: warmbase schema > images.schema.json
    """
    from warmbase.catalog.schema import generate_schema

    print_json(generate_schema())
