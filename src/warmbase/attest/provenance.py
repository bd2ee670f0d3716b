"""How an image was made: SLSA provenance v1 (slsa.dev, "Build: Provenance", version 1).

What the catalog asks for are the external parameters; the lock, the foundation and every wheel are the resolved
dependencies, each with its digest. Where and when the build ran is not said: nothing of it is in the image, and the
same image has the same provenance on every machine.
"""

from collections.abc import Iterator
from dataclasses import asdict
from urllib.parse import quote

from warmbase.foundation.pins import DebianPin, DockerfilePin, FoundationPin, ImagePin, ManagedPin, system_of
from warmbase.image.bill import pypi_url
from warmbase.lock.model import LockedFile, LockedPackage, hash_inputs, lock_to_json
from warmbase.oci.digests import Json, hex_of
from warmbase.oci.manifest import Manifest
from warmbase.oci.reference import DOCKER_HUB, Reference
from warmbase.plan import BuildStep

BUILD_TYPE = "https://warmbase.dev/build/v1"
BUILDER = "https://warmbase.dev/builder"


def provenance(step: BuildStep, manifest: Manifest, *, version: str) -> Json:
    """The predicate for the image with `manifest` that `step` describes, made by this `version` of warmbase."""
    variant, config = step.variant, step.variant.config
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "variant": variant.name,
                "platform": step.platform,
                "python": variant.python,
                "foundation": variant.foundation.name,
                "requirements": [requirement.text for requirement in variant.requirements],
                "warm": [requirement.text for requirement in variant.warm],
                "winners": dict(variant.winners),
                **({"indexes": variant.index_addresses} if variant.index_addresses else {}),
                **({"sources": dict(variant.sources)} if variant.sources else {}),
                "config": {name: value for name, value in asdict(config).items() if value},
                "labels": dict(variant.labels),
            },
            "internalParameters": {"recipe": step.recipe},
            "resolvedDependencies": list(_dependencies(step, manifest)),
        },
        "runDetails": {"builder": {"id": BUILDER, "version": {"warmbase": version, "uv": step.lock.uv.version}}},
    }


def _dependencies(step: BuildStep, manifest: Manifest) -> Iterator[Json]:
    """Resource descriptors (in-toto attestation framework, "ResourceDescriptor")."""
    yield {"name": "lock", "digest": {"sha256": hash_inputs({"lock": lock_to_json(step.lock)})}}
    yield from _foundation(step.pin, step.platform)
    if isinstance(system_of(step.pin), DebianPin):
        name = f"foundation {step.variant.foundation.name}"
        yield {"name": name, "digest": {"sha256": hex_of(manifest.layers[0].digest)}}
    uv = step.lock.uv.wheel(step.platform)
    if uv:
        yield _file(step.lock.uv, uv, "")
    indexes = step.variant.index_addresses
    for package, wheel in step.lock.wheels(step.platform):
        yield _file(package, wheel, indexes.get(package.index, ""))
    for package in step.lock.compiled(step.platform):
        source = package.file(step.platform)
        if source:
            yield _file(package, source, indexes.get(package.index, ""))
        else:  # in-toto attestation framework, "DigestSet"
            url = pypi_url(package.name, package.version, package.source)
            yield {"name": package.name, "uri": url, "digest": {"gitCommit": dict(package.wheels)[step.platform]}}


def _foundation(pin: FoundationPin, platform: str) -> Iterator[Json]:
    """What a foundation was made from: the states of Debian's archives, an image, or a Dockerfile with its images; and
    a managed Python's archive."""
    match pin:
        case ManagedPin():
            yield from _foundation(pin.base, platform)
            yield {"name": pin.archive, "digest": {"sha256": pin.sha256}}
        case DebianPin():
            for archive in pin.archives:
                yield {"name": f"Release file of {archive.suite}, {archive.date}", "digest": {"sha256": archive.sha256}}
        case DockerfilePin():
            yield {"name": "Dockerfile and what it reads", "digest": {"sha256": pin.inputs}}
            for name, digest in pin.bases:
                yield _source(name, digest) if "://" in name else _image(name, digest, platform)
        case ImagePin():
            yield _image(pin.reference, pin.manifest, platform)


def _source(address: str, digest: str) -> Json:
    """What was downloaded, or a git repository (in-toto attestation framework, "DigestSet")."""
    algorithm, _, value = digest.partition(":")
    return {"uri": address, "digest": {"gitCommit" if algorithm == "sha1" else algorithm: value}}


def _image(name: str, digest: str, platform: str) -> Json:
    return {"name": name, **_image_url(name, platform), "digest": {"sha256": hex_of(digest)}}


def _image_url(reference: str, platform: str) -> dict[str, Json]:
    """The package URL (purl-spec, type docker) of an image in a registry; none for one that is read from a path."""
    try:
        image = Reference.parse(reference)
    except ValueError:
        return {}
    where = "" if image.registry == DOCKER_HUB else f"&repository_url={quote(image.registry, safe=':')}"
    version = f"@{quote(image.tag)}" if image.tag else ""
    return {"uri": f"pkg:docker/{image.repository}{version}?platform={quote(platform, safe='')}{where}"}


def _file(package: LockedPackage, file: LockedFile, index: str) -> Json:
    url = pypi_url(package.name, package.version, package.source, index)
    return {
        "name": file.name,
        "uri": f"{url}{'&' if '?' in url else '?'}file_name={quote(file.name)}",
        "digest": {"sha256": file.sha256},
    }
