"""`warmbase publish` and what comes after it, as people run it, against a real registry."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.bases import PLATFORM, Bases
from tests.registries import RunningRegistry, client_of, copy_with_skopeo, inspect_with_skopeo, running_registry

from warmbase.catalog.load import load_catalog
from warmbase.catalog.select import select_variants
from warmbase.lock.files import lock_paths, read_lock, read_pins
from warmbase.lock.model import lock_to_json, requirements_text
from warmbase.oci.manifest import Index, Manifest
from warmbase.publish.baseline import read_baseline
from warmbase.publish.ledger import newest_entries
from warmbase.publish.model import Place

ROLLING = ("py3.13-trixie", "py3.13")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def bases(locked: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """Two images: `small`, and one whose own check fails."""
    bases = locked.copy(tmp_path_factory.mktemp("published"))
    catalog = json.loads(bases.catalog.read_text(encoding="utf-8"))
    bases.catalog.unlink()  # its inode is the other copies' too
    failing = {**catalog["images"]["small"], "description": "Fails.", "requirements": ["packaging"]}
    bases.catalog.write_text(
        json.dumps({**catalog, "images": {**catalog["images"], "failing": failing}}), encoding="utf-8"
    )
    (bases.folder / "bases/failing").mkdir(parents=True)
    (bases.folder / "bases/failing/smoke.py").write_text("raise SystemExit('no good')\n", encoding="utf-8")
    return bases


def publish(bases: Bases, place: str, *more: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Publish; the row of each variant's image."""
    rows = json.loads(bases.run("publish", "--json", "--registry", place, *more, code=code).stdout)
    return {row["variant"].partition(":")[0]: row for row in rows}


@pytest.fixture(scope="module")
def published(bases: Bases, registry: RunningRegistry) -> dict[str, dict[str, Any]]:
    return publish(bases, f"{registry.host}/bases", code=1)


def test_what_is_published_has_the_digest_of_what_was_built(
    bases: Bases, registry: RunningRegistry, published: dict[str, dict[str, Any]]
) -> None:
    row = published["small"]
    assert (row["status"], row["platforms"], row["error"]) == ("published", {PLATFORM: "run"}, "")
    index = client_of(registry.host).read_manifest("bases/small", "py3.13")
    assert index
    assert index.digest == row["digest"]
    images = [m.digest for m in Index.from_bytes(index.content).manifests if str(m.platform) == PLATFORM]
    assert images == [build.digest for build in bases.layout().builds("small:py3.13")]
    assert inspect_with_skopeo(f"{registry.host}/bases/small:py3.13")["Digest"] == row["digest"]


def test_a_variant_that_fails_its_verification_is_not_published_and_the_others_are(
    registry: RunningRegistry, published: dict[str, dict[str, Any]]
) -> None:
    assert published["failing"]["status"] == "failed"
    assert "no good" in published["failing"]["error"]
    assert client_of(registry.host).tags("bases/failing") == ()


def test_the_registry_knows_exactly_what_an_image_was_made_from(
    bases: Bases, registry: RunningRegistry, published: dict[str, dict[str, Any]]
) -> None:
    """A machine without the catalog's locks makes the same image from it."""
    place, catalog = Place(registry=client_of(registry.host), prefix="bases"), load_catalog(bases.catalog)
    (variant,) = select_variants(catalog, ["small"])
    baseline = read_baseline(place, newest_entries(place, [variant.name])[variant.name].id)
    assert baseline
    text, document = lock_paths(catalog, variant)
    assert (requirements_text(baseline.lock), lock_to_json(baseline.lock)) == (text.read_text(), document.read_text())
    assert baseline.pins == {
        (variant.foundation.name, *key): pin for key, pin in read_pins(catalog, variant.foundation).items()
    }
    assert (baseline.entry.digest, baseline.entry.variant) == (published["small"]["digest"], variant.name)
    assert baseline.entry.seconds > 0
    image = bases.layout().builds("small:py3.13")[0]
    manifest = client_of(registry.host).read_manifest("bases/small", image.digest)
    assert manifest
    assert baseline.entry.size == sum(layer.size for layer in Manifest.from_bytes(manifest.content).layers)


