"""Render the live metrics: those of the client library, and the families of the accounts' requests."""

from collections.abc import Callable, Collection, Iterable, Iterator

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector as LibraryCollector
from prometheus_client.registry import CollectorRegistry

from exporter.exposition.meter import RenderedMetric
from exporter.exposition.parts import Part, grouped

_EOF = b"# EOF\n"


class Named(LibraryCollector):
    """Collect the families of a registry that have a sample of one of these names.

    The library's own restricted registry returns them in an order that changes from run to run.
    """

    def __init__(self, registry: CollectorRegistry, names: frozenset[str]) -> None:
        self._registry = registry
        self._names = names

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if _has_samples(metric, self._names):
                yield metric


def _has_samples(metric: Metric, names: Collection[str]) -> bool:
    """Return whether the metric has a sample of one of these names."""
    if isinstance(metric, RenderedMetric):
        return metric.has_samples(names)
    return any(sample.name in names for sample in metric.samples)


def live_parts(live: LibraryCollector, openmetrics: bool, kept: dict[str, Part]) -> tuple[list[Part], bytes]:
    """Return the live metrics in their order: parts, and the lines after the last of these.

    In OpenMetrics they end with the `# EOF` that ends the whole scrape. `kept` has the parts of the last scrape by
    family, and gets those of this one. The library renders what is not rendered already.
    """
    encode: Callable[[LibraryCollector], bytes] = (
        openmetrics_exposition.generate_latest if openmetrics else generate_latest
    )
    parts: list[Part] = []
    others: list[Metric] = []
    for metric in live.collect():
        if isinstance(metric, RenderedMetric):
            if others:
                parts.append(grouped(encode(_Some(others)).removesuffix(_EOF), ()))
                others = []
            head, lines = metric.rendered(openmetrics=openmetrics)
            part = kept[metric.name] = grouped(head, lines, kept.get(metric.name))
            parts.append(part)
        else:
            others.append(metric)
    end = encode(_Some(others))
    return parts, end if openmetrics else end.removesuffix(_EOF)


class _Some(LibraryCollector):
    """Collect metrics that are collected already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
