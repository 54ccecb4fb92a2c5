"""Where the program begins: safe from a signal before anything is loaded. What it does is in program.py."""

import logging
import signal
import sys
import threading
from types import TracebackType

log = logging.getLogger(__name__)


def _mistake(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    """What nobody caught. Python would write its text, which may quote anything; the log does not."""
    log.error("a mistake in the exporter", exc_info=error)


def main() -> None:
    """The console script."""
    sys.excepthook = _mistake
    threading.excepthook = lambda died: _mistake(died.exc_type, died.exc_value, died.exc_traceback)
    # To load the rest takes a second, in which a service manager may already say "reload": that would end it.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter.program import run

    sys.exit(run(sys.argv[1:], before))


if __name__ == "__main__":
    main()
