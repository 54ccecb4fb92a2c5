"""Command lines, and the words that shells ask to complete."""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from exporter.cli import flags
from exporter.cli.commands import COMMANDS, DEFAULTS, KNOWN, NAMES
from tests.fuzz.mutators import BYTES, lines, spliced, words
from tests.fuzz.target import Target

_MARK = "qzcanary"
_URL = f"postgresql://user:{_MARK}@db/state"


def _command_line(data: bytes) -> None:
    arguments = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\0")][:50]
    errors, output = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
            args = flags.parse(arguments)
    except SystemExit as end:
        _refused(end.code, errors.getvalue(), output.getvalue(), data)
        return
    assert not errors.getvalue()
    if args.command in flags.TEXTS:
        # As it is printed.
        args.text.encode("utf-8")
    else:
        assert args.command in COMMANDS
        assert all(hasattr(args, key) for key in DEFAULTS)


def _refused(code: object, errors: str, output: str, data: bytes) -> None:
    assert code == 2
    assert not output
    assert errors.startswith("usage: batch-exporter")
    assert ": error: " in errors
    assert not errors.endswith(": error: \n")
    url = data.find(_URL.encode())
    if url >= 0 and data.count(_MARK.encode()) == data.count(_URL.encode()):
        assert _MARK not in errors


_SEEDS = [
    b"--config.file=config.yaml",
    b"serve\0--web.listen-address=:10977\0--web.listen-address\0[::1]:1\0--no-web.systemd-socket",
    b"check\0--config.file\0config.yaml\0--online",
    b"demo\0--api-port=0\0--replicas=3",
    b"state\0copy\0" + _URL.encode() + b"\0state.db",
    b"state\0show\0--config.file=x",
    b"inspect\0prod\0rend_1\0--errors\0--show-data",
    b"--log.level=debug\0--log.format=json\0once\0--web.max-requests=40\0--web.telemetry-path=/metrics",
    b"help\0state copy",
    b"--completion-bash\0state\0c",
    b"--version",
    b"check\0" + _URL.encode(),
]
_WORDS = words(
    "\0",
    "=",
    "--",
    "-",
    "-h",
    "\0--\0",
    "--no-",
    "--help",
    "9" * 20,
    "\u0661",
    _URL,
    "\0=\0",
    *KNOWN,
    *(f"\0{name}\0" for name in NAMES),
)


@contextmanager
def _opened() -> Iterator[Target]:
    yield Target("command-line", _command_line, _SEEDS, (*BYTES, _WORDS, _WORDS, _WORDS, lines(b"\0"), spliced(_SEEDS)))


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {"command-line": _opened}
