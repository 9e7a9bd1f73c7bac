"""One view of the market from a minute's scorecards: 50 symbols and 9,000, beside plain Python over records."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.measure import Budget, Measurement, quantile
from niftyflow.aggregation.view import Universe, market_view
from niftyflow.model import Interval, Name, NameTable, Scorecard, ScorecardBatch

BUDGET = Budget("aggregation: one view of 50 symbols, p95", "ms", 1.0, higher_is_better=False)
TIME = 1_453_876_200_000
PARTS = 4
VIEWS = 2000


def scorecards(symbols: int) -> list[ScorecardBatch]:
    """Return a minute's scorecards of so many symbols, over four partitions."""
    random = np.random.default_rng(7)
    batches = []
    for rows in np.array_split(np.arange(symbols), PARTS):
        count = len(rows)
        columns = {
            field: random.normal(0, 2, count) if dtype is np.float64 else np.zeros(count, dtype)
            for field, dtype in ScorecardBatch.COLUMNS.items()
        }
        prices = {field: 100 + random.normal(0, 5, count) for field in ("ltp", "ema_50", "ema_200")}
        own = {"name": np.arange(count), "time": np.full(count, TIME), "makes": random.integers(-1, 2, count)}
        names = NameTable(Name(f"NSE:S{row:05}") for row in rows.tolist())
        batches.append(ScorecardBatch(names, Interval.M1, **(columns | prices | own)))
    return batches


def run() -> list[Measurement]:
    """Measure views one after another, each from the same scorecards."""
    measured = [_measured(symbols, views) for symbols, views in ((50, VIEWS), (9000, VIEWS // 10))]
    many = _plain_python(9000)
    note = f"plain Python, records ready made: {many.value:.3g} ms"
    return [measured[0], replace(measured[1], note=note), _plain_python(50)]


def _measured(symbols: int, views: int) -> Measurement:
    batches = scorecards(symbols)
    universe = Universe("ALL", [key for batch in batches for key in batch.keys()])  # noqa: SIM118 - no dict
    view = market_view(TIME, batches, universe)
    assert view.cache_hits == symbols, view
    return _quantiles(
        f"niftyflow: {symbols:,} symbols, {PARTS} partitions", lambda: market_view(TIME, batches, universe), views
    )


def _plain_python(symbols: int) -> Measurement:
    batches = scorecards(symbols)
    cards = [card for batch in batches for card in batch.to_records()]
    view = market_view(TIME, batches, Universe("ALL", [card.instrument for card in cards]))
    plain = _counted(cards)
    assert plain["advances"] == view.advances, plain
    return _quantiles(
        f"plain Python: {symbols:,} symbols, records ready made", lambda: _counted(cards), VIEWS // 10, is_peer=True
    )


def _counted(cards: list[Scorecard]) -> dict[str, object]:
    changes = {card.instrument: round(card.change_percent or 0.0, 4) for card in cards}
    advances = sum(change > 0 for change in changes.values())
    declines = sum(change < 0 for change in changes.values())
    above = {
        period: 100 * sum(card.ltp > (card.emas[period] or 0.0) for card in cards) / len(cards)
        for period in ("50", "200")
    }
    ranked = sorted(changes.items(), key=lambda item: (-item[1], item[0]))
    shocks = sorted(cards, key=lambda card: -(card.volume_ratio or 0.0))[:5]
    breadth = 5 * (advances - declines) / len(cards)
    score = (breadth + sum(card.composite_score or 0.0 for card in cards) / len(cards)) / 2
    return {"advances": advances, "above": above, "ranked": ranked[:5], "last": ranked[-5:], "shocks": shocks,
            "highs": sum(card.makes == 1 for card in cards), "score": score}  # fmt: skip


def _quantiles(label: str, work: Callable[[], object], views: int, *, is_peer: bool = False) -> Measurement:
    taken = []
    for _ in range(views):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1000)
    details: dict[str, float | int | str] = {"views": views, "median_ms": quantile(taken, 0.5)}
    return Measurement(label, quantile(taken, 0.95), "ms", is_peer=is_peer, details=details)
