"""The grammars of the texts in `images.yaml`: for each what it is, what it looks like, and what people are told.

The types of the document (`document.py`) name them.
"""

from typing import Annotated

from warmbase.catalog.shape import Text

# OCI distribution specification 1.1, "Pulling manifests": the grammar of a repository's name.
_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY_PATTERN = rf"{_COMPONENT}(/{_COMPONENT})*"
_HOST = r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"

MANAGED = "managed"
"""What stands instead of a foundation's Python version where uv brings one."""

Registry = Annotated[
    str,
    Text(
        noun="a registry's address",
        pattern=rf"{_HOST}(:[0-9]{{1,5}})?(/{REPOSITORY_PATTERN})?",
        advice="write host[:port][/path] in lowercase, without 'https://' and without a tag",
        examples=("registry.example.com/bases", "localhost:5000/bases"),
    ),
]
RegistryHost = Annotated[
    str,
    Text(
        noun="a registry's host",
        pattern=rf"{_HOST}(:[0-9]{{1,5}})?",
        advice="write host[:port] in lowercase, without 'https://' and without a path",
        examples=("docker.io", "registry.example:5000"),
    ),
]
UvVersion = Annotated[
    str,
    Text(
        noun="an exact uv version",
        pattern=r"[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?",
        advice="write one version without an operator, e.g. 0.13.8",
        examples=("0.13.8",),
    ),
]
Platform = Annotated[
    str,
    Text(
        noun="a platform",
        pattern=r"linux/[a-z0-9_]+(/[a-z0-9]+)?",
        advice="write linux/<architecture>[/<variant>], e.g. linux/amd64",
        examples=("linux/amd64", "linux/arm64"),
    ),
]
PythonVersion = Annotated[
    str,
    Text(
        noun="a Python version",
        pattern=r"3\.(0|[1-9][0-9]?)",
        advice='write the minor version in quotes, e.g. "3.13"',
        examples=("3.13",),
    ),
]
FoundationPython = Annotated[
    str,
    Text(
        noun="a Python version",
        pattern=rf"3\.(0|[1-9][0-9]?)|{MANAGED}",
        advice=f'write the minor version in quotes, e.g. "3.13", or {MANAGED}',
        examples=("3.13", MANAGED),
    ),
]
FoundationName = Annotated[
    str,
    Text(
        noun="a foundation's name",
        pattern=r"[a-z0-9]+([._-][a-z0-9]+)*",
        advice="as a part of tags, use lowercase letters and digits with single '.', '_' or '-' between",
    ),
]
SetName = Annotated[
    str,
    Text(
        noun="a set's name",
        pattern=r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*",
        advice="use letters, digits and single '.', '_' or '-' between them",
    ),
]
ImageName = Annotated[
    str,
    Text(
        noun="a repository name",
        pattern=REPOSITORY_PATTERN,
        advice="use lowercase letters, digits and '.', '_' or '-' between them; '/' separates components",
    ),
]
Suite = Annotated[
    str,
    Text(
        noun="a Debian suite",
        pattern=r"[a-z][a-z0-9]*([.-][a-z0-9]+)*",
        advice="write a release's code name, e.g. trixie",
        examples=("trixie", "bookworm"),
    ),
]
ImageReference = Annotated[
    str,
    Text(
        noun="an image's name",
        examples=("python:{python}-slim-bookworm", "registry.example/team/python@sha256:…"),
    ),
]
LayoutPath = Annotated[
    str,
    Text(
        noun="the path of an OCI layout or an archive",
        pattern=r"[^\u0000]+",
        advice="write it relative to the catalog's folder, or absolute",
        examples=("foundations/python-{python}.tar", "/srv/images/python:3.13-slim"),
    ),
]
# Debian policy, section 5.6.1
DebianPackage = Annotated[
    str,
    Text(
        noun="a Debian package's name",
        pattern=r"[a-z0-9][a-z0-9+.-]+",
        advice="write the name as apt knows it, without a version",
        examples=("libgomp1",),
    ),
]
ArchiveAddress = Annotated[
    str,
    Text(
        noun="an archive's address",
        pattern=r"(https?|file)://[^ \t\r\n]+",
        advice="write an http, https or file address",
        examples=("https://mirror.example/debian",),
    ),
]
# uv's documentation, "Package indexes": what a name may hold; here one spelling, so that each has variables of its own
IndexName = Annotated[
    str,
    Text(
        noun="an index's name",
        pattern=r"[a-z0-9]+([._-][a-z0-9]+)*",
        advice="use lowercase letters and digits with single '.', '_' or '-' between",
        examples=("company", "pytorch-cpu"),
    ),
]
IndexAddress = Annotated[
    str,
    Text(
        noun="an index's address",
        pattern=r"https?://[^ \t\r\n]+",
        advice="write an http or https address, without a user and a password",
        examples=("https://index.example/simple",),
    ),
]
Requirement = Annotated[
    str,
    Text(
        noun="a requirement",
        examples=("pandas", "numpy>=2", "uvicorn[standard]", "tomli; python_version<'3.11'"),
    ),
]
# Docker's guide on object labels: lowercase, reverse DNS; '/' as Kubernetes and OpenShift write theirs
LabelName = Annotated[
    str,
    Text(
        noun="a label's name",
        pattern=r"[a-z0-9]+([._/-][a-z0-9]+)*",
        advice="use lowercase letters and digits with single '.', '-', '_' or '/' between them, "
        "best in reverse DNS, e.g. com.example.team",
    ),
]
RelativePath = Annotated[
    str,
    Text(
        noun="a path inside the catalog's folder",
        pattern=r"[^/\u0000]+(/[^/\u0000]+)*",
        advice="write it relative to the catalog's folder, with '/' between folders",
        examples=("bases/data/smoke.py",),
    ),
]
WinnerPath = Annotated[
    str,
    Text(
        noun="a path or glob inside the venv's site-packages",
        pattern=r"[^/\u0000]+(/[^/\u0000]+)*",
        advice="write it relative, with '/' between folders, e.g. tests/*",
    ),
]
PackageName = Annotated[
    str,
    Text(
        noun="a package's name",
        pattern=r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
        advice="write the name of a distribution, without a version",
    ),
]
Duration = Annotated[
    str,
    Text(
        noun="a time span",
        pattern=r"[0-9]{1,3} (hour|day|week)s?",
        advice="write hours, days or weeks, e.g. 3 days",
        examples=("3 days", "12 hours", "2 weeks"),
    ),
]
VersionSpecifier = Annotated[
    str,
    Text(
        noun="a version specifier",
        advice="write it as in PEP 440, in quotes, e.g. '<2.5'",
        examples=("<2.5", "==2.4.*", ">=2,!=2.4.1"),
    ),
]
Day = Annotated[
    str,
    Text(
        noun="a day",
        pattern=r"20[0-9]{2}-[01][0-9]-[0-3][0-9]",
        advice="write YYYY-MM-DD",
        examples=("2026-12-31",),
    ),
]
Sentence = Annotated[
    str,
    Text(noun="a reason", pattern=r"[^\u0000-\u001f]*[^\u0000-\u0020][^\u0000-\u001f]*", advice="say in a line why"),
]
SystemPackage = Annotated[
    str,
    Text(
        noun="the name of a package of the foundation's system",
        pattern=r"[A-Za-z0-9][A-Za-z0-9+._-]*",
        advice="write the name as its package manager (apt, apk, dnf) knows it, without a version",
        examples=("gcc", "libpq-dev"),
    ),
]
# passwd names and ids as the OCI image specification's `User` takes them: user, uid, user:group, uid:gid
User = Annotated[
    str,
    Text(
        noun="a user",
        pattern=r"([A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?)?",
        advice="write a name or uid, with :group if wanted",
        examples=("1000", "app:app"),
    ),
]
AbsolutePath = Annotated[
    str, Text(noun="an absolute path", pattern=r"/[^\u0000]*", advice="begin it with '/'", examples=("/app",))
]
DockerfilePath = Annotated[
    str,
    Text(
        noun="the path of a Dockerfile or of its folder",
        pattern=r"[^/\u0000]+(/[^/\u0000]+)*",
        advice="write it relative to the catalog's folder, with '/' between folders",
        examples=("bases/cuda", "bases/geo/Dockerfile.slim"),
    ),
]
BuilderName = Annotated[
    str,
    Text(
        noun="a builder's name",
        pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        advice="write it as `docker buildx ls` lists it",
        examples=("cluster",),
    ),
]
# Dockerfile reference, "FROM": the name of a stage
StageName = Annotated[
    str,
    Text(
        noun="a stage's name",
        pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        advice="write the name after AS in the Dockerfile",
        examples=("runtime",),
    ),
]
ArgumentName = Annotated[
    str,
    Text(
        noun="a build argument's name",
        pattern=r"[A-Za-z_][A-Za-z0-9_]*",
        advice="write it as after ARG in the Dockerfile",
        examples=("CUDA",),
    ),
]
ContextName = Annotated[
    str,
    Text(
        noun="a build context's name",
        pattern=r"[a-z0-9][A-Za-z0-9_./:@-]*",
        advice="write it as after FROM or `--from=` in the Dockerfile",
        examples=("assets", "docker.io/library/debian:trixie-slim"),
    ),
]
ContextSource = Annotated[
    str,
    Text(
        noun="a build context",
        pattern=r"[^\u0000]+",
        advice="write a folder's path, docker-image://NAME or oci-layout://PATH",
        examples=("assets", "docker-image://mirror.example/debian:trixie-slim", "oci-layout://foundations/debian"),
    ),
]
SecretName = Annotated[
    str,
    Text(
        noun="a secret's id",
        pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
        advice="write it as after `--mount=type=secret,id=` in the Dockerfile",
        examples=("netrc",),
    ),
]
# Docker's manual, "docker buildx build", --ssh
SshAccess = Annotated[
    str,
    Text(
        noun="an ssh agent or key",
        pattern=r"[A-Za-z0-9][A-Za-z0-9_.-]*(=[^\u0000]+)?",
        advice="write `default`, or ID=PATH of a socket or a key",
        examples=("default", "git=/run/agent.sock"),
    ),
]
