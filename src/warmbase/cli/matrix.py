"""`warmbase matrix`: what is stale, for the jobs of a CI system."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.build import Variants
from warmbase.cli.output import print_json, reporting
from warmbase.cli.publish import RegistryOption, open_place


class MatrixFormat(StrEnum):
    """For whom a matrix is."""

    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"


@app.command()
def matrix(
    variants: Variants = None,
    catalog: CatalogOption = Path("images.yaml"),
    registry: RegistryOption = "",
    form: Annotated[
        MatrixFormat, typer.Option("--format", help="A matrix of GitHub Actions, one of GitLab CI, or plain JSON.")
    ] = MatrixFormat.JSON,
    shards: Annotated[
        int,
        typer.Option(min=0, help="So many jobs of about the same cost, at most; a job for each stale variant if 0."),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print what is stale as the jobs of a CI system, each with the variants that it is to refresh.

    It begins the night of these jobs, and publishes nothing. What is known of the variants that are not stale is kept
    beside the images, as none of the jobs looks at them: that they were up to date on the day of a weekly refresh, say.

    github: one line for `matrix: ${{ fromJSON(…) }}`, with `matrix.shard` and `matrix.variants`; its `include` is empty
    where nothing is stale. gitlab: a file with the hidden job .warmbase-matrix for jobs of a child pipeline that
    `extends` it last and then have WARMBASE_VARIANTS; where nothing is stale, that is one job that ends at once.

    Example: warmbase matrix --format github --shards 4
    """
    from warmbase.cli.nightly import make_job
    from warmbase.cli.session import Session
    from warmbase.nightly.job import open_night
    from warmbase.nightly.matrix import MOST_OF_GITHUB, MOST_OF_GITLAB, plan_parts, to_github, to_gitlab, to_json

    with reporting(quiet=True) as report:
        session = Session(catalog, report)
        job = make_job(session, open_place(session, registry), variants or [])
        night = open_night(job)
    seconds = {name: known.seconds for name, known in night.state.variants.items()}
    most = MOST_OF_GITLAB if form is MatrixFormat.GITLAB else MOST_OF_GITHUB
    parts = plan_parts(job.variants, night.decisions, seconds, count=shards, most=most)
    if as_json or form is MatrixFormat.JSON:
        print_json(to_json(parts))
    else:
        typer.echo(to_gitlab(parts) if form is MatrixFormat.GITLAB else to_github(parts))
