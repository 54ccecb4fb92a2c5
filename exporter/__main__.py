"""Where the program begins and ends: from the command line to a command, from its result to an exit status."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

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


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
