"""`batch-exporter inspect`: one record as people and programs read it, and its files on disk."""

from exporter.cli.inspect.command import run

__all__ = ["run"]
