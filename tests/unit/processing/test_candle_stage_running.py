"""Processing over the real log and stores: what it stores, publishes and shows; what it does not take."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import REGISTRY

from niftyflow.model import TickBatch, Unavailable, Watermark, moment
from niftyflow.storage.ports import RepairRequest
from niftyflow.storage.sqlite_market import SqliteMarketStore
from support.candle_stages import EVER, Floor, candles_of, floor, mark, times_of
from support.intakes import DAY, Ticks
from support.market import INFY

MINUTE = 60_000
RELIANCE = msgspec.structs.replace(INFY, symbol="RELIANCE")


@pytest.fixture
async def ground(tmp_path) -> AsyncIterator[Floor]:
    """A log and stores that know INFY and RELIANCE."""
    async with floor(tmp_path, [INFY, RELIANCE]) as opened:
        yield opened


def two_minutes(make: Ticks) -> list[TickBatch | Watermark]:
    """Return the log of two minutes of two shares, from before the open, with a watermark every ten seconds."""
    bodies: list[TickBatch | Watermark] = [mark(-MINUTE, healthy=False)]
    for ten in range(12):
        at = ten * 10_000 + 1000
        bodies += [
            make.of(
                {"at": at, "ltp": 100.0 + ten, "day_volume": 1000 + ten * 10, "volume": 10},
                {"at": at + 500, "symbol": "INFY", "ltp": 1500.0 - ten, "day_volume": 500 + ten, "volume": 1},
            ),
            mark((ten + 1) * 10_000),
        ]
    return bodies


async def test_candles_are_stored_and_published_once_with_their_watermarks(ground):
    """Each minute's candles come before the watermark that closes it; the watermarks are all passed on."""
    before = REGISTRY.get_sample_value("candles_inserted_total") or 0
    await ground.put(*two_minutes(Ticks()))
    await ground.process()
    bodies = await ground.published()
    assert times_of(bodies) == [-MINUTE, *(ten * 10_000 for ten in range(1, 13))]
    made = candles_of(bodies)
    assert [(candle.symbol, candle.time) for candle in made] == [
        (symbol, moment(DAY + minute * MINUTE)) for minute in range(2) for symbol in ("RELIANCE", "INFY")
    ]
    kinds = [body.time - DAY if isinstance(body, Watermark) else "candles" for body in bodies]
    assert kinds[kinds.index(MINUTE) - 1] == "candles"
    assert await ground.stored("NSE:RELIANCE") == [candle for candle in made if candle.symbol == "RELIANCE"]
    assert (REGISTRY.get_sample_value("candles_inserted_total") or 0) - before == 4


async def test_a_candle_is_what_its_trades_make(ground):
    """Prices, volume from the day's total, number of trades, and the position it has taken in."""
    await ground.put(*two_minutes(Ticks()))
    await ground.process()
    first, second = await ground.stored("NSE:RELIANCE")
    assert (first.open, first.high, first.low, first.close, first.trades) == (100.0, 105.0, 100.0, 105.0, 6)
    assert (second.open, second.high, second.low, second.close, second.trades) == (106.0, 111.0, 106.0, 111.0, 6)
    assert (first.volume, first.incomplete) == (50, True)  # its beginning was never seen
    assert (second.volume, second.incomplete, second.day_volume) == (60, False, 1110)
    assert second.through == {"0": 37}
    assert second.provenance == "live"


async def test_a_restart_publishes_nothing_twice_and_stores_the_same(tmp_path):
    """A new stage over the same log reads again what it held back, and stays silent about it."""
    bodies = two_minutes(Ticks())
    async with floor(tmp_path, [INFY, RELIANCE]) as ground:
        await ground.put(*bodies[:15])
        await ground.process()
    async with floor(tmp_path, [INFY, RELIANCE]) as ground:
        once, stored = await ground.published(), await ground.stored("NSE:INFY")
        await ground.process()
        assert await ground.published() == once
        assert await ground.stored("NSE:INFY") == stored
        await ground.put(*bodies[15:])
        await ground.process()
        resumed = await ground.published()
        candles = [await ground.stored(key) for key in ("NSE:INFY", "NSE:RELIANCE")]
    async with floor(tmp_path / "undisturbed", [INFY, RELIANCE]) as ground:
        await ground.put(*bodies)
        await ground.process()
        assert resumed == await ground.published()
        assert candles == [await ground.stored(key) for key in ("NSE:INFY", "NSE:RELIANCE")]


