"""`python -m tools.demo_picture`: draw half an hour of the demo, for the README. What happened is in half_hour.py."""

import logging
from collections.abc import Iterator
from xml.sax.saxutils import escape

from tests.support.half_hour import LENGTH, POLL_INTERVAL, Failures, Place, Story, watch
from tools.interval_costs import paged_within

_WIDTH, _LEFT, _RIGHT = 860, 170, 110
_TOP, _ROW, _FOOT = 96, 26, 56
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 18px; font-weight: 600 }
  .quiet { fill: #57606a }
  .page { fill: #ffffff }
  .grid { stroke: #d0d7de }
  .happened { fill: none; stroke: #cf222e; stroke-width: 1.5 }
  .waited { stroke: #cf222e; stroke-opacity: .35; stroke-width: 3 }
  .counted { fill: #cf222e }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .page { fill: #0d1117 }
    .grid { stroke: #3d444d }
    .happened, .waited { stroke: #ff7b72 }
    .counted { fill: #ff7b72 }
  }
"""


def picture(story: Story) -> str:
    """Return the story as SVG: a row for each place, with time to the right."""
    places = sorted(place for place, failures in story.happened.items() if failures)
    height = _TOP + _ROW * len(places) + _FOOT
    inside = [*_head(), *_grid(len(places))]
    for number, place in enumerate(places):
        inside += _row(number, place, story.happened[place], story.counted.get(place, []))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(_told(story))}">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>\n' + "\n".join(inside) + "\n</svg>\n"
    )


def waits(happened: list[Failures], counted: list[Failures]) -> Iterator[tuple[Failures, float]]:
    """Yield each failure with the time at which it was counted, or the end of the picture if it was not counted yet.

    The first failures that happened are the first that are counted.
    """
    left = [(failures.at, failures.count) for failures in counted]
    so_far, known = 0, 0
    for failures in happened:
        so_far += failures.count
        while left and known < so_far:
            at, count = left.pop(0)
            known += count
            last = at
        yield failures, last if known >= so_far else LENGTH


def _told(story: Story) -> str:
    failures = sum(failures.count for row in story.happened.values() for failures in row)
    return f"Half an hour of the demo: {failures} failures, each of them counted by the next poll."


def _head() -> Iterator[str]:
    yield _text(20, 32, "Half an hour of the demo: what fails, and when you can know", "title")
    yield '<circle class="happened" cx="26" cy="55" r="4"/>'
    yield _text(38, 60, "a generation or a batch fails at the vendor", "quiet")
    yield '<rect class="counted" x="322" y="49" width="5" height="12"/>'
    poll, page = f"{POLL_INTERVAL:.0f} s", f"{paged_within(POLL_INTERVAL):.0f} s"
    yield _text(
        335, 60, f"/metrics counts it: {poll} later at most (poll_interval). The page: {page} at most.", "quiet"
    )


def _grid(rows: int) -> Iterator[str]:
    bottom = _TOP + _ROW * rows
    for minute in range(0, int(LENGTH / 60) + 1, 5):
        x = _x(minute * 60)
        yield f'<line class="grid" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}"/>'
        yield _text(x, bottom + 18, f"{minute} min", "quiet middle")
    yield _text(_WIDTH - 20, _TOP - 12, "failed", "quiet end")
    foot = "Drawn from the bundled mock API and the exporter, polling once a minute."
    yield _text(20, bottom + 42, foot, "quiet")


def _row(number: int, place: Place, happened: list[Failures], counted: list[Failures]) -> Iterator[str]:
    y = _TOP + _ROW * number + _ROW // 2
    yield _text(_LEFT - 14, y + 4, f"{place.system} · {place.name}", "end")
    for failures, known in waits(happened, counted):
        yield f'<line class="waited" x1="{_x(failures.at)}" y1="{y}" x2="{_x(known)}" y2="{y}"/>'
    for failures in happened:
        yield f'<circle class="happened" cx="{_x(failures.at)}" cy="{y}" r="4"/>'
    for failures in counted:
        yield f'<rect class="counted" x="{_x(failures.at) - 2.5}" y="{y - 7}" width="5" height="14"/>'
    yield _text(_WIDTH - 20, y + 4, str(sum(failures.count for failures in happened)), "end")


def _x(seconds: float) -> float:
    return round(_LEFT + seconds / LENGTH * (_WIDTH - _LEFT - _RIGHT), 1)


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(text)}</text>'


def main() -> None:
    logging.disable(logging.WARNING)
    print(picture(watch()), end="")


if __name__ == "__main__":
    main()
