"""Reading scripts that say what they need (PEP 723), from their block or from the lock that uv writes beside them."""

import re
from pathlib import Path

from warmbase.downstream.projects.document import Origin, is_file
from warmbase.downstream.projects.model import Project
from warmbase.downstream.projects.pyproject import requirement_list, settle_requirements, within_settings
from warmbase.downstream.projects.uvlock import read_script_lock

_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""As PEP 723 gives it."""


def read_script(path: Path) -> Project:
    """The project of a script. Raises ProjectError."""
    lock = path.with_name(f"{path.name}.lock")
    if is_file(lock):
        return read_script_lock(lock, path)
    origin = Origin(path=path, remedy=f"name what the script needs: `uv add --script {path.name} PACKAGE`")
    text = "\n".join(origin.read_text().splitlines()) + "\n"
    blocks = [found for found in _BLOCK.finditer(text) if found["type"] == "script"]
    if len(blocks) != 1:
        origin.refuse("a script has one block `# /// script` at most" if blocks else "it has no block `# /// script`")
    lines = blocks[0]["content"].splitlines()
    content = "".join(f"{line[2:] if line.startswith('# ') else line[1:]}\n" for line in lines)
    before = text.count("\n", 0, blocks[0].start("content"))
    block = origin.parse_toml(content, skipped=before)
    return Project(
        path=path,
        kind="script",
        name=path.stem,
        needs=within_settings(settle_requirements(requirement_list(block, "dependencies"), block), block),
        requires_python=block.text("requires-python"),
    )
