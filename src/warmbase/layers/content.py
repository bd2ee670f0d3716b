"""Reading files of unpacked layers, which others may have made: no link in them is followed on this machine."""

import io
import os
import stat

from warmbase.errors import StoreError


def open_content(folder: str, path: str) -> io.BufferedReader:
    """Open the file `path` of the layer that is unpacked in `folder`, a real path, for reading bytes.

    Raises StoreError for what is no file, or does not lie there but where a link leads, and for what cannot be read.
    """
    place = f"{folder}/{path}"
    try:
        # A device or a pipe would not be opened at once.
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(
            f"the unpacked file {place} cannot be read: {error.strerror}", next_step=f"remove {folder} and try again"
        ) from error
    real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - links above the file are followed by open(2)
    if real != place or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"the unpacked {place} is no file of its layer", next_step=f"remove {folder} and try again")
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, which the caller closes
