"""The commands, their flags and their help texts. Loads nothing but the standard library.

Flags have the names that Prometheus exporters share, and stand in their order.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DEFAULTS = {
    "config_file": None,
    "systemd_socket": False,
    "listen_address": [":10977"],
    "web_config_file": None,
    "telemetry_path": "/metrics",
    "disable_exporter_metrics": False,
    "max_requests": 40,
    "unauthenticated_health": False,
    "enable_lifecycle": False,
    "log_level": "info",
    "log_format": "logfmt",
}
_MOST_REPLICAS = 9
_MOST_DIGITS = 9
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_PAGES = ("/failures", "/runbooks", "/webhooks", "/-")
"""Paths of the exporter's own pages, with all paths below them."""


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


def _count(value: str) -> int:
    # No count has more digits, and Python refuses to parse thousands of them.
    if not (value.isascii() and value.isdecimal()) or len(value) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError(f'"{value}" is not a count: it must be a whole number, or 0 for no limit')
    return int(value)


def _replicas(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _MOST_REPLICAS:
        raise argparse.ArgumentTypeError(f'"{value}" is not a number of exporters: it must be from 1 to 9')
    return int(value)


def _file_or_none(value: str) -> Path | None:
    return Path(value) if value else None


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag, as the parser, the help texts and the shells need it."""

    about: str
    dest: str
    value: str = ""
    """What stands for its value in a help text. A flag without one is a switch, which `--no-` in its name turns off."""
    default: object = False
    parse: Callable[[str], object] = str
    choices: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return not self.value

    @property
    def shown(self) -> str:
        """What a help text shows as its value: the default, if it has one."""
        default = self.default[0] if isinstance(self.default, list) else self.default
        if default is None:
            return self.value
        return f'"{default}"' if isinstance(default, str) and not self.choices and not self.repeatable else str(default)


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument."""

    about: str
    value: str
    required: bool = True


def _shared(about: str, dest: str, value: str = "", **more: object) -> Flag:
    return Flag(about, dest, value, DEFAULTS[dest], **more)  # type: ignore[arg-type]


Flags = Mapping[str, Flag]
"""Flags by name, with the dashes."""

_CONFIG: Flags = {
    "--config.file": _shared(
        "Path to the configuration, in YAML.",
        "config_file",
        "FILE",
        parse=_file_or_none,
    )
}
_WEB_CONFIG: Flags = {
    "--web.config.file": _shared(
        "Path to the web configuration, which can enable TLS, passwords, headers and a rate limit.",
        "web_config_file",
        "FILE",
        parse=_file_or_none,
    )
}
_WEB: Flags = {
    "--web.systemd-socket": _shared(
        "Use the sockets of a systemd .socket unit instead of opening any (Linux only).", "systemd_socket"
    ),
    "--web.listen-address": _shared(
        "Addresses to serve on. Repeatable for several. Examples: :10977, [::1]:10977, unix:///run/http.sock",
        "listen_address",
        "ADDRESS",
        repeatable=True,
    ),
    **_WEB_CONFIG,
    "--web.telemetry-path": _shared("Path of the metrics.", "telemetry_path", "PATH", parse=_path),
    "--web.disable-exporter-metrics": _shared(
        "Exclude metrics about the exporter's process (process_*, python_*).", "disable_exporter_metrics"
    ),
    "--web.max-requests": _shared(
        "Maximum number of parallel scrape requests. Use 0 to disable.", "max_requests", "COUNT", parse=_count
    ),
    "--web.unauthenticated-health": _shared(
        "Answer /-/healthy and /-/ready without a password, for probes.", "unauthenticated_health"
    ),
    "--web.enable-lifecycle": _shared("Enable reloads by POST /-/reload.", "enable_lifecycle"),
}
_LOG: Flags = {
    "--log.level": _shared(
        "Only log messages with the given severity or above. One of: [debug, info, warn, error]",
        "log_level",
        "LEVEL",
        parse=str.lower,
        choices=("debug", "info", "warn", "error"),
    ),
    "--log.format": _shared(
        "Output format of log messages. One of: [logfmt, json]", "log_format", "FORMAT", choices=("logfmt", "json")
    ),
}
_CHECK: Flags = {
    "--online": Flag("Also ask each API, and estimate the cost.", "online"),
    "--json": Flag("Print what was found as JSON.", "json"),
    "--print-schema": Flag("Print the configuration's JSON Schema.", "print_schema"),
}
_ONCE: Flags = {
    "--output": Flag("Write to a file atomically, for the textfile collector.", "output", "FILE", None, Path)
}
_INSPECT: Flags = {
    "--json": Flag("Print JSON.", "json"),
    "--errors": Flag("Count the rows of its errors file by error.", "errors"),
    "--files": Flag("Save its files in a folder.", "files", "DIR", None, Path),
    "--show-data": Flag("Show customer data too.", "show_data"),
}
_DEMO: Flags = {
    "--api-port": Flag("Port of the mock APIs.", "api_port", "PORT", 10978, _port),
    "--api-only": Flag("Run the mock APIs alone.", "api_only"),
    "--replicas": Flag(
        "Run so many exporters that share a PostgreSQL of their own.", "replicas", "COUNT", 1, _replicas
    ),
}
_STATE_SHOW: Flags = {"--json": Flag("Print JSON.", "json")}
_PLACE = "a state file, @FILE with the URL of a database, or the URL"


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as the parser needs it."""

    about: str
    flags: Flags
    positionals: Mapping[str, Argument] = field(default_factory=dict)

    @property
    def all_flags(self) -> Flags:
        """The flags of the command and those of every command, in the order of the help text."""
        return {"--help": EVERYWHERE["--help"], **self.flags, "--version": EVERYWHERE["--version"]}

    @property
    def names(self) -> Sequence[str]:
        """The names of its flags in all their forms."""
        return ["-h", *(form for name, flag in self.all_flags.items() for form in forms(name, flag))]


EVERYWHERE: Flags = {
    "--help": Flag("Show help (also try --help-long and --help-man).", "help"),
    "--version": Flag("Print the version.", "version"),
}
"""The flags of every command: the first of its flags, and the last one."""
HIDDEN = (
    "--help-long",
    "--help-man",
    "--completion-script-bash",
    "--completion-script-zsh",
    "--completion-script-fish",
)
"""Flags that print a text. No help text lists them."""


def forms(name: str, flag: Flag) -> Sequence[str]:
    """Return the names of a flag: a switch has one that turns it off."""
    return (name, f"--no-{name.removeprefix('--')}") if flag.is_switch else (name,)


COMMANDS = {
    "serve": Command("Poll the APIs and serve the metrics.", {**_CONFIG, **_WEB, **_LOG}),
    "check": Command("Validate the configuration.", {**_CONFIG, **_WEB_CONFIG, **_CHECK, **_LOG}),
    "once": Command("Poll once and print the metrics.", {**_CONFIG, **_ONCE, **_LOG}),
    "inspect": Command(
        "Show one record as the API has it now.",
        {**_CONFIG, **_INSPECT, **_LOG},
        {
            "account": Argument("Its account, by the name in the configuration.", "ACCOUNT"),
            "record_id": Argument("Its ID, such as rb_4R8u6FWWenZtmI7jiBl07r.", "ID"),
        },
    ),
    "metrics": Command("Print the catalog of metrics, as Markdown.", _LOG),
    "demo": Command("Serve the records of mock APIs that change, fail and get stuck.", {**_DEMO, **_WEB, **_LOG}),
    "state show": Command(
        "Show what a state holds, also while an exporter uses it.",
        {**_CONFIG, **_STATE_SHOW, **_LOG},
        {
            "place": Argument(
                f"{_PLACE[0].upper()}{_PLACE[1:]}. By default that of the configuration, or batch-exporter.db.",
                "PLACE",
                required=False,
            )
        },
    ),
    "state copy": Command(
        "Copy a state to an empty place, while no exporter uses either.",
        _LOG,
        {
            "source": Argument(f"{_PLACE[0].upper()}{_PLACE[1:]}.", "FROM"),
            "target": Argument("The same, missing or empty.", "TO"),
        },
    ),
}
ABOUT = {
    **{name: command.about for name, command in COMMANDS.items()},
    "help": "Show the flags of a command.",
    "version": "Print the version.",
}
"""What each command does, those too that only print a text."""
GROUPS: Mapping[str, Sequence[str]] = {"state": ("show", "copy")}
"""Commands of two words, by the first one."""
NAMES = tuple(dict.fromkeys(name.partition(" ")[0] for name in COMMANDS))
"""The first words of all commands."""
KNOWN = {name for command in COMMANDS.values() for name in command.names} | {*HIDDEN}
WITH_VALUE = {name for command in COMMANDS.values() for name, flag in command.flags.items() if not flag.is_switch}
