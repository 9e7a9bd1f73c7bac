"""Cases of the market that only read: the master, candles, quotes, last prices."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from niftyflow.brokers.conformance.case import Case, Needs, NotRun, case, expect
from niftyflow.brokers.conformance.reading_cases import expect_once
from niftyflow.brokers.conformance.stage import CandleQuestion, Stage
from niftyflow.brokers.quotes import DepthLevel
from niftyflow.kit.clock import to_ist
from niftyflow.market import session
from niftyflow.model import CandleBatch, InstrumentKey, Interval, Kind

MINUTE_MS: Final = 60_000
NOBODY: Final = InstrumentKey("NSE:NIFTYFLOWNOBODY")


@case("instruments", Needs.READS)
async def instruments(stage: Stage) -> None:
    """The master of the day is told: every key once, every lot and tick above zero."""
    rows = await stage.broker.instruments()
    expect(rows, "the master is empty")
    expect_once((str(row.instrument.key) for row in rows), "instrument")
    for row in rows:
        key = row.instrument.key
        expect(row.token, f"{key} has no token")
        if row.instrument.kind is not Kind.INDEX:
            expect(row.lot_size > 0, f"{key} has the lot {row.lot_size}")
            expect(row.tick_size > 0, f"{key} has the tick {row.tick_size}")
        if row.instrument.kind in {Kind.FUTURE, Kind.OPTION}:
            expect(row.expiry, f"{key} has no expiry")
    if stage.is_consistent:
        missing = {*stage.shares} - {row.instrument.key for row in rows}
        expect(not missing, f"the master lacks {', '.join(sorted(missing))}")


@case("history", Needs.READS)
async def history(stage: Stage) -> None:
    """Candles come on their grid, oldest first, within the span asked for, and each can be."""
    if not stage.candles:
        raise NotRun("no span is known of which there are candles")
    for question in stage.candles:
        expect_candles(question, await stage.broker.history(*question))


@case("quotes", Needs.READS)
async def quotes(stage: Stage) -> None:
    """Full quotes come with a sound book; an instrument that there is none of is missing, and is no error."""
    told = await stage.broker.quotes([*stage.shares, NOBODY])
    _expect_known(stage, told)
    for key, quote in told.items():
        expect(quote.instrument == key, f"the quote of {key} is of {quote.instrument}")
        expect(quote.last_price > 0, f"{key} has the last price {quote.last_price}")
        expect(not quote.high or quote.low <= quote.last_price <= quote.high, f"{key} is outside its day's range")
        bids, asks = quote.bids, quote.asks
        expect(_falls(bids), f"the bids of {key} do not fall")
        expect(_falls(asks[::-1]), f"the asks of {key} do not rise")
        expect(not (bids and asks) or bids[0].price < asks[0].price, f"the book of {key} is crossed")


@case("last-prices", Needs.READS)
async def last_prices(stage: Stage) -> None:
    """Last prices come for whom they are asked; an instrument that there is none of is missing."""
    told = await stage.broker.last_prices([*stage.shares, NOBODY])
    _expect_known(stage, told)
    expect(all(price > 0 for price in told.values()), "a last price is not above zero")


@case("ohlc", Needs.READS)
async def ohlc(stage: Stage) -> None:
    """The day's four prices come, the highest at least the lowest, with an instrument's own token."""
    told = await stage.broker.ohlc([*stage.shares, NOBODY])
    _expect_known(stage, told)
    for key, prices in told.items():
        expect(prices.token, f"{key} has no token")
        expect(prices.low <= prices.open <= prices.high, f"{key} opened outside its day's range")
        expect(prices.last_price > 0, f"{key} has the last price {prices.last_price}")


def expect_candles(question: CandleQuestion, batch: CandleBatch) -> None:
    """Go on when candles are what was asked for.

    Raises:
        Failed: they are not.
        InvalidValue: a candle cannot be.
    """
    name = f"{question.interval} of {question.instrument.key}"
    expect(len(batch) > 0, f"no candle of {name} came")
    expect(batch.interval is question.interval, f"the candles of {name} are of {batch.interval}")
    times = batch.time.tolist()
    expect(all(first < second for first, second in pairwise(times)), f"the candles of {name} do not ascend")
    expect(question.since <= times[0] and times[-1] < question.until, f"a candle of {name} is outside what was asked")
    for time in times:
        expect(is_on_grid(question, time), f"a candle of {name} starts at {to_ist(time):%F %T}, off its grid")
    for candle in batch.to_records():
        candle.check()
        expect(candle.instrument == question.instrument.key, f"a candle of {candle.instrument} came for {name}")


def is_on_grid(question: CandleQuestion, time: int) -> bool:
    """Whether a candle may start then: whole intervals from the session's open; a day's is of its date."""
    if question.interval is Interval.D1:
        return True
    day = session(question.instrument, to_ist(time).date())
    opens = 0 if day is None else day.open
    return (time - opens) % (question.interval.minutes * MINUTE_MS) == 0


def _expect_known(stage: Stage, told: Mapping[InstrumentKey, object]) -> None:
    missing = [key for key in stage.shares if key not in told]
    expect(not missing, f"nothing came for {', '.join(missing)}")
    expect(NOBODY not in told, f"{NOBODY} is told, and there is none")


def _falls(levels: tuple[DepthLevel, ...]) -> bool:
    return all(first.price > second.price for first, second in pairwise(levels))


MARKET_CASES: Final[tuple[Case, ...]] = (instruments, history, quotes, last_prices, ohlc)
