"""The pages in a real browser: without scripts, in dark mode, on a phone, and for people who can't see them."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from exporter.exposition.snapshot import CollectorSnapshot, Failure, SnapshotStore
from tests.support.browser import DESK, PHONE, Scheme, chromium, showing, visit
from tests.support.examples import NOW, calm, with_problems

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.programs, pytest.mark.slow]

LONG = "x" * 128
_PHONES = 700


def overflowing() -> SnapshotStore:
    """Return a snapshot store whose names are as long as possible."""
    store = SnapshotStore()
    failure = Failure(LONG, NOW, NOW, tuple(f"{LONG[:60]}{number}" for number in range(9)), ("failed",), "", LONG)
    store.publish(CollectorSnapshot(LONG[:63], "inkit", "document_batches", failures=(failure,)))
    return store


STORES = {"with_problems": with_problems, "calm": calm, "overflowing": overflowing}
VIEWS = pytest.mark.parametrize(
    ("store", "path"),
    [
        ("with_problems", "/"),
        ("with_problems", "/failures"),
        ("with_problems", "/failures?account=nobody"),
        ("with_problems", "/runbooks"),
        ("calm", "/"),
        ("overflowing", "/"),
        ("overflowing", "/failures"),
    ],
)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def urls() -> Iterator[Mapping[str, str]]:
    with contextlib.ExitStack() as all_of_them:
        yield {name: all_of_them.enter_context(showing(make())) for name, make in STORES.items()}


@pytest.fixture
def page_with_problems(urls: Mapping[str, str]) -> str:
    return urls["with_problems"]


@VIEWS
@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)], ids=["desk", "phone-in-the-dark"])
def test_nobody_is_kept_from_reading_it(
    browser: "Browser", urls: Mapping[str, str], store: str, path: str, scheme: Scheme, size: tuple[int, int]
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with visit(browser, urls[store] + path, scheme, size) as page:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@VIEWS
def test_nothing_stands_beyond_the_edge(browser: "Browser", urls: Mapping[str, str], store: str, path: str) -> None:
    with visit(browser, urls[store] + path) as page:
        for width in (320, 390, _PHONES, 900, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            tables = page.locator(".scroll")
            room = tables.evaluate_all("all => all.map(one => one.clientWidth - one.scrollWidth)")
            assert width > _PHONES or min(room, default=0) >= 0, "on a phone, not even in a part that scrolls by itself"


def test_it_is_dark_in_the_dark(browser: "Browser", page_with_problems: str) -> None:
    grounds: dict[Scheme, str] = {}
    for scheme in ("light", "dark"):
        with visit(browser, page_with_problems, scheme) as page:
            grounds[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}


def test_the_form_works_without_a_script(browser: "Browser", page_with_problems: str) -> None:
    with visit(browser, f"{page_with_problems}/failures", scripts=False) as page:
        page.get_by_label("Collector").select_option("invocations")
        page.get_by_label("Destination or resource").select_option("docusign")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/failures?*")
        assert page.locator("tbody tr").count() == 1
        assert page.get_by_label("Collector").input_value() == "invocations"
        page.get_by_role("link", name="show all").click()
        page.wait_for_url("**/failures")
        assert page.locator("tbody tr").count() == 7


def test_a_link_with_a_record_s_id_leads_to_its_row_and_marks_it(browser: "Browser", page_with_problems: str) -> None:
    with visit(browser, f"{page_with_problems}/failures#batch_9kR2mWq4Lx", size=PHONE) as page:
        row = page.locator("tr:target")
        assert "shipment" in row.inner_text()
        assert page.evaluate("window.scrollY") > 0
        assert row.evaluate("row => getComputedStyle(row).backgroundColor") == "rgb(255, 243, 196)"


def test_a_phone_shows_each_cell_with_the_name_of_its_column(browser: "Browser", page_with_problems: str) -> None:
    with visit(browser, f"{page_with_problems}/failures", size=PHONE) as page:
        cells = page.locator("tbody tr").first.locator("th, td")
        names = cells.evaluate_all("all => all.map(one => getComputedStyle(one, '::before').content)")
        assert names[:3] == ['"Record"', '"Noticed"', '"Account"']
        boxes = [box for box in (cell.bounding_box() for cell in cells.all()) if box]
        assert [box["y"] for box in boxes] == sorted({box["y"] for box in boxes}), "below each other"


def test_from_a_problem_an_operator_comes_to_the_records(browser: "Browser", page_with_problems: str) -> None:
    with visit(browser, page_with_problems) as page:
        page.get_by_role("listitem").filter(has_text="production:").get_by_role(
            "link", name="See its failed records"
        ).click()
        page.wait_for_url("**/failures?account=production")
        assert page.locator("tbody tr").count() == 6


def test_from_a_problem_and_from_a_record_an_operator_comes_to_the_runbook(
    browser: "Browser", page_with_problems: str
) -> None:
    for path, alert in (("/", "BatchExporterAuthRefused"), ("/failures", "InkitGenerationFailed")):
        with visit(browser, page_with_problems + path, size=PHONE) as page:
            page.get_by_role("link", name=alert).first.click()
            page.wait_for_url(f"**/runbooks#{alert.lower()}")
            assert page.locator("h3:target").inner_text() == alert
            assert page.locator("h3:target").evaluate("one => one.getBoundingClientRect().top") < PHONE[1]


def test_the_pages_load_nothing_from_anywhere_else(browser: "Browser", page_with_problems: str) -> None:
    asked: list[str] = []
    with visit(browser, page_with_problems) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.goto(f"{page_with_problems}/failures")
        page.goto(f"{page_with_problems}/runbooks")
    assert {url.removeprefix(page_with_problems) for url in asked} <= {
        "/",
        "/failures",
        "/runbooks",
        "/favicon.ico",
    }
