"""What commands need to do their work, made when it is needed and not before."""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog, CatalogFoundation, Variant
from warmbase.catalog.select import select_variants
from warmbase.effects.docker.builder import Builder, find_builder
from warmbase.effects.files import CacheFolders, cache_folders
from warmbase.effects.platforms import native_platform, runs_by
from warmbase.effects.registry.model import Registries
from warmbase.effects.runner import Runner, RunnerChoice, find_runner
from warmbase.effects.uv import Uv, find_uv
from warmbase.errors import FoundationError, LockError, SelectionError
from warmbase.events import Report, Warned
from warmbase.foundation.groundwork import Groundwork, codec_of, find_foundation
from warmbase.foundation.pins import FoundationPin, ImagePin, system_of
from warmbase.foundation.stage import pin_fits, pinned_recipe
from warmbase.layers.codec import Codec
from warmbase.layers.store import Damage, LayerStore
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.resolve import Resolver
from warmbase.lock.stage import Locked, lock_variants, read_all_pins, read_locks
from warmbase.plan import Existing, Plan, plan_builds

if TYPE_CHECKING:
    from warmbase.verify.static import SearchedLayers


class Session:
    """One run of a command on one catalog: its tools are found on first use."""

    def __init__(
        self, catalog: Path, report: Report, *, builder: str = "", engine: RunnerChoice = RunnerChoice.AUTO
    ) -> None:
        self._path = catalog
        self._builder = builder
        self._engine = engine
        self.report = report
        self.folders: CacheFolders = cache_folders(os.environ)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog. Raises CatalogError."""
        return load_catalog(self._path)

    @property
    def has_catalog(self) -> bool:
        """Whether there is a catalog: what is published can be looked at without one."""
        return self._path.exists()

    @cached_property
    def codec(self) -> Codec:
        """How layers are compressed where no image says otherwise."""
        return codec_of(self.catalog.compression)

    @cached_property
    def store(self) -> LayerStore:
        """The layer store."""
        return LayerStore(self.folders.store, self._report_damage)

    @cached_property
    def uv(self) -> Uv:
        """The uv that the catalog pins."""
        catalog = self.catalog
        return find_uv(catalog.uv, cache=self.folders.root, environment=os.environ, indexes=catalog.index_addresses)

    @cached_property
    def registries(self) -> Registries:
        """The clients of registries, with the mirrors of the catalog if there is one."""
        from warmbase.effects.registry.registries import open_registries

        if not self.has_catalog:
            return open_registries(os.environ)
        return open_registries(os.environ, insecure=self.catalog.insecure, mirrors=dict(self.catalog.mirrors))

    @cached_property
    def builder(self) -> Builder:
        """The Buildx builder that the command line or the catalog names, or the current one. Raises BuilderError."""
        return find_builder(self._builder or self.catalog.builder)

    @cached_property
    def runner(self) -> Runner:
        """What runs programs of images. Raises RunnerError where this machine can run none."""
        return find_runner(self.folders.scratch, self._engine)

    @cached_property
    def unpacked(self) -> UnpackedLayers:
        """What is unpacked of the layer store."""
        return UnpackedLayers(self.folders.unpacked, self.store)

    @cached_property
    def searched(self) -> "SearchedLayers":
        """The layers in which verifications of this run found no secret."""
        from warmbase.verify.static import SearchedLayers

        return SearchedLayers()

    @property
    def ground(self) -> Groundwork:
        """What foundations are made with."""
        return Groundwork(
            store=self.store,
            unpacked=self.unpacked,
            registries=lambda: self.registries,
            codec=self.codec,
            uv=lambda: self.uv,
            runner=lambda: self.runner,
            builder=lambda: self.builder,
        )

    def resolver(self) -> Resolver:
        """What resolves variants; what they have in common once."""
        from warmbase.effects.http import ask_size

        return Resolver(uv=self.uv, cache=self.folders.uv_cache, ask_size=ask_size)

    def select(self, names: Sequence[str]) -> tuple[Variant, ...]:
        """The variants that `names` mean; all for none."""
        return select_variants(self.catalog, names)

    def check_platforms(self, platforms: Collection[str]) -> None:
        """Raise SelectionError for a platform that the catalog does not have."""
        unknown = sorted(set(platforms) - set(self.catalog.platforms))
        if unknown:
            raise SelectionError(
                f"the catalog has no platform {', '.join(unknown)}",
                next_step=f"choose from {', '.join(self.catalog.platforms)}",
            )

    def lock(
        self,
        variants: Iterable[Variant],
        *,
        everything: bool = False,
        foundations: bool = False,
        rebuild: bool = False,
        packages: Sequence[str] = (),
    ) -> tuple[Locked, ...]:
        """Lock `variants`; see `lock_variants`."""
        from warmbase.lock.resolve import Upgrade

        return lock_variants(
            self.catalog,
            variants,
            resolver=self.resolver,
            ground=lambda: self.ground,
            upgrade=Upgrade(everything=everything, foundations=foundations, rebuild=rebuild, packages=tuple(packages)),
            report=self.report,
            native=native_platform(),
        )

    def plan(
        self,
        names: Sequence[str],
        platforms: Collection[str],
        output: Path,
        *,
        locked: bool,
        relock: bool,
        verify: bool = True,
    ) -> Plan:
        """Plan a build. With `relock` what has no fitting lock is locked first; else the plan says that it has to be.
        With `locked` that is a LockError.

        A variant that cannot be locked, or whose lock is damaged, has no step in the plan and stops no other. With
        `verify` an image that no verification vouches for is not done.
        """
        self.check_platforms(platforms)
        variants = self.select(names)
        read = read_locks(self.catalog, variants, native=native_platform())
        if read.damaged and locked and not relock:
            raise read.damaged[0][1]
        if read.missing and locked:
            names = [variant.name for variant, _ in read.missing]
            raise LockError(
                f"no lock fits the catalog for {', '.join(names)}", next_step=f"run `warmbase lock {names[0]}`"
            )
        unlocked, to_lock = read.damaged, read.missing
        if to_lock and relock:
            results = self.lock(variant for variant, _ in to_lock)
            unlocked += tuple((result.variant, result.error) for result in results if result.error)
            read, to_lock = read_locks(self.catalog, variants, native=native_platform()), ()
        existing = self.existing(output)
        pins = read_all_pins(self.catalog)
        buildable = [variant for variant in variants if variant.name in read.fitting]
        planned = plan_builds(
            buildable,
            platforms,
            read.fitting,
            pins,
            existing,
            native=native_platform(),
            foundations=self.catalog.foundations,
            verify=verify,
        )
        return replace(planned, unlocked=unlocked, to_lock=to_lock)

    def existing(self, output: Path) -> Existing:
        from warmbase.image.kept import read_existing
        from warmbase.verify.record import hash_smokes, read_verified

        images = read_existing(output, self.catalog)
        verified = read_verified(self.folders.verified)
        smoke = {variant.name: hash_smokes(variant.smokes) for variant in self.catalog.variants}
        ran = {key: verified.get((digest, smoke[key[0]])) for key, (_, digest) in images.items()}
        looked_at = frozenset(key for key, has_run in ran.items() if has_run is False and not runs_by(key[1]))
        return Existing(
            images={key: recipe for key, (recipe, _) in images.items()},
            unverified=frozenset(key for key, has_run in ran.items() if not has_run) - looked_at,
            only_looked_at=looked_at,
            layers=self.store.recipes(),
            drifted=self.drifted(self.catalog),
        )

    def drifted(self, catalog: Catalog) -> dict[str, str]:
        """The foundations of `catalog`, with its pins, that an archive no longer offered as pinned: see `Existing`."""
        drifted = {}
        codecs = {codec_of(variant.compression) for variant in catalog.variants}
        for (name, platform, python), pin in read_all_pins(catalog).items():
            foundation = next(f for f in catalog.foundations if f.name == name)
            if isinstance(system_of(pin), ImagePin) or not self._fits(foundation, pin, python):
                continue  # an image is what its digest says
            for codec in codecs:
                pinned = pinned_recipe(foundation, pin, platform, codec, catalog.uv)
                found = find_foundation(self.store, pinned)
                if found and found.recipe != pinned:
                    drifted[pinned] = found.recipe
        return drifted

    def _fits(self, foundation: CatalogFoundation, pin: FoundationPin, python: str) -> bool:
        try:
            return pin_fits(foundation, pin, python)
        except FoundationError:  # what its Dockerfile is made from cannot be read: its own variants will tell
            return False

    def _report_damage(self, damage: Damage) -> None:
        message = f"dropped the damaged blob {damage.digest}: {damage.reason}; it will be made again"
        self.report(Warned(subject="layer store", message=message))
