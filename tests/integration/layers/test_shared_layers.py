"""The layer store through a real registry: what one machine gave, another takes, and it believes nothing."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.faults import Cut, Respond, at, fault_proxy, from_on
from tests.registries import RunningRegistry, client_of, running_registry

from warmbase.effects.registry.client import RegistryClient
from warmbase.effects.registry.records import write_record
from warmbase.layers.codec import Codec
from warmbase.layers.compose import compose_pool
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.recipe import pool_recipe
from warmbase.layers.remote import RegistryLayers, check_layer
from warmbase.layers.store import RECORD_FORMAT, LayerStore
from warmbase.oci.digests import Json, digest_of
from warmbase.oci.records import record_manifest
from warmbase.oci.tar import directory, file_of

CODEC = Codec()
ONE, TWO = "1" * 64, "2" * 64
NOTES: dict[str, Json] = {"package": "numpy", "files": {"lib/numpy.py": "sha256=abc"}}
NOW = "2026-11-21T12:00:00Z"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@dataclass
class Plant:
    """A machine with a layer store of its own; `warnings` are what it was told."""

    store: LayerStore
    client: RegistryClient
    repository: str
    warnings: list[str] = field(default_factory=list)

    @property
    def remote(self) -> RegistryLayers:
        return RegistryLayers(self.client, self.repository, self.warnings.append)

    def make(self, recipe: str, content: bytes = b"a wheel's files") -> Layer:
        entries = [directory("opt/venv", 0o775, (("user.x", b"y"),)), file_of(f"opt/venv/{recipe[:4]}", content)]
        with self.store.workspace() as work:
            return self.store.put(recipe, pack_entries(entries, CODEC, work), NOTES)

    def give(self, *layers: Layer) -> int:
        return self.remote.give(layers, self.store, mount_from="", time=NOW)

    def take(self, *recipes: str, remote: RegistryLayers | None = None, media_type: str = CODEC.media_type) -> int:
        return (remote or self.remote).take(recipes, self.store, media_type)


NewSite = Callable[..., Plant]


@pytest.fixture
def plant(registry: RunningRegistry, tmp_path: Path) -> NewSite:
    """New machines; all of a test share one repository."""

    def new(name: str, host: str = "") -> Plant:
        repository = f"bases/{abs(hash(tmp_path)):x}/warmbase-layers"
        return Plant(LayerStore(tmp_path / name), client_of(host or registry.host), repository)

    return new


def test_a_layer_that_one_machine_gave_is_the_same_on_another(plant: NewSite) -> None:
    here, there = plant("here"), plant("there")
    made = [here.make(ONE), here.make(TWO, b"another")]
    assert here.give(*made) == 2
    assert there.take(ONE, TWO, "3" * 64) == 2
    assert [there.store.get(recipe) for recipe in (ONE, TWO)] == made
    assert there.store.verify() == ()
    assert not there.warnings


def test_what_is_there_already_is_not_given_again(plant: NewSite) -> None:
    here = plant("here")
    layer = here.make(ONE)
    assert (here.give(layer), here.give(layer)) == (1, 0)


def test_pools_are_composed_of_layers_that_were_taken(plant: NewSite) -> None:
    here, there = plant("here"), plant("there")
    members = [here.make(ONE), here.make(TWO, b"another")]
    here.give(*members)
    there.take(ONE, TWO)
    recipe = pool_recipe(members, CODEC)
    taken = [layer for layer in map(there.store.get, (ONE, TWO)) if layer]
    assert compose_pool(there.store, taken, recipe, CODEC) == compose_pool(here.store, members, recipe, CODEC)


def test_a_repository_that_does_not_exist_holds_nothing(plant: NewSite) -> None:
    there = plant("there")
    assert there.take(ONE) == 0
    assert there.warnings == []


def test_a_layer_that_is_compressed_in_another_way_is_left(plant: NewSite) -> None:
    here, there = plant("here"), plant("there")
    here.give(here.make(ONE))
    assert there.take(ONE, media_type=Codec(name="gzip").media_type) == 0


def test_the_blob_of_a_layer_that_no_image_has_alone_stays_in_the_registry(plant: NewSite) -> None:
    """What a registry's garbage collection marks is what manifests name."""
    here = plant("here")
    layer = here.make(ONE)
    here.give(layer)
    document = here.client.read_manifest(here.repository, ONE)
    assert document
    named = [entry["digest"] for entry in json.loads(document.content)["layers"]]
    assert layer.digest in named


def test_a_blob_that_an_image_brought_is_mounted_and_not_sent(plant: NewSite, registry: RunningRegistry) -> None:
    here = plant("here")
    layer = here.make(ONE, b"x" * 100)
    images = f"{here.repository}-images"
    here.client.push_blob(images, layer.descriptor(), here.store.blob_path(layer.digest))
    with fault_proxy(registry.host) as proxy:
        publisher = plant("here", proxy.host)
        assert publisher.remote.give([layer], here.store, mount_from=images, time=NOW) == 1
        posts = [seen.path for seen in proxy.seen if seen.method == "POST"]
    assert any(f"mount={layer.digest}" in path.replace("%3A", ":") for path in posts)
    assert not any("mount" not in path and layer.digest in path.replace("%3A", ":") for path in posts)


