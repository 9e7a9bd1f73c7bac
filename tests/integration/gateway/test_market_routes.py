"""Prices, quotes, candles, instruments and the clock, over real stores."""

from __future__ import annotations

import msgspec
import pytest

from niftyflow.gateway import day_so_far, prices
from niftyflow.model import Interval
from support.gateways import CLOSED_MINUTES, MINUTE, NOW, OPEN_TODAY, Gateway, minutes, open_minute, tick
from support.market import ist


async def test_a_price_is_the_last_ticks_compared_with_yesterdays_close(served: Gateway):
    """Volume is the day's, and age is counted in the data's own time."""
    assert await served.get("prices", symbols="RELIANCE") == [
        {
            "symbol": "NSE:RELIANCE", "ltp": 2850.5, "change": 50.5, "change_percent": 1.8036,
            "previous_close": 2800.0, "volume": 4211000, "bid": 2850.45, "ask": 2850.55, "time": NOW - 2000,
            "age_seconds": 2.0,
        }
    ]  # fmt: skip


async def test_without_a_tick_the_last_stored_candle_gives_the_price(served: Gateway):
    """It has no bid and no ask, and the time of its last trade."""
    (price,) = await served.get("prices", symbols="NSE:INFY")
    assert (price["ltp"], price["change"], price["bid"], price["ask"]) == (1520.0, 20.0, None, None)
    assert price["time"] == OPEN_TODAY + (CLOSED_MINUTES - 1) * MINUTE + 59_000
    assert price["volume"] == 100 * CLOSED_MINUTES


async def test_what_is_listed_and_never_traded_has_no_price(served: Gateway):
    """Nothing is invented."""
    (price,) = await served.get("prices", symbols="WIPRO")
    assert price.pop("symbol") == "NSE:WIPRO"
    assert set(price.values()) == {None}


async def test_an_empty_side_of_the_book_is_null(served: Gateway):
    """A broker says 0, which is no price."""
    await served.sources.hot.set_many({"tick:latest:NSE:TCS": msgspec.json.encode(tick("TCS", 3880.0, bid=0.0))})
    (price,) = await served.get("prices", symbols="TCS")
    assert (price["bid"], price["ask"]) == (None, 3880.05)


async def test_prices_come_in_the_order_asked_and_each_once(served: Gateway):
    """Spaces and small letters are forgiven."""
    found = await served.get("prices", symbols="tcs, NSE:RELIANCE,TCS,infy")
    assert [price["symbol"] for price in found] == ["NSE:TCS", "NSE:RELIANCE", "NSE:INFY"]


async def test_without_symbols_all_that_is_listed_comes(served: Gateway):
    """By symbol."""
    found = await served.get("prices")
    assert [price["symbol"] for price in found] == [
        "NSE:INFY", "NSE:NIFTY 50", "NSE:RELIANCE", "NSE:TCS", "NSE:WIPRO",
    ]  # fmt: skip


async def test_a_new_tick_is_told_within_a_tenth_of_a_second(served: Gateway, monkeypatch: pytest.MonkeyPatch):
    """An answer is kept that long and no longer."""
    await served.get("prices", symbols="TCS")
    await served.sources.hot.set_many({"tick:latest:NSE:TCS": msgspec.json.encode(tick("TCS", 3999.0))})
    moment = prices.monotonic()
    monkeypatch.setattr(prices, "monotonic", lambda: moment + prices.KEPT_SECONDS + 0.001)
    (price,) = await served.get("prices", symbols="TCS")
    assert price["ltp"] == 3999.0


async def test_a_quote_adds_what_the_day_brought_with_the_minute_under_way(served: Gateway):
    """Closed minutes from the store, the open one from the hot store."""
    (quote,) = await served.get("quotes", symbols="RELIANCE")
    first = 2820.0 - (CLOSED_MINUTES - 1)
    assert (quote["open"], quote["high"], quote["low"]) == (first - 0.5, 2852.0, first - 1)
    assert quote["trades"] == 5 * CLOSED_MINUTES + 30
    value = sum((first + minute) * 100 for minute in range(CLOSED_MINUTES)) + 2850.0 * 900
    assert quote["vwap"] == round(value / (100 * CLOSED_MINUTES + 900), 4)
    assert quote["ltp"] == 2850.5


async def test_a_minute_that_closed_meanwhile_is_not_counted_twice(served: Gateway):
    """The hot store shows it a moment longer than it is open."""
    await served.sources.hot.set_hashes({"candle:current:NSE:RELIANCE": open_minute(time="2026-01-06T04:29:00Z")})
    (quote,) = await served.get("quotes", symbols="RELIANCE")
    assert quote["trades"] == 5 * CLOSED_MINUTES


async def test_a_day_without_closed_minutes_has_the_open_one(served: Gateway):
    """As in the first minute of a session."""
    totals = day_so_far._with_open(None, day_so_far.OpenCandle(
        time=OPEN_TODAY, open=1.0, high=2.0, low=0.5, close=1.5, volume=10, trades=2, vwap=1.2
    ), OPEN_TODAY - MINUTE)  # fmt: skip
    assert totals is not None
    assert (totals.open, totals.high, totals.low, totals.trades, totals.value) == (1.0, 2.0, 0.5, 2, 12.0)


async def test_what_never_traded_has_an_empty_quote(served: Gateway):
    """Every field is there and null."""
    (quote,) = await served.get("quotes", symbols="WIPRO")
    assert quote["open"] is None
    assert quote["vwap"] is None


