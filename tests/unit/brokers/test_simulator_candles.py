"""1m candles become trades, and an independent fold of the trades gives the candles back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.port import FeedEnd
from niftyflow.brokers.simulator.candles import CANDLE, CandleFile, trades_of
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.replay import ReplayFeed
from niftyflow.brokers.simulator.tape import MINUTE, SECOND
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import Misconfigured, TickBatch
from support.data import shared_data
from support.simulator import OPENS, Folded, fold

prices = st.integers(5, 400_000)


@st.composite
def minutes(draw):
    """Draw candles of two symbols, the second an index; often flat, often with hardly any volume."""
    candles = []
    for minute in range(draw(st.integers(1, 12))):
        for place in (0, 1):
            body = draw(st.tuples(prices, prices))
            low, high = draw(st.integers(1, min(body))), draw(st.integers(max(body), 500_000))
            if draw(st.booleans()):
                low, high, body = body[0], body[0], (body[0], body[0])
            volume = 0 if place else draw(st.one_of(st.integers(0, 3), st.integers(0, 10_000_000)))
            candles.append(
                (OPENS + minute * MINUTE, place, body[0] / 100, high / 100, low / 100, body[1] / 100, volume)
            )
    return np.array(candles, dtype=CANDLE)


def rebuilt(candles, events):
    """Fold events over a baseline of zero, and add the flat minutes that have no trade."""
    baseline = [(str(place), OPENS - 86_400_000, 1.0, 0) for place in (0, 1)]
    ticks = zip(
        events["instrument"].astype(str).tolist(), events["traded_at"].tolist(), events["ltp"].tolist(),
        events["day_volume"].tolist(), strict=True,
    )  # fmt: skip
    found = fold([*baseline, *ticks])
    result, last = [], {}
    for candle in candles:
        key = (str(candle["instrument"]), int(candle["time"]))
        flat = last.get(key[0])
        made = found.get(key) or Folded(flat, flat, flat, flat, 0)
        last[key[0]] = made.close
        result.append(tuple(made))
    return result


@given(minutes())
def test_the_trades_of_any_candles_fold_back_to_exactly_those_candles(candles):
    """Open, high, low, close and volume survive, whatever the volume, flat minutes included."""
    events = trades_of(candles, np.array([False, True]))
    expected = [
        (*(round(each[name] * 100) for name in ("open", "high", "low", "close")), int(each["volume"]))
        for each in candles
    ]
    assert rebuilt(candles, events) == expected


@given(minutes())
def test_trades_stay_inside_their_minute_and_no_two_share_a_second(candles):
    """A second trade in the same second with the same day volume would count as a repeat and move no price."""
    events = trades_of(candles, np.array([False, True]))
    seen = set(zip(events["instrument"].tolist(), events["traded_at"].tolist(), strict=True))
    assert len(seen) == len(events)
    assert (events["traded_at"] % SECOND == 0).all()
    assert (events["arrival"] // SECOND == events["traded_at"] // SECOND).all()


def test_a_flat_minute_without_volume_has_no_trade_but_an_index_always_ticks():
    """The platform owes the flat minute; an index has no volume by which to tell."""
    rows = [(OPENS + m * MINUTE, place, 10.0, 10.0, 10.0, 10.0, 0) for m in range(3) for place in (0, 1)]
    events = trades_of(np.array(rows, dtype=CANDLE), np.array([False, True]))
    assert np.bincount(events["instrument"]).tolist() == [4, 12]
    assert not events["day_volume"].any()


def write(path: Path, **columns) -> Path:
    """Write a candle file of one symbol, one row a minute, with changes by column."""
    times = [f"2026-01-05 09:{15 + each}:00" for each in range(3)]
    table = {"symbol": ["INFY"] * 3, "ts": times, "open": [10.0, 10.5, 11.0], "high": [10.6, 11.0, 11.5],
             "low": [9.9, 10.4, 10.9], "close": [10.5, 11.0, 11.2], "volume": [5, 0, 7]} | columns  # fmt: skip
    pl.DataFrame({name: values for name, values in table.items() if values is not None}).write_csv(path)
    return path


def test_a_snapshot_before_the_open_gives_the_first_volume_its_baseline(tmp_path):
    """Its day volume is zero and its last trade is of an earlier day; the clock starts before it."""
    source = CandleFile(write(tmp_path / "day.csv"))
    events = np.concatenate(list(source.chunks()))
    first = events[0]
    assert (int(first["day_volume"]), float(first["ltp"])) == (0, 10.0)
    assert first["traded_at"] < OPENS - 12 * 60 * MINUTE
    assert source.sessions[0].start < first["arrival"] < source.sessions[0].opens == OPENS
    assert events["day_volume"][-1] == 12


def test_times_may_label_the_minutes_end(tmp_path):
    """By option, or by the column's name `ts_end`."""
    times = [f"2026-01-05 09:{16 + each}:00" for each in range(3)]
    by_option = CandleFile(write(tmp_path / "a.csv", ts=times), "end")
    by_name = CandleFile(write(tmp_path / "b.csv", ts=None, ts_end=times))
    assert by_option.sessions[0].opens == by_name.sessions[0].opens == OPENS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"high": [10.6, 10.0, 11.5]}, "data row 2 .INFY.: its high is below"),
        ({"low": [10.2, 10.4, 10.9]}, "data row 1 .INFY.: its low is above"),
        ({"low": [9.9, -1.0, 10.9]}, "data row 2 .INFY.: a price is not above zero"),
        ({"volume": [5, 0, -7]}, "data row 3 .INFY.: its volume is negative"),
        ({"ts": ["2026-01-05 09:15:00"] * 3}, "data row 2 .INFY.: its symbol and time came before"),
        ({"ts": ["2026-01-05 09:15:30"] * 3}, "data row 1 .INFY.: its time is no whole minute"),
        ({"close": [10.5, None, 11.2]}, "data row 2: close is empty"),
        ({"ts": None}, "has no column for time"),
    ],
)
def test_a_row_that_is_no_candle_is_refused_by_its_number(tmp_path, change, says):
    """One line, naming file, row and rule."""
    with pytest.raises(Misconfigured, match=says):
        CandleFile(write(tmp_path / "bad.csv", **change))


