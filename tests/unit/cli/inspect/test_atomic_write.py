"""A file is there whole or not at all."""

import errno
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.inspect.atomic_write import save


def broken(error: BaseException) -> Iterator[bytes]:
    yield b"new" * 100_000
    raise error


def test_a_file_is_made_with_its_folder_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "batch_1-errors.csv"
    save(path, [b"row,", b"code"])
    assert path.read_bytes() == b"row,code"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "errors.csv"
    path.write_bytes(b"old")
    save(path, [b"new"])
    assert [one.name for one in tmp_path.iterdir()] == ["errors.csv"]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_could_not_be_completed_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "errors.csv"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        save(path, broken(error))
    assert [one.name for one in tmp_path.iterdir()] == ["errors.csv"]
    assert path.read_bytes() == b"old"
