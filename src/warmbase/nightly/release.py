"""Giving away what a night made: to the registry, or as new locks to review; and what is known of the variant then.

What was published before and is made again, because a release was yanked or an upstream image went back, is in the
journal already, below what the tags name. Publishing leaves the tags alone then: usually somebody rolled back. A night
knows better as long as the tags name what it began with: it writes a new entry, and the tags go back too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from warmbase import __version__
from warmbase.attest.stage import attest
from warmbase.catalog.model import Variant
from warmbase.errors import PublishError, WarmbaseError
from warmbase.events import Warned
from warmbase.lock.fingerprint import fingerprint_of_lock
from warmbase.lock.model import Lock
from warmbase.nightly.attempt import Made, Stages
from warmbase.nightly.changes import lock_moves
from warmbase.nightly.commit import take_locks
from warmbase.nightly.decide import mark_taken
from warmbase.nightly.facts import fingerprint_of_pins, own_pins
from warmbase.nightly.known import Basis, Known
from warmbase.nightly.model import Axis, Broken, Decision, Held, Move, Reason, Status, VariantResult, VariantState
from warmbase.nightly.releases import read_release, release_moves
from warmbase.nightly.setting import Job
from warmbase.oci.layout import read_layout
from warmbase.oci.manifest import Manifest
from warmbase.publish.baseline import read_origin
from warmbase.publish.journal import Entry, format_time
from warmbase.publish.ledger import newest_entries
from warmbase.publish.model import PublishableVariant
from warmbase.publish.release import Release
from warmbase.publish.sharing import share_layers
from warmbase.publish.stage import Publication, publish_variants


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What became of a variant that was made: the result, what is known of it now, and what it was made from."""

    result: VariantResult
    state: VariantState
    basis: Basis


def give_away(job: Job, made: Made, decision: Decision, known: Known, stages: Stages, began: datetime) -> Given:
    """Publish a variant, or write its lock for review, in the night that `began` then. Raises WarmbaseError."""
    variant = made.publishable.variant
    before = known.states.get(variant.name) or VariantState(time="")
    basis = Basis(lock=made.lock, pins=made.pins, size=_size(made.publishable))
    now = format_time(job.clock())
    broken = (*(each for each in before.broken if _still_counts(each, made)), *made.broken)
    state = replace(
        before,
        time=now,
        broken=broken,
        held=decision.held,
        failure=None,
        taken=mark_taken(variant, before, _settled_axes(decision, made), began),
        seconds=made.publishable.seconds,
    )
    result = VariantResult(
        variant=variant.name,
        status="refreshed",
        reasons=true_reasons(decision, made.lock),
        held=(*decision.held, *left_out(made.broken, made.untried, made.lock)),
        before=before.digest,
        broken=made.broken,
        size=basis.size,
        size_before=_size_before(known, variant),
    )
    if job.mode == "commit":
        changed = take_locks(made.catalog, job.catalog, [variant])
        result = replace(
            result,
            status="refreshed" if changed else _status_of_the_same(made),
            moves=_lock_moves(known, variant, made),
            stages=dict(stages.seconds),
        )
        return Given(result=result, state=state, basis=basis)
    return _publish(job, made, known, stages, Given(result=result, state=state, basis=basis))


def _publish(job: Job, made: Made, known: Known, stages: Stages, given: Given) -> Given:
    variant, before = made.publishable.variant, given.state.digest
    host = job.place.registry.host
    sent = _sent(job, host)
    with stages.measure("publish"):
        entry, is_ours = _release(job, made, before)
    moves = _moves(job, known, variant, made, before, entry.digest)
    state = replace(
        given.state,
        digest=entry.digest if is_ours else "",  # of what somebody else published meanwhile the journal will tell
        entry=entry.id,
        facts=known.facts[variant.name],
        tool=known.tool,
        packages=fingerprint_of_lock(made.lock),
        pins=fingerprint_of_pins(own_pins(variant, made.pins)),
        seconds=(given.state.seconds if entry.digest != before else known.states[variant.name].seconds),
    )
    result = replace(
        given.result,
        status="refreshed" if entry.digest != before or variant.name in known.strays else _status_of_the_same(made),
        digest=entry.digest,
        base=f"{job.place}/{variant.image}:{variant.tags[-1]}",
        dated=entry.dated,
        moves=moves,
        sent=_sent(job, host) - sent,
        stages=dict(stages.seconds),
    )
    return replace(given, state=state, result=result)


