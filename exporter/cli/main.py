"""From the command line to a command, and from its result to an exit status.

Loads nothing beyond the standard library until it is known that there is something to do.
"""

import argparse
import errno
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from exporter.cli import flags, streams

OK, FAILED, MISUSED = 0, 1, 2

_RELOADING = ("serve", "demo")
Hangup = Callable[[int, FrameType | None], object] | int | None
"""A signal's handler, as Python's `signal` has it."""


def run(arguments: Sequence[str], hangup: Hangup = signal.SIG_DFL) -> int:
    """Run a command line. Returns the exit status: 0 done, 1 failed at run time, 2 what no restart repairs.

    A port or a state file that another program has right now is 1: it may be free a second later. The usage, the
    configuration, and a state file that is damaged or not ours are 2.

    `hangup` is what SIGHUP does, which is ignored until here, to a command that has nothing to reload. Raises
    KeyboardInterrupt.
    """
    streams.prepare()
    try:
        given = flags.parse(arguments)
        if given.command not in _RELOADING:
            signal.signal(signal.SIGHUP, hangup)
        if given.command in flags.TEXTS:
            print(given.text)
            status = OK
        else:
            status = _execute(given)
        sys.stdout.flush()
        return status
    except streams.OutputError as error:
        streams.discard_output()
        if error.errno == errno.EPIPE:
            # Whoever read the output has seen enough: `batch-exporter metrics | head`.
            return OK
        print(f"cannot write to standard output: {error.strerror}", file=sys.stderr)
        return FAILED


def _execute(given: argparse.Namespace) -> int:
    """Run a command, and print what it can't go on for."""
    from exporter.cli import load, log_format
    from exporter.cli.printing import Printer
    from exporter.config import ConfigError
    from exporter.model.record import StateError
    from exporter.web.server.server import ListenError

    log_format.setup(given.log_level, given.log_format, sys.stderr)
    printer = Printer(given.log_format)
    try:
        command = load(given.command)
        # From here on there may be something to clean up.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return OK if command(given) else FAILED
    except ConfigError as error:
        for problem in error.problems:
            printer.problem(str(problem), **problem.fields())
    except (ListenError, StateError) as error:
        printer.problem(str(error))
        return FAILED if error.passing else MISUSED
    except flags.Misused as error:
        printer.problem(str(error))
    except streams.OutputError:
        raise
    except OSError as error:
        printer.problem(_unexpected(error))
    return MISUSED


def _unexpected(error: OSError) -> str:
    """What the system refused, of which file, and where in the program."""
    import traceback
    from pathlib import Path

    package = Path(__file__).parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(package)]
    place = ours[-1] if ours else frames[-1]
    what = error.strerror or type(error).__name__
    named = f"{what}: {error.filename}" if isinstance(error.filename, str) else what
    where = Path(place.filename)
    shown = where.relative_to(package.parent) if ours else where.name
    return f"unexpected error of the system: {named} ({shown}:{place.lineno})"
