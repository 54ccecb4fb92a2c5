"""What a shell offers for an unfinished command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import flags
from exporter.cli.commands import ABOUT, COMMANDS, EVERYWHERE, WITH_VALUE
from exporter.cli.completion import SCRIPTS, suggestions

FIRST_WORDS = {name.split()[0] for name in ABOUT}
LEVELS = ["debug", "info", "warn", "error"]


def offered(*words: str) -> list[str]:
    return suggestions(words, described=False).splitlines()


@pytest.mark.parametrize("words", [(), ("",), ("ch",), ("--log.level=debug", ""), ("--config.file", "check", "")])
def test_commands_are_offered_where_none_stands(words: tuple[str, ...]) -> None:
    assert set(offered(*words)) == FIRST_WORDS


def test_the_second_word_of_a_command_is_offered_and_no_third_one() -> None:
    assert offered("state", "") == offered("--log.level", "info", "state", "s") == ["show", "copy"]
    assert offered("state", "show", "") == offered("check", "") == offered("inspect", "account", "") == []


def test_commands_are_offered_to_help() -> None:
    assert set(offered("help", "")) == FIRST_WORDS - {"help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_flags_of_a_command_are_offered_and_no_others(command: str) -> None:
    words = command.split()
    names = list(COMMANDS[command].all_flags)
    assert offered(*words, "--") == offered(*words, "-") == offered(*words, "--log") == names
    assert offered("--log.level", "info", *words, "--config.file=x", "--") == names
    assert set(offered(*words, "--no-")) == {name for name in COMMANDS[command].names if name != "-h"}


def test_without_a_command_the_flags_of_serve_are_offered() -> None:
    assert offered("--") == offered("serve", "--")
    assert offered("version", "--") == offered("state", "--") == list(EVERYWHERE)


def test_the_values_of_a_flag_are_offered_in_both_forms() -> None:
    assert offered("--log.level", "") == offered("check", "--log.level", "de") == LEVELS
    assert offered("--log.level=") == offered("once", "--log.level=de") == [f"--log.level={level}" for level in LEVELS]
    assert offered("state", "copy", "--log.format", "") == ["logfmt", "json"]


@pytest.mark.parametrize(
    "words",
    [
        ("--config.file", ""),
        ("--config.file", "--"),
        ("--config.file=",),
        ("once", "--output", "/tm"),
        ("--online="),
        ("--unknown=",),
        ("metrics", "--config.file="),
        ("--", "--"),
        ("check", "--", "--log"),
    ],
)
def test_for_what_is_no_word_of_the_program_nothing_is_offered_so_that_the_shell_offers_files(
    words: tuple[str, ...],
) -> None:
    assert offered(*words) == []


def test_each_word_may_have_what_it_does_beside_it() -> None:
    for line in suggestions(["--"], described=True).splitlines():
        name, about = line.split("\t")
        assert about == COMMANDS["serve"].all_flags[name].about
    for line in suggestions([""], described=True).splitlines():
        name, about = line.split("\t")
        assert about
        assert name == "state" or about == ABOUT[name]


WORDS = st.sampled_from(
    [*FIRST_WORDS, "show", "copy", *WITH_VALUE, "--online", "--", "-", "", "--x=", "--log.level=", "=", ":"]
)


@given(words=st.lists(WORDS | st.text(max_size=6), max_size=6))
def test_whatever_is_typed_each_word_that_is_offered_is_one_that_may_stand_there(words: list[str]) -> None:
    for word in offered(*words):
        assert "\t" not in word
        assert word.split("=")[0] in {form for command in COMMANDS.values() for form in command.names} | {
            *FIRST_WORDS,
            "show",
            "copy",
            *LEVELS,
            "logfmt",
            "json",
        }


@pytest.mark.parametrize(("shell", "script"), SCRIPTS.items())
def test_a_script_is_printed_by_the_flag_of_kingpin_and_asks_the_program(shell: str, script: str) -> None:
    assert flags.parse([f"--completion-script-{shell}"]).text + "\n" == script
    assert ("--completion-bash" if shell == "bash" else "--completion-described") in script
    assert f"--completion-script-{shell}" in script.splitlines()[1 if shell == "zsh" else 0]
    assert "eval " not in "\n".join(line for line in script.splitlines() if not line.startswith("#"))
    assert "compgen" not in script


def test_the_program_answers_as_kingpin_does_whatever_else_is_typed() -> None:
    for typed in (["--version", "--log.level", ""], ["--help", "--log.level", ""], ["--help-man", "--log.level", ""]):
        assert flags.parse(["--completion-bash", *typed]).text.split() == LEVELS
    assert flags.parse(["--completion-described", "--log.level", ""]).text.count("\t") == 4
