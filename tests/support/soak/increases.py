"""What Prometheus makes of counters that it scrapes from one target after the other, over restarts. Pure."""

from collections.abc import Mapping

Series = Mapping[str, float]


class Increases:
    """Add up the increase of each series from its first sample on, as `increase()` does: what falls was reset."""

    def __init__(self) -> None:
        self.total: dict[str, float] = {}
        """By series with its labels; 0 from its first sample on."""
        self.falls: list[str] = []
        """What fell, in words."""
        self._last: dict[str, float] = {}

    def take(self, values: Series) -> None:
        """Take a scrape. A series that is absent goes on from where it was once it is back."""
        for series, value in values.items():
            before = self._last.get(series)
            if before is None:
                self.total[series] = 0.0
            elif value >= before:
                self.total[series] += value - before
            else:
                self.total[series] += value
                self.falls.append(f"{series} is {value:g} after {before:g}")
            self._last[series] = value

    def page(self) -> str:
        """Return the increases in the form of a scrape."""
        return "\n".join(f"{series} {value:g}" for series, value in self.total.items())
