"""The trades that made a candle: found in the journal, folded again without the fold's own code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Body
from niftyflow.bus.topics import RAW_TICKS
from niftyflow.model import Candle, Tick, TickBatch, Watermark
from niftyflow.processing.fold import CandleFold
from niftyflow.processing.sessions import MarketSessions
from niftyflow.runtime.candle_trades import Asked, MadeOf, Minute, made_of
from support.market import ist
from support.records import a_tick
from support.strategy_days import SHARE, a_bar

OPENS = ist("2016-08-16", "09:15")
MINUTE = 60_000


def trade(after_ms: int, price: float, day_volume: int, number: int = 0, **changes: Any) -> Tick:
    """Return a tick of a trade so long after the open, received at once."""
    at = OPENS + after_ms
    fields = {"timestamp": at, "traded_at": at, "received": at, "sequence": number} | changes
    return msgspec.structs.replace(
        a_tick(), symbol=SHARE.symbol, ltp=price, day_volume=day_volume, volume=1, **fields
    )  # fmt: skip


def ticks(*some: Tick) -> TickBatch:
    """Return ticks as one body of the journal."""
    return TickBatch.from_records(some)


def mark(after_ms: int) -> Watermark:
    """Return a watermark so long after the open."""
    return Watermark(time=OPENS + after_ms, partition=0, source="test", healthy=True)


async def journal_of(folder: Path, bodies: Sequence[Body]) -> EmbeddedBus:
    """Return a journal that holds these bodies."""
    bus = EmbeddedBus(folder, [RAW_TICKS])
    await bus.open()
    await bus.publish("raw-ticks", bodies)
    return bus


async def ask(folder: Path, bodies: Sequence[Body], *candles: Candle) -> list[MadeOf]:
    """Return what a journal knows of candles; the one before each is the one given before it."""
    journal = await journal_of(folder, bodies)
    try:
        asked = {
            Minute(candle.instrument, OPENS + place * MINUTE): Asked(candle, candles[place - 1] if place else None)
            for place, candle in enumerate(candles)
        }
        return list((await made_of(journal, asked)).values())
    finally:
        await journal.close()


def candle(minute: int, bar: Sequence[float], volume: int, trades: int) -> Candle:
    """Return a candle as it would have been told."""
    return a_bar(SHARE, OPENS + minute * MINUTE, bar, volume=volume, trades=trades)


async def test_the_trades_of_a_minute_give_its_candle(tmp_path: Path):
    """Repeats left out, offsets those of the journal, volume from the day's total."""
    bodies = [
        mark(-5000),
        ticks(trade(-9_000_000, 100, 0, received=OPENS - 4000)),
        ticks(trade(1000, 101, 10, 1), trade(1000, 101, 10, 2), trade(2000, 103, 30, 3)),
        mark(30_000),
        ticks(trade(40_000, 99, 60, 4)),
        mark(60_000),
    ]
    (made,) = await ask(tmp_path, bodies, candle(0, (101, 103, 99, 99), 60, 3))
    assert (made.agrees, made.verdict, made.ticks, made.late, made.is_flat) == (True, "agrees", 4, 0, False)
    assert [(each.offset, each.price, each.day_volume) for each in made.trades] == [
        (2, 101, 10),
        (4, 103, 30),
        (6, 99, 60),
    ]


async def test_what_differs_is_named(tmp_path: Path):
    """Field by field, both values."""
    bodies = [mark(-5000), ticks(trade(1000, 101, 10, 1), trade(2000, 103, 30, 2)), mark(60_000)]
    (made,) = await ask(tmp_path, bodies, candle(0, (101, 104, 101, 103), 25, 2))
    assert not made.agrees
    assert made.verdict == "high was told as 104.0, the trades give 103.0; volume was told as 25, the trades give 20"


async def test_trades_that_came_after_the_candle_was_told_are_late(tmp_path: Path):
    """They are counted, and are no part of what was known."""
    bodies = [
        mark(0), ticks(trade(1000, 101, 10, 1), trade(9000, 102, 20, 2)), mark(60_000),
        ticks(trade(20_000, 90, 40, 3)), mark(61_000),
    ]  # fmt: skip
    (made,) = await ask(tmp_path, bodies, candle(0, (101, 102, 101, 102), 10, 2))
    assert (made.agrees, made.late, len(made.trades)) == (True, 1, 2)


async def test_trades_of_one_moment_keep_the_order_in_which_they_came(tmp_path: Path):
    """And a trade that was told out of order stands where it was made."""
    bodies = [
        mark(0),
        ticks(trade(9000, 105, 30, 3), trade(1000, 101, 10, 4), trade(9000, 107, 40, 5), trade(1000, 102, 20, 6)),
        mark(60_000),
    ]
    (made,) = await ask(tmp_path, bodies, candle(0, (101, 107, 101, 107), 30, 4))
    assert made.verdict == "agrees"
    assert [each.price for each in made.trades] == [101, 102, 105, 107]


