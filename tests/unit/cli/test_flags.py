"""The command line: what each command takes, and the message for what it does not take. Help loads no library."""

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import __version__
from exporter.cli import flags
from exporter.cli.commands import COMMANDS as COMMANDS_BY_NAME
from exporter.cli.commands import DEFAULTS
from exporter.cli.demo_replicas import web_flags
from exporter.systems import sources
from exporter.web.routes import Probes, routes

COMMANDS = ("serve", "check", "once", "inspect", "metrics", "demo", "state show", "state copy")
WEB = {
    "--web.config.file",
    "--web.listen-address",
    "--web.telemetry-path",
    "--web.enable-lifecycle",
    "--web.systemd-socket",
    "--web.max-requests",
    "--web.disable-exporter-metrics",
    "--web.unauthenticated-health",
}
OWN = {
    "serve": {"--config.file", *WEB},
    "check": {"--config.file", "--web.config.file", "--online", "--json", "--print-schema"},
    "once": {"--config.file", "--output"},
    "inspect": {"--config.file", "--json", "--errors", "--files", "--show-data"},
    "metrics": set(),
    "demo": {"--api-port", "--api-only", "--replicas", *WEB},
    "state show": {"--config.file", "--json"},
    "state copy": set(),
}
ALL = set().union(*OWN.values())
FORMS = sorted({form for command in COMMANDS_BY_NAME.values() for form in command.names if len(form) > 4})
"""All names of flags, also those that turn a switch off."""


