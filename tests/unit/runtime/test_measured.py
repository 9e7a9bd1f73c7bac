"""What is read back from metrics: totals, and medians of what was new."""

from __future__ import annotations

import pytest

from niftyflow.kit import metrics
from niftyflow.runtime.measured import Latencies, total


def test_a_total_is_of_all_labels():
    """Whatever was counted before."""
    before = total(metrics.TICKS)
    metrics.TICKS.labels("measured-a", "ok").inc(3)
    metrics.TICKS.labels("measured-b", "late").inc(4)
    assert total(metrics.TICKS) == before + 7


def test_a_median_is_of_what_came_since_the_last_look():
    """Between the bounds of its bucket; without anything new the last one stands."""
    latencies = Latencies()
    latencies.look()
    for _ in range(10):
        metrics.ANALYSIS.observe(0.0004)
    latencies.look()
    first = latencies.median_ms("analysis")
    assert first is not None
    assert 0.25 <= first <= 0.5
    for _ in range(10):
        metrics.ANALYSIS.observe(0.04)
    latencies.look()
    assert latencies.median_ms("analysis") == pytest.approx(37.5)
    latencies.look()
    assert latencies.median_ms("analysis") == pytest.approx(37.5)


def test_what_lies_beyond_the_last_bound_is_that_bound():
    """No number is made up."""
    latencies = Latencies()
    latencies.look()
    metrics.ANALYSIS.observe(1000)
    latencies.look()
    assert latencies.median_ms("analysis") == 1000.0


def test_stages_that_share_a_histogram_are_told_apart():
    """By their label; a layer that measures nothing has no median."""
    latencies = Latencies()
    latencies.look()
    metrics.STAGE_LATENCY.labels("signals").observe(0.07)
    latencies.look()
    signals = latencies.median_ms("signals")
    assert signals is not None
    assert 50 <= signals <= 100
    assert latencies.median_ms("processing") is None
