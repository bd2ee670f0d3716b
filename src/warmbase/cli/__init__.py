"""The command line: arguments become requests, results become text or JSON. The only place that exits."""


def main() -> None:
    """Run the `warmbase` command."""
    from warmbase.cli.app import run

    run()
