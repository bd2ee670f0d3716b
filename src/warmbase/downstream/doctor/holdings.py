"""What there is to hit: what a published base has, by its offer. Pure."""

from warmbase.downstream.demand import libc_of
from warmbase.downstream.doctor.model import CachedWheel, Holdings, Installed
from warmbase.downstream.listing import Base
from warmbase.errors import ListingError, LockError
from warmbase.image.promises import CACHE, VENV
from warmbase.lock.wheels import supported_tags
from warmbase.packages.uvcache import index_bucket
from warmbase.publish.offer import OfferedPlatform


def find_platform(base: Base, platform: str) -> OfferedPlatform:
    """What a base has for a platform. Raises ListingError where that is nothing."""
    offered = base.offer.platform(platform)
    if offered is None:
        there = ", ".join(each.platform for each in base.offer.platforms)
        raise ListingError(
            f"{base.name} is not there for {platform}, only for {there or 'none'}",
            next_step=f"warmbase doctor --platform {there.partition(',')[0] or 'linux/amd64'}",
        )
    return offered


def offered_holdings(base: Base, platform: str) -> Holdings:
    """What a base has on a platform, as long as nobody changed it. Raises ListingError where it is not there for it."""
    offered = find_platform(base, platform)
    default = default_index(base)
    cached = {}
    for package in offered.packages:
        addresses = () if package.source else base.offer.indexes.get(package.index, ())
        wheels = [
            CachedWheel(
                name=package.name,
                version=package.version,
                file=package.file,
                sha256=package.sha256,
                bucket=index_bucket(address, default),
            )
            for address in addresses
        ]
        cached[package.name] = tuple(wheels)
    installed = {
        package.name: Installed(name=package.name, version=package.version, origin=package.source)
        for package in offered.packages
        if package.use == "venv"
    }
    return Holdings(
        uv=base.offer.uv,
        cache=f"/{CACHE}",
        python=offered.python,
        tags=tags_of(offered.python, platform, libc_of(offered)),
        venvs={f"/{VENV}": installed},
        cached=cached,
        default_index=default,
        sizes=sizes_of(base, platform),
    )


def default_index(base: Base | None) -> str:
    """The address of uv's own index, as a base's catalog has it; "" where that is not known."""
    addresses = base.offer.indexes.get("", ()) if base else ()
    return addresses[0] if addresses else ""


def sizes_of(base: Base | None, platform: str) -> dict[str, int]:
    """The bytes of a base's files by their names."""
    offered = base.offer.platform(platform) if base else None
    return {package.file: package.size for package in offered.packages} if offered else {}


def tags_of(python: str, platform: str, libc: tuple[str, str]) -> tuple[str, ...]:
    """The tags of wheels that fit, the best first; none where nothing is known of such a platform."""
    minor = ".".join(python.split(".")[:2])
    try:
        return tuple(str(tag) for tag in supported_tags(minor, platform, libc))
    except (LockError, KeyError, ValueError):
        return ()