@pytest.mark.parametrize("cut", range(2, 25, 3))
async def test_wherever_it_is_stopped_the_topic_is_that_of_an_undisturbed_run(tmp_path, cut):
    """Every record and its place, candles that late trades revised included."""
    make = Ticks()
    bodies = two_minutes(make)
    bodies.insert(17, make.of({"at": 30_500, "ltp": 90.0, "day_volume": 1035, "volume": 1}))  # of the first minute
    async with floor(tmp_path / "whole", [INFY, RELIANCE]) as ground:
        await ground.put(*bodies)
        await ground.process()
        expected, stored = await ground.published(), await ground.stored("NSE:RELIANCE")
        assert [candle.revision for candle in candles_of(expected) if candle.symbol == "RELIANCE"] == [0, 1, 0]
    for part in (bodies[:cut], bodies[cut:]):
        async with floor(tmp_path / "cut", [INFY, RELIANCE]) as ground:
            await ground.put(*part)
            await ground.process()
            published, again = await ground.published(), await ground.stored("NSE:RELIANCE")
    assert published == expected
    assert again == stored


class DiesAfterStoring(Exception):
    """Stands for a kill."""


async def test_stored_but_not_published_is_published_after_a_restart(tmp_path):
    """A crash between the effect and the publication is made good; the store sees the same rows again."""

    class Dies(SqliteMarketStore):
        async def upsert_candles(self, batch):
            await super().upsert_candles(batch)
            raise DiesAfterStoring

    async with floor(tmp_path, [INFY, RELIANCE]) as ground:
        await ground.put(*two_minutes(Ticks()))
        dying = Dies(tmp_path / "market.db")
        await dying.open()
        with pytest.raises(DiesAfterStoring):
            await ground.process(market=dying)
        await dying.close()
        assert candles_of(await ground.published()) == []
        stored = await ground.stored("NSE:INFY")
        assert len(stored) == 2
    async with floor(tmp_path, [INFY, RELIANCE]) as ground:
        await ground.process()
        assert len(candles_of(await ground.published())) == 4
        assert await ground.stored("NSE:INFY") == stored


async def test_a_database_that_is_away_is_waited_for(ground, tmp_path):
    """Nothing is published before it is stored."""

    class Away(SqliteMarketStore):
        failures = 2

        async def upsert_candles(self, batch):
            if self.failures:
                self.failures -= 1
                assert candles_of(await ground.published()) == []
                raise Unavailable("market.db", "locked")
            return await super().upsert_candles(batch)

    away = Away(tmp_path / "market.db")
    await away.open()
    await ground.put(*two_minutes(Ticks()))
    await ground.process(market=away)
    await away.close()
    assert away.failures == 0
    assert len(candles_of(await ground.published())) == 4


async def test_the_base_of_a_restart_comes_from_the_store(tmp_path):
    """After a night's restart in mid-session a minute's volume is counted from the candle before, not from nothing."""
    make = Ticks()
    async with floor(tmp_path, [INFY, RELIANCE]) as ground:
        await ground.put(*two_minutes(make))
        await ground.process()
        stored = await ground.market.candles("NSE:RELIANCE", "1m", 0, EVER)
    async with floor(tmp_path / "other", [INFY, RELIANCE]) as ground:
        await ground.market.upsert_candles(stored)
        await ground.put(
            mark(2 * MINUTE), make.of({"at": 2 * MINUTE + 100, "ltp": 99.0, "day_volume": 1200}), mark(3 * MINUTE)
        )
        await ground.process()
        candle = (await ground.stored("NSE:RELIANCE"))[-1]
        assert (candle.volume, candle.incomplete, candle.day_volume) == (90, False, 1200)


async def test_unknown_instruments_are_dead_lettered_and_the_others_made(ground):
    """Each such tick, with its own offset; also when it comes first, and when the next batch has it again."""
    make = Ticks()
    await ground.put(mark(-MINUTE, healthy=False))
    for at in (1000, 2000):
        await ground.put(
            make.of({"at": at, "symbol": "NOBODY"}, {"at": at + 10, "ltp": 5.0}, {"at": at + 20, "symbol": "NOBODY"})
        )
    await ground.put(make.of({"at": 3000, "ltp": 6.0}), mark(MINUTE))
    await ground.process()
    letters = [letter for _, letter in await ground.bus.read_dead_letters("raw-ticks")]
    assert [(letter.offset, letter.key) for letter in letters] == [(each, "NSE:NOBODY") for each in (1, 3, 4, 6)]
    assert {letter.error for letter in letters} == {"the instrument is not among the known ones"}
    assert json.loads(letters[0].record)["symbol"] == "NOBODY"
    (candle,) = await ground.stored("NSE:RELIANCE")
    assert (candle.open, candle.close, candle.trades) == (5.0, 6.0, 3)
    assert await ground.stored("NSE:NOBODY") == []


