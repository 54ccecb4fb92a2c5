"""`batch-exporter metrics`: the catalogue as the page docs/metrics.md."""

import argparse

from exporter.cli.catalog_page import page
from exporter.systems import sources


def run(given: argparse.Namespace) -> bool:
    """Print the page."""
    del given
    print(page(sources().values()), end="")
    return True
