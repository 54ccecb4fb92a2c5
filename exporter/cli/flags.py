"""Parse the command line: commands, flags and their help texts. Loads nothing but the standard library.

Flags have the names that Prometheus exporters share.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from exporter import __version__

DEFAULTS = {
    "config_file": None,
    "listen_address": [":10977"],
    "systemd_socket": False,
    "web_config_file": None,
    "telemetry_path": "/metrics",
    "enable_lifecycle": False,
    "log_level": "info",
    "log_format": "logfmt",
}
TEXTS = ("help", "version")
"""The commands that print a text and do nothing else."""

_OVERVIEW = """\
usage: batch-exporter [COMMAND] [FLAG...]

Prometheus exporter for Inkit (batches, invocations) and PackageX (batches).

commands:
  serve     poll the APIs and serve the metrics (the default)
  check     validate the configuration; with --online, ask each API too
  once      poll once and print the metrics
  inspect   show one record as the API has it now
  metrics   print the catalog of metrics, as Markdown
  demo      serve the records of mock APIs that change, fail and get stuck
  version   print the version
  help      list the flags of a command: batch-exporter help COMMAND

flags of most commands:
  --config.file FILE       the configuration, in YAML
  --log.level LEVEL        debug, info, warn or error (info)
  --log.format FORMAT      logfmt or json (logfmt)

Without --config.file, an API token in INKIT_API_TOKEN or PX_API_KEY is enough.
exit status: 0 done, 1 failed at run time or a port or state file is taken,
  2 usage, configuration, unusable state file or address, 130 interrupted
"""
_WIDTH = 80
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_PAGES = ("/failures", "/runbooks", "/-")
"""Paths of the exporter's own pages, with all paths below them."""


class UsageError(Exception):
    """A well-formed command line that cannot be executed. The text is for operators."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Exits with status 2 and a message for an invalid one, as argparse does.

    The result has a `command` and a value for each of DEFAULTS, or for the commands in TEXTS the `text` to print.
    """
    if "--version" in _flags(arguments):
        return argparse.Namespace(command="version", text=f"batch-exporter {__version__}")
    place = _place_of_command(arguments)
    if place is None and not {"-h", "--help"}.isdisjoint(arguments):
        return argparse.Namespace(command="help", text=_OVERVIEW.rstrip())
    name = "serve" if place is None else arguments[place]
    if name not in (*_COMMANDS, *TEXTS):
        _refuse(f'unknown command "{name}"{_nearest(name, (*_COMMANDS, *TEXTS))}', _OVERVIEW.splitlines()[0])
    rest = [argument for number, argument in enumerate(arguments) if number != place]
    if name in TEXTS:
        return _text(name, rest)
    return _parsed(name, rest)


