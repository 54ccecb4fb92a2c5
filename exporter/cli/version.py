"""What is running: version, revision, Python and platform. Loads nothing but the standard library."""

import os
import platform
import sys

from exporter import __version__


def revision() -> str:
    """Return the commit that is running, which the container image sets in its environment; `unknown` elsewhere."""
    return os.environ.get("BATCH_EXPORTER_REVISION", "unknown")


def version_text(program: str) -> str:
    """Return what `--version` prints, in the form of other exporters."""
    lines = (
        f"{program}, version {__version__} (revision: {revision()})",
        f"  python version:   {platform.python_version()}",
        f"  platform:         {sys.platform}/{platform.machine()}",
    )
    return "\n".join(lines)
