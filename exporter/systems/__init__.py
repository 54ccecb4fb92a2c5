"""The systems (vendors' APIs). A package or module here with a `SOURCE` is one; nothing else lists them."""

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from exporter.model.family import Family
from exporter.systems.base import Source

__all__ = ["Source", "families", "sources"]


@functools.cache
def sources() -> Mapping[str, Source]:
    """Return every source by its system's name, in the order of the names."""
    modules = (importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    named = {module.SOURCE.system.name: module.SOURCE for module in modules if hasattr(module, "SOURCE")}
    return dict(sorted(named.items()))


def families() -> tuple[Family, ...]:
    """Return the families about records, of every system."""
    return tuple(family for source in sources().values() for family in source.families)
