"""Wheel trees: what becomes of one wheel in an image, made alone, whatever else the image has.

A tree has the wheel's unpacked files at `opt/uv/cache/archive-v0/<id>`, bytecode included, and below `opt/venv` what
uv makes of them: hardlinks of the same files, and the few that an installation writes (RECORD, scripts). Installing
one wheel at a time keeps its tree the same in every image whose wheels are compiled by the same Python, to the patch
release; where the trees of two wheels share a path, the fixed
order of layers decides, not the order in which uv's threads happened to run.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from warmbase.effects.runner import NO_HOSTS, Bind, Root, Runner, Sandbox
from warmbase.effects.uv import Uv
from warmbase.errors import PackagesError
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.pack import ModePolicy
from warmbase.lock.model import LockedPackage
from warmbase.lock.wheels import Libc
from warmbase.packages import uvcache
from warmbase.packages.bytecode import PROGRAMS, compile_folders
from warmbase.packages.fetch import Fetcher, requirements
from warmbase.packages.origin import settle_origin

WHEEL_POLICY = ModePolicy(shared=(VENV,))
"""The modes of a wheel layer."""

FROM_COMPILED = ["--no-index", "--find-links", "/opt/compiled"]
NO_WHEELS: Mapping[str, Path] = {}

SANDBOX_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",  # noqa: S108  the sandbox's own
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "UV_CACHE_DIR": f"/{CACHE}",
    "UV_OFFLINE": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_LINK_MODE": "hardlink",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """A Python in a root filesystem: its path there, and its full version."""

    path: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Where wheels for `platform` become trees, on any machine.

    uv and an `interpreter` of this machine's own platform work in the root filesystem `root`;
    `python` is its minor version, and the target's. `libc` and `target` are those of the image: the C library that
    decides about wheels, and the interpreter that the venv belongs to. `tool` is the uv that runs in `root`, and
    `variables` what programs there need in order to start. `folder` is scratch space on the file system of the layer
    store.
    """

    root: Root
    interpreter: str
    python: str
    platform: str
    libc: Libc
    target: Interpreter
    runner: Runner
    uv: Uv
    tool: Path
    folder: Path
    jobs: int
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What programs in a sandbox run in."""
        return {**SANDBOX_ENVIRONMENT, **self.variables}

    @property
    def fetcher(self) -> Fetcher:
        """What fetches wheels for this workshop's platform and Python."""
        return Fetcher(uv=self.uv, platform=self.platform, python=self.python, libc=self.libc)

    def build_trees(
        self,
        packages: Sequence[LockedPackage],
        done: Callable[[LockedPackage, Path], None],
        compiled: Mapping[str, Path] = NO_WHEELS,
    ) -> None:
        """Make the tree of each package's wheel; `done` is called with each as soon as it stands.

        Packages for which `use` is "warm" are not installed: their tree has the archive alone. `compiled` are the
        wheels, by name, of packages for which no index has one.
        """
        if not packages:
            return
        cache = self.folder / CACHE
        cache.mkdir(parents=True, exist_ok=True)
        archives = dict(self.fetcher.fetch([one for one in packages if one.name not in compiled], cache))
        by_hash = {self._hash(package): package for package in packages}
        ordered = sorted(by_hash, key=lambda sha256: (-self._size(by_hash[sha256]), sha256))
        with self.open_sandbox() as sandbox:
            skeleton = self.make_venv(sandbox)
            if compiled:
                archives |= self._unpack(sandbox, [one for one in packages if one.name in compiled], compiled)
            for sha256 in self.compile_archives(sandbox, self._inside(archives, ordered)):
                package = by_hash[sha256]
                tree = self.folder / "trees" / sha256
                if package.use == "venv":
                    self._install(sandbox, package)
                    take_installed(self.folder / VENV, skeleton, tree / VENV)
                    if package.name in compiled:
                        settle_origin(tree / VENV, package)
                archive = tree / CACHE / uvcache.ARCHIVES / uvcache.archive_id(sha256)
                archive.parent.mkdir(parents=True)
                archives[sha256].rename(archive)
                done(package, tree)

    @contextmanager
    def open_sandbox(
        self, *, hosts: Mapping[str, str] = NO_HOSTS, network: bool = False, binds: Sequence[Bind] = ()
    ) -> Iterator[Sandbox]:
        """A sandbox on the foundation, with this workshop's /opt, uv and the programs of `inside`."""
        (self.folder / "opt").mkdir(parents=True, exist_ok=True)
        own = [
            Bind(source=self.folder / "opt", target="/opt"),
            Bind(source=self.tool, target="/usr/local/bin/uv", read_only=True),
            PROGRAMS,
        ]
        with self.runner.open(self.root, binds=[*own, *binds], hosts=hosts, network=network) as sandbox:
            yield sandbox

    def make_venv(self, sandbox: Sandbox) -> frozenset[str]:
        """Make the empty relocatable venv in the workshop's folder, and list its files as paths below it."""
        venv = self.folder / VENV
        shutil.rmtree(venv, ignore_errors=True)
        command = ["uv", "venv", "--quiet", "--relocatable", "--no-project", "--python", self.interpreter, f"/{VENV}"]
        finished = sandbox.run(command, env=self.environment)
        if finished.code:
            raise PackagesError(
                "uv cannot make a venv of the foundation's interpreter\n" + finished.stderr.decode(errors="replace"),
                next_step=f"see that {self.interpreter} starts in the foundation, or choose another one in the catalog",
            )
        (venv / ".lock").touch()  # uv makes it with the first installation
        return frozenset(str(path.relative_to(venv)) for path in venv.rglob("*"))

    def compile_archives(self, sandbox: Sandbox, folders: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Compile all Python files in `folders` (name, folder in the sandbox); each name is yielded when it is done."""
        return compile_folders(sandbox, self.interpreter, folders, self.jobs, environment=self.environment)

    def _install(self, sandbox: Sandbox, package: LockedPackage) -> None:
        environment = self.environment | {"UV_DEFAULT_INDEX": self.uv.address_of(package.index)}
        target = ["--python", f"/{VENV}/bin/python", *self.fetcher.for_platform]
        if package.is_compiled(self.platform):
            origin, wanted = FROM_COMPILED, f"{package.name}=={package.version}\n"
        else:
            origin, wanted = ["--require-hashes"], requirements([package], self.platform)
        command = ["uv", "pip", "install", "--quiet", "--no-deps", *origin, "-r", "-", *target]
        finished = sandbox.run(command, env=environment, input=wanted.encode())
        if finished.code:
            said = finished.stderr.decode(errors="replace")
            raise PackagesError(
                f"uv cannot install {package.name} {package.version} for {self.platform}\n{said}",
                next_step="report it with the wheel's name",
            )

    def _unpack(
        self, sandbox: Sandbox, packages: Sequence[LockedPackage], wheels: Mapping[str, Path]
    ) -> Mapping[str, Path]:
        """Have uv unpack compiled wheels as it does any: identity of a package → its unpacked files."""
        folder = self.folder / "opt/compiled"
        folder.mkdir()
        for path in wheels.values():
            shutil.copy(path, folder / path.name)
        target = ["--python", self.interpreter, "--target", "/opt/unpacked", *self.fetcher.for_platform]
        command = ["uv", "pip", "install", "--quiet", "--no-deps", *FROM_COMPILED, "-r", "-", *target]
        wanted = "".join(f"{package.name}=={package.version}\n" for package in packages)
        finished = sandbox.run(command, env=self.environment, input=wanted.encode())
        if finished.code:
            said = finished.stderr.decode(errors="replace")
            raise PackagesError(
                f"uv cannot install what was compiled for {self.platform}\n{said}",
                next_step="see that the package's build makes a wheel for the foundation's own Python",
            )
        unpacked = dict(uvcache.find_local_archives(self.folder / CACHE))
        return {package.identity(self.platform): unpacked[package.name] for package in packages}

    def _hash(self, package: LockedPackage) -> str:
        if package.is_compiled(self.platform):
            return package.identity(self.platform)
        wheel = package.wheel(self.platform)
        if wheel is None:
            raise PackagesError(
                f"{package.name} {package.version} has no wheel for {self.platform} in the lock",
                next_step="run `warmbase lock`",
            )
        return wheel.sha256

    def _size(self, package: LockedPackage) -> int:
        file = package.file(self.platform)
        return file.size if file else 0

    def _inside(self, archives: Mapping[str, Path], ordered: Sequence[str]) -> list[tuple[str, str]]:
        return [(sha256, "/" + str(archives[sha256].relative_to(self.folder))) for sha256 in ordered]


def retarget_venv(venv: Path, target: Interpreter) -> None:
    """Make the venv in the host's folder `venv`, in which nothing runs any more, that of the interpreter `target`.

    uv made it with this machine's own; nothing but these lines and this link says so.
    """
    python, config = venv / "bin/python", venv / "pyvenv.cfg"
    facts = {"home": str(Path(target.path).parent), "version_info": target.version}
    lines = []
    for line in config.read_text().splitlines():
        name = line.partition("=")[0].strip()
        lines.append(f"{name} = {facts.pop(name)}" if name in facts else line)
    if facts or not python.is_symlink():
        raise PackagesError(
            f"uv's venv is not as expected: no {', '.join(facts) or 'link to the interpreter'} in it",
            next_step="name a uv in the catalog (`uv:`) that this version of warmbase knows",
        )
    config.write_text("\n".join(lines) + "\n")
    python.unlink()
    python.symlink_to(target.path)


def take_installed(venv: Path, skeleton: frozenset[str], target: Path) -> None:
    """Move what was installed into `venv` beyond its `skeleton` to `target`, which leaves the skeleton behind."""
    pending = [venv]
    while pending:
        folder = pending.pop()
        for entry in folder.iterdir():
            below = str(entry.relative_to(venv))
            if below not in skeleton:
                (target / below).parent.mkdir(parents=True, exist_ok=True)
                entry.rename(target / below)
            elif entry.is_dir() and not entry.is_symlink():
                pending.append(entry)
