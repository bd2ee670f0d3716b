"""Recipe keys: one name for everything that decides a layer's bytes."""

import hashlib
from collections.abc import Mapping, Sequence

from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.oci.digests import Json, canonical_json
from warmbase.oci.tar import MTIME

LAYER_FORMAT = 1
"""Raised when the same tree would become other bytes: the order of entries, the headers, the three parts."""


def recipe_key(kind: str, facts: Mapping[str, Json], codec: Codec) -> str:
    """The key, 64 hexadecimal digits, of a layer of a kind ("wheel", "pool", …) made from `facts`.

    The codec, its library's version and the revision of the layer format are a part of it, because the
    compressed bytes that are remembered under the key depend on them.
    """
    recipe: Json = {
        "kind": kind,
        "facts": facts,
        "codec": codec.facts,
        "layer_format": LAYER_FORMAT,
        "mtime": MTIME,
    }
    return hashlib.sha256(canonical_json(recipe)).hexdigest()


def pool_recipe(members: Sequence[str | Layer], codec: Codec) -> str:
    """The key of the pool that is composed of these members (recipe keys, or layers) in this order."""
    keys = [member.recipe if isinstance(member, Layer) else member for member in members]
    return recipe_key("pool", {"members": keys}, codec)