def _release(job: Job, made: Made, before: str) -> tuple[Entry, bool]:
    """Publish; the journal's entry of what the rolling tags name then, and whether that is what was made."""
    publication = _publish_variant(job, made)
    if publication.error:
        raise publication.error
    variant, newest = publication.variant.variant, publication.newest
    if newest and publication.entry and newest.digest == before and newest.action != "rollback":
        return _insist(job, publication.entry, variant), True
    entry = newest or publication.entry or newest_entries(job.place, [variant.name]).get(variant.name)
    if entry is None:
        raise PublishError(
            f"the journal of {job.place} does not know {variant.name}, which is published there",
            next_step="see who else deletes there, and run the command again",
        )
    return entry, newest is None


def _publish_variant(job: Job, made: Made) -> Publication:
    def share(variant: PublishableVariant) -> None:
        if job.shared:
            store = job.tools.ground().store
            share_layers(variant, job.place, remote=job.shared, store=store, clock=job.clock)

    [publication] = publish_variants(
        [made.publishable],
        job.place,
        blobs=read_layout(made.layout),
        clock=job.clock,
        attest=attest,
        share=share,
        report=job.report,
        placed=job.placed,
    )
    return publication


def _insist(job: Job, entry: Entry, variant: Variant) -> Entry:
    """Let the rolling tags name what was published before; the new entry that says so."""
    index = job.place.registry.read_manifest(job.place.repository(variant.image), entry.digest)
    if index is None:
        raise PublishError(
            f"{job.place}/{variant.image} no longer has {entry.digest}, which was just found there",
            next_step="see who else deletes there, and run the command again",
        )
    draft = replace(entry, action="publish", rolling=variant.tags, source="", tool=__version__)
    made_from = read_origin(job.place, entry.id)
    return Release(job.place, index, draft, job.clock, made_from=made_from).force().newest


def _moves(job: Job, known: Known, variant: Variant, made: Made, before: str, digest: str) -> tuple[Move, ...]:
    """What moved, as the images' bills of materials say, or else the locks."""
    if before and digest != before:
        try:
            old, new = (read_release(job.place, variant.image, each) for each in (before, digest))
            return release_moves(old, new)
        except WarmbaseError as error:
            job.report(Warned(subject=variant.name, message=f"what moved is told by the locks alone: {error.message}"))
    return _lock_moves(known, variant, made) if before else ()


def _lock_moves(known: Known, variant: Variant, made: Made) -> tuple[Move, ...]:
    basis = known.basis(variant)
    return lock_moves(basis.lock, made.lock) if basis else ()


def _size(publishable: PublishableVariant) -> int:
    manifests = [Manifest.from_bytes(image.image.documents[0]) for _, image in publishable.images]
    return sum({layer.digest: layer.size for manifest in manifests for layer in manifest.layers}.values())


def _size_before(known: Known, variant: Variant) -> int:
    basis = known.basis(variant)
    return basis.size if basis else 0


def _sent(job: Job, host: str) -> int:
    traffic = job.tools.traffic().get(host)
    return traffic.sent if traffic else 0


def _still_counts(broken: Broken, made: Made) -> bool:
    """Whether a package is still at an older version than the one that does not work."""
    from packaging.version import InvalidVersion, Version

    version = made.lock.versions().get(broken.package)
    try:
        return version is not None and Version(version) < Version(broken.version)
    except InvalidVersion:
        return version is not None


def true_reasons(decision: Decision, lock: Lock) -> tuple[Reason, ...]:
    """The reasons of a decision that were taken. Of packages those count that moved, and to what is in the new lock."""
    versions = lock.versions()
    found = []
    for reason in decision.reasons:
        is_package = reason.axis == "packages" or reason.subject in decision.moving
        now = versions.get(reason.subject, "")
        if not is_package or now == reason.new:
            found.append(reason)
        elif now != reason.old:
            found.append(replace(reason, new=now))
    return tuple(found)


def left_out(broken: Sequence[Broken], untried: Mapping[str, str], lock: Lock) -> Iterator[Held]:
    """What is held back because it broke the image, or because something of it did; `lock` is what was made."""
    versions = lock.versions()
    for each in broken:
        current = versions.get(each.package, "")
        yield Held(subject=each.package, current=current, offered=each.version, by="broken", detail=each.why)
    for name, offered in untried.items():
        said = f"it is not known yet which of {', '.join(untried)} breaks the image" if len(untried) > 1 else ""
        yield Held(subject=name, current=versions.get(name, ""), offered=offered, by="untried", detail=said)


def _settled_axes(decision: Decision, made: Made) -> tuple[Axis, ...]:
    """What is up to date now. What was not tried is due until it was."""
    packages: tuple[Axis, ...] = ("packages", "security")
    return tuple(axis for axis in decision.taken if not made.untried or axis not in packages)


def _status_of_the_same(made: Made) -> Status:
    """What became of a variant whose image is what was published before."""
    return "left" if made.untried else "held" if made.broken else "fresh"