def _parsed(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    if not {"-h", "--help"}.isdisjoint(_flags(arguments)):
        return argparse.Namespace(command="help", text=_parser(name).format_help().rstrip())
    parser = _parser(name)
    known = _COMMANDS[name].all_flags
    for flag in _flags(arguments):
        if flag not in known:
            parser.error(_unknown_flag(flag, name))
    args = parser.parse_args(arguments)
    for key, value in DEFAULTS.items():
        if not hasattr(args, key):
            setattr(args, key, value)
    args.command = name
    return args


def _text(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    if name == "version":
        if arguments:
            _refuse("version takes nothing else", "usage: batch-exporter version")
        return argparse.Namespace(command="version", text=f"batch-exporter {__version__}")
    if len(arguments) > 1:
        _refuse("help takes one command", "usage: batch-exporter help [COMMAND]")
    topic = arguments[0] if arguments else name
    if topic in _COMMANDS:
        return argparse.Namespace(command="help", text=_parser(topic).format_help().rstrip())
    if topic not in (*TEXTS, "-h", "--help"):
        _refuse(f'unknown command "{topic}"{_nearest(topic, _COMMANDS)}', "usage: batch-exporter help [COMMAND]")
    return argparse.Namespace(command="help", text=_OVERVIEW.rstrip())


def _refuse(message: str, usage: str) -> NoReturn:
    print(f"{usage}\nbatch-exporter: error: {message}", file=sys.stderr)
    sys.exit(2)


def _unknown_flag(flag: str, command: str) -> str:
    owners = [name for name, owner in _COMMANDS.items() if flag in owner.all_flags]
    if owners:
        return f"{command} does not take {flag}; {_joined(owners)} {'does' if len(owners) == 1 else 'do'}"
    dashed = "--" + flag.lstrip("-")
    others = {name for other in _COMMANDS.values() for name in other.all_flags}
    hint = _nearest(dashed, _COMMANDS[command].all_flags) or _nearest(dashed, others)
    return f"unknown flag {flag}{hint}"


def _joined(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _nearest(word: str, allowed: Sequence[str] | Mapping[str, object] | set[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word.lower(), sorted(allowed), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _flags(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the names of the flags, and skip their values."""
    number = 0
    while number < len(arguments) and arguments[number] != "--":
        name, equals, _ = arguments[number].partition("=")
        if name.startswith("-") and name != "-":
            yield name
        number += 2 if name in _WITH_VALUE and not equals else 1


def _place_of_command(arguments: Sequence[str]) -> int | None:
    """Return the index of the command; None if there is none. Flags may stand before it."""
    number = 0
    while number < len(arguments):
        name, equals, _ = arguments[number].partition("=")
        if not name.startswith("-") or name == "-":
            return number
        if name == "--":
            return None
        if name not in _KNOWN:
            # Whether a value follows is not known either.
            later = range(number + 1, len(arguments))
            return next((place for place in later if arguments[place] in (*_COMMANDS, *TEXTS)), None)
        number += 2 if name in _WITH_VALUE and not equals else 1
    return None


def _path(value: str) -> str:
    if value == "/" or any(f"{value}/".startswith(f"{page}/") for page in _PAGES):
        raise argparse.ArgumentTypeError(f'"{value}" is another page of the exporter: choose another, such as /metrics')
    if not _PATH.fullmatch(value) or re.search(r"/\.{1,2}(/|$)", value):
        raise argparse.ArgumentTypeError(f'"{value}" is not a path: it must begin with a slash, as in /metrics')
    return value


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise argparse.ArgumentTypeError(f'"{value}" is not a port: it must be a number from 0 to 65535')
    return int(value)


def _file_or_none(value: str) -> Path | None:
    return Path(value) if value else None


_Arguments = Mapping[str, Mapping[str, Any]]
"""The options of argparse for each flag or positional argument."""

_CONFIG: _Arguments = {
    "--config.file": {"dest": "config_file", "type": Path, "metavar": "FILE", "help": "the configuration, in YAML"}
}
_WEB_CONFIG: _Arguments = {
    "--web.config.file": {
        "dest": "web_config_file",
        "type": _file_or_none,
        "metavar": "FILE",
        "help": "TLS, passwords, headers, rate limit",
    }
}
_WEB: _Arguments = {
    "--web.listen-address": {
        "dest": "listen_address",
        "action": "append",
        "metavar": "ADDRESS",
        "help": "address to serve on; repeatable (:10977)",
    },
    "--web.telemetry-path": {
        "dest": "telemetry_path",
        "type": _path,
        "metavar": "PATH",
        "help": "path of the metrics (/metrics)",
    },
    **_WEB_CONFIG,
    "--web.enable-lifecycle": {
        "dest": "enable_lifecycle",
        "action": "store_true",
        "help": "enable reloads by POST /-/reload",
    },
    "--web.systemd-socket": {
        "dest": "systemd_socket",
        "action": "store_true",
        "help": "serve on the sockets of a .socket unit",
    },
}
_LOG: _Arguments = {
    "--log.level": {
        "dest": "log_level",
        "choices": ("debug", "info", "warn", "error"),
        "metavar": "LEVEL",
        "help": "debug, info, warn or error (info)",
    },
    "--log.format": {
        "dest": "log_format",
        "choices": ("logfmt", "json"),
        "metavar": "FORMAT",
        "help": "logfmt or json (logfmt)",
    },
}
_CHECK: _Arguments = {
    "--online": {"action": "store_true", "help": "also ask each API, and estimate the cost"},
    "--print-schema": {"action": "store_true", "help": "print the configuration's JSON Schema"},
}
_ONCE: _Arguments = {
    "--output": {"type": Path, "metavar": "FILE", "help": "write atomically, for the textfile collector"}
}
_INSPECT: _Arguments = {
    "--json": {"action": "store_true", "help": "print JSON"},
    "--errors": {"action": "store_true", "help": "count the rows of its errors file by error"},
    "--files": {"type": Path, "metavar": "DIR", "help": "save its files in a folder"},
    "--show-data": {"action": "store_true", "help": "show customer data too"},
}
_DEMO: _Arguments = {
    "--api-port": {"type": _port, "default": 10978, "metavar": "PORT", "help": "the mock APIs' port (10978)"},
    "--api-only": {"action": "store_true", "help": "run the mock APIs alone"},
}


@dataclass(frozen=True, slots=True)
class _Command:
    about: str
    flags: _Arguments
    positionals: _Arguments = field(default_factory=dict)

    @property
    def all_flags(self) -> _Arguments:
        return {**self.flags, "-h": {}, "--help": {}}


_COMMANDS = {
    "serve": _Command("Poll the APIs and serve the metrics.", {**_CONFIG, **_WEB, **_LOG}),
    "check": _Command("Validate the configuration.", {**_CONFIG, **_WEB_CONFIG, **_CHECK, **_LOG}),
    "once": _Command("Poll once and print the metrics.", {**_CONFIG, **_ONCE, **_LOG}),
    "inspect": _Command(
        "Show one record as the API has it now.",
        {**_CONFIG, **_INSPECT, **_LOG},
        {
            "account": {"metavar": "ACCOUNT", "help": "its account, by the name in the configuration"},
            "record_id": {"metavar": "ID", "help": "its ID, such as rb_4R8u6FWWenZtmI7jiBl07r"},
        },
    ),
    "metrics": _Command("Print the catalog of metrics, as Markdown.", _LOG),
    "demo": _Command("Serve the records of mock APIs that change, fail and get stuck.", {**_DEMO, **_WEB, **_LOG}),
}
_KNOWN = {flag: options for command in _COMMANDS.values() for flag, options in command.all_flags.items()}
_WITH_VALUE = {flag for flag, options in _KNOWN.items() if options and options.get("action") != "store_true"}


def _help(prog: str) -> argparse.HelpFormatter:
    """Wrap lines at 80 columns, whatever the width of the terminal."""
    return argparse.HelpFormatter(prog, max_help_position=34, width=_WIDTH)


def _parser(name: str) -> argparse.ArgumentParser:
    command = _COMMANDS[name]
    parser = argparse.ArgumentParser(
        prog=f"batch-exporter {name}", description=command.about, allow_abbrev=False, formatter_class=_help
    )
    for argument, options in (*command.positionals.items(), *command.flags.items()):
        # Defaults are set after parsing, because argparse would append a repeatable flag's values to its default.
        late: dict[str, Any] = {"default": argparse.SUPPRESS} if options.get("dest") in DEFAULTS else {}
        parser.add_argument(argument, **options, **late)
    return parser
