"""The command line: the flags that operators know from every Prometheus exporter, and the commands."""

import argparse
from collections.abc import Sequence
from pathlib import Path

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
_LEVELS = ("debug", "info", "warn", "error")
_FORMATS = ("logfmt", "json")


class Misused(Exception):
    """A command line that is well formed and still can't be carried out. The text is for operators."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Exits with status 2 and a message if it can't be understood, as argparse does."""
    common = _common()
    parser = argparse.ArgumentParser(
        prog="batch-exporter",
        description="Prometheus exporter for batches and invocations of Inkit and batches of PackageX.",
        parents=[common],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"batch-exporter {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help_text, parents=[common], allow_abbrev=False)

    command("serve", "poll and serve (what happens without a command)")
    check = command("check", "validate the configuration")
    check.add_argument("--online", action="store_true", help="also ask each collector's API once, and tell the cost")
    check.add_argument("--print-schema", action="store_true", help="print the JSON Schema of the configuration")
    once = command("once", "poll once and print the metrics")
    once.add_argument(
        "--output", type=Path, metavar="FILE", help="write to a file, atomically, as for the textfile collector"
    )
    _inspect(command("inspect", "show one record as the API has it now"))
    command("metrics", "print the catalogue of metrics, as Markdown")
    demo = command("demo", "run against a bundled stand-in of both APIs whose data moves, fails and hangs")
    demo.add_argument("--api-only", action="store_true", help="run the stand-in alone")
    demo.add_argument("--api-port", type=_port, default=10978, metavar="PORT", help="the stand-in's port (%(default)s)")

    given = parser.parse_args(arguments)
    for name, value in DEFAULTS.items():
        if not hasattr(given, name):
            setattr(given, name, value)
    given.command = given.command or "serve"
    return given


def _inspect(inspect: argparse.ArgumentParser) -> None:
    add = inspect.add_argument
    add("account", metavar="ACCOUNT", help="its account, by the name in the configuration")
    add("record_id", metavar="ID", help="its id, such as rb_4R8u6FWWenZtmI7jiBl07r")
    add("--json", action="store_true", help="as JSON")
    add("--errors", action="store_true", help="fetch its errors file and sum it up: how many rows have which error")
    add("--files", type=Path, metavar="DIR", help="save the files it offers in a folder")
    add("--show-data", action="store_true", help="show customers' data too, which is left out otherwise")


def _common() -> argparse.ArgumentParser:
    # Without defaults: a flag may stand before the command or after it, and the second parser must not undo the first.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    add = common.add_argument
    add("--config.file", dest="config_file", type=Path, metavar="FILE", help="the configuration, in YAML")
    add(
        "--web.listen-address",
        dest="listen_address",
        action="append",
        metavar="ADDRESS",
        help="where to serve; may be repeated (:10977)",
    )
    add(
        "--web.systemd-socket",
        dest="systemd_socket",
        action="store_true",
        help="serve on the sockets of a systemd .socket unit instead",
    )
    add(
        "--web.config.file",
        dest="web_config_file",
        type=lambda value: Path(value) if value else None,
        metavar="FILE",
        help="TLS, passwords, headers and a rate limit, in the format of Prometheus's exporter-toolkit",
    )
    add(
        "--web.telemetry-path",
        dest="telemetry_path",
        type=_path,
        metavar="PATH",
        help="where the metrics are (/metrics)",
    )
    add(
        "--web.enable-lifecycle",
        dest="enable_lifecycle",
        action="store_true",
        help="let POST /-/reload reload the configuration, as SIGHUP does",
    )
    add("--log.level", dest="log_level", choices=_LEVELS, help="what to log (info)")
    add("--log.format", dest="log_format", choices=_FORMATS, help="how to log it (logfmt)")
    return common


def _path(value: str) -> str:
    if not value.startswith("/") or any(character in value for character in "?# \t"):
        raise argparse.ArgumentTypeError(f'"{value}" is not a path: it must begin with a slash')
    return value


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65535:
        raise argparse.ArgumentTypeError(f'"{value}" is not a port: it must be a number from 0 to 65535')
    return int(value)
