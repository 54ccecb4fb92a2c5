"""Write the manual page, from the table that --help is written from. Loads nothing but the standard library."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from exporter import __version__
from exporter.cli.commands import ABOUT, COMMANDS, HIDDEN, Flag
from exporter.cli.help_text import EXIT_STATUSES, PROGRAM, flag_forms, synopsis

_WIDTH = 65
"""The maximum length of a line, before escapes make it longer."""
_SIGNALS = {
    "SIGHUP": "Reload the configuration.",
    "SIGTERM, SIGINT": "Stop within two seconds.",
}
_ENVIRONMENT = {
    "INKIT_API_TOKEN, PX_API_KEY": "API tokens of Inkit and of PackageX, where --config.file is not given.",
    "SSL_CERT_FILE, SSL_CERT_DIR": "Certificate authorities that are trusted in the place of the system's.",
}
_TEXT_FLAGS = {
    "--help-long": "Show the help of all commands.",
    "--help-man": "Print this manual page.",
    "--completion-script-bash": "Print the completion script for bash.",
    "--completion-script-zsh": "Print the completion script for zsh.",
    "--completion-script-fish": "Print the completion script for fish.",
}


def man_page() -> str:
    """Return the manual page in the macros of man(7)."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    # Without a date, so that the same code gives the same page.
    yield f'.TH {PROGRAM.upper()} 1 "" "{PROGRAM} {__version__}" "User Commands"'
    # No hyphens but those that stand here: a flag must be found and copied whole.
    yield ".nh"
    yield ".SH NAME"
    yield f"{_text(PROGRAM)} \\- Prometheus exporter for Inkit and PackageX"
    yield ".SH SYNOPSIS"
    yield f".B {_text(PROGRAM)}"
    yield _text("[<flags>] [<command>] [<args> ...]")
    yield ".SH DESCRIPTION"
    yield _text("Polls the APIs for batches and invocations, and serves what it finds as metrics for Prometheus.")
    yield "Without a command it does what"
    yield ".B serve"
    yield "does."
    yield ".SH OPTIONS"
    yield "These are the flags of"
    yield ".BR serve ."
    yield "A switch is turned off by \\fB\\-\\-no\\-\\fR in its name."
    yield from _flags(COMMANDS["serve"].all_flags)
    for name in HIDDEN:
        yield from _entry(name, _TEXT_FLAGS[name])
    yield ".SH COMMANDS"
    for name, about in ABOUT.items():
        yield f".SS {_text(synopsis(name))}"
        yield _text(about)
        if name not in COMMANDS or name == "serve":
            continue
        command, common = COMMANDS[name], COMMANDS["serve"].flags
        for argument in command.positionals.values():
            yield from _entry(argument.value, argument.about, "I")
        yield from _flags({flag: each for flag, each in command.flags.items() if flag not in common})
        shared = [flag for flag in command.flags if flag in common]
        yield ".PP"
        yield _text(f"It also takes {', '.join(shared)}, as above.")
    yield from _section("SIGNALS", _SIGNALS)
    yield from _section("ENVIRONMENT", _ENVIRONMENT)
    statuses = {str(status): f"{about[0].upper()}{about[1:]}." for status, about in EXIT_STATUSES.items()}
    yield from _section("EXIT STATUS", statuses)
    yield ".SH SEE ALSO"
    yield ".BR prometheus (1),"
    yield ".BR promtool (1)"


def _section(title: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f".SH {title}"
    for name, about in entries.items():
        yield from _entry(name, about)


def _flags(flags: Mapping[str, Flag]) -> Iterator[str]:
    for name, flag in flags.items():
        yield from _entry(flag_forms(name, flag), flag.about)


def _entry(name: str, about: str, font: str = "B") -> Iterable[str]:
    quoted = _text(name).replace('"', "\\(dq")
    return (".TP", f'.{font} "{quoted}"', _text(about))


def _text(text: str) -> str:
    """Escape what roff would read as more than text. Hyphens stay hyphens, so that a flag can be copied."""
    lines = textwrap.wrap(text, _WIDTH, break_on_hyphens=False, break_long_words=False)
    escaped = "\n".join(lines).replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^(?=\.)", r"\\&", escaped, flags=re.MULTILINE)
