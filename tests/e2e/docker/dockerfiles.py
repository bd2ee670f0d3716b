"""Catalogs whose foundations are Dockerfiles, on a base image in a registry of the tests' own."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.baseimages import Blob, entry, tar_blob, write_image
from tests.bases import Bases
from tests.e2e.docker.engines import DockerEngine
from tests.registries import RunningRegistry, copy_with_skopeo

from warmbase.effects.files import CacheFolders

PYTHON = "3.13"
GEO = """
FROM {base}
ARG PYTHON
COPY --chmod=0755 hello /usr/local/bin/hello
RUN mkdir -p /srv/made && echo "for $PYTHON" > /srv/made/by && chown -R 1000 /srv/made
ENV MADE_BY=geo
"""
"""A Dockerfile that does what people do: it takes arguments, copies, runs as root, and sets variables."""

LONG_AGO = 1_000_000_000

_LOG = "WARMBASE_TEST_DOCKER_LOG"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dockerfiles:
    """A folder of bases, whose `docker` writes down what it is asked for."""

    bases: Bases

    @property
    def log(self) -> Path:
        return Path(self.bases.environment[_LOG])

    def write(self, name: str, text: str, **files: str) -> None:
        """Write a Dockerfile, and files beside it."""
        folder = self.bases.folder / "bases" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in {"Dockerfile": text, **files}.items():
            path = folder / file
            path.unlink(missing_ok=True)  # copies are linked
            path.write_text(content, encoding="utf-8")

    def write_catalog(self, foundations: Mapping[str, Mapping[str, Any]], **more: Any) -> None:
        """A catalog with an image on each of `foundations`, which is called as it is."""
        entries = {
            name: {"dockerfile": f"bases/{name}", "python": PYTHON, **said} for name, said in foundations.items()
        }
        images = {
            name: {"foundations": [name], "requirements": ["packaging"], "description": f"On {name}."}
            for name in foundations
        }
        self.bases.catalog.unlink(missing_ok=True)  # copies are linked
        self.bases.write_catalog(images, foundations=entries, **{"defaults": {"backends": []}, **more})

    def pin(self, name: str) -> dict[str, Any]:
        """A foundation's one pin."""
        document = json.loads((self.bases.folder / "bases" / "foundations" / f"{name}.json").read_text())
        ((pythons,),) = (document["platforms"].values(),)
        pin: dict[str, Any] = pythons[PYTHON]
        return pin

    def pinned(self, name: str) -> bool:
        return (self.bases.folder / "bases" / "foundations" / f"{name}.json").exists()

    def bakes(self) -> int:
        """How many bakes there were since this was last asked."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.log.write_text("")
        return sum("buildx bake" in line for line in lines)

    def copy(self, root: Path, **environment: str) -> "Dockerfiles":
        """A copy below `root` with the same catalog, locks and cache."""
        log = root / "docker.log"
        copied = self.bases.copy(root, **{**self.bases.environment, **environment, _LOG: str(log)})
        log.write_text("")
        return Dockerfiles(bases=copied)

    def check_out(self) -> None:
        """Become another checkout: files of their own, from long ago, with the modes that another umask gives."""
        folder = self.bases.folder
        for path in [*folder.rglob("*"), folder]:
            if path.is_symlink():
                continue
            if path.is_file():
                content, program = path.read_bytes(), os.access(path, os.X_OK)
                path.unlink()
                path.write_bytes(content)
                path.chmod(0o775 if program else 0o664)
                os.utime(path, (LONG_AGO, LONG_AGO))
            else:
                path.chmod(0o775)

    def forget(self) -> None:
        """Become another machine: the layers that Dockerfiles made are not here."""
        records = CacheFolders(root=self.bases.cache).store / "records"
        for stored in self.bases.store.list():
            described = json.loads(str(stored.layer.notes.get("foundation", "{}")))
            if described.get("base"):
                (records / f"{stored.layer.recipe}.json").unlink()


def dockerfiles_at(root: Path, foundation: Bases, engine: DockerEngine) -> Dockerfiles:
    """An empty folder of bases whose `docker` is the engine's."""
    real = shutil.which("docker", path=engine.environment["PATH"])
    root.mkdir(parents=True, exist_ok=True)
    shim = root / "bin" / "docker"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$@" >> "${_LOG}"\nexec {real} "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    own = {name: value for name, value in engine.environment.items() if os.environ.get(name) != value}
    path = f"{shim.parent}:{engine.environment['PATH']}"
    return Dockerfiles(bases=replace(foundation, environment={**own, "PATH": path})).copy(root / "empty")


def push_base(registry: RunningRegistry, system: Blob, folder: Path, tag: str, **files: bytes) -> str:
    """Push a Debian system, with `files` in a layer of their own, and return its name."""
    name = f"{registry.host}/standin:{tag}"
    more = [tar_blob(entry(f"srv/{path}", content) for path, content in files.items())] if files else []
    copy_with_skopeo(f"oci:{write_image(folder, [system, *more])}", f"docker://{name}")
    return name
