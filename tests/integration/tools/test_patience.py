"""What tests wait for has much time, and says what did not come; the machine around them changes nothing."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.support import environment
from tests.support.patience import ends_of_logs, eventually, in_haste


def test_what_never_comes_is_named_with_what_was_seen_last_and_a_report() -> None:
    seen: list[str] = []
    with pytest.raises(AssertionError) as caught:
        eventually(lambda: seen, lambda: "the log", seconds=0.0)
    assert str(caught.value).startswith("not within 0 seconds: eventually(lambda: seen, ")
    assert str(caught.value).endswith("\nlast: []\nthe log")


def test_what_has_come_when_the_time_is_over_is_found() -> None:
    assert eventually(lambda: "found", seconds=-1.0) == "found"


def test_the_ends_of_all_logs_in_a_folder_are_shown(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text("a long beginning\nthe end")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "two.log").write_text("two")
    assert ends_of_logs(tmp_path, 7) == "--- two.log\ntwo\n--- one.log\nthe end"


def test_a_test_in_haste_gets_more_time_until_it_holds_and_fails_if_it_never_does() -> None:
    tried: list[float] = []

    @in_haste(0.5)
    def holds(enough: float, haste: float) -> None:
        tried.append(haste)
        assert haste >= enough

    holds(enough=2.0)
    assert tried == [0.5, 2.5]
    with pytest.raises(AssertionError):
        holds(enough=1000.0)
    assert tried[2:] == [0.5, 2.5, 12.5, 50.0]


def test_proxies_are_only_for_what_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "LANG": "C"}
    monkeypatch.setattr(os, "environ", dict(before))
    environment.leave()
    environment.leave()
    assert not {"http_proxy", "HTTPS_PROXY"} & os.environ.keys()
    assert environment.outside().items() >= before.items()


def test_a_temporary_folder_in_which_a_socket_has_no_room_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", None)
    environment.leave()
    assert tempfile.gettempdir() == "/tmp"  # noqa: S108
