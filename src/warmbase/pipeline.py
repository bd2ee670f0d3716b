"""The pipeline: from a plan to verified images in an OCI layout.

    plan → foundation → packages → layers → image → verify → layout

One variant's failure does not stop the others. What is in the layout is whole at every moment, and what a killed build
had put into the store is there for the next one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.catalog.model import Catalog, DockerfileFoundation
from warmbase.effects.docker.builder import Builder, find_builder
from warmbase.effects.registry.model import Registries
from warmbase.effects.runner import Runner
from warmbase.effects.uv import Uv
from warmbase.effects.workspaces import open_workspace
from warmbase.errors import FoundationError, StoreError, VerificationError, WarmbaseError
from warmbase.events import Advanced, Ended, Report, Started, Warned
from warmbase.foundation.baked import NOTHING_BAKED, Baked
from warmbase.foundation.baking import bake_missing
from warmbase.foundation.groundwork import FoundationLayers, Groundwork
from warmbase.foundation.stage import make_foundation
from warmbase.image.assemble import BuiltImage
from warmbase.image.compiling import open_yard
from warmbase.image.kept import DEFAULT_REGISTRY
from warmbase.image.room import check_room
from warmbase.image.stage import make_contract_layer, make_image, make_raw_layers, stack_wheels
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import merge_layers
from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.model import LockedPackage
from warmbase.oci.layout import publish_to_layout
from warmbase.oci.manifest import loader_variables
from warmbase.packages import uvcache
from warmbase.packages.stage import find_wheel_layers, make_uv_layer, make_wheel_layers
from warmbase.packages.wheels import Interpreter, Workshop
from warmbase.plan import BuildStep, Plan, check_compiler, image_recipe, on_foundation

if TYPE_CHECKING:
    from warmbase.layers.remote import RegistryLayers
    from warmbase.verify.model import VerifiedImage

_UNPACKED = 6  # how many times its size a wheel takes while it is worked on, at most
_UNKNOWN_SIZE = 200_000_000
_UV_SIZE = 200_000_000

Verify = Callable[[BuiltImage, BuildStep, UnpackedLayers], "VerifiedImage"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """Where a build happens: its store and what is unpacked of it, its tools, and where its events go.

    `registries` gives the clients of the registries that foundations come from; layers in `shared` are not made.
    `builder` runs steps in containers, and `baked` is what became of the run's Dockerfile foundations.
    """

    store: LayerStore
    unpacked: UnpackedLayers
    registries: Callable[[], Registries]
    uv: Uv
    runner: Runner
    verify: Verify | None
    jobs: int
    report: Report
    shared: "RegistryLayers | None" = None
    builder: Callable[[], Builder] = find_builder
    baked: Baked = NOTHING_BAKED

    def ground(self, codec: Codec) -> Groundwork:
        """What foundations are made with."""
        return Groundwork(
            store=self.store,
            unpacked=self.unpacked,
            registries=self.registries,
            codec=codec,
            uv=lambda: self.uv,
            runner=lambda: self.runner,
            builder=self.builder,
            jobs=self.jobs,
            baked=self.baked,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of one step: an image, or the error that ended it. `made` of its `layers` are new."""

    step: BuildStep
    seconds: float
    image: BuiltImage | None = None
    verified: "VerifiedImage | None" = None
    layers: int = 0
    made: int = 0
    error: WarmbaseError | None = None


def build(plan: Plan, catalog: Catalog, output: Path, plant: Plant, *, locked: bool = False) -> tuple[Outcome, ...]:
    """Build what is stale in `plan` into the layout at `output`; an outcome for each stale step."""
    registry = catalog.registry or DEFAULT_REGISTRY

    def keep(image: BuiltImage) -> None:
        publish_to_layout(output, [image.layout_image(registry)], plant.store)

    outcomes: dict[tuple[str, str], Outcome] = {}
    with plant.store.in_use():
        ready = _bake(plan.stale, plant)
        for step in plan.stale:
            parent = outcomes.get((step.variant.parent, step.platform))
            failed = parent and parent.error
            made = _fail_with_parent(step) if failed else _attempt(step, ready, locked=locked, keep=keep)
            outcomes[step.variant.name, step.platform] = made
    return tuple(outcomes.values())