def refusal(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        flags.parse(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


def text(*arguments: str) -> str:
    return str(flags.parse(arguments).text)


def test_version_is_a_command_and_a_flag() -> None:
    assert text("version") == text("--version") == text("check", "--version") == f"batch-exporter {__version__}"


def test_help_is_a_command_and_a_flag_and_there_is_one_for_each_command() -> None:
    assert text("help") == text("--help") == text("-h") == text("help", "help")
    for command in COMMANDS:
        words = command.split()
        assert re.search(rf"^  {command}\*? +[A-Z]", text("help"), re.MULTILINE)
        assert text("help", *words) == text(*words, "--help") == text("--help", *words) == text(*words, "-h")
        assert text("help", command).startswith(f"usage: batch-exporter {command} ")


@pytest.mark.parametrize("command", [(), ("state",), *((command,) for command in COMMANDS)])
def test_help_fits_the_smallest_terminal(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = text("help", *" ".join(command).split()).splitlines()
    assert len(lines) <= 24 or not {"serve", "demo"}.isdisjoint(command) or not command
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []


def test_help_has_the_layout_of_kingpin() -> None:
    assert text("--help").splitlines()[0] == "usage: batch-exporter [<flags>] [<command>] [<args> ...]"
    shown = re.findall(r"^  (?:    |-h, )(--\S+)(?: \.\.\.)?(?:  |$)", text("--help"), re.MULTILINE)
    assert shown == [
        "--[no-]help",
        "--config.file=FILE",
        "--[no-]web.systemd-socket",
        "--web.listen-address=:10977",
        "--web.config.file=FILE",
        '--web.telemetry-path="/metrics"',
        "--[no-]web.disable-exporter-metrics",
        "--web.max-requests=40",
        "--[no-]web.unauthenticated-health",
        "--[no-]web.enable-lifecycle",
        "--log.level=info",
        "--log.format=logfmt",
        "--[no-]version",
    ]
    assert "Only log messages with the given severity or above. One of: [debug, info, warn, error]" in " ".join(
        text("--help").split()
    )


def test_help_shows_the_default_that_a_flag_has() -> None:
    for command in ("serve", "demo"):
        given = flags.parse(["demo"] if command == "demo" else [])
        for name, flag in COMMANDS_BY_NAME[command].flags.items():
            default = getattr(given, flag.dest)
            default = default[0] if isinstance(default, list) else default
            if not flag.is_switch and default is not None:
                assert re.search(
                    rf'{re.escape(name)}="?{re.escape(str(default))}"?( |$)', text("help", command), re.MULTILINE
                )


def test_long_help_has_that_of_each_command() -> None:
    for command in COMMANDS:
        assert text("help", *command.split()) in text("--help-long")


def test_a_switch_can_be_turned_off_and_the_last_one_counts() -> None:
    for command in ("serve", "check", "inspect", "demo"):
        words = [command, "a", "b"] if command == "inspect" else [command]
        for name, flag in COMMANDS_BY_NAME[command].flags.items():
            if flag.is_switch:
                off = f"--no-{name.removeprefix('--')}"
                assert getattr(flags.parse([*words, name]), flag.dest) is True
                for arguments in ([off], [name, off], []):
                    assert getattr(flags.parse([*words, *arguments]), flag.dest) is False
                assert getattr(flags.parse([*words, off, name]), flag.dest) is True
    assert flags.parse(["--no-help", "--no-version"]).command == "serve"


@pytest.mark.parametrize("value", ["true", "false", "1", "", "x=y"])
def test_a_switch_takes_no_value(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal([f"--web.enable-lifecycle={value}"], capsys)
    assert "--web.enable-lifecycle takes no value; --no-web.enable-lifecycle turns it off" in message
    assert "--no-json takes no value\n" in refusal(["inspect", "a", "b", f"--no-json={value}"], capsys)


@pytest.mark.parametrize("count", ["-1", "x", "", "1.5", "1e3", "0x1", " 1", "+1", "٣", "1" * 5000])
def test_a_limit_of_scrapes_is_a_whole_number(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal([f"--web.max-requests={count}"], capsys)
    assert "--web.max-requests: " in message
    assert "must be a whole number, or 0 for no limit" in message


def test_scrapes_are_limited_to_40_by_default() -> None:
    assert [flags.parse([f"--web.max-requests={count}"]).max_requests for count in (0, 1, 40, 1000)] == [0, 1, 40, 1000]
    assert flags.parse([]).max_requests == 40


def test_help_names_the_variables_that_are_enough_and_the_exit_statuses() -> None:
    for source in sources().values():
        assert source.system.token_env in text("help")
    for status in ("0 done", "1 failed", "2 usage", "130 interrupted"):
        assert status in text("help")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_lists_its_own_flags_and_refuses_those_of_others(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.split()
    shown = text("help", *words)
    for flag in ALL:
        named = re.escape(flag.removeprefix("--"))
        assert bool(re.search(rf" --(\[no-\])?{named}(=| |$)", shown, re.MULTILINE)) == (flag in OWN[command]), flag
    for flag in ALL - OWN[command]:
        for arguments in ([*words, f"{flag}=x"], [f"{flag}=x", *words]):
            assert f"{command} does not take {flag}; " in refusal(arguments, capsys)
    for form in set(FORMS) - set(COMMANDS_BY_NAME[command].names):
        assert f"{command} does not take {form}; " in refusal([*words, form], capsys)


def test_the_demo_does_not_take_a_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["demo", "--config.file=x"], ["--config.file", "x", "demo"]):
        message = refusal(arguments, capsys)
        assert "demo does not take --config.file; serve, check, once, inspect and state show do" in message
        assert message.startswith("usage: batch-exporter demo ")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["--config.fil=x"], "--config.file"),
        (["-config.file=x"], "--config.file"),
        (["--config-file", "x"], "--config.file"),
        (["--web.listen-adress=:1"], "--web.listen-address"),
        (["check", "--onlin"], "--online"),
        (["--onlin", "check"], "--online"),
        (["once", "--ouput=x"], "--output"),
        (["demo", "--api_port=1"], "--api-port"),
        (["inspect", "a", "b", "--show_data"], "--show-data"),
        (["serve", "--log.levl", "info"], "--log.level"),
        (["--no-web.enable-lifecylce"], "--no-web.enable-lifecycle"),
        (["--no-config.file"], "--config.file"),
        (["--web.disable_exporter_metrics"], "--web.disable-exporter-metrics"),
        (["--web.max-request=1"], "--web.max-requests"),
        (["--help-mann"], "--help-man"),
        (["--completion-script-bsh"], "--completion-script-bash"),
    ],
)
def test_a_misspelled_flag_gets_the_nearest_one_and_the_usage_of_the_command(
    arguments: list[str], nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = next((argument for argument in arguments if argument in COMMANDS), "serve")
    message = refusal(arguments, capsys)
    assert f"did you mean {nearest}?" in message
    assert message.startswith(f"usage: batch-exporter {command} ")


@given(form=st.sampled_from(FORMS), place=st.integers(2, 40), slip=st.sampled_from(["drop", "double", "swap", "x"]))
def test_a_flag_with_one_slip_is_recognized(form: str, place: int, slip: str) -> None:
    place = 2 + place % (len(form) - 3)
    letter, after = form[place], form[place + 1 :]
    slips = {"drop": after, "double": 2 * letter + after, "swap": after[0] + letter + after[1:], "x": "x" + after}
    slipped = form[:place] + slips[slip]
    command = next(name for name, each in COMMANDS_BY_NAME.items() if form in each.names)
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.suppress(SystemExit):
        flags.parse([*command.split(), slipped])
    assert slipped in FORMS or f"unknown flag {slipped}; did you mean {form}?" in " ".join(errors.getvalue().split())


@pytest.mark.parametrize(("word", "nearest"), [("chek", "check"), ("Demo", "demo"), ("versoin", "version")])
def test_a_misspelled_command_gets_the_nearest_one(word: str, nearest: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f'unknown command "{word}"; did you mean {nearest}?' in refusal([word], capsys)
    assert f'unknown command "{word}"' in refusal(["help", word], capsys)


@pytest.mark.parametrize("arguments", [["version", "x"], ["version", "--online"], ["help", "a", "b"], ["serve", "x"]])
def test_what_a_command_has_no_use_for_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "usage: " in refusal(arguments, capsys)


@pytest.mark.parametrize(
    "path",
    ["/", "/failures", "/failures/", "/-/healthy", "/-/ready", "/-/reload", "/-", "/-/x", "/runbooks", "/runbooks/a"],
)
def test_metrics_can_not_take_the_place_of_another_page(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "demo"):
        assert "another page of the exporter" in refusal([command, f"--web.telemetry-path={path}"], capsys)


def test_all_pages_that_there_are_are_kept_from_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    probes = Probes(lambda: True, lambda: None)
    for path in set(routes(None, None, probes, "/metrics")) - {"/metrics"}:  # type: ignore[arg-type]
        assert "another page of the exporter" in refusal([f"--web.telemetry-path={path}"], capsys)


@pytest.mark.parametrize("path", ["", "metrics", "//", "/a//b", "/a?b", "/a#b", "/a b", "/../failures", "/%2e", "/é"])
def test_metrics_need_a_plain_path(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a path" in refusal([f"--web.telemetry-path={path}"], capsys)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/a/b", "/failures2", "/-x", "/inkit_metrics.txt"])
def test_metrics_may_have_another_path(path: str) -> None:
    assert flags.parse([f"--web.telemetry-path={path}"]).telemetry_path == path


def test_flags_may_stand_before_the_command_and_after_it() -> None:
    for arguments in (
        ["--config.file", "check", "--log.level=debug", "check", "--online"],
        ["check", "--online", "--config.file=check", "--log.level", "debug"],
        ["--online", "check", "--config.file=check", "--log.level", "debug"],
    ):
        given = flags.parse(arguments)
        assert (given.command, given.online, given.config_file, given.log_level) == (
            "check",
            True,
            Path("check"),
            "debug",
        )


def test_what_is_not_given_has_its_default_and_an_address_that_is_given_takes_its_place() -> None:
    given = flags.parse([])
    assert {key: getattr(given, key) for key in DEFAULTS} == DEFAULTS
    assert given.command == "serve"
    assert flags.parse(["--web.listen-address=:1", "--web.listen-address=:2"]).listen_address == [":1", ":2"]
    assert flags.parse([]).listen_address == [":10977"]


def test_a_file_whose_variable_is_not_set_is_none() -> None:
    """`--config.file=$CONFIG` passes an empty value where CONFIG is not set."""
    for arguments in (["--config.file="], ["--config.file", ""], ["--web.config.file="], ["check", "--config.file="]):
        given = flags.parse(arguments)
        assert (given.config_file, given.web_config_file) == (None, None)


def test_replicas_of_the_demo_have_the_flags_of_the_web_server_that_were_given_to_it() -> None:
    given = {
        "--web.config.file": "web.yml",
        "--web.telemetry-path": "/m",
        "--web.max-requests": "0",
        "--web.listen-address": ":1",
    }
    switches = {name for name in WEB if COMMANDS_BY_NAME["serve"].flags[name].is_switch} - {"--web.systemd-socket"}
    assert {*given, *switches, "--web.systemd-socket"} == WEB
    for chosen in ([], [*switches], [f"{name}={value}" for name, value in given.items()]):
        demo = flags.parse(["demo", *chosen])
        served = flags.parse(web_flags(demo))
        for name in WEB - {"--web.listen-address"}:
            dest = COMMANDS_BY_NAME["serve"].flags[name].dest
            assert getattr(served, dest) == getattr(demo, dest), name
        assert served.listen_address == [":10977"]


WORDS = st.sampled_from(
    [
        *" ".join(COMMANDS).split(),
        "help",
        "version",
        *ALL,
        "--log.level",
        "--log.level=info",
        "-x",
        "--",
        "-",
        "",
        "x",
        "--=",
        "--x=y",
        "é",
    ]
)


@given(arguments=st.lists(WORDS | st.text(max_size=8), max_size=5))
def test_any_command_line_is_understood_or_refused_with_status_2(arguments: list[str]) -> None:
    status: object = 0
    command = None
    try:
        command = flags.parse(arguments).command
    except SystemExit as ended:
        status = ended.code
    assert (command is None) == (status == 2)
    assert command in (None, *COMMANDS, *flags.TEXTS)


LOADED = """
import sys
before = set(sys.modules)
from exporter.__main__ import main
try:
    main()
except SystemExit as ended:
    status = ended.code
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(status, sorted(new - set(sys.stdlib_module_names)), file=sys.stderr)
print(sorted(name for name in sys.modules if name.startswith("exporter")), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["version"],
        ["--help"],
        ["help"],
        ["help", "serve"],
        ["check", "--help"],
        ["--help-long"],
        ["--help-man"],
        ["--completion-bash", "--log.level", ""],
        ["--completion-script-zsh"],
    ],
)
def test_what_only_prints_a_text_loads_no_library(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    result, modules = done.stderr.splitlines()
    assert result == "0 ['exporter']"
    expected = {"__main__", "cli", "cli.commands", "cli.flags", "cli.help_text", "cli.main", "cli.streams"}
    expected |= {"cli.man_page"} if "--help-man" in arguments else set()
    expected |= {"cli.completion"} if "--completion" in arguments[0] else set()
    assert modules == str(["exporter", *sorted(f"exporter.{name}" for name in expected)])


def test_the_commands_of_state_are_listed_and_the_nearest_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert text("help", "state") == text("state", "--help") == text("-h", "state")
    assert "  state copy " in text("help", "state")
    assert "  state show " in text("help", "state")
    assert "state needs a command: show or copy" in refusal(["state"], capsys)
    assert "did you mean copy?" in refusal(["state", "ccopy", "a", "b"], capsys)


URL = "postgresql://exporter:pa55word@db.example/state"


@pytest.mark.parametrize(
    "arguments",
    [
        [URL],
        ["state", URL],
        ["state", "copy", "a", "b", URL],
        ["state", "copy", "a", URL, f"--force={URL}"],
        ["state", "copy", URL, "--log.level", URL],
        ["help", URL],
        ["demo", "--replicas", URL],
        ["serve", URL],
    ],
)
def test_no_refusal_quotes_the_password_of_a_url(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "pa55word" not in refusal(arguments, capsys)
