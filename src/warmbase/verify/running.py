"""What the image does when it runs: interpreter, tools, imports, scripts, and the image's own smoke.py."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import lineage
from warmbase.effects.process import Finished, last_lines
from warmbase.effects.runner import Sandbox
from warmbase.errors import ProcessError
from warmbase.verify.model import SMOKE, Finding
from warmbase.verify.subject import ANY_UID, BIN, INSIDE, PYTHON, ROOT, Subject, User

_TIMEOUT = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probed:
    """A line of the probe's report (see `inside/probe.py`)."""

    name: str
    modules: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    kind: str = ""
    problems: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Smoke:
    """A check of an image or of what it is from: its name in findings, the file, and where the sandbox shows it."""

    check: str
    file: Path
    place: str


def smokes_of(variant: Variant) -> tuple[Smoke, ...]:
    """The checks of a variant (`Variant.smokes`). Its own is "smoke.py", that of an image `data` "smoke.py of data"."""
    names = {one.smoke: SMOKE if one is variant else f"{SMOKE} of {one.image}" for one in lineage(variant)}
    return tuple(
        Smoke(check=names[file], file=file, place=f"/run/{number or ''}{SMOKE}")
        for number, file in enumerate(variant.smokes)
    )


def check_running(sandbox: Sandbox, subject: Subject, smokes: Sequence[Smoke]) -> Iterator[Finding]:
    """All findings of running the image itself; `smokes` are shown in the sandbox at their places."""
    yield _timed("interpreter and tools", lambda: _check_tools(sandbox, subject))
    yield from _check_packages(sandbox, subject)
    if subject.image.variant.smoke is None:
        reason = f"bases/{subject.image.variant.image} has none"
        yield Finding(check=SMOKE, outcome="not run", detail=reason)
    for smoke in smokes:
        yield _timed(smoke.check, partial(_check_smoke, sandbox, subject, smoke.place))


def _timed(check: str, examine: Callable[[], str]) -> Finding:
    """A finding from a function that says what is wrong."""
    begun = time.monotonic()
    try:
        problem = examine()
    except ProcessError as error:
        problem = error.message
    return Finding(
        check=check, outcome="failed" if problem else "passed", detail=problem, seconds=time.monotonic() - begun
    )


def run_as(sandbox: Sandbox, subject: Subject, user: User, *argv: str) -> Finished:
    """Run a command as `user` in an empty place."""
    return sandbox.run(argv, env=subject.variables(user), user=user.id, cwd="/", timeout=_TIMEOUT)


def _check_tools(sandbox: Sandbox, subject: Subject) -> str:
    said = "import sys; print(sys.prefix, '%d.%d' % sys.version_info[:2])"
    wanted = f"{Path(BIN).parent} {subject.lock.python}"
    expectations = (
        (("python", "-c", said), wanted),
        (("sh", "-lc", f'python -c "{said}"'), wanted),
        (("uv", "--version"), f"uv {subject.lock.uv.version}"),
        (("uvx", "--version"), f"uvx {subject.lock.uv.version}"),
        (("uv", "pip", "check", "--python", PYTHON), ""),
    )
    problems = []
    for user in (ROOT, ANY_UID):
        for argv, expected in expectations:
            finished = run_as(sandbox, subject, user, *argv)
            if finished.code or not finished.text.startswith(expected):
                said_ = last_lines(finished.stdout + finished.stderr)
                problems.append(f"{' '.join(argv)!r} as {user.id} said, with exit code {finished.code}: {said_}")
    refused = run_as(sandbox, subject, ROOT, "uv", "pip", "install", "--system", "--offline", "pip")
    if refused.code == 0 or Path(BIN).parent.name.encode() not in refused.stderr:
        problems.append("uv pip install --system is not answered with the venv's place:\n" + last_lines(refused.stderr))
    return "\n".join(problems)


def _check_packages(sandbox: Sandbox, subject: Subject) -> Iterator[Finding]:
    """A finding for the imports of each package that was asked for, and one for all console scripts."""
    scripts: list[str] = []
    for probed in _probe(sandbox, subject):
        scripts += probed.scripts
        yield Finding(
            check=f"imports of {probed.name}",
            outcome="failed" if probed.problems else "passed",
            detail="\n".join(probed.problems) or ", ".join(filter(None, (*probed.modules, probed.kind))),
            seconds=probed.seconds,
        )
        for extra in probed.extras:
            yield Finding(check=f"an extra of {probed.name}", outcome="not run", detail=extra)
    if scripts:
        yield _timed("console scripts", lambda: _check_scripts(sandbox, subject, sorted(set(scripts))))


def _probe(sandbox: Sandbox, subject: Subject) -> Iterator[_Probed]:
    """What the probe says of each package; one that ends its interpreter failed, and the rest get a new one."""
    left = list(subject.top_level)
    while left:
        try:
            finished = run_as(sandbox, subject, ANY_UID, PYTHON, f"{INSIDE}/probe.py", BIN, *left)
            lines, said = finished.text.splitlines(), last_lines(finished.stderr)
            ended = f"it ended the interpreter with code {finished.code}"
        except ProcessError as error:
            lines, said, ended = [], "", error.message
        doing = left[0]
        for line in map(json.loads, lines):
            doing = line["name"]
            if "problems" in line:
                left.remove(doing)
                yield _Probed(**line)
        if left:
            culprit = doing if doing in left else left[0]
            left.remove(culprit)
            yield _Probed(name=culprit, problems=(f"{ended}\n{said}".rstrip(),))


def _check_scripts(sandbox: Sandbox, subject: Subject, scripts: list[str]) -> str:
    finished = run_as(sandbox, subject, ANY_UID, PYTHON, "-I", f"{INSIDE}/starts.py", BIN, *scripts)
    return finished.text.strip() or (last_lines(finished.stderr) if finished.code else "")


def _check_smoke(sandbox: Sandbox, subject: Subject, place: str) -> str:
    finished = run_as(sandbox, subject, ANY_UID, "python", place)
    return (
        f"it ended with code {finished.code}\n" + last_lines(finished.stdout + finished.stderr) if finished.code else ""
    )
