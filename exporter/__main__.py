"""Where the program begins and ends: from the command line to a command, from its result to an exit status."""

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from exporter import flags, logs
from exporter.commands import check, demo, inspect, metrics, once, serve
from exporter.config import ConfigError
from exporter.records import StateError
from exporter.web.server import ListenError

log = logging.getLogger(__name__)

OK, FAILED, MISUSED = 0, 1, 2

_COMMANDS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "serve": serve.run,
    "check": check.run,
    "once": once.run,
    "inspect": inspect.run,
    "metrics": metrics.run,
    "demo": demo.run,
}


def run(arguments: Sequence[str]) -> int:
    """Run a command line. Returns the exit status: 0 done, 1 failed at run time, 2 usage or configuration."""
    given = flags.parse(arguments)
    logs.setup(given.log_level, given.log_format, sys.stderr)
    try:
        done = _COMMANDS[given.command](given)
        sys.stdout.flush()
        return OK if done else FAILED
    except (ConfigError, ListenError, StateError, flags.Misused) as error:
        print(error, file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # Whoever read the output has seen enough: `batch-exporter metrics | head`.
        sys.stderr.close()
        return OK
    except OSError as error:
        print(f"cannot write to standard output: {error.strerror}", file=sys.stderr)
        _discard_output()
        return FAILED


def _discard_output() -> None:
    """What could not be written must not be tried again at the end of the program."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _mistake(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    """What nobody caught. Python would write its text, which may quote anything; the log does not."""
    log.error("a mistake in the exporter", exc_info=error)


def main() -> None:
    """The console script."""
    sys.excepthook = _mistake
    threading.excepthook = lambda died: _mistake(died.exc_type, died.exc_value, died.exc_traceback)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
