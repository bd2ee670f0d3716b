"""The layer store: what it gives is what was put, and damage costs time, never an image."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.errors import StoreError
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import Damage, LayerStore
from warmbase.oci.tar import directory, file_of

CONTENT = os.urandom(100_000)
NOTES = {"pointer": "AAEC", "record": {"a/b": "sha256:0"}, "ü": None}
DAY = 86400.0


@pytest.fixture
def events() -> list[Damage]:
    return []


@pytest.fixture
def store(tmp_path: Path, events: list[Damage]) -> LayerStore:
    return LayerStore(tmp_path / "store", events.append)


def put(store: LayerStore, recipe: str, content: bytes = CONTENT) -> Layer:
    with store.workspace() as work:
        entries = [file_of("opt/file", content), directory("opt", 0o775, (("user.a", b"\0\xff"),))]
        return store.put(recipe, pack_entries(entries, Codec(), work), NOTES)


def files(store: LayerStore) -> set[str]:
    return {path.name for path in store.root.rglob("*") if path.is_file() and "lock" not in path.name}


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    rewrite(path, bytes(content))


def truncate(path: Path) -> None:
    os.truncate(path, 1000)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def test_what_was_put_is_what_is_got_also_by_another_process(store: LayerStore) -> None:
    layer = put(store, "r1")
    assert store.get("r1") == layer
    assert LayerStore(store.root).get("r1") == layer
    assert layer.notes == NOTES
    assert [item.xattrs for item in layer.directories] == [(("user.a", b"\0\xff"),)]


def test_blobs_are_read_only_and_lie_under_their_digest(store: LayerStore) -> None:
    layer = put(store, "r1")
    path = store.root / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    assert store.blob_path(layer.digest) == path
    assert path.stat().st_mode & 0o777 == 0o444


def test_an_unknown_recipe_is_a_miss(store: LayerStore) -> None:
    assert store.get("r1") is None


def test_a_recipe_cannot_leave_the_store(store: LayerStore) -> None:
    with pytest.raises(ValueError, match="not a recipe key"):
        store.get("../../etc/passwd")


def test_two_recipes_may_share_a_blob(store: LayerStore) -> None:
    first, second = put(store, "r1"), put(store, "r2")
    assert first.digest == second.digest
    assert len(list((store.root / "blobs" / "sha256").iterdir())) == 1
    assert store.get("r1") == first
    assert store.get("r2") == second


def test_the_first_put_of_a_recipe_wins(store: LayerStore) -> None:
    first = put(store, "r1")
    assert put(store, "r1", b"something else") == first
    assert store.get("r1") == first
    assert len(list((store.root / "blobs" / "sha256").iterdir())) == 1


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, empty])
def test_a_damaged_blob_is_noticed_dropped_reported_and_put_again(
    store: LayerStore, events: list[Damage], damage: Callable[[Path], None]
) -> None:
    layer = put(store, "r1")
    put(store, "r2")
    damage(store.blob_path(layer.digest))
    assert store.get("r1") is None
    assert [(event.digest, event.recipes) for event in events] == [(layer.digest, ("r1", "r2"))]
    assert not store.blob_path(layer.digest).exists()
    assert store.get("r2") is None
    assert len(events) == 1
    assert put(store, "r1") == layer
    assert store.get("r1") == layer


def test_a_damaged_blob_is_replaced_by_a_put_that_did_not_look_before(store: LayerStore) -> None:
    layer = put(store, "r1")
    flip_a_byte(store.blob_path(layer.digest))
    assert put(store, "r1") == layer
    assert store.verify() == ()


def test_a_missing_blob_is_a_miss_without_a_report(store: LayerStore, events: list[Damage]) -> None:
    layer = put(store, "r1")
    store.blob_path(layer.digest).unlink()
    assert store.get("r1") is None
    assert events == []


def test_an_intact_blob_that_was_moved_is_hashed_once_and_sealed_again(
    store: LayerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = put(store, "r1")
    path = store.blob_path(layer.digest)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    assert store.get("r1") == layer

    def refuse(_: Path) -> str:
        raise AssertionError("hashed again")

    monkeypatch.setattr("warmbase.layers.store.digest_of_file", refuse)
    assert store.get("r1") == layer


def test_a_blob_of_before_the_last_boot_is_hashed_again(store: LayerStore) -> None:
    layer = put(store, "r1")
    seal = store.root / "seals" / f"{layer.digest.removeprefix('sha256:')}.json"
    value = json.loads(seal.read_bytes())
    path = store.blob_path(layer.digest)
    status = path.stat()
    flip_a_byte(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.get("r1") == layer  # looks as it did: not seen, but `verify` and reading see it
    seal.write_text(json.dumps({**value, "boot": "before"}))
    assert store.get("r1") is None


def test_verify_hashes_everything(store: LayerStore, events: list[Damage]) -> None:
    good, bad = put(store, "r1"), put(store, "r2", b"other")
    path = store.blob_path(bad.digest)
    status = path.stat()
    flip_a_byte(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    damage = store.verify()
    assert [(one.digest, one.recipes) for one in damage] == [(bad.digest, ("r2",))]
    assert events == list(damage)
    assert store.verify() == ()
    assert store.get("r1") == good
    assert store.get("r2") is None


def test_reading_a_blob_proves_it(store: LayerStore, events: list[Damage]) -> None:
    layer = put(store, "r1")
    with store.open_verified(layer.digest) as reader:
        assert reader.read() == store.blob_path(layer.digest).read_bytes()
    flip_a_byte(store.blob_path(layer.digest))
    with store.open_verified(layer.digest) as reader, pytest.raises(StoreError, match="is damaged"):
        reader.finish()
    assert [event.digest for event in events] == [layer.digest]
    with pytest.raises(StoreError, match="cannot open the blob"), store.open_verified(layer.digest):
        pass


def test_an_error_of_the_reader_is_not_called_one_of_the_store(store: LayerStore) -> None:
    layer = put(store, "r1")
    with pytest.raises(ConnectionResetError), store.open_verified(layer.digest):
        raise ConnectionResetError
    with pytest.raises(ConnectionResetError), store.in_use(), store.workspace():
        raise ConnectionResetError


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 999, "layer": {}}', b'{"format": 1}', b'{"format": 1, "layer": {}}']
)
def test_a_record_that_cannot_be_read_is_a_miss_and_can_be_put_again(store: LayerStore, content: bytes) -> None:
    layer = put(store, "r1")
    (store.root / "records" / "r1.json").write_bytes(content)
    assert store.get("r1") is None
    assert store.list() == ()
    assert put(store, "r1") == layer
    assert store.get("r1") == layer


def test_a_record_under_a_wrong_name_is_a_miss(store: LayerStore) -> None:
    put(store, "r1")
    (store.root / "records" / "r1.json").rename(store.root / "records" / "r2.json")
    assert store.get("r2") is None


def test_the_list_begins_with_the_last_used(store: LayerStore) -> None:
    for number, recipe in enumerate(("r1", "r2", "r3")):
        put(store, recipe, recipe.encode())
        os.utime(store.root / "records" / f"{recipe}.json", (number, number))
    assert [stored.layer.recipe for stored in store.list()] == ["r3", "r2", "r1"]
    store.get("r1")
    assert [stored.layer.recipe for stored in store.list()] == ["r1", "r3", "r2"]


def aged(store: LayerStore, *recipes: str) -> dict[str, Layer]:
    """Layers of which the first was used one day ago, the second two days ago, and so on."""
    layers = {recipe: put(store, recipe, recipe.encode() * 9999) for recipe in recipes}
    for days, recipe in enumerate(recipes, 1):
        used = 100 * DAY - days * DAY
        os.utime(store.root / "records" / f"{recipe}.json", (used, used))
    return layers


def test_prune_forgets_what_was_not_used_for_long(store: LayerStore) -> None:
    layers = aged(store, "r1", "r2", "r3")
    pruned = store.prune(now=100 * DAY, keep_days=1.5)
    assert pruned.recipes == ("r2", "r3")
    assert pruned.freed == layers["r2"].size + layers["r3"].size
    assert store.get("r1") == layers["r1"]
    assert len(files(store)) == 3  # record, blob and seal of r1


def test_prune_keeps_the_last_used_that_fit(store: LayerStore) -> None:
    layers = aged(store, "r1", "r2", "r3")
    pruned = store.prune(now=100 * DAY, max_bytes=layers["r1"].size + layers["r2"].size)
    assert pruned.recipes == ("r3",)


def test_prune_keeps_a_blob_that_another_recipe_needs(store: LayerStore) -> None:
    put(store, "old")
    put(store, "new")
    os.utime(store.root / "records" / "old.json", (0, 0))
    pruned = store.prune(now=100 * DAY, keep_days=1)
    assert (pruned.recipes, pruned.freed) == (("old",), 0)
    assert store.get("new") is not None


def test_prune_removes_blobs_without_a_record_and_records_without_a_blob(store: LayerStore) -> None:
    orphan, lost = put(store, "r1"), put(store, "r2", b"other")
    (store.root / "records" / "r1.json").unlink()
    store.blob_path(lost.digest).unlink()
    assert store.prune(now=0).freed == orphan.size
    assert {name for name in files(store) if not name.startswith(lost.digest[7:])} == set()


def test_prune_waits_for_no_build_it_says_so(store: LayerStore) -> None:
    busy = pytest.raises(StoreError, match=r"is in use by a build\n  next: wait")
    with store.in_use(), LayerStore(store.root).in_use(), busy:
        LayerStore(store.root).prune(now=0)
    assert store.prune(now=0).recipes == ()


def test_work_folders_of_the_living_stay_and_those_of_the_dead_go(store: LayerStore) -> None:
    dead = store.root / "work" / "1-dead"
    dead.mkdir()
    (dead / "half.blob").write_bytes(b"x")
    (store.root / "work" / ".new-half").write_bytes(b"{")
    with store.workspace() as mine, LayerStore(store.root).workspace() as other:
        assert sorted((store.root / "work").iterdir()) == sorted([mine, other])
    assert list((store.root / "work").iterdir()) == []


def test_a_store_that_cannot_be_made_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot use .*/file/store"):
        LayerStore(tmp_path / "file" / "store")
