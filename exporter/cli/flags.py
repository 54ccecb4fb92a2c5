"""Parse the command line. Loads nothing but the standard library."""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from exporter.cli import help_text
from exporter.cli.commands import COMMANDS, DEFAULTS, GROUPS, HIDDEN, KNOWN, NAMES, WITH_VALUE, Flag

TEXTS = ("help", "version")
"""The commands that print a text and do nothing else."""

_FIRST_WORDS = (*NAMES, *TEXTS)
_HELP = frozenset({"-h", "--help"})
_DATABASE_URL = re.compile(r"(postgres(?:ql)?://)\S+", re.IGNORECASE)


class UsageError(Exception):
    """A well-formed command line that cannot be executed. The text is for operators."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Exits with status 2 and a message for an invalid one, as argparse does.

    The result has a `command` and a value for each of DEFAULTS, or for the commands in TEXTS the `text` to print.
    """
    if arguments and arguments[0] in ("--completion-bash", "--completion-described"):
        from exporter.cli.completion import suggestions

        return _printing(suggestions(arguments[1:], described=arguments[0] != "--completion-bash"))
    given = set(_flags(arguments))
    if "--version" in given:
        return _version()
    for flag in HIDDEN:
        if flag in given:
            return _printing(_hidden(flag))
    place = _place_of_command(arguments)
    if place is None and not _HELP.isdisjoint(arguments):
        return _printing(help_text.overview())
    name = "serve" if place is None else arguments[place]
    if name not in _FIRST_WORDS:
        _refuse(f'unknown command "{name}"{_nearest(name, _FIRST_WORDS)}', help_text.general_usage())
    rest = [argument for number, argument in enumerate(arguments) if number != place]
    if name in TEXTS:
        return _text(name, rest)
    if name in GROUPS:
        return _of_group(name, rest)
    return _parsed(name, rest)


def _printing(text: str) -> argparse.Namespace:
    return argparse.Namespace(command="help", text=text.rstrip())


def _version() -> argparse.Namespace:
    from exporter.cli.version import version_text

    return argparse.Namespace(command="version", text=version_text(help_text.PROGRAM))


def _hidden(flag: str) -> str:
    if flag == "--help-long":
        return help_text.of_everything()
    if flag == "--help-man":
        from exporter.cli.man_page import man_page

        return man_page()
    from exporter.cli.completion import SCRIPTS

    return SCRIPTS[flag.rpartition("-")[2]]


def _of_group(group: str, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the words around the first word of a two-word command."""
    place = _place_of_command(arguments)
    if place is None and not _HELP.isdisjoint(_flags(arguments)):
        return _printing(help_text.of_group(group))
    members = GROUPS[group]
    if place is None:
        _refuse(f"{group} needs a command: {' or '.join(members)}", help_text.usage(group))
    name = arguments[place]
    if name not in members:
        _refuse(f'unknown command "{group} {name}"{_nearest(name, members)}', help_text.usage(group))
    return _parsed(f"{group} {name}", [argument for number, argument in enumerate(arguments) if number != place])


def _parsed(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    given = list(_flags(arguments))
    if not _HELP.isdisjoint(given):
        return _printing(help_text.of_command(name))
    command, parser = COMMANDS[name], _parser(name)
    for flag in given:
        if flag not in command.names:
            parser.error(_unknown_flag(flag, name))
    for argument in arguments[: arguments.index("--") if "--" in arguments else None]:
        flag, equals, _ = argument.partition("=")
        if equals and flag in command.names and flag not in WITH_VALUE:
            parser.error(f"{flag} takes no value{_opposite(flag)}")
    args = parser.parse_args(arguments)
    defaults = {flag.dest: flag.default for flag in command.flags.values()}
    for key, value in {**DEFAULTS, **defaults}.items():
        if not hasattr(args, key):
            setattr(args, key, value)
    args.command = name
    return args


def _opposite(flag: str) -> str:
    return "" if flag == "-h" or flag.startswith("--no-") else f"; --no-{flag.removeprefix('--')} turns it off"


def _text(name: str, arguments: Sequence[str]) -> argparse.Namespace:
    if name == "version":
        if arguments:
            _refuse("version takes nothing else", help_text.usage(name))
        return _version()
    topic = " ".join(arguments) if arguments else name
    if topic in GROUPS:
        return _printing(help_text.of_group(topic))
    if len(arguments) > 1 and topic not in COMMANDS:
        _refuse("help takes one command", help_text.usage(name))
    if topic in COMMANDS:
        return _printing(help_text.of_command(topic))
    if topic not in (*TEXTS, *_HELP):
        _refuse(f'unknown command "{topic}"{_nearest(topic, NAMES)}', help_text.usage(name))
    return _printing(help_text.overview())


def _refuse(message: str, usage: str) -> NoReturn:
    print(f"{usage}\n{help_text.PROGRAM}: error: {_without_urls(message)}", file=sys.stderr)
    sys.exit(2)


def _without_urls(message: str) -> str:
    """Return the message without what stands in URLs of databases: a wrong argument that it quotes may be one."""
    return _DATABASE_URL.sub(r"\1...", message)


class _Parser(argparse.ArgumentParser):
    """A parser whose messages quote no URL of a database."""

    def error(self, message: str) -> NoReturn:
        super().error(_without_urls(message))


def _unknown_flag(flag: str, command: str) -> str:
    owners = [name for name, owner in COMMANDS.items() if flag in owner.names]
    if owners:
        return f"{command} does not take {flag}; {_joined(owners)} {'does' if len(owners) == 1 else 'do'}"
    dashed = "--" + flag.lstrip("-")
    hint = _nearest(dashed, {*COMMANDS[command].names, *HIDDEN}) or _nearest(dashed, KNOWN)
    return f"unknown flag {flag}{hint}"


def _joined(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _nearest(word: str, allowed: Iterable[str]) -> str:
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
            return next((place for place in later if arguments[place] in _FIRST_WORDS), None)
        number += 2 if name in WITH_VALUE and not equals else 1
    return None


def _parser(name: str) -> argparse.ArgumentParser:
    command = COMMANDS[name]
    parser = _Parser(
        prog=f"{help_text.PROGRAM} {name}", usage=help_text.usage(name).removeprefix("usage: "), allow_abbrev=False
    )
    for dest, argument in command.positionals.items():
        optional: dict[str, Any] = {} if argument.required else {"nargs": "?"}
        parser.add_argument(dest, metavar=argument.value, **optional)
    parser.add_argument("--no-help", "--no-version", action="store_true", default=argparse.SUPPRESS)
    for flag_name, flag in command.flags.items():
        # Defaults are set after parsing, because argparse would append a repeatable flag's values to its default.
        parser.add_argument(flag_name, dest=flag.dest, default=argparse.SUPPRESS, **_options(flag))
    return parser


def _options(flag: Flag) -> dict[str, Any]:
    if flag.is_switch:
        return {"action": argparse.BooleanOptionalAction}
    options: dict[str, Any] = {"metavar": flag.value, "type": flag.parse}
    if flag.choices:
        options["choices"] = flag.choices
    return options | ({"action": "append"} if flag.repeatable else {})
