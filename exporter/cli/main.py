"""Run the command that a command line names, and turn its result into an exit status.

Nothing beyond the standard library is loaded until the command is known.
"""

import argparse
import errno
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from exporter.cli import flags, streams

OK, FAILED, MISUSED = 0, 1, 2

_NO_THREAD = "can't start new thread"
"""How Python says that the system lets it start no thread. The error has no type of its own."""

Hangup = Callable[[int, FrameType | None], object] | int | None
"""A signal handler, as in Python's `signal` module."""


def run(arguments: Sequence[str], hangup: Hangup = signal.SIG_DFL) -> int:
    """Run a command line and return the exit status: 0 done, 1 failed at run time, 2 what no restart fixes.

    A port or a state file that another program uses right now is 1, because it may be free a second later. Usage
    and configuration errors, and a state file that is damaged or belongs to another program, are 2.

    SIGHUP is ignored until here; `hangup` is its handler for commands other than `serve`. Raises KeyboardInterrupt.
    """
    streams.prepare()
    try:
        args = flags.parse(arguments)
        if args.command != "serve":
            signal.signal(signal.SIGHUP, hangup)
        if args.command in flags.TEXTS:
            print(args.text)
            status = OK
        else:
            status = _execute(args)
        sys.stdout.flush()
        return status
    except streams.OutputError as error:
        streams.discard_output()
        if error.errno == errno.EPIPE:
            # The reader has what it needs: `batch-exporter metrics | head`.
            return OK
        print(f"cannot write to standard output: {error.strerror}", file=sys.stderr)
        return FAILED


def _execute(args: argparse.Namespace) -> int:
    """Run a command, and print the error that ends it, if any."""
    from exporter.cli import log_format
    from exporter.cli.printing import Printer
    from exporter.config import ConfigError
    from exporter.model.record import StateError
    from exporter.web.server.listen import ListenError

    log_format.setup(args.log_level, args.log_format, sys.stderr)
    printer = Printer(args.log_format)
    try:
        command = importlib.import_module(f"exporter.cli.{args.command.replace(' ', '.')}")
        # From here on there may be something to clean up.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return OK if command.run(args) else FAILED
    except ConfigError as error:
        for problem in error.problems:
            printer.problem(str(problem), **problem.fields())
    except (ListenError, StateError) as error:
        printer.problem(str(error))
        return FAILED if error.passing else MISUSED
    except flags.UsageError as error:
        printer.problem(str(error))
    except streams.OutputError:
        raise
    except OSError as error:
        printer.problem(_unexpected(error))
    except RuntimeError as error:
        if str(error) != _NO_THREAD:
            raise
        printer.problem(
            "no thread can be had to start with: raise the limit of processes (pids.max of the cgroup, TasksMax= "
            "(systemd), --pids-limit (containers) or ulimit -u), or that of address space (ulimit -v)"
        )
        return FAILED
    return MISUSED


def _unexpected(error: OSError) -> str:
    """Return a message with the system's error, the file it is about, and the place in the code."""
    import traceback
    from pathlib import Path

    package = Path(__file__).parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(package)]
    frame = ours[-1] if ours else frames[-1]
    message = error.strerror or type(error).__name__
    if isinstance(error.filename, str):
        message += f": {error.filename}"
    file = Path(frame.filename)
    shown = file.relative_to(package.parent) if ours else file.name
    return f"unexpected system error: {message} ({shown}:{frame.lineno})"
