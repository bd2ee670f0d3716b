"""Which variant is meant, as far as the journal knows: without a catalog, or of what a catalog no longer has."""

from warmbase.errors import PublishError
from warmbase.publish.ledger import read_entries
from warmbase.publish.model import Place


def find_variant(place: Place, text: str) -> str:
    """The full name of the variant whose rolling tags have that of `text`; `text` itself where there is no such one.

    Raises RegistryError.
    """
    image, _, tag = text.partition(":")
    newest = {}
    for entry in sorted(read_entries(place).values(), key=lambda entry: (entry.time, entry.id)):
        if entry.image == image:
            newest[entry.variant] = entry
    named = [variant for variant, entry in newest.items() if tag in entry.rolling]
    return text if text in newest or len(named) != 1 else named[0]


def never_published(place: Place, variant: str, *, is_in_catalog: bool) -> PublishError:
    """What to raise for a variant that the journal does not have."""
    return PublishError(
        f"{variant} was never published to {place}",
        next_step=f"`warmbase publish {variant}` does it"
        if is_in_catalog
        else "see whether the name and the registry are right: `warmbase list` has the catalog's variants",
    )
