"""Files on disk: whole or not at all, and for their owner only."""

import tempfile
from collections.abc import Iterable
from pathlib import Path


def save(path: Path, parts: Iterable[bytes]) -> None:
    """Write a file, in the place of one that may be there. Its folder is made if need be.

    Raises OSError, and whatever the parts raise; then nothing has changed but perhaps the folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False) as file:
        partial = Path(file.name)
        try:
            for part in parts:
                file.write(part)
            file.flush()
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
