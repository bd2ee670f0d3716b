"""What a container of an image starts as (OCI image specification, config.md, `config`).

What the catalog leaves out stays as the foundation's image has it; a Debian foundation has nothing of it.
"""

from collections.abc import Iterable, Mapping

from warmbase.catalog.model import ImageConfig
from warmbase.image.contract import why_left_out
from warmbase.image.promises import ENVIRONMENT, FIRST_FOLDERS, PATH
from warmbase.oci.digests import Json
from warmbase.oci.manifest import variables_of

# The fields of the specification, and Docker's two that concern children. The rest is of the build that made the
# image, and its ONBUILD steps were for this one child, which runs none.
_KEPT = frozenset(
    ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Healthcheck", "Labels", "Shell", "StopSignal", "User", "Volumes",
     "WorkingDir")
)  # fmt: skip
_ABOUT_ITSELF = ("org.opencontainers.", "dev.warmbase.")


def container_config(config: ImageConfig, labels: Mapping[str, str], run: Mapping[str, Json]) -> dict[str, Json]:
    """The `config` object; `run` is that of the foundation. What is not set stays out.

    A command is an argument of its entrypoint: the foundation's goes with its entrypoint, and `python` is the default
    only where there is neither.
    """
    dropped = ("Entrypoint", "Cmd") if config.entrypoint is not None else ()
    kept = {name: value for name, value in run.items() if name in _KEPT and name not in dropped and value}
    enters = config.entrypoint or "Entrypoint" in kept
    own: dict[str, Json] = {
        "Env": [f"{name}={value}" for name, value in container_environment(run).items()],
        "User": config.user,
        "WorkingDir": config.workdir,
        "Entrypoint": None if config.entrypoint is None else list(config.entrypoint),
        "Cmd": None if config.command is None else list(config.command),
    }
    merged = {
        "WorkingDir": "/",
        "Cmd": None if enters else ["python"],
        **kept,
        **{name: value for name, value in own.items() if value is not None},
        "Labels": {**_inherited_labels(run), **labels},
    }
    return {name: value for name, value in merged.items() if value}


def container_environment(run: Mapping[str, Json]) -> dict[str, str]:
    """The variables: the contract's over the foundation's, whose PATH stays behind the venv and uv.

    Those of the foundation that would break the contract are left out.
    """
    inherited = variables_of(run)
    path = _join_paths(FIRST_FOLDERS, inherited.get("PATH", ""), PATH)
    kept = {name: value for name, value in inherited.items() if not why_left_out(name, value)}
    return {**kept, **ENVIRONMENT, "PATH": path}


def _join_paths(*paths: str) -> str:
    return ":".join(dict.fromkeys(folder for path in paths for folder in path.split(":") if folder))


def _inherited_labels(run: Mapping[str, Json]) -> dict[str, str]:
    labels = run.get("Labels")
    pairs: Iterable[tuple[str, Json]] = labels.items() if isinstance(labels, Mapping) else ()
    return {name: str(value) for name, value in pairs if not name.startswith(_ABOUT_ITSELF)}
