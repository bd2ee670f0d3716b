"""In a company whose proxy reads TLS: every step goes through it, trusts its authority, and leaves no trace of either.

What is trusted is the proxy's authority alone, so that nothing that goes past it could succeed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.archives import serve_archive
from tests.bases import Bases
from tests.interception import InterceptingProxy, Route, intercepting_proxy
from tests.registries import RunningRegistry, running_registry

from warmbase.effects.files import CacheFolders
from warmbase.effects.uv import find_uv
from warmbase.layers.codec import decompress
from warmbase.verify.static import find_traces

REGISTRY = "registry.example"
ARCHIVE = "archive.example"
IMAGE = "small:py3.13-trixie"


@dataclass(frozen=True, kw_only=True)
class Company:
    """Bases behind the proxy, the registry that is reached through it, and all that was said."""

    bases: Bases
    proxy: InterceptingProxy
    registry: RunningRegistry
    said: list[str]


@pytest.fixture(scope="module")
def company(system_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """What became of `warmbase publish` in an empty folder: pins, locks, a foundation, an image in the registry."""
    root = tmp_path_factory.mktemp("company")
    for name in ("archive", "bases"):
        (root / name).mkdir()
    with running_registry(root / "registry") as registry, serve_archive(root / "archive", system_packages) as archive:
        name, _, port = registry.host.partition(":")
        # The archive and the registry speak no TLS themselves: https:// is there behind the proxy only.
        routes = {REGISTRY: Route(host=name, port=int(port)), ARCHIVE: Route(host="127.0.0.1", port=archive.port)}
        with intercepting_proxy(root, routes) as proxy:
            bases = Bases(folder=root / "bases", cache=root / "cache", environment=proxy.environment)
            bases.write_catalog(
                {"small": ["packaging"]},
                registry=f"{REGISTRY}/bases",
                foundations={"trixie": archive.entry(bases.folder, mirror=f"https://{ARCHIVE}/debian")},
            )
            finished = bases.run("publish", "--json")
            said = [finished.stdout, finished.stderr]
            yield Company(bases=bases, proxy=proxy, registry=registry, said=said)


def test_an_image_is_published_through_the_proxy(company: Company) -> None:
    (row,) = json.loads(company.said[0])
    assert (row["variant"], row["status"], row["error"]) == (IMAGE, "published", "")
    assert company.registry.blobs() > 3


def test_every_step_went_through_the_proxy(company: Company) -> None:
    index = find_uv("0.13.8", cache=company.bases.cache).default_index()
    assert {ARCHIVE, REGISTRY, index.split("/")[2]} <= set(company.proxy.asked)


def test_no_layer_no_document_and_no_message_tells_of_the_proxy(company: Company) -> None:
    traces = company.proxy.traces
    layers = [(layer, company.bases.store.blob_path(layer.digest)) for layer in company.bases.layers(IMAGE)]
    for layer, path in layers:
        with path.open("rb") as blob:
            content = b"".join(bytes(piece) for piece in decompress(blob, layer.media_type))
        assert [what for what, trace in traces.items() if trace in content] == [], layer.digest
    documents = company.registry.storage.glob("docker/registry/v2/blobs/sha256/*/*/data")
    locks = [path for path in company.bases.folder.rglob("*") if path.is_file()]
    kept = [path for path in CacheFolders(root=company.bases.cache).verified.rglob("*") if path.is_file()]
    for path in (*documents, *locks, *kept):
        with path.open("rb") as file:
            assert list(find_traces(file, traces)) == [], path
    for text in company.said:
        assert [what for what, trace in traces.items() if trace.decode() in text] == []


def test_a_proxy_that_refuses_is_named_without_its_password(company: Company, tmp_path: Path) -> None:
    wrong = {name: value.replace(":hunter2", ":hunter3") for name, value in company.proxy.environment.items()}
    bases = company.bases.copy(tmp_path, **wrong)
    finished = bases.run("lock", "--upgrade", code=1)
    assert "hunter3" not in finished.stdout + finished.stderr
    assert "407" in finished.stderr
