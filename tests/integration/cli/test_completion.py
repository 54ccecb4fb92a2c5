"""Completion in real shells, and the manual page before the programs that read it."""

import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.cli import flags
from exporter.cli.commands import COMMANDS

pytestmark = pytest.mark.programs

BIN = Path(sys.executable).parent
GENEROUS = 60.0
BASH = """
PS1='ready> '
bind 'set bell-style none'
eval "$(batch-exporter --completion-script-bash)"
dump() { printf %s "$READLINE_LINE" > line.tmp; mv line.tmp line; }
bind -x '"\\C-t": dump'
"""
ZSH = """
PS1='ready> '
autoload -Uz compinit
compinit -u -d dumped
eval "$(batch-exporter --completion-script-zsh)"
dump() { print -rn -- "$BUFFER" > line.tmp; command mv line.tmp line; }
zle -N dump
bindkey '^T' dump
"""
ZSH_AUTOLOADED = """
mkdir functions
batch-exporter --completion-script-zsh > functions/_batch-exporter
fpath=($PWD/functions $fpath)
""" + ZSH.replace('eval "$(batch-exporter --completion-script-zsh)"\n', "")
SHELLS = {
    "bash": (["bash", "--noprofile", "--rcfile", "rc", "-i"], BASH),
    "zsh": (["zsh", "-d", "-i"], ZSH),
    "zsh, autoloaded": (["zsh", "-d", "-i"], ZSH_AUTOLOADED),
}
LINES = [
    ("batch-exporter che\t", "batch-exporter check "),
    ("batch-exporter --config.f\t", "batch-exporter --config.file "),
    ("batch-exporter --config.file conf\t", "batch-exporter --config.file config.yaml "),
    ("batch-exporter --config.file=conf\t", "batch-exporter --config.file=config.yaml "),
    ("batch-exporter --log.level de\t", "batch-exporter --log.level debug "),
    ("batch-exporter --log.level=de\t", "batch-exporter --log.level=debug "),
    (
        "batch-exporter --web.listen-address=:1 --web.max\t",
        "batch-exporter --web.listen-address=:1 --web.max-requests ",
    ),
    (
        "batch-exporter --web.listen-address :1 --web.max\t",
        "batch-exporter --web.listen-address :1 --web.max-requests ",
    ),
    ("batch-exporter --log.level=info che\t", "batch-exporter --log.level=info check "),
    ("batch-exporter check --onl\t", "batch-exporter check --online "),
    ("batch-exporter --no-web.unau\t", "batch-exporter --no-web.unauthenticated-health "),
    ("batch-exporter state sh\t", "batch-exporter state show "),
    ("batch-exporter state show conf\t", "batch-exporter state show config.yaml "),
    ("batch-exporter check --out\t", "batch-exporter check --out"),
    ("batch-exporter $(touch touched) che\t", None),
    ("batch-exporter ';touch touched' --onl\t", None),
    ("x=1 batch-exporter --web.syst\t", "x=1 batch-exporter --web.systemd-socket "),
    ("true | batch-exporter --web.syst\t", "true | batch-exporter --web.systemd-socket "),
    ("true; batch-exporter --log.level=de\t", "true; batch-exporter --log.level=debug "),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "ZDOTDIR": str(folder),
        "TERM": "xterm",
        "INPUTRC": "/dev/null",
        "LC_ALL": "C.UTF-8",
        "XDG_CONFIG_HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
    }


class Terminal:
    """A shell at a terminal. Ctrl-T writes the line that is being edited into a file."""

    def __init__(self, command: list[str], setup: str, folder: Path) -> None:
        (folder / "rc").write_text(setup)
        (folder / ".zshrc").write_text(setup)
        self._folder = folder
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x28\x00\xc8\x00\x00\x00\x00\x00")
        os.set_blocking(self._master, False)
        self._shell = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
        os.close(slave)
        self.seen = b""
        self._until(lambda: b"ready> " in self.seen)

    def line_after(self, keys: str) -> str:
        """Return the line that is there after these keys, and empty it."""
        file = self._folder / "line"
        file.unlink(missing_ok=True)
        self._type(keys + "\x14")
        self._until(file.exists)
        self._type("\x15")
        return file.read_text()

    def end(self) -> None:
        os.close(self._master)
        self._shell.kill()
        self._shell.wait()

    def _type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def _until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + GENEROUS
        while not condition():
            assert time.monotonic() < until, self.seen
            try:
                self.seen += os.read(self._master, 65536)
            except BlockingIOError:
                time.sleep(0.01)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_line_is_completed_by_tab(shell: str, folder: Path) -> None:
    terminal = Terminal(*SHELLS[shell], folder)
    try:
        for keys, completed in LINES:
            line = terminal.line_after(keys)
            assert completed is None or line == completed, terminal.seen
    finally:
        terminal.end()
    assert not (folder / "touched").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_is_found_where_it_is_typed(shell: str, folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "batch-exporter").symlink_to(BIN / "batch-exporter")
    terminal = Terminal(*SHELLS[shell], folder)
    try:
        for program in ("bin/batch-exporter", "~/bin/batch-exporter", str(BIN / "batch-exporter")):
            assert terminal.line_after(f"{program} --log.for\t") == f"{program} --log.format ", terminal.seen
    finally:
        terminal.end()


def fish(folder: Path, line: str) -> list[str]:
    """Return what fish offers for the last word of a line."""
    script = "batch-exporter --completion-script-fish | source; complete -C $argv[1]"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script, line],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(folder),
        timeout=GENEROUS,
        check=True,
    )
    assert done.stderr == ""
    return sorted(done.stdout.splitlines())


def test_fish_offers_words_with_what_they_do_and_files_where_they_belong(folder: Path) -> None:
    assert fish(folder, "batch-exporter che") == ["check\tValidate the configuration."]
    serve = COMMANDS["serve"].all_flags
    assert fish(folder, "batch-exporter --") == sorted(f"{name}\t{flag.about}" for name, flag in serve.items())
    level = serve["--log.level"].about
    assert fish(folder, "batch-exporter --log.level de") == [f"debug\t{level}"]
    assert fish(folder, "batch-exporter check --log.level=de") == [f"--log.level=debug\t{level}"]
    assert [line.split("\t")[0] for line in fish(folder, "batch-exporter --config.file conf")] == ["config.yaml"]
    assert [line.split("\t")[0] for line in fish(folder, "batch-exporter --config.file=conf")] == [
        "--config.file=config.yaml"
    ]
    assert fish(folder, "batch-exporter state ") == [
        "copy\tCopy a state to an empty place, while no exporter uses either.",
        "show\tShow what a state holds, also while an exporter uses it.",
    ]


def test_the_manual_page_is_in_order_for_mandoc_and_groff(tmp_path: Path) -> None:
    page = tmp_path / "batch-exporter.1"
    page.write_text(flags.parse(["--help-man"]).text + "\n")
    lint = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True, text=True, check=False)
    # It has no date, so that the same version gives the same page.
    assert [line for line in lint.stdout.splitlines() if "missing date" not in line] == []
    groff = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True, check=True)
    assert groff.stderr == ""
    shown = subprocess.run(
        ["mandoc", "-T", "ascii", "-O", "width=200", page], capture_output=True, text=True, check=True
    ).stdout
    plain = re.sub(".\x08", "", shown)
    for command in COMMANDS.values():
        for name, flag in command.flags.items():
            assert re.search(rf"--(\[no-\])?{re.escape(name.removeprefix('--'))}(=|$)", plain, re.MULTILINE)
            assert flag.about in plain