async def replayed(source) -> TickBatch:
    """Play a whole tape through the wire and return its ticks."""
    feed = ReplayFeed(Playback(source), VirtualClock())
    await feed.start(source.instruments)
    columns, names = [], None
    while True:
        events = await feed.read()
        for event in events:
            if isinstance(event, TickBatch):
                names = event.names
                columns.append(event.columns())
        if any(isinstance(event, FeedEnd) for event in events):
            return TickBatch(names, **{name: np.concatenate([each[name] for each in columns]) for name in columns[0]})


@pytest.mark.data
async def test_real_candles_come_back_through_the_wire(tmp_path):
    """Stocks large and small and an index of 2016, all 18 sessions: every candle equal, flat minutes included."""
    wanted = ["ABIRLANUVO", "ADANIENT", "INFY", "NIFTY50", "SBIN"]
    bars = (
        pl.scan_parquet(shared_data("bars_1m_equity_2016/bars.parquet"))
        .filter(pl.col("symbol").is_in(wanted))
        .collect()
    )
    bars.write_parquet(tmp_path / "bars.parquet")
    batch = await replayed(CandleFile(tmp_path / "bars.parquet"))
    day_of = (batch.received + 19_800_000) // 86_400_000
    keys = batch.keys()
    found = fold(
        (f"{keys[row]} {day}", traded_at, ltp, volume)
        for row, (day, traded_at, ltp, volume) in enumerate(
            zip(day_of.tolist(), batch.traded_at.tolist(), batch.ltp.tolist(), batch.day_volume.tolist(), strict=True)
        )
    )
    last = {}
    different = []
    columns = [bars["symbol"].to_list(), bars["ts"].dt.epoch("ms").to_list(),
               *((bars[name] * 100).round().cast(pl.Int64).to_list() for name in ("open", "high", "low", "close")),
               bars["volume"].to_list()]  # fmt: skip
    for symbol, time, *expected in zip(*columns, strict=True):
        key = f"NSE:{symbol} {(time + 19_800_000) // 86_400_000}"
        made = found.get((key, time)) or Folded(*[last.get(key, 0)] * 4, 0)
        last[key] = made.close
        if list(made) != expected:
            different.append((symbol, time, made, expected))
    assert bars.height == 5 * 18 * 375
    assert different == []