def test_whoever_chooses_reads_what_the_image_itself_says(
    bases: Bases, registry: RunningRegistry, published: dict[str, dict[str, Any]]
) -> None:
    index = ("--index", f"{registry.host}/bases", "--json")
    base = json.loads(bases.run("show", "small:py3.13", *index).stdout)
    assert base["reference"] == f"{registry.host}/bases/small:py3.13@{published['small']['digest']}"
    [platform] = base["platforms"]
    assert (platform["platform"], platform["system"], platform["verified"]) == (PLATFORM, "debian 13", "run")
    assert platform["python"].startswith("3.13.")
    assert {"libc6"} < {each["name"] for each in platform["system_packages"]}
    build = bases.layout().builds("small:py3.13")[0]
    manifest = client_of(registry.host).read_manifest("bases/small", build.digest)
    assert manifest
    layers = Manifest.from_bytes(manifest.content).layers
    assert [(each["digest"], each["size"]) for each in platform["layers"]] == [(one.digest, one.size) for one in layers]
    catalog = load_catalog(bases.catalog)
    lock = read_lock(catalog, select_variants(catalog, ["small"])[0])
    assert lock
    wheels = {package.name: (wheel.name, wheel.sha256, wheel.size) for package, wheel in lock.wheels(PLATFORM)}
    assert {each["name"]: (each["file"], each["sha256"], each["size"]) for each in platform["packages"]} == wheels
    for each in platform["packages"]:
        assert f"{each['name']} {each['version']}" in platform["layers"][each["layer"]]["words"].split(", ")
    assert [listed["reference"] for listed in json.loads(bases.run("list", *index).stdout)["bases"]] == [
        base["reference"]
    ]
    moves = json.loads(bases.run("diff", "small", published["small"]["digest"], *index).stdout)["moves"]
    assert moves == []


def test_a_second_publication_has_nothing_to_do(
    bases: Bases, registry: RunningRegistry, published: dict[str, dict[str, Any]]
) -> None:
    before = registry.blobs()
    again = publish(bases, f"{registry.host}/bases", "small")
    assert (again["small"]["status"], again["small"]["digest"]) == ("up to date", published["small"]["digest"])
    assert registry.blobs() == before


def test_a_published_image_is_operated_on_by_the_command_line(
    bases: Bases, registry: RunningRegistry, published: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    place, target = f"{registry.host}/bases", f"{registry.host}/production"
    old = published["small"]["digest"]
    fixed = Bases.copy(bases, tmp_path)
    catalog = json.loads(fixed.catalog.read_text(encoding="utf-8"))
    catalog["images"]["small"]["requirements"].remove("markupsafe")
    fixed.catalog.unlink()
    fixed.catalog.write_text(json.dumps(catalog), encoding="utf-8")
    new = publish(fixed, place, "small")["small"]["digest"]

    def said(*arguments: str) -> Any:
        return json.loads(fixed.run(*arguments, "--json").stdout)

    newest, oldest = said("history", "small:py3.13", "--registry", place)
    assert (newest["digest"], newest["previous"], oldest["digest"]) == (new, old, old)
    assert [name for name, _ in newest["changes"]["removed"]] == ["markupsafe"]

    assert said("rollback", "small", "--registry", place)["digest"] == old
    assert publish(fixed, place, "small")["small"]["status"] == "superseded"

    said("yank", f"small:py3.13@{new[:19]}", "--reason", "lacks markupsafe", "--instead", old, "--registry", place)
    current, before = said("history", "small", "--registry", place)[:2]
    assert before["yanked"] == [f"lacks markupsafe; use small:{oldest['tags']['dated']}@{old} instead"]
    assert current["strays"] == {}
    (listed,) = said("list", "small", "--registry", place)
    assert (listed["published"], listed["yanked"]) == (old, [])
    assert "YANKED: lacks markupsafe" in publish(fixed, place, "small")["small"]["note"]

    refused = fixed.run("promote", f"{place}/small@{new}", f"{target}/small", code=65)
    assert "was yanked" in refused.stderr
    assert said("promote", f"{place}/small:py3.13", f"{target}/small")["digest"] == old
    assert inspect_with_skopeo(f"{target}/small:py3.13-trixie")["Digest"] == old
    copy_with_skopeo(f"docker://{target}/small:py3.13", f"oci:{tmp_path}/copy:small")

    garbage = said("gc", "--keep-days", "0", "--keep-last", "1", "--registry", place)
    assert garbage["deleted"] == []
    assert new in {removal["digest"] for removal in garbage["garbage"]}
    deleted = said("gc", "--keep-days", "0", "--keep-last", "1", "--delete", "--registry", place)["deleted"]
    assert deleted == [{name: r[name] for name in ("repository", "digest")} for r in garbage["garbage"]]
    assert {entry["digest"] for entry in said("history", "small", "--registry", place)} == {old}
    for tag in ROLLING:
        assert inspect_with_skopeo(f"{place}/small:{tag}")["Digest"] == old


def test_a_registry_is_named_without_https(bases: Bases) -> None:
    refused = bases.run("publish", "--registry", "https://registry.example/bases", code=64)
    assert "write HOST[:PORT][/PATH], without https://" in refused.stderr
