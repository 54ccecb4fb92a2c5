"""Which commit is running, where a build has said so."""

import os


def revision() -> str:
    """The value of BATCH_EXPORTER_REVISION, which the container image sets; `unknown` elsewhere."""
    return os.environ.get("BATCH_EXPORTER_REVISION", "unknown")
