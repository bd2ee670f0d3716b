"""The place of a build: folders, tools and the verifier, put together."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.cli.session import Session
from warmbase.effects.workspaces import SHARED_MEMORY
from warmbase.image.assemble import BuiltImage
from warmbase.layers.unpack import UnpackedLayers
from warmbase.oci.layout import read_layout
from warmbase.pipeline import Plant, Verify
from warmbase.plan import BuildStep

if TYPE_CHECKING:
    from warmbase.layers.remote import RegistryLayers
    from warmbase.verify.model import VerifiedImage


def make_plant(
    session: Session,
    *,
    jobs: int,
    verify: bool,
    layout: Path | None = None,
    shared: "RegistryLayers | None" = None,
) -> Plant:
    """Find the tools of a build. Images of `layout` are verified anew, and read there; `shared` are layers of others.

    Raises RunnerError where this machine can run no image, StoreError for a damaged layout.
    """
    folders = session.folders
    for folder in (folders.unpacked, folders.scratch, folders.verified):
        folder.mkdir(parents=True, exist_ok=True)
    return Plant(
        store=session.store,
        unpacked=session.unpacked,
        registries=lambda: session.registries,
        uv=session.uv,
        runner=session.runner,
        verify=_verifier(session, jobs=jobs, output=layout) if verify else None,
        jobs=jobs,
        report=session.report,
        shared=shared,
        builder=lambda: session.builder,
    )


def _verifier(session: Session, *, jobs: int, output: Path | None) -> Verify:
    layout = read_layout(output) if output else None
    catalog = session.catalog
    paths = (catalog.path, catalog.folder, SHARED_MEMORY / f"warmbase-{os.geteuid()}")

    def verify(image: BuiltImage, step: BuildStep, unpacked: UnpackedLayers) -> "VerifiedImage":
        from warmbase.verify.stage import verify_image

        return verify_image(
            image,
            step.lock,
            store=session.store,
            unpacked=unpacked,
            runner=session.runner,
            records=session.folders.verified,
            paths=paths,
            addresses=session.uv.full_addresses(),
            jobs=jobs,
            layout=layout,
            searched=session.searched,
        )

    return verify
