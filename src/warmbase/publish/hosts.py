"""What to type where a registry's API does not delete: the commands of its own tools. Pure.

Docker Hub and GitHub's registry answer 405 to every deletion; others refuse it until somebody switches it on. Each host
has an API of its own that does it, or a switch; that of the distribution project's is `storage.delete.enabled`.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from warmbase.publish.model import Place
from warmbase.publish.retention import Removal


def deletion_commands(place: Place, removals: Iterable[Removal]) -> tuple[str, ...]:
    """The lines that delete `removals` at a place: commands, and comments where something has to be looked up first."""
    host = place.registry.host
    commands = next((commands for pattern, commands in _HOSTS if fnmatchcase(host, pattern)), _skopeo)
    lines = dict.fromkeys(  # what all of them need is said once
        line for removal in removals for line in commands(host, place.repository(removal.name), removal)
    )
    return (*_SWITCH_ON, *lines, *_FREE) if commands is _skopeo else tuple(lines)


_SWITCH_ON = (
    "# This registry does not delete by its API. Where the distribution project's runs, switch that on:",
    "#   REGISTRY_STORAGE_DELETE_ENABLED=true registry serve /etc/docker/registry/config.yml",
    "# Then run gc again, or these lines:",
)
# Before 3.0, --delete-untagged takes the platforms of tagged indexes for untagged manifests and deletes them.
_FREE = (
    "# Then free its disk, while nobody pushes. Before version 3.0, --delete-untagged would destroy images here:",
    "#   registry garbage-collect /etc/docker/registry/config.yml",
)


def _skopeo(host: str, repository: str, removal: Removal) -> Iterator[str]:
    yield f"skopeo delete docker://{host}/{repository}@{removal.digest}"


def _github(_: str, repository: str, removal: Removal) -> Iterator[str]:
    owner, _, package = repository.partition("/")
    versions = f"$owner/packages/container/{package.replace('/', '%2F')}/versions"
    yield f"""owner=$(gh api users/{owner} --jq 'if .type == "Organization" then "orgs" else "users" end')/{owner}"""
    yield (
        f"gh api --method DELETE {versions}/$(gh api --paginate {versions}"
        f" --jq '.[] | select(.name == \"{removal.digest}\") | .id')"
    )


def _gitlab(host: str, repository: str, removal: Removal) -> Iterator[str]:
    """By tags alone: GitLab removes what has none by itself."""
    address = f"projects/{'%2F'.join(repository.split('/')[:2])}/registry/repositories"
    known = f"$(glab api --paginate {address} | jq '.[] | select(.path == \"{repository}\") | .id')"
    yield "# projects/GROUP%2FPROJECT is your project: add its subgroups where it has some"
    yield f"export GITLAB_HOST={host.partition(':')[0].removeprefix('registry.')}"
    for tag in removal.tags:
        yield f"glab api --method DELETE {address}/{known}/tags/{tag}"
    if not removal.tags:
        yield _untagged(repository, removal)


def _quay(host: str, repository: str, removal: Removal) -> Iterator[str]:
    address = f"https://{host}/api/v1/repository/{repository}/tag"
    for tag in removal.tags:
        yield f'curl --fail --request DELETE --header "Authorization: Bearer $QUAY_TOKEN" {address}/{tag}'
    if not removal.tags:
        yield _untagged(repository, removal)


def _harbor(host: str, repository: str, removal: Removal) -> Iterator[str]:
    """A slash in a repository's name is encoded twice, as Harbor's API asks."""
    project, _, name = repository.partition("/")
    address = f"https://{host}/api/v2.0/projects/{project}/repositories/{name.replace('/', '%252F')}"
    yield f'curl --fail --request DELETE --user "$HARBOR_USER:$HARBOR_PASSWORD" {address}/artifacts/{removal.digest}'


def _docker_hub(_: str, repository: str, removal: Removal) -> Iterator[str]:
    address = f"https://hub.docker.com/v2/repositories/{repository}/tags"
    for tag in removal.tags:
        yield f'curl --fail --request DELETE --header "Authorization: Bearer $HUB_TOKEN" {address}/{tag}/'
    if not removal.tags:
        yield _untagged(repository, removal)


def _untagged(repository: str, removal: Removal) -> str:
    return f"# {repository}@{removal.digest} has no tag: it goes when nothing names it any more"


def _amazon(host: str, repository: str, removal: Removal) -> Iterator[str]:
    account, _, _, region = host.split(".")[:4]
    yield (
        f"aws ecr batch-delete-image --registry-id {account} --region {region} --repository-name {repository}"
        f" --image-ids imageDigest={removal.digest}"
    )


def _google(host: str, repository: str, removal: Removal) -> Iterator[str]:
    yield f"gcloud artifacts docker images delete {host}/{repository}@{removal.digest} --delete-tags --quiet"


def _azure(host: str, repository: str, removal: Removal) -> Iterator[str]:
    registry = host.partition(".")[0]
    yield f"az acr repository delete --name {registry} --image {repository}@{removal.digest} --yes"


_HOSTS = (
    ("ghcr.io", _github),
    ("docker.io", _docker_hub),
    ("quay.io", _quay),
    ("registry.gitlab.*", _gitlab),
    ("*harbor*", _harbor),
    ("*.dkr.ecr.*", _amazon),
    ("*.dkr.ecr-fips.*", _amazon),
    ("*.pkg.dev", _google),
    ("*.azurecr.io", _azure),
)
