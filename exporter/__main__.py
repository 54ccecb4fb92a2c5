"""Where the program begins: it sets what signals do before anything else is loaded. What it does is in program.py."""

import os
import signal
import sys
from types import FrameType, TracebackType

INTERRUPTED = 130
"""The exit status after Ctrl-C, as of a program that SIGINT ends."""


def _quit(_number: int, _frame: FrameType | None) -> None:
    """End at once: there is nothing to clean up while modules load, and half a module must not print a traceback."""
    os._exit(INTERRUPTED)


def _internal_error(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    """Log what nobody caught. Python would write its text, which may quote anything; the log does not."""
    import logging

    logging.getLogger(__name__).error("a mistake in the exporter", exc_info=error)


def main() -> None:
    """Run the console script."""
    # Loading the rest takes a moment, in which a service manager may already say "reload": by default that ends it.
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, _quit)
    import threading

    sys.excepthook = _internal_error
    threading.excepthook = lambda died: _internal_error(died.exc_type, died.exc_value, died.exc_traceback)
    try:
        from exporter.cli.main import run

        status = run(sys.argv[1:], hangup)
    except KeyboardInterrupt:
        status = INTERRUPTED
    # What follows takes a moment only, and its tracebacks would say nothing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


if __name__ == "__main__":
    main()
