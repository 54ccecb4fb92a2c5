"""A file is written completely or not at all."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.atomic_write import PRIVATE, atomic_write


def broken(error: BaseException) -> Iterator[bytes]:
    yield b"new" * 100_000
    raise error


@pytest.mark.parametrize(("mode", "expected"), [(PRIVATE, 0o600), (0o666, 0o640)])
def test_a_file_has_the_mode_asked_for_within_the_umask(tmp_path: Path, mode: int, expected: int) -> None:
    path = tmp_path / "batch_1-errors.csv"
    before = os.umask(0o027)
    try:
        atomic_write(path, [b"row,", b"code"], mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"row,code"
    assert stat.S_IMODE(path.stat().st_mode) == expected


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    path.write_bytes(b"old")
    atomic_write(path, [b"new"])
    assert [file.name for file in tmp_path.iterdir()] == ["errors.csv"]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_could_not_be_completed_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "errors.csv"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        atomic_write(path, broken(error))
    assert [file.name for file in tmp_path.iterdir()] == ["errors.csv"]
    assert path.read_bytes() == b"old"
