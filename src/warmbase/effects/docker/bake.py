"""What a builder is asked to build: targets, and the bake definition that says them all at once.

A definition is JSON as `docker buildx bake` reads it (Docker's manual, "Bake file reference"). It names secrets and
never holds one: a secret is a variable of the environment or a file, and so are the addresses of proxies.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warmbase.oci.digests import Json

CA_SECRET = "warmbase-ca"  # noqa: S105  its name, which Dockerfiles mount
"""The secret that holds the certificates which this machine trusts, for RUN steps behind a company's proxy."""

_BUNDLES = (  # where Debian and Alpine, Red Hat, and SUSE keep what the system trusts
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
)
_LARGEST_SECRET = 500 * 1024  # moby/buildkit, session/secrets: MaxSecretSize
# Dockerfile reference, "Predefined ARGs": no history, no layer and no cache key has them
_PROXIES = tuple(
    name for scheme in ("HTTP", "HTTPS", "FTP", "ALL", "NO") for name in (f"{scheme}_PROXY", f"{scheme}_proxy".lower())
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Secret:
    """A secret by its id: the variable `env` of this process, or the content of `file`."""

    id: str
    env: str = ""
    file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """What steps need of this machine to reach the network: the certificates that it trusts, "" for none, and the names
    of the variables that say which proxies it uses."""

    bundle: str = ""
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One thing to build, on `platforms` (the builder's own if there are none).

    `dockerfile` is a path, absolute or relative to the folder `context`, or `inline` is the Dockerfile itself.
    `contexts` are named build contexts, `ssh` agents or keys as `docker build --ssh` takes them, and `output` what
    becomes of the result, as key and value (Docker's manual, "Exporters overview"). Without `cached` every step runs
    anew.
    """

    name: str
    context: str
    output: Mapping[str, str]
    dockerfile: str = ""
    inline: str = ""
    stage: str = ""
    args: Mapping[str, str]
    contexts: Mapping[str, str]
    secrets: tuple[Secret, ...] = ()
    ssh: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    cached: bool = True


def find_host(environment: Mapping[str, str]) -> Host:
    """What `environment` and this machine say about reaching the network.

    The bundle is the one that SSL_CERT_FILE names, else the system's.
    """
    named = environment.get("SSL_CERT_FILE")
    bundles = [Path(named)] if named else _BUNDLES
    usable = (path for path in bundles if path.is_file() and path.stat().st_size <= _LARGEST_SECRET)
    return Host(
        bundle=str(next(usable, "")),
        proxies=tuple(name for name in _PROXIES if environment.get(name)),
    )


def bake_definition(targets: Sequence[Target], host: Host) -> dict[str, Json]:
    """The definition of a bake of all `targets`, each of which gets what `host` says."""
    definition: dict[str, Json] = {
        "group": {"default": {"targets": [target.name for target in targets]}},
        "target": {target.name: _target(target, host) for target in targets},
    }
    return definition | ({"variable": {name: {} for name in host.proxies}} if host.proxies else {})


def _target(target: Target, host: Host) -> Json:
    secrets = [*target.secrets, *([Secret(id=CA_SECRET, file=host.bundle)] if host.bundle else ())]
    # apt, curl and git read one spelling alone, and not all the same.
    proxies: dict[str, Json] = {
        spelling: f"${{{name}}}"
        for name in host.proxies
        for spelling in (name.lower(), name.upper())
        if spelling == name or spelling not in host.proxies
    }
    entry: dict[str, Json] = {
        "context": target.context,
        "dockerfile": target.dockerfile,
        "dockerfile-inline": _escape(target.inline),
        "target": target.stage,
        "args": proxies | {name: _escape(value) for name, value in target.args.items()},
        "contexts": dict(target.contexts),
        "secret": [_secret(secret) for secret in secrets],
        "ssh": list(target.ssh),
        "platforms": list(target.platforms),
        "output": [_line(target.output)],
        "attest": ["type=provenance,disabled=true"],  # or the output is an index with a second manifest
        "no-cache": not target.cached,
    }
    return {key: value for key, value in entry.items() if value}


def _secret(secret: Secret) -> Json:
    source = {"type": "env", "env": secret.env} if secret.env else {"type": "file", "src": secret.file}
    return _line({"id": secret.id, **source})


def _line(fields: Mapping[str, str]) -> str:
    """`fields` as one line of CSV, which is how Buildx reads options that consist of several."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([f"{key}={value}" for key, value in fields.items()])
    return text.getvalue()


def _escape(text: str) -> str:
    """`text` in a definition, where HCL's templates would be evaluated (HCL native syntax, "Template Literals")."""
    return text.replace("${", "$${").replace("%{", "%%{")
