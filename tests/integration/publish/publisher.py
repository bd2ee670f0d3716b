"""Publishes in processes of its own, which tests kill: `python -m tests.integration.publish.publisher HOST FOLDER`.

Each line of standard input, JSON of a prefix and of layers, is a publication by a forked child. Its process id is
written, and when it has ended, its status: nothing has to be imported anew.
"""

import json
import os
import sys
from pathlib import Path

from tests.publishing import Clock, Shelf, attest
from tests.registries import client_of

from warmbase.publish.model import Place
from warmbase.publish.stage import publish_variants


def publish(host: str, folder: Path, prefix: str, layers: list[str]) -> bool:
    shelf = Shelf(folder=folder)
    place = Place(registry=client_of(host), prefix=prefix)
    (done,) = publish_variants([shelf.variant(layers=layers)], place, blobs=shelf, clock=Clock(), attest=attest)
    return done.status != "failed"


def main(folder: Path) -> None:
    for line in sys.stdin:
        host, prefix, layers = json.loads(line)
        process = os.fork()
        if not process:
            os._exit(0 if publish(host, folder, prefix, layers) else 1)
        tell(process)
        tell(os.waitpid(process, 0)[1])


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
