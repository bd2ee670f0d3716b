"""What tests of operating on images publish before."""

from tests.publishing import AMD64, ARM64, Clock, Shelf, attest

from warmbase.publish.model import Place
from warmbase.publish.stage import Publication, publish_variants

NAME = "data:py3.13-trixie"
REPOSITORY = "bases/data"
ROLLING = ("py3.13-trixie", "py3.13")


def publish(place: Place, shelf: Shelf, *layers: str, image: str = "data") -> Publication:
    variant = shelf.variant(image, layers=layers, platforms=(AMD64, ARM64))
    (done,) = publish_variants([variant], place, blobs=shelf, clock=Clock(), attest=attest)
    if done.error:
        raise done.error
    return done
