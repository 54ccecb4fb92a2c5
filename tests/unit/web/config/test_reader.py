"""The web configuration is read beside the event loop: a disk that does not respond keeps nobody waiting."""

import asyncio
import threading
import time
from pathlib import Path

import pytest

from exporter.web.config import BackgroundReader, WebConfig, WebConfigFile
from tests.support.patience import GENEROUS, eventually, in_haste

HEADERS = "http_server_config: {headers: {X-Frame-Options: deny}}\n"


class OnSlowDisk(WebConfigFile):
    """Files on a disk that does not respond while its event is cleared."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.disk = threading.Event()
        self.disk.set()

    def current(self) -> WebConfig | None:
        assert self.disk.wait(GENEROUS)
        return super().current()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "web.yml"
    path.write_text(HEADERS)
    return path


def frame(config: WebConfig | None) -> str | None:
    return None if config is None else config.headers.get("X-Frame-Options")


def test_what_the_file_holds_when_asked_is_what_is_seen(file: Path) -> None:
    async def ask() -> list[str | None]:
        reader = BackgroundReader(WebConfigFile(file), patience=GENEROUS)
        seen = [frame((await reader.current()).config)]
        for content in (HEADERS.replace("deny", "sameorigin"), "[", HEADERS):
            file.write_text(content)
            seen.append(frame((await reader.current()).config))
        reader.stop()
        return seen

    assert asyncio.run(ask()) == ["deny", "sameorigin", None, "deny"]


def test_without_a_free_thread_the_file_is_read_all_the_same_and_a_later_request_starts_the_thread(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def ask() -> list[str | None]:
        reader = BackgroundReader(WebConfigFile(file), patience=GENEROUS)
        file.write_text(HEADERS.replace("deny", "sameorigin"))
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            found = await asyncio.gather(*(reader.current() for _ in range(3)))
            file.write_text("[")
            found.append(await reader.current())
        file.write_text(HEADERS)
        found.append(await reader.current())
        reader.stop()
        return [frame(loaded.config) for loaded in found]

    assert asyncio.run(ask()) == [*["sameorigin"] * 3, None, "deny"]


@in_haste(0.2)
def test_while_the_disk_does_not_respond_what_was_seen_last_holds_and_one_waits_at_most_once(
    file: Path, caplog: pytest.LogCaptureFixture, haste: float
) -> None:
    file.write_text(HEADERS)
    caplog.clear()
    caplog.set_level("INFO")

    async def ask() -> None:
        files = OnSlowDisk(file)
        reader = BackgroundReader(files, patience=haste)
        await reader.current()
        files.disk.clear()
        file.write_text(HEADERS.replace("deny", "sameorigin"))
        started = time.monotonic()
        assert {frame((await reader.current()).config) for _ in range(50)} == {"deny"}
        assert time.monotonic() - started < GENEROUS / 2
        files.disk.set()
        while frame((await reader.current()).config) != "sameorigin":
            await asyncio.sleep(0.01)
        reader.stop()

    asyncio.run(ask())
    assert caplog.messages == [
        "reading the web configuration takes too long: keeping the previous one",
        "the web configuration is read in time again",
    ]


def test_those_who_ask_at_once_are_content_with_one_reading(file: Path) -> None:
    class Counted(WebConfigFile):
        read = 0

        def current(self) -> WebConfig | None:
            self.read += 1
            return super().current()

    async def ask() -> int:
        files = Counted(file)
        reader = BackgroundReader(files, patience=GENEROUS)
        await asyncio.gather(*(reader.current() for _ in range(100)))
        reader.stop()
        return files.read

    assert asyncio.run(ask()) < 50


def test_an_error_in_reading_lets_nobody_in_and_the_next_one_asks_again(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(WebConfigFile):
        broken = True

        def current(self) -> WebConfig | None:
            if self.broken:
                raise RuntimeError("CANARY")
            return super().current()

    async def ask() -> list[str | None]:
        files = Broken(file)
        reader = BackgroundReader(files, patience=GENEROUS)
        first = await reader.current()
        files.broken = False
        second = await reader.current()
        reader.stop()
        return [frame(first.config), frame(second.config)]

    assert asyncio.run(ask()) == [None, "deny"]
    assert "internal error" in caplog.text


def test_it_ends_when_asked_to_whoever_has_asked(file: Path) -> None:
    async def ask() -> None:
        reader = BackgroundReader(WebConfigFile(file))
        await reader.current()
        reader.stop()

    before = set(threading.enumerate())
    asyncio.run(ask())
    eventually(lambda: not set(threading.enumerate()) - before)
