"""Foundations that a Dockerfile makes: their keys in the catalog, and what these mean."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from warmbase.catalog.model import BuildSecret, DockerfileFoundation
from warmbase.catalog.problems import DocumentPath, Report, list_words, quote
from warmbase.catalog.shape import UNIQUE, about
from warmbase.catalog.texts import (
    ArgumentName,
    ContextName,
    ContextSource,
    DockerfilePath,
    SecretName,
    SshAccess,
    StageName,
)
from warmbase.errors import mask_userinfo

EPOCH = "SOURCE_DATE_EPOCH"
OWN_SECRETS = "warmbase-"
"""What the ids of warmbase's own secrets begin with."""

_SECRET_WORDS = re.compile(
    r"(^|_)(TOKENS?|PASS|PASSWORD|PASSWD|PASSPHRASE|PWD|SECRETS?|APIKEY|KEY|CREDENTIALS?|CREDS?|PAT|AUTH)($|_)",
    re.IGNORECASE,
)
_IMAGE, _LAYOUT = "docker-image://", "oci-layout://"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretEntry:
    """Where a secret comes from: a variable or a file of the machine that builds. It has one of the keys."""

    env: str | None = field(default=None, metadata=about("The name of a variable of the environment."))
    file: str | None = field(
        default=None, metadata=about("The path of a file, relative to the catalog's folder, or absolute.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerfileKeys:
    """What a foundation that a Dockerfile makes may say."""

    dockerfile: DockerfilePath | None = field(
        default=None, metadata=about("A folder with a Dockerfile, or the path of the file in it; built by BuildKit.")
    )
    target: StageName | None = field(
        default=None, metadata=about("The stage of the Dockerfile to build; left out: the last one.")
    )
    args: Mapping[ArgumentName, str] = field(
        default_factory=dict, metadata=about("Build arguments; {python} in a value becomes the Python version.")
    )
    contexts: Mapping[ContextName, ContextSource] = field(
        default_factory=dict,
        metadata=about("Named build contexts: a folder, docker-image://NAME or oci-layout://PATH."),
    )
    secrets: Mapping[SecretName, SecretEntry] = field(
        default_factory=dict, metadata=about("Secrets for RUN --mount=type=secret, by id.")
    )
    ssh: Annotated[tuple[SshAccess, ...], UNIQUE] = field(
        default=(), metadata=about("Agents or keys for RUN --mount=type=ssh, as `docker build --ssh` takes them.")
    )


DOCKERFILE_KEYS = ("target", "args", "contexts", "secrets", "ssh")
"""The keys that only a foundation with `dockerfile` may have."""


def resolve_dockerfile(
    name: str,
    entry: DockerfileKeys,
    pythons: Sequence[str],
    folder: Path,
    path: DocumentPath,
    report: Report,
    *,
    managed: bool = False,
) -> DockerfileFoundation | None:
    """The foundation that `entry` describes, or None where there is no Dockerfile; report what is wrong.

    `folder` is the catalog's.
    """
    written = entry.dockerfile or ""
    _check_args(entry.args, path, report)
    secrets = tuple(_resolve_secret(key, secret, path, report) for key, secret in entry.secrets.items())
    _check_contexts(entry.contexts, path, report)
    file = folder / written
    file = file / "Dockerfile" if file.is_dir() else file
    if ".." in written.split("/"):
        advice = "keep what a catalog needs beside it"
        report.add((*path, "dockerfile"), f"{quote(written)} leads out of the catalog's folder", advice)
        return None
    if not file.is_file():
        advice = f"write {written}/Dockerfile, or correct the path"
        report.add((*path, "dockerfile"), f"there is no Dockerfile at {quote(written)}", advice)
        return None
    return DockerfileFoundation(
        name=name,
        dockerfile=str(file.relative_to(folder)),
        folder=folder,
        pythons=tuple(pythons),
        managed=managed,
        target=entry.target or "",
        args=tuple(entry.args.items()),
        contexts=tuple(entry.contexts.items()),
        secrets=secrets,
        ssh=entry.ssh,
    )


def _check_args(args: Mapping[str, str], path: DocumentPath, report: Report) -> None:
    for name, value in args.items():
        where = (*path, "args", name)
        if name == EPOCH:
            report.add(where, f"the argument {quote(name)} is the pin's time", "take it out", key=True)
        elif _SECRET_WORDS.search(name):
            advice = "give it under `secrets`, and mount it in the step that needs it"
            report.add(where, f"the argument {quote(name)} would end up in the image's history", advice, key=True)
        elif mask_userinfo(value) != value:
            advice = "give the login under `secrets`, and mount it in the step that needs it"
            report.add(where, f"the login in {quote(mask_userinfo(value))} would end up in the image's history", advice)


def _resolve_secret(name: str, entry: SecretEntry, path: DocumentPath, report: Report) -> BuildSecret:
    where = (*path, "secrets", name)
    if name.startswith(OWN_SECRETS):
        message = f"ids that begin with {quote(OWN_SECRETS)} are warmbase's own"
        report.add(where, message, "choose another one", key=True)
    if bool(entry.env) == bool(entry.file):
        found = list_words(("env", "file")) if entry.env else "neither 'env' nor 'file'"
        report.add(where, f"the secret has {found}", "write one of them, e.g. {env: TOKEN}", key=True)
    return BuildSecret(id=name, env=entry.env or "", file=entry.file or "")


def _check_contexts(contexts: Mapping[str, str], path: DocumentPath, report: Report) -> None:
    for name, source in contexts.items():
        if "://" in source and not source.startswith((_IMAGE, _LAYOUT)):
            scheme = source.partition("://")[0]
            advice = "write a folder's path, docker-image://NAME or oci-layout://PATH"
            report.add((*path, "contexts", name), f"contexts from {quote(scheme)} are not pinned", advice)
        elif not source.startswith(_IMAGE) and ".." in source.removeprefix(_LAYOUT).split("/"):
            advice = "keep what a catalog needs beside it, or write an absolute path without '..'"
            report.add((*path, "contexts", name), f"{quote(source)} leads out of the catalog's folder", advice)
