"""The entry point. It sets up signals before anything else is loaded, and leaves the rest to cli/main.py."""

import os
import signal
import sys
from types import FrameType, TracebackType

INTERRUPTED = 130
"""The exit status after Ctrl-C, as a shell reports it for a program that SIGINT ends."""


def _quit(_number: int, _frame: FrameType | None) -> None:
    """Exit at once. While modules load there is nothing to clean up, and a traceback would only confuse."""
    os._exit(INTERRUPTED)


def _internal_error(_type: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    """Log an uncaught exception. Python would print its text, which may quote anything; the log leaves the text out."""
    import logging

    logging.getLogger(__name__).error("internal error", exc_info=error)


def main() -> None:
    """Run the console script."""
    # A reload or a status dump may be requested while modules load. By default both signals end a program.
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGINT, _quit)
    import gc
    import threading

    sys.excepthook = _internal_error
    threading.excepthook = lambda died: _internal_error(died.exc_type, died.exc_value, died.exc_traceback)
    try:
        from exporter.cli.main import run

        status = run(sys.argv[1:], hangup)
    except KeyboardInterrupt:
        status = INTERRUPTED
    # With thousands of accounts Python would look through a million objects before it exits, several times.
    gc.freeze()
    # The program is about to exit: a traceback of an interrupt would be noise.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


if __name__ == "__main__":
    main()
