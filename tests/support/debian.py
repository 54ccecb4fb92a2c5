"""Debian systems as archives, for images that stand in for those of a registry."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support import environment, weekly

_PATIENCE_SECONDS = 600


def archive(words: Sequence[str]) -> Path:
    """Return what `mmdebstrap WORDS` makes. It takes many seconds, but is made once a week."""

    def make(path: Path) -> None:
        as_root = () if os.geteuid() == 0 else ("sudo",)
        command = [*as_root, "mmdebstrap", "--quiet", "--format=tar", *words, "bookworm", path]
        done = subprocess.run(
            command,
            env=environment.outside(),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"

    return weekly.kept("debian", json.dumps(list(words)).encode(), make)
