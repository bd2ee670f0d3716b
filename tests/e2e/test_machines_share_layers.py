"""One publisher and the machines that share its layers, through a real registry and nothing else."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases
from tests.faults import Respond, fault_proxy, from_on
from tests.registries import RunningRegistry, inspect_with_skopeo, running_registry

from warmbase.attest.stage import CYCLONEDX, SLSA, SPDX
from warmbase.layers.remote import REPOSITORY
from warmbase.oci.manifest import Index, Manifest


@dataclass(frozen=True)
class Published:
    """A catalog, published once to the registry that it names; `row` says what became of it."""

    registry: RunningRegistry
    bases: Bases
    row: dict[str, Any]


@pytest.fixture(scope="module")
def published(built: Bases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    root = tmp_path_factory.mktemp("published")
    with running_registry(root / "registry") as registry:
        bases = built.copy(root / "machine")
        name_registry(bases, f"{registry.host}/bases")
        (row,) = json.loads(bases.run("publish", "--json").stdout)
        assert row["error"] == ""
        yield Published(registry=registry, bases=bases, row=row)


def name_registry(bases: Bases, registry: str) -> None:
    document = json.loads(bases.catalog.read_text())
    bases.catalog.unlink()  # a link, perhaps
    bases.catalog.write_text(json.dumps({**document, "registry": registry}))


def another_machine(published: Published, root: Path, **environment: str) -> Bases:
    """A machine with the same catalog and locks, and nothing else."""
    shutil.copytree(published.bases.folder, root / "bases", ignore=shutil.ignore_patterns("dist"))
    return Bases(folder=root / "bases", cache=root / "cache", environment=environment)


def test_a_second_machine_makes_no_wheel_layer_anew(published: Published, tmp_path: Path) -> None:
    there = another_machine(published, tmp_path)
    (row,) = there.build("--pull-layers")
    assert row["error"] == ""
    assert row["wheels"] > 0
    assert row["wheels_made"] == 0
    assert row["digest"] == published.bases.digests()["small:py3.13-trixie"]


def test_a_machine_that_may_only_read_needs_no_more(published: Published, tmp_path: Path) -> None:
    """What it would write, it does not: a build gives nothing away."""
    before = published.registry.blobs()
    there = another_machine(published, tmp_path, WARMBASE_PULL_LAYERS="1")
    (row,) = there.build()
    assert row["wheels_made"] == 0
    assert published.registry.blobs() == before


def test_a_registry_that_lets_nobody_in_costs_a_warning(published: Published, copied: Bases) -> None:
    (lost,) = (s.layer.recipe for s in copied.store.list() if s.layer.notes.get("package") == "packaging")
    (copied.store.root / "records" / f"{lost}.json").unlink()
    shutil.rmtree(copied.output)
    with fault_proxy(published.registry.host, from_on(0, Respond(403))) as proxy:
        name_registry(copied, f"{proxy.host}/bases")
        finished = copied.run("build", "--no-verify", "--pull-layers", "--json")
    (row,) = json.loads(finished.stdout)
    assert (row["error"], row["wheels_made"]) == ("", 1)
    assert finished.stderr.count("layers are not shared with") == 1


@pytest.mark.parametrize("options", [(), ("--pull-layers",)])
def test_a_publisher_takes_layers_from_the_registry_only_if_it_is_told_to(
    published: Published, copied: Bases, options: tuple[str, ...]
) -> None:
    """Who may write there decides what they hold."""
    (lost,) = (s.layer.recipe for s in copied.store.list() if s.layer.notes.get("package") == "packaging")
    (copied.store.root / "records" / f"{lost}.json").unlink()
    shutil.rmtree(copied.output)
    with fault_proxy(published.registry.host) as proxy:
        name_registry(copied, f"{proxy.host}/bases")
        (row,) = json.loads(copied.run("publish", "--json", *options).stdout)
        taken = any(path.endswith(f"{REPOSITORY}/manifests/{lost}") for path in proxy.asked("GET"))
    assert (row["error"], row["status"]) == ("", "up to date")
    assert taken == bool(options)


def test_every_platform_is_attested_in_the_index_that_the_tag_names(published: Published) -> None:
    image = f"{published.registry.host}/bases/small"
    index = Index.from_bytes(json.dumps(inspect_with_skopeo(f"{image}:py3.13", "--raw")).encode())
    built, attestation = index.manifests
    assert built.digest == published.bases.digests()["small:py3.13-trixie"]
    assert attestation.annotations["vnd.docker.reference.digest"] == built.digest
    manifest = Manifest.from_bytes(json.dumps(inspect_with_skopeo(f"{image}@{attestation.digest}", "--raw")).encode())
    assert [layer.annotations["in-toto.io/predicate-type"] for layer in manifest.layers] == [CYCLONEDX, SPDX, SLSA]


def test_the_repository_of_layers_has_one_record_for_each(published: Published) -> None:
    tags = published.registry.storage / f"docker/registry/v2/repositories/bases/{REPOSITORY}/_manifests/tags"
    recorded = {folder.name for folder in tags.iterdir()}
    known = {stored.layer.recipe for stored in published.bases.store.list() if "licence" in stored.layer.notes}
    assert len(known) > 5
    assert known <= recorded


def test_the_changelog_tells_two_published_images_apart_by_what_is_attested(
    published: Published, tmp_path: Path
) -> None:
    bases = published.bases.copy(tmp_path)
    place = f"{published.registry.host}/changing"
    bases.run("publish", "--registry", place)
    document = json.loads(bases.catalog.read_text())
    document["images"]["small"]["requirements"].remove("markupsafe")
    bases.catalog.unlink()
    bases.catalog.write_text(json.dumps(document))
    bases.run("publish", "--registry", place)
    finished = bases.run("changelog", "small:py3.13", "--registry", place, "--json")
    changelog = json.loads(finished.stdout)
    (gone,) = changelog["moves"]
    assert (gone["name"], gone["new"], gone["direction"]) == ("markupsafe", "", "removed")
    assert gone["links"]["Source"].startswith("https://")
    assert 0 < changelog["pulled"] < changelog["new"]["size"] / 10 < changelog["old"]["size"] / 10
    text = bases.run("changelog", "small:py3.13", "--registry", place).stdout
    assert "## Python packages: 1 removed" in text