def _fail_with_parent(step: BuildStep) -> Outcome:
    message = f"{step.name} is from {step.variant.parent}, which could not be built"
    error = VerificationError(message, next_step=f"see why, and run `warmbase build {step.variant.name}`")
    return Outcome(step=step, seconds=0.0, error=error)


def _bake(steps: Sequence[BuildStep], plant: Plant) -> Plant:
    """The plant once all Dockerfile foundations are built that steps, or the machine's own platform, need."""
    pinned = [(step.variant.foundation, step.pin, step.platform, step.variant.python, step.codec) for step in steps]
    pinned += [
        (step.native.foundation, step.native.pin, step.native.platform, step.variant.python, step.codec)
        for step in steps
        if step.native
    ]
    return replace(plant, baked=bake_missing(pinned, plant.ground(Codec()), plant.report))


def verify_steps(steps: Sequence[BuildStep], plant: Plant) -> tuple[Outcome, ...]:
    """Verify images whose layers are in the store; an outcome for each of `steps`."""
    with plant.store.in_use():
        return tuple(_attempt(step, plant, locked=False, keep=_keep_nothing) for step in steps)


def _keep_nothing(_: BuiltImage) -> None:
    pass


def _attempt(step: BuildStep, plant: Plant, *, locked: bool, keep: Callable[[BuiltImage], object]) -> Outcome:
    """Take one step through all stages; `keep` gets the image once it is verified. Failures are outcomes too."""
    begun = time.monotonic()
    try:
        _take_shared(step, plant)
        foundation = _make_foundation(step, plant, locked=locked)
        settled = on_foundation(step, foundation.recipe)
        with open_workspace(_size_of_trees(settled, plant), plant.store.workspace()) as work:
            workshop = _open_workshop(settled, foundation, work, plant, locked=locked)
            image, made = _make_image(settled, foundation, workshop, plant)
            verified = _verify(image, settled, plant)
        keep(image)
    except WarmbaseError as error:
        return Outcome(step=step, seconds=time.monotonic() - begun, error=error)
    except OSError as error:  # the disk or the memory is full, say: no reason to give up the other variants
        message = f"{error.filename or 'the machine'}: {error.strerror or error}"
        told = StoreError(message, next_step="see that the disk and /dev/shm have room and can be written")
        return Outcome(step=step, seconds=time.monotonic() - begun, error=told)
    return Outcome(
        step=step,
        seconds=time.monotonic() - begun,
        image=image,
        verified=verified,
        layers=len(image.layers),
        made=made,
    )


def _make_native(step: BuildStep, plant: Plant, *, locked: bool) -> FoundationLayers:
    """The foundation on which packages are installed for a foreign platform, and a managed Python is compiled."""
    native = step.native
    if native is None:
        raise FoundationError(
            f"no foundation with Python {step.variant.python} is pinned for this machine's platform, and packages for"
            f" {step.platform} are installed on one",
            next_step="run `warmbase lock`, which pins it where the foundation has this platform, or add a foundation"
            f" to the catalog that has it and Python {step.variant.python}",
        )
    detail = f"{native.foundation.name} for {native.platform}, to install packages on"
    with _stage(plant, step.name, "foundation", detail):
        return make_foundation(native.foundation, native.pin, native.platform, _ground(step, plant), locked=locked)


def _is_native(step: BuildStep) -> bool:
    """Whether packages are installed on the variant's own foundation."""
    native = step.native
    own = (step.variant.foundation.name, step.platform)
    return native is not None and (native.foundation.name, native.platform) == own


def _ground(step: BuildStep, plant: Plant) -> Groundwork:
    def advance(done: int, total: int) -> None:
        plant.report(Advanced(subject=step.name, stage="foundation", done=done, total=total, detail="layers"))

    return replace(plant.ground(step.codec), advance=advance)


