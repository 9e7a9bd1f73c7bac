"""What the process measured of itself, read back from its metrics: totals, and the median of what a layer's work took.

It reads what Prometheus is told too, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from prometheus_client import Counter, Histogram

from niftyflow.kit import metrics

BUCKET: Final = "_bucket"
TOTAL: Final = "_total"
Buckets = Mapping[float, float]
"""Upper bound in seconds → how many took no longer."""


class Measure(NamedTuple):
    """A histogram, and the `stage` label of those of its observations that are meant."""

    histogram: Histogram
    stage: str = ""


MEASURES: Final = {
    "storage": Measure(metrics.BATCH_INSERT),
    "analysis": Measure(metrics.ANALYSIS),
    "aggregation": Measure(metrics.STAGE_LATENCY, "aggregation"),
    "signals": Measure(metrics.STAGE_LATENCY, "signals"),
    "ai": Measure(metrics.EXTERNAL_REQUEST),
    "trading": Measure(metrics.ORDER_LATENCY),
    "gateway": Measure(metrics.HTTP_DURATION),
}
"""What says how long a layer's work takes; the others measure nothing of that kind."""


def total(counter: Counter, outcomes: Collection[str] | None = None) -> float:
    """Return a counter's value, all labels together, or those alone whose `outcome` is meant."""
    return sum(
        sample.value
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith(TOTAL) and (outcomes is None or sample.labels["outcome"] in outcomes)
    )


class Latencies:
    """Medians of what was measured between the last two looks that found anything new."""

    def __init__(self) -> None:
        self._seen: dict[str, Buckets] = {}
        self._medians: dict[str, float | None] = {}

    def look(self) -> None:
        """Take in what was measured since the last look."""
        for name, measure in MEASURES.items():
            now, before = _buckets(measure), self._seen.get(name, {})
            median = _median({bound: count - before.get(bound, 0.0) for bound, count in now.items()})
            if median is not None:
                self._medians[name] = round(median * 1000, 3)
            self._seen[name] = now

    def median_ms(self, name: str) -> float | None:
        """Return a layer's median in milliseconds, or None when it measured nothing yet."""
        return self._medians.get(name)


def _buckets(measure: Measure) -> Buckets:
    found: dict[float, float] = {}
    for family in measure.histogram.collect():
        for sample in family.samples:
            if sample.name.endswith(BUCKET) and measure.stage in {"", sample.labels.get("stage")}:
                bound = float(sample.labels["le"])
                found[bound] = found.get(bound, 0.0) + sample.value
    return found


def _median(buckets: Buckets) -> float | None:
    """Return where half of the observations lie, evenly spread inside a bucket; the last bound where beyond it."""
    bounds = sorted(buckets)
    half = buckets[bounds[-1]] / 2 if bounds else 0.0
    if half <= 0:
        return None
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= half:
            return (
                lower if bound == float("inf") else lower + (bound - lower) * (half - below) / (buckets[bound] - below)
            )
        lower, below = bound, buckets[bound]
    return None
