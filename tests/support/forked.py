"""The program in processes that are forked where all its modules are loaded: they begin to poll in milliseconds."""

import multiprocessing
import os
import sys
from collections.abc import Sequence

import exporter.cli.load_config
import exporter.cli.serve
import exporter.systems
from exporter.__main__ import main

exporter.systems.sources()
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def start(arguments: Sequence[str]) -> multiprocessing.context.ForkServerProcess:
    """Start the program with these arguments. What it prints is dropped."""
    process = _CONTEXT.Process(target=_run, args=(list(arguments),), daemon=True)
    process.start()
    return process


def _run(arguments: list[str]) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    sys.argv = ["batch-exporter", *arguments]
    main()
