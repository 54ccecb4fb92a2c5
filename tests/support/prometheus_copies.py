"""A Prometheus that has what another one has scraped, and as if several exporters had exposed it."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.grafana_stage import Prometheus, process
from tests.support.ports import free_port

Series = tuple[dict[str, str], list[tuple[float, str]]]
"""Labels, and the values by their time in epoch seconds."""
_NOT_SCRAPED = {"ALERTS", "ALERTS_FOR_STATE"}


def scraped(source: Prometheus, duration: str) -> list[Series]:
    """Return all that a Prometheus has of the time before it is asked."""
    return [(series["metric"], series["values"]) for series in source.now(f'{{job="batch-exporter"}}[{duration}]')]


def also_from(series: Iterable[Series], exporter: Mapping[str, str]) -> list[Series]:
    """Return the series of exporters, each once more as of an exporter with these labels."""
    return [
        (labels | change, values)
        for labels, values in series
        for change in ({}, {} if labels["__name__"] in _NOT_SCRAPED else dict(exporter))
    ]


@contextmanager
def copied(folder: Path, series: Iterable[Series], at: float | None) -> Iterator[Prometheus]:
    """Run a Prometheus that has these series, and is asked at this time."""
    folder.mkdir()
    samples = folder / "samples.txt"
    samples.write_text("".join(_lines(series)) + "# EOF\n")
    data = folder / "data"
    made = ("promtool", "tsdb", "create-blocks-from", "openmetrics", samples, data)
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config = folder / "prometheus.yml"
    config.write_text("scrape_configs: []\n")
    address = f"127.0.0.1:{free_port()}"
    flags = (f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={address}")
    with process(folder / "prometheus.log", "prometheus", *flags):
        found = Prometheus(f"http://{address}", at)
        found.until("batch_exporter_up")
        yield found


def comparable(series: list[Any]) -> list[Any]:
    """Return the answer to a query without its order; numbers are rounded, since sums depend on the order."""
    return sorted(
        (
            sorted(sample["metric"].items()),
            [(at, f"{float(value):.9g}") for at, value in sample.get("values", [sample.get("value")])],
        )
        for sample in series
    )


def _lines(series: Iterable[Series]) -> Iterator[str]:
    for labels, values in series:
        name = labels["__name__"]
        inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items() if label != "__name__")
        yield from (f"{name}{{{inside}}} {value} {at:.3f}\n" for at, value in values)


def _escaped(value: str) -> str:
    return re.sub(r'["\\]', r"\\\g<0>", value).replace("\n", r"\n")
