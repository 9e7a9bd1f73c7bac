"""The newest scorecard of each instrument."""

from __future__ import annotations

from niftyflow.analysis.latest import LatestScorecards
from niftyflow.bus.port import Batch
from niftyflow.model import Interval, ScorecardBatch, Watermark, moment
from support import market_views

MINUTE = 60_000
TEN = 1_704_858_000_000


def cards(*rows: tuple[str, int, float], interval: Interval = Interval.M1) -> ScorecardBatch:
    """Return scorecards of (symbol, time, ltp)."""
    told = [(f"NSE:{symbol}", {"time": time, "ltp": ltp}) for symbol, time, ltp in rows]
    return market_views.cards(told, interval=interval)


def test_the_newest_one_is_kept_in_whatever_order_they_come():
    """One told again counts as new: a restart may tell it with the model's answer."""
    latest = LatestScorecards()
    latest.take(cards(("TCS", TEN + MINUTE, 2.0), ("INFY", TEN, 1.0)))
    latest.take(cards(("TCS", TEN, 1.0), ("INFY", TEN, 1.5)))
    assert [(card.symbol, card.ltp) for card in latest.cards()] == [("INFY", 1.5), ("TCS", 2.0)]
    assert latest.card("NSE:WIPRO") is None
    assert len(latest) == 2


def test_a_record_is_made_once():
    """The same object until a newer one comes: whoever encodes it need not again."""
    latest = LatestScorecards()
    latest.take(cards(("TCS", TEN, 1.0)))
    first = latest.card("NSE:TCS")
    assert first is latest.card("NSE:TCS")
    latest.take(cards(("TCS", TEN + MINUTE, 1.0)))
    second = latest.card("NSE:TCS")
    assert second is not None
    assert second is not first
    assert second.timestamp == moment(TEN + MINUTE)


def test_only_one_minute_scorecards_count():
    """Others, and watermarks, are passed by."""
    latest = LatestScorecards()
    latest.take(cards(("TCS", TEN, 1.0), interval=Interval.M5))
    latest.take_batch(Batch("analysis_updates", 0, 0, Watermark(time=TEN, partition=0, source="x", healthy=True)))
    assert latest.cards() == []
    latest.take_batch(Batch("analysis_updates", 0, 1, cards(("TCS", TEN, 1.0))))
    assert len(latest) == 1
