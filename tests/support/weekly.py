"""What the tests get from elsewhere, kept in the user's cache for a week."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path


def kept(folder: str, of: bytes, make: Callable[[Path], None]) -> Path:
    """Return the path of what `make` writes to a path, a file or a folder. It is called at most once a week.

    `of` is all that it depends on. Of several processes that want it at once, one makes it, and the others wait.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "batch-exporter" / folder
    cache.mkdir(parents=True, exist_ok=True)
    kind = hashlib.sha256(of).hexdigest()[:16]
    year, week, _ = datetime.now(UTC).isocalendar()
    made = cache / f"{kind}-{year}-{week}"
    with (cache / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # Whoever began before the week ended may still read the last one.
            for old in sorted(cache.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime)[:-1]:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            with tempfile.TemporaryDirectory(dir=cache) as half:
                make(Path(half, "made"))
                # An incomplete one never takes the place of a complete one.
                Path(half, "made").rename(made)
    return made
