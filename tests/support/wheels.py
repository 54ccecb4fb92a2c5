"""The locked libraries, for builds that need not ask an index: to read what it has of them takes seconds each time."""

import subprocess
import sys
from pathlib import Path

from tests.support import environment, weekly
from tests.support.paths import ROOT

_LOCKS = [ROOT / f"deploy/image/{name}.txt" for name in ("build-requirements", "requirements")]
_DOWNLOAD = ("download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:")


def locked(python: str) -> Path:
    """Return a folder with all wheels that the image and the packages install, for this version of Python."""

    def make(folder: Path) -> None:
        for lock in _LOCKS:
            command = [sys.executable, "-m", "pip", *_DOWNLOAD, f"--python-version={python}", f"--dest={folder}"]
            command.append(f"--requirement={lock}")
            done = subprocess.run(command, env=environment.outside(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    return weekly.kept("wheels", b"\n".join([python.encode(), *(lock.read_bytes() for lock in _LOCKS)]), make)
