"""`warmbase check --registry`: what the target registry can do."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from warmbase.cli.output import print_json, print_table, reporting
from warmbase.errors import RegistryError

if TYPE_CHECKING:
    from warmbase.effects.registry.probe import Probe
    from warmbase.publish.model import Place


def check_registry(catalog: Path, named: str, *, as_json: bool) -> None:
    """Try what the registry `named`, or else the catalog's, can do. Ends the program where nothing can be published."""
    from warmbase.cli.publish import open_place
    from warmbase.cli.session import Session
    from warmbase.effects.registry.probe import REPOSITORY, probe_registry

    with reporting(quiet=True) as report:
        place = open_place(Session(catalog, report), named)
    probe = probe_registry(place.registry, place.repository(REPOSITORY))
    if as_json:
        print_json({"valid": True, "problems": [], "registry": _describe(place, probe)})
    else:
        _print(place, probe)
    if probe.missing:
        sys.exit(RegistryError.exit_code)


def _describe(place: "Place", probe: "Probe") -> dict[str, Any]:
    return {
        "name": str(place),
        "usable": not probe.missing,
        "capabilities": [asdict(each) for each in probe.capabilities],
        "left": [f"{place.registry.host}/{probe.repository}@{digest}" for digest in probe.left],
        "commands": list(_cleaning(place, probe)),
    }


def _print(place: "Place", probe: "Probe") -> None:
    typer.echo(f"\n{place}")
    rows = [(each.name, "yes" if each.supported else "no", each.follows) for each in probe.capabilities]
    print_table(("what the registry can do", "", "what follows"), rows)
    for each in probe.capabilities:
        if each.detail:
            typer.echo(f"{each.name}: {each.detail}", err=True)
    if probe.left:
        typer.echo(f"\n{len(probe.left)} manifests of this trial stay in {probe.repository}; to delete them:")
        for line in _cleaning(place, probe):
            typer.echo(f"  {line}")


def _cleaning(place: "Place", probe: "Probe") -> tuple[str, ...]:
    from warmbase.effects.registry.probe import REPOSITORY
    from warmbase.publish.hosts import deletion_commands
    from warmbase.publish.retention import Removal

    left = [Removal(name=REPOSITORY, digest=digest, reason="a trial") for digest in probe.left]
    return deletion_commands(place, left) if left else ()
