"""Push a file to a registry as one blob, and pull it back.

python transfer.py HOST FILE TARGET
"""

import os
import sys
from pathlib import Path

from warmbase.effects.registry.registries import open_registries
from warmbase.oci.digests import digest_of_file
from warmbase.oci.manifest import TAR, Descriptor

host, file, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
blob = Descriptor(media_type=TAR, digest=digest_of_file(file), size=file.stat().st_size)
registry = open_registries(os.environ).at(host)
registry.push_blob("large", blob, file)
registry.pull_blob("large", blob, target)
