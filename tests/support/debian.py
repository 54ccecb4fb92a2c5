"""Debian systems as archives, for images that stand in for those of a registry."""

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

# Which authorities this machine trusts is in what some are made with.
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_PATIENCE_SECONDS = 600


def archive(words: Sequence[str]) -> Path:
    """Return what `mmdebstrap WORDS` makes, made at most once a week: it takes many seconds.

    As an image from a registry, it is kept in the user's cache. Of several processes that want it at once, one makes
    it, and the others wait.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "batch-exporter" / "debian"
    cache.mkdir(parents=True, exist_ok=True)
    kind = hashlib.sha256(json.dumps(list(words)).encode() + _AUTHORITIES.read_bytes()).hexdigest()[:16]
    year, week, _ = datetime.now(UTC).isocalendar()
    made = cache / f"{kind}-{year}-{week}.tar"
    with (cache / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for old in cache.glob(f"{kind}-*.tar"):
                old.unlink()
            _make(words, made)
    return made


def _make(words: Sequence[str], made: Path) -> None:
    as_root = () if os.geteuid() == 0 else ("sudo",)
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        half = Path(folder, "half.tar")
        command = [*as_root, "mmdebstrap", "--quiet", *words, "bookworm", half]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        # Half an archive never stands in the place of a whole one.
        half.rename(made)
