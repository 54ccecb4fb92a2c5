"""Write a file as a whole or not at all."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

PRIVATE = 0o600
"""The mode of a file that only its owner may read."""


def atomic_write(path: Path, parts: Iterable[bytes], mode: int = 0o666) -> None:
    """Write a file, and replace one that may be there. Readers see the old file or the complete new one.

    `mode` is restricted by the umask, as always. Raises OSError, and whatever the parts raise; the old file then stays.
    """
    # The name starts with a dot and does not end like the file's: no program that reads the folder takes it for one.
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.partial")
    try:
        with open(partial, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.writelines(parts)
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
