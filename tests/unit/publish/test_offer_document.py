"""Offers as JSON: read back as they were, and never as something else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.offered import base, fleet

from warmbase.oci.records import pack, unpack
from warmbase.publish.offer import Offer, OfferedLayer, OfferedPackage, OfferedPlatform, SystemPackage
from warmbase.publish.offer_document import OFFER, OfferReader, OfferWriter, harmless, pack_offer, unpack_offer

TEXTS = st.text(max_size=8).map(harmless)
SIZES = st.integers(0, 1 << 40)
LICENCES = st.lists(TEXTS, max_size=2).map(tuple)
PACKAGES = st.builds(
    OfferedPackage, name=TEXTS, version=TEXTS, use=st.sampled_from(["venv", "warm"]), file=TEXTS, sha256=TEXTS,
    size=SIZES, source=TEXTS, index=TEXTS, licences=LICENCES,
)  # fmt: skip
SYSTEM = st.builds(SystemPackage, name=TEXTS, version=TEXTS, licences=LICENCES)
LAYERS = st.builds(OfferedLayer, digest=TEXTS, size=SIZES, words=TEXTS)


@st.composite
def platforms(draw: st.DrawFn) -> OfferedPlatform:
    layers, packages = draw(st.lists(LAYERS, max_size=3)), draw(st.lists(PACKAGES, max_size=4))
    place = st.integers(-1, len(layers) - 1)
    return OfferedPlatform(
        **{name: draw(TEXTS) for name in ("platform", "digest", "python", "system", "verified")},
        layers=tuple(layers),
        packages=tuple(packages),
        places=tuple(draw(place) for _ in packages),
        system_packages=tuple(draw(st.lists(SYSTEM, max_size=2))),
    )


OFFERS = st.builds(
    Offer, variant=TEXTS, description=TEXTS, python=TEXTS, foundation=TEXTS, uv=TEXTS, contract=st.integers(0, 9),
    created=TEXTS, parent=TEXTS, indexes=st.dictionaries(TEXTS, LICENCES, max_size=2),
    platforms=st.lists(platforms(), max_size=2).map(tuple),
)  # fmt: skip


@given(OFFERS)
def test_an_offer_is_read_back_as_it_was_written(offer: Offer) -> None:
    layer, content = pack_offer(offer)
    assert unpack_offer(content) == offer
    assert layer.embedded == content, "the manifest that names it has it too"


@given(st.lists(OFFERS, max_size=3))
def test_several_offers_share_their_tables(offers: list[Offer]) -> None:
    writer = OfferWriter()
    written = [writer.write(offer) for offer in offers]
    document = json.loads(json.dumps({"offers": written, **writer.tables()}))
    reader = OfferReader(document)
    assert [reader.read(each) for each in document["offers"]] == offers


def test_what_many_have_in_common_stands_there_once() -> None:
    writer = OfferWriter()
    for each in fleet(variants=8, packages=10):
        writer.write(each.offer)
    tables: dict[str, Any] = dict(writer.tables())
    assert len(tables["packages"]) == 10, "the variants of one image have the same"
    assert len(tables["system_packages"]) == 2


def test_an_offer_that_is_large_is_not_in_the_manifest() -> None:
    many = {f"part-{number}": "1.0" for number in range(3000)}
    layer, content = pack_offer(base(packages=many).offer)
    assert (layer.data, layer.embedded) == (b"", None)
    assert unpack_offer(content).platforms[0].packages[0].name == "part-0"


GOOD = json.loads(unpack(pack_offer(base().offer)[1]))


def broken(**changes: Any) -> bytes:
    return pack(OFFER, json.dumps({**GOOD, **changes}).encode())[1]


@pytest.mark.parametrize(
    "content",
    [
        b"no packed document",
        pack(OFFER, b"[]")[1],
        broken(format=2),
        broken(offer=[]),
        broken(packages={"name": "numpy"}),
        broken(packages=["numpy"]),
        broken(packages=[]),
        broken(packages=[{"name": "numpy"}]),
        broken(packages=[{**each, "version": 2} for each in GOOD["packages"]]),
        broken(packages=[{**each, "size": -1} for each in GOOD["packages"]]),
        broken(packages=[{**each, "licences": "MIT"} for each in GOOD["packages"]]),
        broken(offer={**GOOD["offer"], "platforms": [{**GOOD["offer"]["platforms"][0], "packages": [-1, 0]}]}),
        broken(offer={**GOOD["offer"], "platforms": [{**GOOD["offer"]["platforms"][0], "packages": [True, 0]}]}),
        broken(offer={**GOOD["offer"], "platforms": [{**GOOD["offer"]["platforms"][0], "places": [0]}]}),
        broken(offer={**GOOD["offer"], "platforms": [{**GOOD["offer"]["platforms"][0], "places": [0, 99]}]}),
        broken(offer={**GOOD["offer"], "indexes": {"": [1]}}),
        broken(offer={**GOOD["offer"], "contract": "1"}),
        broken(offer={**GOOD["offer"], "uv": None}),
    ],
)
def test_what_is_no_offer_is_told_from_one(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack_offer(content)


def test_what_a_later_version_adds_is_passed_over() -> None:
    newer = {**GOOD, "more": 1, "offer": {**GOOD["offer"], "more": 1}}
    newer["packages"] = [{**each, "more": {}} for each in newer["packages"]]
    assert unpack_offer(pack(OFFER, json.dumps(newer).encode())[1]) == base().offer
