"""Every fuzz target. A target's module is loaded when it is needed: that which it tries is loaded with it."""

import importlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from tests.fuzz.target import Target

MODULES: Mapping[str, Sequence[str]] = {
    "configuration": ("config", "web-config"),
    "texts": ("values", "token", "state-url", "log"),
    "answers": (
        *("inkit-document-batches", "inkit-workflow-batches", "inkit-invocations", "packagex-batches"),
        *("json", "errors-file"),
    ),
    "headers": ("accept", "retry-after", "rate-limit"),
    "command_line": ("command-line",),
    "client": ("client", "file-url"),
    "server": ("server",),
    "state": ("state-file",),
}
"""The targets of each module of this package."""

NAMES = tuple(name for names in MODULES.values() for name in names)


def opened(name: str) -> AbstractContextManager[Target]:
    """Open a target with what it needs, such as a server."""
    module = next(module for module, names in MODULES.items() if name in names)
    target: AbstractContextManager[Target] = importlib.import_module(f"{__name__}.{module}").TARGETS[name]()
    return target