def publish_lie(here: Plant, layer: Layer, change: Callable[[dict[str, Any]], object]) -> None:
    """Put a changed record of a layer under its recipe, as somebody may who can write to the registry."""
    here.client.push_blob(here.repository, layer.descriptor(), here.store.blob_path(layer.digest))
    told: dict[str, Any] = json.loads(json.dumps(layer.to_json()))
    change(told)
    document: Json = {"format": RECORD_FORMAT, "recipe": layer.recipe, "time": NOW, "layer": told}
    record = record_manifest("layer", document, kept=[layer.descriptor()])
    write_record(here.client, here.repository, record, layer.recipe)


LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another recipe": lambda told: told.update(recipe=TWO),
    "another diff_id": lambda told: told.update(diff_id="sha256:" + "0" * 64),
    "another blob": lambda told: told.update(digest="sha256:" + "0" * 64),
    "another size": lambda told: told.update(size=told["size"] + 1),
    "a smaller tar": lambda told: told.update(unpacked_size=1024),
    "other folders": lambda told: told.update(directories=[["etc", 0o777, []]]),
    "a body elsewhere": lambda told: told.update(body=[1, told["body"][1]]),
    "a body of nothing": lambda told: told.update(body=[told["body"][1], told["body"][0]]),
    "no digest": lambda told: told.pop("digest"),
    "nonsense": lambda told: told.update(directories=7),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_recipe_authenticates_nothing(plant: NewSite, lie: str) -> None:
    here, there = plant("here"), plant("there")
    publish_lie(here, here.make(ONE), LIES[lie])
    assert there.take(ONE) == 0
    assert there.store.get(ONE) is None
    (warning,) = there.warnings
    assert ONE in warning or "sha256:" in warning


def test_what_is_said_to_be_folders_is_not_held_in_memory_without_end(tmp_path: Path) -> None:
    """A few kilobytes become as much as somebody likes."""
    compressor = CODEC.compressor()
    head = compressor.compress(memoryview(bytes(1 << 25))) + compressor.flush()
    blob = tmp_path / "blob"
    blob.write_bytes(head)
    layer = Layer(
        recipe=ONE,
        diff_id=digest_of(head),
        digest=digest_of(head),
        size=len(head),
        unpacked_size=1 << 40,
        media_type=CODEC.media_type,
        body=(len(head) - 1, len(head) - 1),
        directories=(),
    )
    with pytest.raises(ValueError, match="becomes more than 16777216 bytes"):
        check_layer(layer, ONE, blob)


def test_a_layer_that_was_found_wrong_is_given_anew(plant: NewSite) -> None:
    here, there, third = plant("here"), plant("there"), plant("third")
    publish_lie(here, here.make(ONE), LIES["another diff_id"])
    remote = there.remote
    there.take(ONE, remote=remote)
    assert remote.give([there.make(ONE)], there.store, mount_from="", time=NOW) == 1
    assert third.take(ONE) == 1


def test_the_first_who_gives_layers_looks_for_none_of_them(plant: NewSite, registry: RunningRegistry) -> None:
    with fault_proxy(registry.host) as proxy:
        here = plant("here", proxy.host)
        layers = [here.make(recipe, recipe.encode()) for recipe in (ONE, TWO)]
        remote = here.remote
        assert [remote.give(layers, here.store, mount_from="", time=NOW) for _ in range(2)] == [2, 0]
        assert kinds(proxy.asked("HEAD")) == ["blobs"]  # the config of all records
        before = len(proxy.seen)
        assert here.give(*layers) == 0
        assert len(proxy.seen) == before + 3
        assert kinds(proxy.asked("HEAD")[1:]) == ["blobs", "manifests", "manifests"]


def kinds(paths: Sequence[str]) -> list[str]:
    """What is asked for, in order of the alphabet: the address ends in a kind and a name."""
    return sorted(path.split("/")[-2] for path in paths)


def test_a_registry_that_is_away_costs_one_warning_and_few_requests(plant: NewSite, registry: RunningRegistry) -> None:
    with fault_proxy(registry.host, from_on(0, Respond(503))) as proxy:
        there = plant("there", proxy.host)
        remote = there.remote
        assert there.take(*(f"{number:064x}" for number in range(100)), remote=remote) == 0
        asked = len(proxy.seen)
        assert there.take(ONE, remote=remote) == 0
        assert len(proxy.seen) == asked < 100
    assert len(there.warnings) == 1
    assert "layers are not shared with" in there.warnings[0]


def test_a_registry_that_lets_nobody_in_is_done_without(plant: NewSite, registry: RunningRegistry) -> None:
    with fault_proxy(registry.host, from_on(0, Respond(403))) as proxy:
        there = plant("there", proxy.host)
        assert there.take(ONE) == 0
        assert len(there.warnings) == 1


def test_a_reader_that_may_not_write_loses_nothing_but_the_sharing(plant: NewSite, registry: RunningRegistry) -> None:
    def read_only(seen: Any) -> Respond | None:
        return None if seen.method in ("GET", "HEAD") else Respond(403)

    with fault_proxy(registry.host, read_only) as proxy:
        here = plant("here", proxy.host)
        layer = here.make(ONE)
        assert here.give(layer) == 0
        assert here.store.get(ONE) == layer
        assert len(here.warnings) == 1


def test_an_answer_that_breaks_off_is_asked_for_again(plant: NewSite, registry: RunningRegistry) -> None:
    here = plant("here")
    layer = here.make(ONE, bytes(range(256)) * 400)
    here.give(layer)
    for number in range(4):
        with fault_proxy(registry.host, at(number, Cut("answer body", after=10))) as proxy:
            there = plant(f"there{number}", proxy.host)
            assert there.take(ONE) == 1
            assert there.store.get(ONE) == layer
            assert digest_of(there.store.blob_path(layer.digest).read_bytes()) == layer.digest
