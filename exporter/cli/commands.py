"""The commands, their flags and their help texts. Loads nothing but the standard library.

Flags have the names that Prometheus exporters share.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
_MOST_REPLICAS = 9
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_PAGES = ("/failures", "/runbooks", "/-")
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


def _replicas(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= _MOST_REPLICAS:
        raise argparse.ArgumentTypeError(f'"{value}" is not a number of exporters: it must be from 1 to 9')
    return int(value)


def _file_or_none(value: str) -> Path | None:
    return Path(value) if value else None


Arguments = Mapping[str, Mapping[str, Any]]
"""The options of argparse for each flag or positional argument."""

_CONFIG: Arguments = {
    "--config.file": {"dest": "config_file", "type": Path, "metavar": "FILE", "help": "the configuration, in YAML"}
}
_WEB_CONFIG: Arguments = {
    "--web.config.file": {
        "dest": "web_config_file",
        "type": _file_or_none,
        "metavar": "FILE",
        "help": "TLS, passwords, headers, rate limit",
    }
}
_WEB: Arguments = {
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
_LOG: Arguments = {
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
_CHECK: Arguments = {
    "--online": {"action": "store_true", "help": "also ask each API, and estimate the cost"},
    "--print-schema": {"action": "store_true", "help": "print the configuration's JSON Schema"},
}
_ONCE: Arguments = {
    "--output": {"type": Path, "metavar": "FILE", "help": "write atomically, for the textfile collector"}
}
_INSPECT: Arguments = {
    "--json": {"action": "store_true", "help": "print JSON"},
    "--errors": {"action": "store_true", "help": "count the rows of its errors file by error"},
    "--files": {"type": Path, "metavar": "DIR", "help": "save its files in a folder"},
    "--show-data": {"action": "store_true", "help": "show customer data too"},
}
_DEMO: Arguments = {
    "--api-port": {"type": _port, "default": 10978, "metavar": "PORT", "help": "the mock APIs' port (10978)"},
    "--api-only": {"action": "store_true", "help": "run the mock APIs alone"},
    "--replicas": {
        "type": _replicas,
        "default": 1,
        "metavar": "COUNT",
        "help": "run so many exporters that share a PostgreSQL of their own",
    },
}
_STATE_SHOW: Arguments = {"--json": {"action": "store_true", "help": "print JSON"}}
_PLACE = "a state file, @FILE with the URL of a database, or the URL"


@dataclass(frozen=True, slots=True)
class Command:
    """A command, as the parser needs it."""

    about: str
    flags: Arguments
    positionals: Arguments = field(default_factory=dict)

    @property
    def all_flags(self) -> Arguments:
        """The options of its flags, also of those that every command has."""
        return {**self.flags, "-h": {}, "--help": {}}


COMMANDS = {
    "serve": Command("Poll the APIs and serve the metrics.", {**_CONFIG, **_WEB, **_LOG}),
    "check": Command("Validate the configuration.", {**_CONFIG, **_WEB_CONFIG, **_CHECK, **_LOG}),
    "once": Command("Poll once and print the metrics.", {**_CONFIG, **_ONCE, **_LOG}),
    "inspect": Command(
        "Show one record as the API has it now.",
        {**_CONFIG, **_INSPECT, **_LOG},
        {
            "account": {"metavar": "ACCOUNT", "help": "its account, by the name in the configuration"},
            "record_id": {"metavar": "ID", "help": "its ID, such as rb_4R8u6FWWenZtmI7jiBl07r"},
        },
    ),
    "metrics": Command("Print the catalog of metrics, as Markdown.", _LOG),
    "demo": Command("Serve the records of mock APIs that change, fail and get stuck.", {**_DEMO, **_WEB, **_LOG}),
    "state show": Command(
        "Show what a state holds, also while an exporter uses it. A replica is live, leaving, or gone:"
        " its heartbeat has expired.",
        {**_CONFIG, **_STATE_SHOW, **_LOG},
        {
            "place": {
                "metavar": "PLACE",
                "nargs": "?",
                "help": f"{_PLACE}; default: that of the configuration, or batch-exporter.db",
            }
        },
    ),
    "state copy": Command(
        "Copy a state to an empty place, while no exporter uses either.",
        _LOG,
        {
            "source": {"metavar": "FROM", "help": _PLACE},
            "target": {"metavar": "TO", "help": "the same, missing or empty"},
        },
    ),
}
GROUPS: Mapping[str, Sequence[str]] = {"state": ("show", "copy")}
"""Commands of two words, by the first one."""
NAMES = tuple(dict.fromkeys(name.partition(" ")[0] for name in COMMANDS))
"""The first words of all commands."""
KNOWN = {flag: options for command in COMMANDS.values() for flag, options in command.all_flags.items()}
WITH_VALUE = {flag for flag, options in KNOWN.items() if options and options.get("action") != "store_true"}
