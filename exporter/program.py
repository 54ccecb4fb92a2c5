"""From the command line to a command, and from its result to an exit status."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from exporter import flags, logs
from exporter.commands import check, demo, inspect, metrics, once, serve
from exporter.config import ConfigError
from exporter.records import StateError
from exporter.web.server import ListenError

OK, FAILED, MISUSED = 0, 1, 2

_COMMANDS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "serve": serve.run,
    "check": check.run,
    "once": once.run,
    "inspect": inspect.run,
    "metrics": metrics.run,
    "demo": demo.run,
}
_RELOADING = ("serve", "demo")
Hangup = Callable[[int, FrameType | None], object] | int | None
"""A signal's handler, as Python's `signal` has it."""


def run(arguments: Sequence[str], hangup: Hangup = signal.SIG_DFL) -> int:
    """Run a command line. Returns the exit status: 0 done, 1 failed at run time, 2 what no restart repairs.

    A port or a state file that another program has right now is 1: it may be free a second later. The usage, the
    configuration, and a state file that is damaged or not ours are 2.

    `hangup` is what SIGHUP does, which is ignored until here, to a command that has nothing to reload.
    """
    given = flags.parse(arguments)
    if given.command not in _RELOADING:
        signal.signal(signal.SIGHUP, hangup)
    logs.setup(given.log_level, given.log_format, sys.stderr)
    try:
        done = _COMMANDS[given.command](given)
        sys.stdout.flush()
        return OK if done else FAILED
    except (ConfigError, flags.Misused) as error:
        print(error, file=sys.stderr)
        return MISUSED
    except (ListenError, StateError) as error:
        print(error, file=sys.stderr)
        return FAILED if error.passing else MISUSED
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
