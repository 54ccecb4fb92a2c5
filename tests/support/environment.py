"""What tests do without of the environment that they are started in: they find the same on every machine."""

import os
import tempfile
from collections.abc import Mapping

_KEPT = "OUTSIDE_"
_LONGEST_FOLDER = 60
"""Sockets lie in temporary folders, and the path of one may have 107 bytes."""


def leave() -> None:
    """Let no proxy stand between tests and their servers, and no temporary folder be too deep for sockets."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") and not name.startswith(_KEPT):
            os.environ[_KEPT + name] = os.environ.pop(name)
    if len(os.fsencode(tempfile.gettempdir())) > _LONGEST_FOLDER:
        os.environ["TMPDIR"] = "/tmp"  # noqa: S108 (tests make their own folders in it)
        tempfile.tempdir = None


def outside() -> Mapping[str, str]:
    """Return the environment for what asks the network, with the proxies of the machine."""
    kept = {name.removeprefix(_KEPT): value for name, value in os.environ.items() if name.startswith(_KEPT)}
    return {**os.environ, **kept}
