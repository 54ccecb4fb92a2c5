"""Write what --help shows, in the layout that readers of kingpin know from other exporters.

Loads nothing but the standard library.
"""

import textwrap
from collections.abc import Iterable, Iterator

from exporter.cli.commands import ABOUT, COMMANDS, EVERYWHERE, GROUPS, Argument, Command, Flag

PROGRAM = "batch-exporter"
ABOUT_PROGRAM = "Prometheus exporter for Inkit (batches, invocations) and PackageX (batches)."
ENVIRONMENT = "Without --config.file, an API token in INKIT_API_TOKEN or PX_API_KEY is enough."
EXIT_STATUSES = {
    0: "done",
    1: "failed at run time, or a port or state file is taken",
    2: "usage, configuration, unusable state file or address",
    130: "interrupted",
}
_WIDTH = 80
_LONGEST = 30
"""A flag that is longer has a line of its own."""


def usage(name: str) -> str:
    """Return the line that says how a command is called."""
    return f"usage: {PROGRAM} {synopsis(name)}"


def synopsis(name: str) -> str:
    """Return a command with what it takes."""
    if name in GROUPS:
        return f"{name} [<flags>] <command> [<args> ...]"
    if name not in COMMANDS:
        return f"{name} [<command> ...]" if name == "help" else name
    return " ".join([name, "[<flags>]", *map(_place, COMMANDS[name].positionals.values())])


def general_usage() -> str:
    """Return the line that says how the program is called."""
    return f"usage: {PROGRAM} [<flags>] [<command>] [<args> ...]"


def overview() -> str:
    """Return the help of the program: the flags of `serve`, which is the default, and all commands."""
    commands = {f"{name}*" if name == "serve" else name: about for name, about in ABOUT.items()}
    return "\n".join(
        [
            general_usage(),
            "",
            ABOUT_PROGRAM,
            "",
            *_section("Flags", _flag_rows(COMMANDS["serve"])),
            *_section("Commands (serve is the default)", commands.items()),
            f"Flags of a command: {PROGRAM} help COMMAND",
            ENVIRONMENT,
            "Exit status:",
            *(f"  {status} {about}" for status, about in EXIT_STATUSES.items()),
        ]
    )


def of_command(name: str) -> str:
    """Return the help of a command."""
    command = COMMANDS[name]
    lines = [usage(name), "", command.about, "", *_section("Flags", _flag_rows(command))]
    if command.positionals:
        lines += _section("Args", ((_place(each), each.about) for each in command.positionals.values()))
    return "\n".join(lines[:-1])


def of_group(group: str) -> str:
    """Return the help of a command that has two words, by the first one."""
    names = [f"{group} {name}" for name in GROUPS[group]]
    more = f"Flags of a command: {PROGRAM} help {group} COMMAND"
    return "\n".join([usage(group), "", *_section("Commands", ((name, ABOUT[name]) for name in names)), more])


def of_everything() -> str:
    """Return the help of the program and of each command."""
    return "\n\n\n".join([overview(), *map(of_command, COMMANDS)])


def flag_forms(name: str, flag: Flag) -> str:
    """Return a flag as it is written: `-h, --[no-]help`, `--web.max-requests=40`."""
    if flag.is_switch:
        name = f"--[no-]{name.removeprefix('--')}"
    else:
        name = f"{name}={flag.shown}" + (" ..." if flag.repeatable else "")
    return f"-h, {name}" if flag is EVERYWHERE["--help"] else name


def _flag_rows(command: Command) -> Iterator[tuple[str, str]]:
    for name, flag in command.all_flags.items():
        forms = flag_forms(name, flag)
        yield forms if forms.startswith("-h") else f"    {forms}", flag.about


def _place(argument: Argument) -> str:
    return f"<{argument.value}>" if argument.required else f"[<{argument.value}>]"


def _section(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines of two columns under a title, and an empty one."""
    pairs = list(rows)
    width = max((len(left) for left, _ in pairs if len(left) < _LONGEST), default=0)
    lines = [f"{title}:"]
    for left, right in pairs:
        about = textwrap.wrap(right, _WIDTH - width - 4, break_on_hyphens=False, break_long_words=False)
        own = len(left) >= _LONGEST
        lines.append(f"  {left}" if own else f"  {left:{width}}  {about[0]}")
        lines += [f"{'':{width + 4}}{line}" for line in (about if own else about[1:])]
    return [*lines, ""]
