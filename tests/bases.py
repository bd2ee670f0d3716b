"""A folder of bases with a cache of its own, and the command line that works on it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from warmbase.effects.files import CacheFolders
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.oci.layout import Layout, read_layout
from warmbase.oci.manifest import INDEX, Descriptor, Index, Manifest

PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
FOREIGN = next(platform for platform in ("linux/arm64", "linux/amd64") if platform != PLATFORM)

Finished = subprocess.CompletedProcess[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bases:
    """A catalog in `folder`, its layout in `folder/dist`, and a cache; `environment` is added to the test's own."""

    folder: Path
    cache: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    become: tuple[str, ...] = ()  # what is put before every command line
    interpreter: str = sys.executable

    @property
    def catalog(self) -> Path:
        return self.folder / "images.yaml"

    @property
    def output(self) -> Path:
        return self.folder / "dist"

    @property
    def store(self) -> LayerStore:
        return LayerStore(CacheFolders(root=self.cache).store)

    def write_catalog(self, images: Mapping[str, Sequence[str] | Mapping[str, Any]], **more: Any) -> None:
        """A catalog of images on trixie; an image is its requirements, or all that is said of it."""
        entries: dict[str, dict[str, Any]] = {
            name: dict(said) if isinstance(said, Mapping) else {"requirements": list(said)}
            for name, said in images.items()
        }
        for name, entry in entries.items():
            entry.setdefault("description", f"The image {name}.")
        document = {
            "uv": "0.13.8",
            "registry": "registry.example/bases",
            "platforms": [PLATFORM],
            "foundations": {"trixie": {"debian": "trixie"}},
            "images": entries,
            "defaults": {"foundations": ["trixie"], "backends": []},
            **more,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.catalog.write_text(json.dumps(document, indent=1))  # JSON is YAML

    def copy(self, root: Path, **environment: str) -> "Bases":
        """A copy below `root` that shares no state: files are linked, and whoever changes one replaces it."""
        root.mkdir(parents=True, exist_ok=True)
        for source, target in ((self.folder, root / "bases"), (self.cache, root / "cache")):
            subprocess.run(["cp", "-al", source, target], check=True)
        for lock in [*(root / "cache/store").glob("*lock"), *(root / "cache/unpacked").glob(".*.lock")]:
            lock.unlink()  # a lock is one of the file, whatever its names
        return replace(self, folder=root / "bases", cache=root / "cache", environment=environment)

    def with_environment(self, environment: Mapping[str, str]) -> "Bases":
        """The same, for commands that run in another environment."""
        return replace(self, environment={**self.environment, **environment})

    def command(self, *arguments: str | Path) -> list[str]:
        return [*self.become, self.interpreter, "-m", "warmbase", *map(str, arguments)]

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start `warmbase`, in a process group of its own as a shell does."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, "WARMBASE_CACHE_DIR": str(self.cache), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def run(self, *arguments: str | Path, code: int = 0) -> Finished:
        """Run `warmbase`, which has to end with the exit code `code`."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate()
        assert process.returncode == code, f"exit code {process.returncode}\n{stdout[-4000:]}\n{stderr[-8000:]}"
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def build(self, *arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
        """Build without verification; a row for each image."""
        finished = self.run("build", "--no-verify", "--json", *arguments, code=code)
        rows: list[dict[str, Any]] = json.loads(finished.stdout)
        return rows

    def digests(self) -> dict[str, str]:
        """The layout's entries: name → digest."""
        return {entry.annotations["org.opencontainers.image.ref.name"]: entry.digest for entry in self._entries()}

    def layout(self) -> Layout:
        return read_layout(self.output)

    def manifest(self, name: str, platform: str = PLATFORM) -> Manifest:
        """The manifest of the image that the layout has under `name`."""
        layout = self.layout()
        (found,) = (build for build in layout.builds(name) if str(build.platform) == platform)
        return Manifest.from_bytes(layout.read(found))

    def layers(self, name: str, platform: str = PLATFORM) -> list[Layer]:
        """The layers of an image as the store knows them, the lowest first."""
        known = {stored.layer.digest: stored.layer for stored in self.store.list()}
        return [known[layer.digest] for layer in self.manifest(name, platform).layers]

    def check_layout(self) -> None:
        """The layout is whole: each blob is what its name says, all that is named is there."""
        if not self.output.exists():
            return
        blobs = self.output / "blobs" / "sha256"
        for path in blobs.iterdir():
            if not path.name.startswith("."):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name, f"{path} is half-written"
        if (self.output / "index.json").exists():
            for descriptor in self._reachable():
                assert self.layout().blob_path(descriptor.digest).stat().st_size == descriptor.size

    def check_left_nothing(self) -> None:
        """No temporary file is left in the layout, the store and the sandboxes' scratch folder."""
        folders = CacheFolders(root=self.cache)
        left = [*self.output.rglob(".new-*"), *(folders.store / "work").iterdir(), *folders.scratch.iterdir()]
        assert left == [], left

    def _entries(self) -> tuple[Descriptor, ...]:
        return self.layout().index.manifests

    def _reachable(self) -> Iterator[Descriptor]:
        layout = self.layout()
        pending = list(self._entries())
        while pending:
            descriptor = pending.pop()
            yield descriptor
            if descriptor.media_type == INDEX:
                pending += Index.from_bytes(layout.read(descriptor)).manifests
            elif "manifest" in descriptor.media_type:
                manifest = Manifest.from_bytes(layout.read(descriptor))
                pending += [manifest.config, *manifest.layers]
