"""The scorecard of any past moment, computed when asked: what was published then, to the last bit.

It folds candles as first told up to the moment and never looks at a later one. It stores and publishes nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from niftyflow.analysis.answers import with_answers
from niftyflow.analysis.engine import ColumnEngine, can_enter
from niftyflow.analysis.restore import Want, begin, starts_of
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.market.calendar import MINUTE_MS
from niftyflow.model import Interval, Prediction, Refused, Scorecard, ScorecardBatch, UnknownInstrument, moment
from niftyflow.model.ids import parse_instrument
from niftyflow.storage.book_ports import DecisionStore, IndicatorState
from niftyflow.storage.ports import MarketStore

EVER: Final = 1 << 60


async def analyze(
    market: MarketStore, decisions: DecisionStore, instrument: str, at: int | None = None, *,
    settings: AnalysisSettings | None = None,
) -> Scorecard:  # fmt: skip
    """Return the scorecard of the last candle that had ended at `at` (ms UTC; None: the newest stored one).

    Its model columns are what was recorded for that minute, else null.

    Raises:
        UnknownInstrument: no candle of the instrument is stored.
        Refused: none of its candles had ended by then.
        Retryable: a store is away.
    """
    key = str(parse_instrument(instrument))
    until = EVER if at is None else at - at % MINUTE_MS
    newest = await market.candles(key, Interval.M1, 0, until, limit=1)
    if not len(newest):
        raise await _refusal(market, key, at)
    until = int(newest.time[0]) + MINUTE_MS
    rows = {row.instrument: row for row in await decisions.states(Interval.M1)}
    history_days = (settings or AnalysisSettings()).history_days
    cards = await _last(market, Want(key, _before(rows.get(key), until), until), history_days)
    if cards is None:
        raise Refused(f"{key} has no candle as first told before {moment(until)} from which to count")
    end = int(cards.time[0])
    recorded = await decisions.predictions(Interval.M1, end, end + 1)
    return with_answers(cards, {answer.instrument: answer for answer in recorded}).to_records()[0]


async def newest(
    market: MarketStore, decisions: DecisionStore, since: int, *, settings: AnalysisSettings | None = None
) -> list[ScorecardBatch]:
    """Return the scorecard of each instrument's last candle that began at `since` (ms UTC) or later, one a batch.

    Instruments without one are left out, as are those whose last candle cannot enter.

    Raises:
        Retryable: a store is away.
    """
    candles = await market.last_candles(since, EVER)
    rows = {row.instrument: row for row in await decisions.states(Interval.M1)}
    history_days = (settings or AnalysisSettings()).history_days
    recorded: dict[int, dict[str, Prediction]] = {}
    found = []
    for key, time in zip(candles.keys(), candles.time.tolist(), strict=True):
        until = time + MINUTE_MS
        cards = await _last(market, Want(key, _before(rows.get(key), until), until), history_days)
        if cards is None:
            continue
        end = int(cards.time[0])
        if end not in recorded:
            answers = await decisions.predictions(Interval.M1, end, end + 1)
            recorded[end] = {answer.instrument: answer for answer in answers}
        found.append(with_answers(cards, recorded[end]))
    return found


async def _last(market: MarketStore, want: Want, history_days: int) -> ScorecardBatch | None:
    """Return the scorecard of the last candle before `until`, or None where none can enter."""
    engine = ColumnEngine()
    # The state may not hold the last candle itself: that one is advanced, as it was live.
    starts = starts_of(market, [want], told_until=want.until - MINUTE_MS, history_days=history_days)
    async for start in starts:
        candles = start.candles.take(can_enter(start.candles))
        if not len(candles):
            anew = None if want.row is None else msgspec.structs.replace(want.row, version="")
            return None if start.values is None else await _last(market, want._replace(row=anew), history_days)
        begin(engine, start._replace(candles=candles.take(slice(0, -1))))
        return engine.advance(candles.take(slice(-1, None)))
    return None


def _before(row: IndicatorState | None, until: int) -> IndicatorState | None:
    """Return the stored row, unless the moment lies before everything the live indicators were folded from."""
    return row if row is None or row.anchor < until else None


async def _refusal(market: MarketStore, key: str, at: int | None) -> Refused:
    first = (await market.first_time([key])).get(key)
    if first is None or at is None:
        return UnknownInstrument(f"{key} has no stored candle; import some, or run a feed that brings it")
    return Refused(
        f"{key} has no candle that had ended at {moment(at)}: its first one ends at {moment(first + MINUTE_MS)}"
    )