async def test_candles_are_columns_of_the_newest_minutes_with_the_open_one(served: Gateway):
    """Oldest first."""
    found = await served.get("candles", symbol="RELIANCE", limit=3)
    assert found["time"] == [OPEN_TODAY + MINUTE * minute for minute in (42, 43, 44)]
    assert found["close"] == [2818.0, 2819.0, 2820.0]
    assert found["incomplete"] == [False] * 3
    assert found["open_candle"] == {
        "time": OPEN_TODAY + 45 * MINUTE, "open": 2849.0, "high": 2852.0, "low": 2848.5, "close": 2850.5, "volume": 900,
    }  # fmt: skip
    assert {len(column) for column in found.values() if isinstance(column, list)} == {3}


async def test_a_span_is_inclusive_at_its_start_and_leaves_out_its_end(served: Gateway):
    """And the open candle, when it is beyond."""
    since = OPEN_TODAY + 2 * MINUTE
    found = await served.get("candles", symbol="RELIANCE", since=since, until=since + 2 * MINUTE)
    assert found["time"] == [since, since + MINUTE]
    assert found["open_candle"] is None


async def test_the_open_candle_of_an_hour_has_its_closed_minutes_in_it(served: Gateway):
    """09:15 to 10:00 of it are closed."""
    found = await served.get("candles", symbol="RELIANCE", interval="1h", limit=2)
    assert found["time"][-1] == OPEN_TODAY
    assert found["incomplete"][-1] is True
    first = 2820.0 - (CLOSED_MINUTES - 1)
    assert found["open_candle"] == {
        "time": OPEN_TODAY, "open": first - 0.5, "high": 2852.0, "low": first - 1, "close": 2850.5, "volume": 5400,
    }  # fmt: skip


async def test_an_open_minute_that_begins_its_candle_is_alone_in_it(served: Gateway):
    """10:00 begins a candle of 15 minutes."""
    found = await served.get("candles", symbol="RELIANCE", interval="15m", limit=1)
    assert found["time"] == [OPEN_TODAY + 30 * MINUTE]
    assert found["open_candle"]["time"] == OPEN_TODAY + 45 * MINUTE
    assert found["open_candle"]["open"] == 2849.0


async def test_daily_candles_begin_at_midnight_in_india(served: Gateway):
    """Two sessions, two candles."""
    found = await served.get("candles", symbol="INFY", interval="1d")
    assert found["time"] == [ist("2026-01-05", "00:00"), ist("2026-01-06", "00:00")]
    assert found["close"] == [1500.0, 1520.0]


async def test_what_is_listed_without_candles_has_empty_columns(served: Gateway):
    """It is no error to have none yet."""
    found = await served.get("candles", symbol="WIPRO")
    assert found["time"] == []
    assert found["open_candle"] is None


async def test_candles_of_what_is_no_longer_listed_are_still_there(served: Gateway):
    """An imported instrument need not be in any master."""
    await served.sources.market.upsert_candles(minutes("OLDCO", OPEN_TODAY, 2, 10.0))
    found = await served.get("candles", symbol="OLDCO", until=OPEN_TODAY)
    assert found["time"] == []


async def test_a_day_that_the_calendar_does_not_know_is_refused_and_not_guessed(served: Gateway):
    """Minutes as they are can be read; hours cannot be built of them."""
    await served.sources.market.upsert_candles(minutes("RELIANCE", ist("1999-03-01", "10:00"), 5, 100.0))
    until = ist("1999-03-02", "00:00")
    assert len((await served.get("candles", symbol="RELIANCE", until=until))["time"]) == 5
    response = await served.client.get(f"/api/v1/candles?symbol=RELIANCE&interval=1h&until={until}")
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "refused"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["NSE:INFY", "NSE:NIFTY 50", "NSE:RELIANCE", "NSE:TCS", "NSE:WIPRO"]),
        ({"query": "reli"}, ["NSE:RELIANCE"]),
        ({"kind": "index"}, ["NSE:NIFTY 50"]),
        ({"query": "i", "limit": "2"}, ["NSE:INFY", "NSE:NIFTY 50"]),
        ({"query": "nothing like it"}, []),
    ],
)
async def test_instruments_are_found_by_symbol_name_and_kind(served: Gateway, query, expected):
    """As they stand on the data's day."""
    found = await served.get("instruments", **query)
    assert [each["symbol"] for each in found] == expected
    for each in found:
        assert each["tick_size"] == "0.05"
        assert each["lot_size"] == 1


async def test_the_clock_tells_phase_and_age_in_the_datas_own_time(served: Gateway):
    """The newest tick is two seconds old."""
    assert await served.get("clock") == {
        "time": NOW, "day": "2026-01-06", "phase": "continuous", "is_open": True,
        "next_change": ist("2026-01-06", "15:30"), "speed": 1.0, "is_paused": False, "is_demo": False,
        "last_tick_at": NOW - 2000, "data_age_seconds": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "time", "phase", "change"),
    [
        ("2026-01-09", "21:00", "closed", ("2026-01-12", "09:00")),
        ("2026-01-10", "12:00", "closed", ("2026-01-12", "09:00")),
        ("2026-01-12", "09:01", "pre_open", ("2026-01-12", "09:08")),
        ("2099-01-01", "10:00", None, None),
    ],
)
async def test_the_clock_knows_weekends_and_the_pre_open_and_says_what_it_does_not_know(
    served: Gateway, day, time, phase, change
):
    """A Friday's evening is followed by Monday's pre-open."""
    served.clock.advance_to(ist(day, time))
    found = await served.get("clock")
    assert found["phase"] == phase
    assert found["is_open"] is False
    assert found["next_change"] == (None if change is None else ist(*change))


def test_every_interval_offered_is_one_of_ours():
    """The route spells them out for OpenAPI."""
    from niftyflow.gateway.schemas_market import CandlesAnswer  # noqa: PLC0415 - for this test alone

    offered = CandlesAnswer.model_json_schema()["properties"]["interval"]["enum"]
    assert set(offered) <= {interval.value for interval in Interval}
