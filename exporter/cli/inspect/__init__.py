"""`batch-exporter inspect`: show one record as the API has it now, and save its files."""

from exporter.cli.inspect.command import run

__all__ = ["run"]