def _take_shared(step: BuildStep, plant: Plant) -> None:
    """Take what others have made of the layers that the store lacks."""
    known = plant.store.recipes()
    wanted = [recipe for recipe in step.shared if recipe not in known]
    if plant.shared is None or not wanted:
        return
    taken = 0

    def done(_: Layer) -> None:
        nonlocal taken
        taken += 1
        plant.report(Advanced(subject=step.name, stage="shared layers", done=taken, total=len(wanted)))

    with _stage(plant, step.name, "shared layers", f"{len(wanted)} to look for"):
        plant.shared.take(wanted, plant.store, step.codec.media_type, done=done)


def _make_foundation(step: BuildStep, plant: Plant, *, locked: bool) -> FoundationLayers:
    wanted = step.variant.foundation
    native = _make_native(step, plant, locked=locked) if wanted.managed and not _is_native(step) else None
    with _stage(plant, step.name, "foundation", wanted.name):
        ground = _ground(step, plant)
        made = make_foundation(wanted, step.pin, step.platform, ground, locked=locked, native=native)
        if made.foundation.base:
            check_room(
                wanted.name, merge_layers(plant.unpacked.listings(made.layers), plant.unpacked.folders(made.layers))
            )
    if made.foundation.drift:
        drift = ", ".join(str(difference) for difference in made.foundation.drift)
        message = f"the foundation {wanted.name} is no longer made as it was pinned: {drift}"
        option = "--rebuild-foundation" if isinstance(wanted, DockerfileFoundation) else "--upgrade-foundation"
        remedy = f"`warmbase lock {option}` pins what it is now"
        plant.report(Warned(subject=step.name, message=f"{message}; {remedy}"))
    return made


def _open_workshop(
    step: BuildStep, foundation: FoundationLayers, work: Path, plant: Plant, *, locked: bool
) -> Workshop:
    native = foundation if _is_native(step) else _make_native(step, plant, locked=locked)
    check_compiler(step, native.foundation.python, plant.store.recipes())
    target = foundation.foundation
    return Workshop(
        root=plant.unpacked.root(native.layers),
        interpreter=native.foundation.interpreter,
        python=step.variant.python,
        platform=step.platform,
        libc=target.libc,
        target=Interpreter(path=target.interpreter, version=target.python),
        runner=plant.runner,
        uv=plant.uv,
        tool=plant.uv.binary_for(native.foundation.libc[0]),
        variables=loader_variables(native.foundation.run),
        folder=work / "workshop",
        jobs=plant.jobs,
    )


def _size_of_trees(step: BuildStep, plant: Plant) -> int:
    """About how many bytes the trees of the wheels to be made will take: unpacked, and with bytecode."""
    known = plant.store.recipes()
    missing = [wheel.package.file(step.platform) for wheel in step.layered if wheel.recipe not in known]
    sizes = [file.size if file and file.size else _UNKNOWN_SIZE for file in missing]
    return _UV_SIZE + _UNPACKED * sum(sizes)


def _compile(
    missing: Sequence[LockedPackage],
    step: BuildStep,
    foundation: FoundationLayers,
    workshop: Workshop,
    plant: Plant,
    uv: Callable[[], Layer],
) -> Mapping[str, Path]:
    """Compile those of `missing` that have no wheel: the wheels, by name."""
    packages = [package for package in missing if package.is_compiled(step.platform)]
    if not packages:
        return {}
    folder = workshop.folder.with_name(f"{workshop.folder.name}-yard")
    with _stage(plant, step.name, "compile", ", ".join(f"{package.name} {package.version}" for package in packages)):
        yard = open_yard(
            step,
            foundation,
            folder,
            builder=plant.builder,
            store=plant.store,
            unpacked=plant.unpacked,
            uv=(plant.uv, uv()),
        )
        return yard.compile(packages)


