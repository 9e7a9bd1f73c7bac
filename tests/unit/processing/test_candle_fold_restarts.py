"""A fold that goes on from stored candles, with more instruments than its arrays first have room for."""

from __future__ import annotations

from datetime import UTC, datetime

from niftyflow.model import (
    Candle,
    CandleBatch,
    Exchange,
    Instrument,
    Interval,
    Kind,
    NameTable,
    Watermark,
    milliseconds,
)
from niftyflow.processing.fold import CandleFold
from niftyflow.processing.sessions import MarketSessions

TEN = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)
MANY = 40


def stored(symbol: str, close: float) -> Candle:
    """Return the candle of one minute before ten."""
    return Candle(
        time=TEN.replace(minute=29), symbol=symbol, exchange="NSE", interval=Interval.M1, open=close, high=close,
        low=close, close=close, volume=10, trades=1, vwap=close, day_volume=500,
        traded_at=milliseconds(TEN) - 30_000, through={"0": 7},
    )  # fmt: skip


def test_a_restart_knows_every_stored_instrument_however_many_there_are():
    """Each goes on with a flat minute at its own last price."""
    symbols = [f"SHARE{number:02}" for number in range(MANY)]
    sessions = MarketSessions()
    sessions.add([Instrument(exchange=Exchange.NSE, symbol=each, kind=Kind.EQUITY) for each in symbols])
    fold = CandleFold(0, sessions)
    fold.stored = CandleBatch.from_records([stored(each, 100.0 + at) for at, each in enumerate(symbols)], NameTable())
    start = milliseconds(TEN)
    fold.advance(Watermark(time=start, partition=0, source="test", healthy=True), 100)
    told = fold.advance(Watermark(time=start + 60_000, partition=0, source="test", healthy=True), 101)
    assert told.candles is not None
    assert dict(zip(told.candles.keys(), told.candles.close.tolist(), strict=True)) == {
        f"NSE:{each}": 100.0 + at for at, each in enumerate(symbols)
    }
