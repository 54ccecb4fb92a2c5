"""The manual page has what --help has, in the macros of man(7). test_completion.py has programs judge it."""

import re

from exporter import __version__
from exporter.cli import flags
from exporter.cli.commands import ABOUT, COMMANDS, HIDDEN
from exporter.cli.help_text import EXIT_STATUSES

PAGE = flags.parse(["--help-man"]).text
PLAIN = re.sub(r'^\.(?:B|I) "(.*)"$', r"\1", PAGE, flags=re.MULTILINE).replace(r"\-", "-").replace(r"\(aq", "'")
PLAIN = PLAIN.replace(r"\(dq", '"')


def test_it_has_the_sections_of_a_manual_page_in_their_order() -> None:
    assert PAGE.splitlines()[0] == f'.TH BATCH-EXPORTER 1 "" "batch-exporter {__version__}" "User Commands"'
    assert re.findall(r"^\.SH (.+)$", PAGE, re.MULTILINE) == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "COMMANDS",
        "SIGNALS",
        "ENVIRONMENT",
        "EXIT STATUS",
        "SEE ALSO",
    ]
    # `apropos` and `whatis` read this line.
    assert re.search(r"^\.SH NAME\nbatch\\-exporter \\- \w.+[^.]\n\.SH", PAGE, re.MULTILINE)


def test_every_flag_command_and_exit_status_is_there_with_what_help_says_of_it() -> None:
    text = " ".join(PLAIN.split())
    for name in ABOUT:
        assert re.search(rf"^\.SS {re.escape(name)}( |$)", PLAIN, re.MULTILINE)
    for command in COMMANDS.values():
        assert command.about in text
        for name, flag in command.all_flags.items():
            assert re.search(rf"--(\[no-\])?{re.escape(name.removeprefix('--'))}(=| |$)", PLAIN, re.MULTILINE)
            assert flag.about in text
        assert all(argument.about in text for argument in command.positionals.values())
    assert all(f"\n{name}\n" in PLAIN for name in HIDDEN)
    assert all(f"\n{status}\n" in PLAIN for status in EXIT_STATUSES)


def test_only_macros_begin_a_line_like_one_and_no_hyphen_can_become_another_sign() -> None:
    for line in PAGE.splitlines():
        assert line == line.rstrip() != ""
        assert not line.startswith("'")
        if line.startswith("."):
            assert re.match(r"\.(TH|nh|SH|SS|TP|PP|B|BR|I)\b", line)
        else:
            assert len(line) <= 80
            assert re.search(r"(?<!\\)-", line) is None
        assert set(re.findall(r"\\.", line)) <= {"\\-", "\\(", "\\f", "\\&", "\\e"}
