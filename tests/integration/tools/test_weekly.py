"""What the tests keep for a week is made once, and whole or not at all."""

from pathlib import Path

import pytest

from tests.support.weekly import kept


def test_it_is_made_once_for_the_same_and_again_after_one_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def make(path: Path) -> None:
        path.mkdir()
        (path / "half").touch()
        made.append(path)
        if len(made) == 1:
            raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        kept("things", b"1", make)
    assert [path.name for path in tmp_path.rglob("half")] == []
    assert kept("things", b"1", make) == kept("things", b"1", make)
    assert kept("things", b"2", make) != kept("things", b"1", make)
    assert len(made) == 3
    assert len(list(tmp_path.rglob("half"))) == 2
