"""A real browser on the exporter's pages: Chromium without a window, driven by Playwright."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from exporter.exposition.snapshot import SnapshotStore
from exporter.web.routes import Probes, routes
from tests.support.examples import NOW
from tests.support.serving import Program, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]
DESK, PHONE = (1280, 900), (390, 844)


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """The system's Chromium: what Playwright would download is another one."""
    import playwright.sync_api

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "install chromium: make test-all does"
    with playwright.sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--disable-gpu"])
        yield browser
        browser.close()


@contextlib.contextmanager
def showing(board: SnapshotStore, now: float = NOW) -> Iterator[str]:
    """An exporter that serves what is on the board, at a time that stands still; its address."""
    program = Program()
    everything_well = Probes(lambda: True, lambda: None)
    program.app.routes = routes(program.exposition, board, everything_well, "/metrics", lambda: now, lambda: now)
    with serving(program) as (host, port):
        yield f"http://{host}:{port}"


@contextlib.contextmanager
def visit(
    browser: "Browser", url: str, scheme: Scheme = "light", size: tuple[int, int] = DESK, *, scripts: bool = True
) -> Iterator["Page"]:
    """A page, once it is there. What it says to the console, of a policy that is broken say, is an error."""
    messages: list[str] = []
    with browser.new_context(
        color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, java_script_enabled=scripts
    ) as context:
        page = context.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(url)
        yield page
    assert messages == []
