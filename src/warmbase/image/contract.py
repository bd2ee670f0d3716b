"""The contract: what every image promises its children, whatever its packages.

Its files and the cache's mutable part are the image's last layer, which is small and changes with every lock. It
also restates the folders that the wheel layers made, because the topmost layer decides their modes:

- the cache serves everyone, so its bucket folders are open to all, and the archives in it to nobody but root;
- so does the venv: a child may say `USER app` before its `uv sync` as well as behind it, and the first `uv run` in a
  container installs an editable project again (uv tells by the ctime, which unpacking a layer sets);
- what root's uv writes in a child stays writable for all: a default ACL (POSIX 1003.1e draft 17) on those folders
  overrules the umask. It is written as the extended attribute that Linux keeps it in (acl(5)).

The price: any user of a container can change what root runs from the venv, by putting another file in its place, and
what root installed in a child also by writing into it: those files are 0666, scripts 0777. A default ACL does not tell
files from folders, so neither can this be had without the other. Whoever starts root's programs beside others' closes
the venv as root's last step: `RUN /opt/warmbase/close-venv` (see `inside.close_venv`).

`pip` is a small program that has uv do it (see `inside.pip`), and so does `python -m pip`.

Variables that would leak into a project's lock, break its hits or hide its packages are not set, nor taken over from a
foundation; neither are those that hold credentials (see `why_left_out`). /usr/local/bin lies directly behind the venv
on the PATH, so that no folder of the foundation has a uv before the image's own.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from warmbase.image import inside
from warmbase.image.promises import BILL, BUCKETS, ENVIRONMENT, FOLDER, IDENTITY, VENV
from warmbase.layers.pack import ModePolicy, scan_tree
from warmbase.lock.model import Lock
from warmbase.oci.tar import OPEN_TO_ALL, Entry, directory, file_of, symlink
from warmbase.packages.entries import SHARED_FOLDER
from warmbase.packages.warm import WarmCache

CONTRACT_REVISION = 6
"""Raised when the same lock would get other contract files."""

LEAKING = frozenset(
    {"VIRTUAL_ENV", "UV_LINK_MODE", "UV_COMPILE_BYTECODE", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_OFFLINE", "UV_NO_CACHE",
     "UV_FIND_LINKS", "UV_EXCLUDE_NEWER", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL",
     "UV_CONSTRAINT", "UV_OVERRIDE", "UV_FROZEN", "UV_PROJECT", "UV_CONFIG_FILE", "UV_NO_BINARY", "PYTHONHOME",
     "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONOPTIMIZE", "BASH_ENV", "ENV"}
)  # fmt: skip
"""Variables that reach into the locks and environments of children, or into every program that is started."""
_LEAKING_FAMILIES = ("UV_", "VIRTUAL_ENV", "CONDA_")
_CREDENTIALS = re.compile(r"://[^/\s@]+@")  # RFC 3986, section 3.2.1

_LOGIN_SHELLS = f"""\
# Login shells reset PATH: keep the image's venv in front.
case ":$PATH:" in
  *:/{VENV}/bin:*) ;;
  *) PATH="/{VENV}/bin:$PATH"; export PATH ;;
esac
"""

_EXTERNALLY_MANAGED = f"""\
[externally-managed]
Error=This is the Python of the system; the packages of this image are in /{VENV}.
 Leave out --system and --break-system-packages, unset the variable UV_SYSTEM_PYTHON, and /{VENV} is used:
   RUN uv pip install -r requirements.txt
 In a project: uv add NAME, uv sync --frozen (UV_PROJECT_ENVIRONMENT names /{VENV}).
"""


def why_left_out(name: str, value: str) -> str:
    """Why no image may have the variable `name` with `value`; "" where it may. The contract's own are right."""
    if name not in ENVIRONMENT and (name in LEAKING or name.startswith(_LEAKING_FAMILIES)):
        return "reaches into the children's locks and environments"
    return "holds credentials" if _CREDENTIALS.search(value) else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What an image says of itself in `base.json`. `indexes` are those that its cache answers for, name → addresses,
    where the catalog names more than uv's own `index`."""

    name: str
    python: str
    uv: str
    platform: str
    index: str
    recipe: str
    reproducible: bool = True
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def contract_entries(
    lock: Lock, identity: Identity, warm: WarmCache, venv: Path, stdlib: str, bill: str
) -> Iterator[Entry]:
    """Everything in the last layer. `venv` is the host's path of the empty venv that the wheels go into, `bill` the
    text of the image's bill of materials."""
    yield from map(_shared, warm.entries)
    yield from _venv_entries(venv)
    installed = [package for package in lock.installed(identity.platform) if package.use == "venv"]
    files = {
        IDENTITY: _json(
            {
                "name": identity.name,
                "python": identity.python,
                "uv": identity.uv,
                "platform": identity.platform,
                "index": identity.index,
                **({"indexes": identity.indexes} if identity.indexes else {}),
                "buckets": BUCKETS if identity.reproducible else {},
                "recipe": identity.recipe,
                "reproducible": identity.reproducible,
                "contract": CONTRACT_REVISION,
            }
        ),
        f"{FOLDER}/constraints.txt": "".join(f"{p.name}=={p.version}\n" for p in installed),
        f"{FOLDER}/pylock.toml": warm.pylock,
        f"{FOLDER}/uv.lock": warm.uv_lock,
        BILL: bill,
        "etc/profile.d/warmbase.sh": _LOGIN_SHELLS,
        f"{stdlib.lstrip('/')}/EXTERNALLY-MANAGED": _EXTERNALLY_MANAGED,
    }
    for path, text in files.items():
        if not text:  # there is no such lock for this image
            continue
        yield file_of(path, text.encode())
    yield file_of("usr/local/bin/pip", _program("pip"), 0o755)
    yield symlink("usr/local/bin/pip3", "pip")
    yield file_of(f"{FOLDER}/close-venv", _program("close_venv"), 0o755)


def _program(name: str) -> bytes:
    return Path(inside.__file__).with_name(f"{name}.py").read_bytes()


def _shared(entry: Entry) -> Entry:
    """The bucket folders pass their openness on to what is made in them."""
    return replace(entry, xattrs=OPEN_TO_ALL) if entry.kind == "dir" and entry.mode == SHARED_FOLDER else entry


def _venv_entries(venv: Path) -> Iterator[Entry]:
    yield directory(VENV, SHARED_FOLDER, OPEN_TO_ALL)
    for entry in scan_tree(venv, ModePolicy(exact=((".lock", 0o666),))):
        moved = replace(entry, path=f"{VENV}/{entry.path}")
        if moved.path.endswith("/site-packages"):  # a pip that is installed there is a folder, which goes before a file
            yield file_of(f"{moved.path}/pip.py", _program("pip_module"))
        yield replace(moved, mode=SHARED_FOLDER, xattrs=OPEN_TO_ALL) if entry.kind == "dir" else moved


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