def _make_wheels(
    step: BuildStep, foundation: FoundationLayers, workshop: Workshop, plant: Plant, uv: Callable[[], Layer]
) -> tuple[dict[str, Layer], int]:
    """The layers of all wheels by recipe, those of what the image is from first; how many had to be made."""
    inherited, made = dict[str, Layer](), 0
    if step.parent:
        place = replace(workshop, folder=workshop.folder.with_name(f"{workshop.folder.name}-from"))
        inherited, made = _make_wheels(step.parent, foundation, place, plant, uv)
    layers = inherited | find_wheel_layers(plant.store, step.own)
    missing = [wheel for wheel in step.own if wheel.recipe not in layers]
    if missing:
        compiled = _compile([wheel.package for wheel in missing], step, foundation, workshop, plant, uv)
        with _stage(plant, step.name, "packages", f"{len(missing)} of {len(step.own)} wheels"):
            done = 0

            def progress(name: str) -> None:
                nonlocal done
                done += 1
                plant.report(Advanced(subject=step.name, stage="packages", done=done, total=len(missing), detail=name))

            layers |= make_wheel_layers(
                missing, workshop, store=plant.store, codec=step.codec, progress=progress, compiled=compiled
            )
    return layers, made + len(missing)


def _make_image(
    step: BuildStep, foundation: FoundationLayers, workshop: Workshop, plant: Plant
) -> tuple[BuiltImage, int]:
    """The image, and how many wheel layers had to be made for it."""
    try:
        uvcache.check_known(plant.uv.version)
        return _make_layered_image(step, foundation, workshop, plant)
    except uvcache.UnknownLayoutError as error:
        message = f"{error.message}: uv's cache is shipped as it is, not reproducible"
        plant.report(Warned(subject=step.name, message=message))
    with _stage(plant, step.name, "image", "as uv makes it"):
        uv = make_uv_layer(step, workshop, store=plant.store)
        recipe = image_recipe(step, foundation.recipe)
        place = replace(workshop, folder=workshop.folder.with_name("raw"))
        raw, contract = make_raw_layers(step, recipe, foundation, place, uv=uv, store=plant.store)
        return make_image(step, foundation, uv, [(raw, "packages")], contract), len(step.wheels)


def _make_layered_image(
    step: BuildStep, foundation: FoundationLayers, workshop: Workshop, plant: Plant
) -> tuple[BuiltImage, int]:
    """The last layer and uv's mostly wait: they are made beside the wheels, whose licences the last layer asks for."""
    recipe = image_recipe(step, foundation.recipe)
    place = replace(workshop, folder=workshop.folder.with_name("contract"))
    made: Future[dict[str, Layer]] = Future()
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="beside") as beside:
        uv = beside.submit(make_uv_layer, step, workshop, store=plant.store)
        contract = beside.submit(
            make_contract_layer,
            step,
            recipe,
            foundation,
            place,
            wheels=lambda: {step.uv: uv.result(), **made.result()},
            store=plant.store,
        )
        try:
            wheels, count = _make_wheels(step, foundation, workshop, plant, uv.result)
        except BaseException as error:
            made.set_exception(error)
            raise
        made.set_result(wheels)
        with _stage(plant, step.name, "image"):
            stack = stack_wheels(step, wheels, len(foundation.layers), store=plant.store)
            return make_image(step, foundation, uv.result(), stack, contract.result()), count


def _verify(image: BuiltImage, step: BuildStep, plant: Plant) -> "VerifiedImage | None":
    if plant.verify is None:
        return None
    with _stage(plant, step.name, "verify"):
        return plant.verify(image, step, plant.unpacked)


@contextmanager
def _stage(plant: Plant, subject: str, stage: str, detail: str = "") -> Iterator[None]:
    begun = time.monotonic()
    plant.report(Started(subject=subject, stage=stage, detail=detail))
    yield
    plant.report(Ended(subject=subject, stage=stage, seconds=time.monotonic() - begun, detail=detail))
