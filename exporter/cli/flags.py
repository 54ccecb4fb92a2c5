"""Parse the command line. Loads nothing but the standard library."""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from exporter import __version__
from exporter.cli.commands import COMMANDS, DEFAULTS, GROUPS, KNOWN, NAMES, WITH_VALUE

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
  state     show what a state holds, or copy it to another place
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
_DATABASE_URL = re.compile(r"(postgres(?:ql)?://)\S+", re.IGNORECASE)


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
    if name not in (*NAMES, *TEXTS):
        _refuse(f'unknown command "{name}"{_nearest(name, (*NAMES, *TEXTS))}', _OVERVIEW.splitlines()[0])
    rest = [argument for number, argument in enumerate(arguments) if number != place]
    if name in TEXTS:
        return _text(name, rest)
    if name in GROUPS:
        return _of_group(name, rest)
    return _parsed(name, rest)


def _of_group(group: str, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse what stands beside the first word of a command that has two."""
    place = _place_of_command(arguments)
    if place is None and not {"-h", "--help"}.isdisjoint(_flags(arguments)):
        return argparse.Namespace(command="help", text=_group_help(group))
    members = GROUPS[group]
    usage = f"usage: batch-exporter {group} {{{','.join(members)}}} ..."
    if place is None:
        _refuse(f"{group} needs a command: {' or '.join(members)}", usage)
    name = arguments[place]
    if name not in members:
        _refuse(f'unknown command "{group} {name}"{_nearest(name, members)}', usage)
    return _parsed(f"{group} {name}", [argument for number, argument in enumerate(arguments) if number != place])


def _group_help(group: str) -> str:
    lines = [f"  {name:8}  {COMMANDS[f'{group} {name}'].about}" for name in GROUPS[group]]
    more = f"flags of a command: batch-exporter help {group} COMMAND"
    return "\n".join([f"usage: batch-exporter {group} COMMAND [FLAG...]", "", "commands:", *lines, "", more])


def _parsed(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    if not {"-h", "--help"}.isdisjoint(_flags(arguments)):
        return argparse.Namespace(command="help", text=_parser(name).format_help().rstrip())
    parser = _parser(name)
    known = COMMANDS[name].all_flags
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
    topic = " ".join(arguments) if arguments else name
    if topic in GROUPS:
        return argparse.Namespace(command="help", text=_group_help(topic))
    if len(arguments) > 1 and topic not in COMMANDS:
        _refuse("help takes one command", "usage: batch-exporter help [COMMAND]")
    if topic in COMMANDS:
        return argparse.Namespace(command="help", text=_parser(topic).format_help().rstrip())
    if topic not in (*TEXTS, "-h", "--help"):
        _refuse(f'unknown command "{topic}"{_nearest(topic, NAMES)}', "usage: batch-exporter help [COMMAND]")
    return argparse.Namespace(command="help", text=_OVERVIEW.rstrip())


def _refuse(message: str, usage: str) -> NoReturn:
    print(f"{usage}\nbatch-exporter: error: {_without_urls(message)}", file=sys.stderr)
    sys.exit(2)


def _without_urls(message: str) -> str:
    """Return the message without what stands in URLs of databases: a wrong argument that it quotes may be one."""
    return _DATABASE_URL.sub(r"\1...", message)


class _Parser(argparse.ArgumentParser):
    """A parser whose messages quote no URL of a database."""

    def error(self, message: str) -> NoReturn:
        super().error(_without_urls(message))


def _unknown_flag(flag: str, command: str) -> str:
    owners = [name for name, owner in COMMANDS.items() if flag in owner.all_flags]
    if owners:
        return f"{command} does not take {flag}; {_joined(owners)} {'does' if len(owners) == 1 else 'do'}"
    dashed = "--" + flag.lstrip("-")
    others = {name for other in COMMANDS.values() for name in other.all_flags}
    hint = _nearest(dashed, COMMANDS[command].all_flags) or _nearest(dashed, others)
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
        number += 2 if name in WITH_VALUE and not equals else 1


def _place_of_command(arguments: Sequence[str]) -> int | None:
    """Return the index of the command; None if there is none. Flags may stand before it."""
    number = 0
    while number < len(arguments):
        name, equals, _ = arguments[number].partition("=")
        if not name.startswith("-") or name == "-":
            return number
        if name == "--":
            return None
        if name not in KNOWN:
            # Whether a value follows is not known either.
            later = range(number + 1, len(arguments))
            return next((place for place in later if arguments[place] in (*NAMES, *TEXTS)), None)
        number += 2 if name in WITH_VALUE and not equals else 1
    return None


def _help(prog: str) -> argparse.HelpFormatter:
    """Wrap lines at 80 columns, whatever the width of the terminal."""
    return argparse.HelpFormatter(prog, max_help_position=34, width=_WIDTH)


def _parser(name: str) -> argparse.ArgumentParser:
    command = COMMANDS[name]
    parser = _Parser(
        prog=f"batch-exporter {name}", description=command.about, allow_abbrev=False, formatter_class=_help
    )
    for argument, options in (*command.positionals.items(), *command.flags.items()):
        # Defaults are set after parsing, because argparse would append a repeatable flag's values to its default.
        late: dict[str, Any] = {"default": argparse.SUPPRESS} if options.get("dest") in DEFAULTS else {}
        parser.add_argument(argument, **options, **late)
    return parser
