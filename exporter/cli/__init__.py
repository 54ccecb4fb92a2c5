"""What the program can be told to do: a module for each command, its `run` returns whether all went well."""

import argparse
import importlib
from collections.abc import Callable
from typing import cast


def load(name: str) -> Callable[[argparse.Namespace], bool]:
    """Load the module of a command, and no other's, and return its function."""
    return cast("Callable[[argparse.Namespace], bool]", importlib.import_module(f"{__name__}.{name}").run)