async def test_an_instrument_saved_later_is_known_from_then_on(ground):
    """The day's file may come after the feed's first tick of it."""
    make = Ticks()
    tcs = msgspec.structs.replace(INFY, symbol="TCS")
    await ground.put(mark(-MINUTE, healthy=False), make.of({"at": 1000}))
    await ground.market.save_instruments([tcs])
    await ground.put(make.of({"at": 2000, "symbol": "TCS"}), mark(MINUTE))
    await ground.process()
    assert len(await ground.stored("NSE:TCS")) == 1


async def test_a_trade_of_a_day_to_come_is_dead_lettered(ground):
    """The watermark says which day it is."""
    make = Ticks()
    await ground.put(mark(-MINUTE, healthy=False), make.of({"at": 1000}, {"at": 86_400_000 + 5}), mark(MINUTE))
    await ground.process()
    ((_, letter),) = await ground.bus.read_dead_letters("raw-ticks")
    assert (letter.offset, letter.error) == (2, "traded_at lies after the day of the watermark")


async def test_ticks_before_the_first_watermark_are_counted_and_make_nothing(ground):
    """Without a time there is no minute; no tick is an error for that."""
    make = Ticks()
    await ground.put(make.of({"at": 1000}), mark(MINUTE, healthy=False), mark(2 * MINUTE))
    await ground.process()
    assert candles_of(await ground.published()) == []
    assert await ground.bus.read_dead_letters("raw-ticks") == []


async def test_what_was_not_observed_is_stored_as_a_gap_and_marks_its_minutes(ground):
    """From the last time told to the one that says so."""
    make = Ticks()
    await ground.put(
        mark(0, healthy=False), make.of({"at": 1000, "day_volume": 10}), mark(MINUTE),
        make.of({"at": MINUTE + 1000, "day_volume": 20}), mark(MINUTE + 30_000), mark(MINUTE + 50_000, healthy=False),
        make.of({"at": MINUTE + 55_000, "day_volume": 30}), mark(2 * MINUTE), mark(3 * MINUTE),
    )  # fmt: skip
    await ground.process()
    (gap,) = await ground.market.gaps(0, EVER)
    assert (gap.since - DAY, gap.until - DAY, gap.source) == (MINUTE + 30_000, MINUTE + 50_000, "ingestion")
    assert [candle.incomplete for candle in await ground.stored("NSE:RELIANCE")] == [True, True, False]


async def test_a_trade_beyond_the_horizon_queues_its_minute_for_repair(ground):
    """Its candle stays as it was told."""
    make = Ticks()
    minutes = [
        body
        for minute in range(9)
        for body in (make.of({"at": minute * MINUTE + 5, "day_volume": 10 * minute + 10}), mark((minute + 1) * MINUTE))
    ]
    await ground.put(mark(-MINUTE, healthy=False), *minutes)
    await ground.put(make.of({"at": 40_000, "ltp": 1.0, "day_volume": 12}), mark(9 * MINUTE + 1000))
    await ground.process()
    assert await ground.market.repairs() == [RepairRequest(instrument="NSE:RELIANCE", time=DAY, reason="late")]
    assert (await ground.stored("NSE:RELIANCE"))[0].low == 2850.5


async def test_the_open_candle_is_in_the_hot_store(ground):
    """Each field as JSON, for two minutes."""
    make = Ticks()
    await ground.put(mark(-MINUTE, healthy=False), make.of({"at": 1000, "ltp": 7.5}, {"at": 2000, "ltp": 8.5}))
    await ground.put(mark(3000))
    await ground.process()
    fields = await ground.hot.get_hash("candle:current:NSE:RELIANCE")
    assert [json.loads(fields[name]) for name in ("open", "close", "trades")] == [7.5, 8.5, 2]
    assert 110 < await ground.hot.ttl("candle:current:NSE:RELIANCE") <= 120


async def test_the_position_is_held_behind_the_horizon(ground):
    """A restart reads again every tick of a minute that may still change."""
    await ground.put(*two_minutes(Ticks()))
    await ground.process()
    assert await ground.bus.behind("raw-ticks", "candle-processors") == 37


async def test_what_became_of_the_ticks_is_counted(ground):
    """By outcome, once for each tick."""
    before = REGISTRY.get_sample_value("ticks_total", {"vendor": "processing", "outcome": "traded"}) or 0
    await ground.put(*two_minutes(Ticks()))
    await ground.process()
    after = REGISTRY.get_sample_value("ticks_total", {"vendor": "processing", "outcome": "traded"})
    assert after - before == 24


async def test_a_generated_session_is_marked_as_such(ground):
    """Synthetic prices are never taken for real ones."""
    make = Ticks()
    await ground.put(mark(-MINUTE, healthy=False), make.of({"at": 1000, "source": "synthetic"}), mark(MINUTE))
    await ground.process()
    assert [candle.provenance for candle in await ground.stored("NSE:RELIANCE")] == ["synthetic"]
