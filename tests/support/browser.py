"""A real browser on the exporter's pages: Chromium without a window, driven by Playwright."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from exporter.exposition.snapshot import SnapshotStore
from exporter.web.routes import Probes, routes
from tests.support.examples import NOW
from tests.support.patience import GENEROUS
from tests.support.serving import Program, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]
_MILLISECONDS = GENEROUS * 1000
DESK, PHONE = (1280, 900), (390, 844)


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """Run the system's Chromium; Playwright would download another one."""
    import playwright.sync_api

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "install chromium: make test-all does"
    with playwright.sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--disable-gpu"], timeout=_MILLISECONDS)
        yield browser
        browser.close()


@contextlib.contextmanager
def showing(store: SnapshotStore, now: float = NOW) -> Iterator[str]:
    """Serve what is in the store, at a time that stands still, and yield the address."""
    program = Program()
    everything_well = Probes(lambda: True, lambda: None)
    program.app.routes = routes(program.exposition, store, everything_well, "/metrics", lambda: now, lambda: now)
    with serving(program) as (host, port):
        yield f"http://{host}:{port}"


@contextlib.contextmanager
def visit(
    browser: "Browser", url: str, scheme: Scheme = "light", size: tuple[int, int] = DESK, *, scripts: bool = True
) -> Iterator["Page"]:
    """Yield a page once it is loaded. A message on the console, such as one about a broken policy, is an error."""
    messages: list[str] = []
    with _tab(browser, scripts) as page:
        page.set_default_timeout(_MILLISECONDS)
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        listeners: Mapping[Literal["console", "pageerror"], Callable[[Any], None]] = {
            "console": lambda message: messages.append(message.text),
            "pageerror": lambda error: messages.append(str(error)),
        }
        for event, listener in listeners.items():
            page.on(event, listener)
        page.goto(url)
        yield page
        page.goto("about:blank")
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
    assert messages == []


@contextlib.contextmanager
def _tab(browser: "Browser", scripts: bool) -> Iterator["Page"]:
    """Yield a tab. With scripts it is always the same one: a new one has a process of its own, which takes a second."""
    if scripts:
        yield browser.contexts[0].pages[0] if browser.contexts else browser.new_context().new_page()
        return
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()