async def test_a_minute_without_a_trade_repeats_the_last_price(tmp_path: Path):
    """It shows the trade before it, not what only repeated that trade; its volume is none."""
    told = ticks(trade(1000, 101, 10, 1), trade(2000, 103, 30, 2), trade(2000, 104, 30, 3))
    bodies = [mark(0), told, mark(60_000), mark(120_000)]
    first, flat = candle(0, (101, 103, 101, 103), 20, 2), candle(1, (103,), 0, 0)
    _, made = await ask(tmp_path, bodies, first, flat)
    assert (made.agrees, made.is_flat, made.ticks) == (True, True, 0)
    assert [each.price for each in made.trades] == [103]


async def test_a_journal_that_begins_within_the_day_takes_the_volume_from_the_candle_before(tmp_path: Path):
    """The first records went with their time; a minute that was cut through is not judged at all."""
    bodies = [ticks(trade(1000, 101, 10, 1)), mark(60_000), ticks(trade(61_000, 104, 50, 2)), mark(120_000)]
    journal = await journal_of(tmp_path, [mark(-5000), *bodies])
    file = journal._log("raw-ticks").path
    await journal.close()
    await asyncio.to_thread(_drop_before, file, 2)
    reopened = EmbeddedBus(tmp_path, [RAW_TICKS])
    await reopened.open()
    before = msgspec.structs.replace(candle(0, (101,), 0, 1), day_volume=10)
    told = candle(1, (104,), 40, 1)
    found = await made_of(
        reopened,
        {Minute(SHARE.key, OPENS): Asked(before, None), Minute(SHARE.key, OPENS + MINUTE): Asked(told, before)},
    )
    await reopened.close()
    cut, whole = found.values()
    assert cut.verdict == "the journal does not hold its ticks any more (it keeps 24 hours)"
    assert (cut.agrees, cut.refolded) == (False, None)
    assert (whole.verdict, whole.refolded.volume) == ("agrees", 40)


def _drop_before(path: Path, offset: int) -> None:
    import sqlite3  # noqa: PLC0415

    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM entries WHERE first < ?", (offset,))
    connection.close()


SOME_TICKS = st.lists(
    st.tuples(
        st.integers(0, 3 * 60 - 1),  # second of trading
        st.integers(1990, 2010),  # price in steps of 0.05
        st.integers(0, 6),  # what the day's volume grew by, or not
        st.integers(0, 45_000),  # how late it came
        st.booleans(),  # told twice
    ),
    max_size=60,
)


def session_of(rows: list[tuple[int, int, int, int, bool]], *, is_index: bool) -> list[Body]:
    """Return the journal of a session: trades in order of arrival, a watermark each second."""
    volume, told = 0, []
    for second, steps, grows, late, twice in sorted(rows):
        volume += 0 if is_index else grows
        told += [(second * 1000 + late, second, steps / 20, volume)] * (1 + twice)
    bodies: list[Body] = [mark(-1000)]
    told.sort()
    for now in range(0, max([240_000, *(arrival + 2000 for arrival, *_ in told)]), 1000):
        some = [each for each in told if now - 1000 < each[0] <= now]
        bodies += [
            ticks(trade(second * 1000, price, total, number, received=OPENS + arrival))
            for number, (arrival, second, price, total) in enumerate(some, now)
        ]
        bodies.append(mark(now))
    return bodies


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(rows=SOME_TICKS, is_index=st.booleans())
def test_it_agrees_with_the_fold_on_any_ticks(rows: list[tuple[int, int, int, int, bool]], *, is_index: bool):
    """Late ones, repeats, indices without volume: what the fold told first is what the trades give again."""
    bodies = session_of(rows, is_index=is_index)
    fold, offset, told = CandleFold(0, MarketSessions([SHARE])), 0, []
    for body in bodies:
        if isinstance(body, Watermark):
            candles = fold.advance(body, offset).candles
            told += [] if candles is None else [each for each in candles.to_records() if each.revision == 0]
            offset += 1
        else:
            fold.take(body, offset)
            offset += len(body)
    before = dict(zip([each.time for each in told[1:]], told, strict=False))
    asked = {
        Minute(each.instrument, int(each.time.timestamp()) * 1000): Asked(each, before.get(each.time)) for each in told
    }

    async def judge(folder: str) -> list[MadeOf]:
        journal = await journal_of(Path(folder), bodies)
        try:
            return list((await made_of(journal, asked)).values())
        finally:
            await journal.close()

    with TemporaryDirectory() as folder:
        found = asyncio.run(judge(folder))
    assert [each.verdict for each in found] == ["agrees"] * len(told)
