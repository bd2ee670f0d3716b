"""Files that a catalog names: they lie beside it, and what they are called leads nowhere else."""

from pathlib import Path

from warmbase.catalog.problems import DocumentPath, Report, quote


def find_file(folder: Path, text: str, path: DocumentPath, report: Report, *, required: bool = True) -> Path | None:
    """The file `text` in the catalog's `folder`, which the catalog names at `path`; None, reported, where it cannot be
    used. One that is not `required` may be missing."""
    file = folder / text
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
        exists = file.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        report.add(path, f"the path {quote(text)} cannot be followed: {error}", "correct it")
        return None
    if not inside:
        report.add(path, f"{quote(text)} leads out of the catalog's folder", "keep what a catalog needs beside it")
    elif not exists and required:
        report.add(path, f"there is no file {quote(text)}", "write it, or correct the path")
    return file if exists and inside else None
