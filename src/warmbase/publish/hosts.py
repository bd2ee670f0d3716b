"""What to type where a registry's API does not delete: the commands of its own tools. Pure.

Docker Hub and GitHub's registry answer 405 to every deletion; others refuse it until somebody switches it on.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from warmbase.publish.model import Place
from warmbase.publish.retention import Removal


def deletion_commands(place: Place, removals: Iterable[Removal]) -> tuple[str, ...]:
    """The lines that delete `removals` at a place: commands, and comments where something has to be looked up first."""
    host = place.registry.host
    for pattern, commands in _HOSTS:
        if fnmatchcase(host, pattern):
            return tuple(
                line for removal in removals for line in commands(host, place.repository(removal.name), removal)
            )
    return (
        "# this registry does not delete by its API: switch that on where it runs, run gc again, then free its disk.",
        "# For the distribution project's registry:",
        "#   REGISTRY_STORAGE_DELETE_ENABLED=true registry serve /etc/docker/registry/config.yml",
        "#   registry garbage-collect --delete-untagged /etc/docker/registry/config.yml",
        *(f"skopeo delete docker://{host}/{place.repository(removal.name)}@{removal.digest}" for removal in removals),
    )


def _github(_: str, repository: str, removal: Removal) -> Iterator[str]:
    owner, _, package = repository.partition("/")
    versions = f"/orgs/{owner}/packages/container/{package.replace('/', '%2F')}/versions"
    yield (
        f"gh api --method DELETE {versions}/$(gh api --paginate {versions}"
        f" --jq '.[] | select(.name == \"{removal.digest}\") | .id')"
    )


def _docker_hub(_: str, repository: str, removal: Removal) -> Iterator[str]:
    address = f"https://hub.docker.com/v2/repositories/{repository}/tags"
    for tag in removal.tags:
        yield f'curl --fail --request DELETE --header "Authorization: Bearer $HUB_TOKEN" {address}/{tag}/'
    if not removal.tags:
        yield f"# {repository}@{removal.digest} has no tag: it goes when nothing names it any more"


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
    ("*.dkr.ecr.*", _amazon),
    ("*.pkg.dev", _google),
    ("*.azurecr.io", _azure),
)
