"""What commands of a Dockerfile install beside what the project needs: `RUN pip install httpx==0.27.0`. Pure.

Only what is downloaded is told. A name without a version is what the base has, if it has it.
"""

from collections.abc import Callable, Iterable, Iterator

from warmbase.downstream.adopt.named import OF_UV, read_requirement
from warmbase.downstream.doctor.model import Finding, Request, Verdict
from warmbase.downstream.doctor.packages import judge
from warmbase.downstream.doctor.situation import BASE_VENV, Situation
from warmbase.downstream.projects.model import Need
from warmbase.oci.sizes import in_bytes

ReadFile = Callable[[str], Iterable[Need]]
"""What a file of requirements needs, by its name within the project; nothing where it is the project's own, or is not
there."""


def find_named(
    requests: Iterable[Request], situation: Situation, known: Iterable[Verdict], read: ReadFile
) -> Iterator[tuple[Verdict, Finding]]:
    """What is downloaded of the requests, each once, with the finding about it; `known` is what the project needs, of
    which all is said."""
    seen = {(verdict.name, verdict.version) for verdict in known}
    for request in requests:
        for need in (
            read(request.text.removeprefix(f"{request.folder}/")) if request.is_file else read_requirement(request.text)
        ):
            key = need.name, need.version or need.specifier
            if key not in seen and need.name not in OF_UV:
                seen.add(key)
                verdict = judge(need, situation)
                if verdict.outcome in ("downloaded", "built"):
                    yield verdict, _about(request, need, verdict, situation)


def _about(request: Request, need: Need, verdict: Verdict, situation: Situation) -> Finding:
    spelled = f"`{need.name}{need.specifier or (f'=={need.version}' if need.version else '')}`"
    spelled += f" of {request.text}" if request.is_file else ""
    size = f" ({in_bytes(verdict.size)})" if verdict.size else ""
    has = situation.holdings.venvs.get(BASE_VENV, {}).get(need.name)
    is_new, is_other = verdict.cause in ("missing", "source"), verdict.cause in ("version", "bound")
    why = f"the base has {has.version}" if has and is_other else verdict.why
    fix = f"{need.name}=={has.version}" if has and is_other else "mend what its reason names"
    if is_new:
        fix = "`warmbase choose` says whether another base has it; else have it put into the catalog"
    return Finding(
        code="named",
        severity="note" if is_new else "error",
        message=f"{spelled} is downloaded{size}: {why}",
        fix=fix,
        place=request.place,
        packages=(need.name,),
    )
