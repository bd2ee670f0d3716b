"""Nights to report: a busy one, on which everything happened, and a quiet one."""

from dataclasses import replace

from warmbase.nightly.model import Broken, Failure, Held, Move, Night, NightSummary, Reason, VariantResult

NUMPY = Reason(axis="packages", subject="numpy", old="2.5.5", new="2.5.6")
OPENSSL = Reason(axis="security", subject="openssl", old="3.5.1-1", new="3.5.1-1+deb13u2", note="security")
IMAGE = Reason(
    axis="foundation", subject="python:3.12-slim", old="sha256:" + "a" * 64, new="sha256:" + "b" * 64
)  # as long as digests are
COOLDOWN = Held(
    subject="polars", current="1.35.1", offered="1.36.0", by="cooldown", detail="3 days", until="2026-11-24T09:12:00Z"
)
CONFLICT = Held(
    subject="pandas", current="2.3.3", offered="3.0.1", by="conflict", detail="scikit-learn 1.7.1 wants pandas<3"
)
BROKEN = Broken(
    package="matplotlib",
    version="3.11.0",
    why="smoke.py: AttributeError: no attribute 'cm'",
    since="2026-11-20T02:00:40Z",
)
FAILURE = Failure(
    since="2026-11-18T02:00:31Z",
    last="2026-11-21T02:00:52Z",
    count=3,
    attempt="0" * 64,
    retry="2026-11-25T02:00:00Z",
    message="uv cannot resolve web:py3.11-bookworm",
)
MOVES = (
    Move(
        kind="python",
        name="numpy",
        old="2.5.5",
        new="2.5.6",
        links={"Release Notes": "https://numpy.example/news", "Source": "https://code.example/numpy"},
    ),
    Move(kind="debian", name="libssl3t64", old="3.5.1-1", new="3.5.1-1+deb13u2"),
    Move(kind="debian", name="openssl", old="3.5.1-1", new="3.5.1-1+deb13u2"),
)


def refreshed(variant: str, *reasons: Reason) -> VariantResult:
    """A variant to which what `reasons` say happened."""
    image, _, tag = variant.partition(":")
    return VariantResult(
        variant=variant,
        status="refreshed",
        reasons=reasons,
        held=(COOLDOWN, CONFLICT),
        moves=MOVES if NUMPY in reasons else MOVES[1:],
        before="sha256:" + "1" * 64,
        digest="sha256:" + "2" * 64,
        base=f"registry.example/bases/{image}:{tag}",
        dated=f"{tag}-20261121",
        size=212_400_000,
        size_before=212_100_000,
        sent=17_300_000,
        stages={"lock": 1.9, "foundation": 8.2, "layers": 3.4, "verify": 5.1, "publish": 1.2},
    )


def busy_night() -> Night:
    """Eight variants: of each status one, or more."""
    data = replace(refreshed("data:py3.13-trixie", OPENSSL, NUMPY), broken=(BROKEN,))
    error = (
        "core:py3.11-bookworm is not what it should be\n"
        "  smoke: ImportError: libfoo.so.1: cannot open shared object file <b>here</b>\n"
        "  next: `warmbase build core:py3.11-bookworm` shows it"
    )
    return Night(
        began="2026-11-21T02:00:00Z",
        ended="2026-11-21T02:01:24Z",
        mode="publish",
        place="registry.example/bases",
        results=(
            data,
            refreshed("data:py3.12-slim", IMAGE, NUMPY),
            refreshed("web:py3.13-trixie", OPENSSL),
            VariantResult(variant="web:py3.11-bookworm", status="waiting", failure=FAILURE),
            VariantResult(
                variant="core:py3.11-bookworm",
                status="failed",
                reasons=(OPENSSL,),
                error=error,
                failure=replace(FAILURE, since="2026-11-21T02:00:52Z", count=1, retry="", message=error),
            ),
            VariantResult(variant="core:py3.13-trixie", status="held", held=(COOLDOWN,)),
            VariantResult(variant="lab:py3.13-trixie", status="left", reasons=(NUMPY,)),
            VariantResult(variant="tiny:py3.13-trixie", status="fresh"),
        ),
        before=tuple(_earlier(number) for number in range(22)),
        requests={"registry": 93, "indexes": 41, "archives": 3},
        notes=("a second run was at work until 02:00:31",),
    )


def quiet_night() -> Night:
    """The same variants, all of them fresh, and no night before."""
    night = busy_night()
    results = tuple(VariantResult(variant=result.variant, status="fresh") for result in night.results)
    return replace(night, ended="2026-11-21T02:00:01Z", results=results, before=(), notes=())


def _earlier(number: int) -> NightSummary:
    """One of the nights before: most are quiet."""
    failed, refreshed_ = int(number in (7, 18, 19, 20)), (0, 2, 0, 0, 7, 0, 1)[number % 7]
    counts = {
        "failed": failed,
        "refreshed": refreshed_,
        "held": number % 2,
        "fresh": 8 - failed - refreshed_ - number % 2,
    }
    return NightSummary(
        began=f"2026-10-{10 + number:02}T02:00:00Z",
        counts={status: count for status, count in counts.items() if count},
        sent=refreshed_ * 9_000_000,
        seconds=1.2 + 11 * refreshed_,
    )
