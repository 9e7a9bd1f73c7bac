"""Files of 1m candles as a tape: trades from which an exact fold rebuilds exactly those candles.

Four trades make a candle (open, the nearer extreme, the other, close), each in a second of its own because Kite's
times are whole seconds. A flat minute without volume has no trade: to show it is the reader's work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from niftyflow.brokers.kite.wire import INDICES
from niftyflow.brokers.simulator.columns import read_columns, require
from niftyflow.brokers.simulator.instruments import named
from niftyflow.brokers.simulator.tape import DAY, EVENT, MINUTE, SECOND, Events, Session, in_order_of_arrival
from niftyflow.kit.clock import IST_OFFSET_MS
from niftyflow.kit.log import get_logger
from niftyflow.model import Instrument, Misconfigured

if TYPE_CHECKING:
    import polars as pl

Label = Literal["start", "end"]

SNAPSHOT_LEAD = 10 * SECOND
"""The pre-open snapshot comes this long before the first minute."""
_CLOCK_LEAD = 15 * SECOND
_LAST_TRADE_OF_A_DAY = (15 * 60 + 29) * MINUTE + 59 * SECOND
_TRADE_SECONDS = np.array([0, 15, 30, 44])
_FIRST_SECONDS = 15
_WIRE_MAXIMUM = (1 << 32) - 1
_PAISE = 1e-6

log = get_logger(__name__)


class CandleFile:
    """A tape of one file of 1m candles, any number of symbols and days."""

    def __init__(self, path: Path, label: Label | None = None) -> None:
        """Read the file; `label` says whether its times are the minutes' starts or ends (else the column's name does).

        Raises:
            Misconfigured: it cannot be read, or a row is no 1m candle or comes twice; the message names the row.
        """
        self.name = path.stem
        table = _read(path, label)
        symbols = table["symbol"].unique(maintain_order=True).to_list()
        self.instruments: Sequence[Instrument] = named(symbols, _indices(table))
        self._days = _split(table, symbols)
        self.sessions: Sequence[Session] = [
            Session(int(day["time"][0]) - _CLOCK_LEAD, int(day["time"][0]), int(day["time"][-1]) + 2 * MINUTE)
            for day in self._days
        ]

    def chunks(self) -> Iterator[Events]:
        """Yield a day at a time."""
        is_index = np.array([int(each.token) & 0xFF == INDICES for each in self.instruments])
        closes = np.zeros(len(is_index))
        traded = np.zeros(len(is_index), dtype=np.int64)
        for day in self._days:
            opens = int(day["time"][0])
            snapshots = _snapshots(day, opens, closes, traded, is_index)
            trades = trades_of(day, is_index)
            yield np.concatenate([snapshots, in_order_of_arrival(trades)])
            closes[day["instrument"]] = day["close"]
            traded[day["instrument"]] = day["time"] + MINUTE - SECOND


CANDLE = np.dtype(
    [
        ("time", np.int64),
        ("instrument", np.int32),
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("volume", np.int64),
    ]
)
"""A 1m candle by its start, ms UTC; a day of them is sorted by (time, instrument)."""


def trades_of(candles: NDArray[np.void], is_index: NDArray[np.bool_]) -> Events:
    """Return the trades of one day's candles, candle by candle; `is_index` is by instrument.

    The volume is split in four that add up to it, so `day_volume` grows by exactly the candle's volume. A minute is
    left out when nothing happened in it: no volume, and every price the previous close. An index has no volume and
    always trades; so does the first candle of a symbol.
    """
    order = np.lexsort((candles["time"], candles["instrument"]))
    rows = candles[order]
    is_first = np.ones(len(rows), dtype=np.bool_)
    is_first[1:] = rows["instrument"][1:] != rows["instrument"][:-1]
    previous = np.where(is_first, 0.0, np.roll(rows["close"], 1))
    is_flat = (rows["high"] == rows["low"]) & (rows["open"] == previous)
    before = np.cumsum(rows["volume"]) - rows["volume"]
    before -= np.repeat(before[is_first], np.diff(np.append(np.flatnonzero(is_first), len(rows))))
    has_trades = ~is_flat | (rows["volume"] > 0) | is_index[rows["instrument"]]
    rows, before = rows[has_trades], before[has_trades]

    events = np.zeros((len(rows), 4), dtype=EVENT)
    events["instrument"] = rows["instrument"][:, None]
    is_rising = rows["close"] >= rows["open"]
    events["ltp"][:, 0] = rows["open"]
    events["ltp"][:, 1] = np.where(is_rising, rows["low"], rows["high"])
    events["ltp"][:, 2] = np.where(is_rising, rows["high"], rows["low"])
    events["ltp"][:, 3] = rows["close"]
    quarter = rows["volume"] // 4
    events["last_quantity"] = quarter[:, None]
    events["last_quantity"][:, 0] = rows["volume"] - 3 * quarter
    events["day_volume"] = before[:, None] + np.cumsum(events["last_quantity"], axis=1)
    minute = rows["time"] // MINUTE
    first = (rows["instrument"] * 7 + minute * 3) % _FIRST_SECONDS
    events["traded_at"] = rows["time"][:, None] + (first[:, None] + _TRADE_SECONDS) * SECOND
    events["timestamp"] = events["traded_at"]
    events["arrival"] = events["traded_at"] + (50 + (rows["instrument"] * 37 + minute * 101) % 900)[:, None]
    return events.reshape(-1)


def _snapshots(
    day: NDArray[np.void],
    opens: int,
    closes: NDArray[np.float64],
    traded: NDArray[np.int64],
    is_index: NDArray[np.bool_],
) -> Events:
    """Return the quotes before the open: nothing traded today, so that the first candle's volume has its baseline."""
    instruments, first = np.unique(day["instrument"], return_index=True)
    events = np.zeros(len(instruments), dtype=EVENT)
    events["instrument"] = instruments
    events["arrival"] = opens - SNAPSHOT_LEAD + 1 + np.arange(len(instruments)) * 900 // len(instruments)
    events["timestamp"] = opens - SNAPSHOT_LEAD
    events["ltp"] = np.where(closes[instruments] > 0, closes[instruments], day["open"][first])
    day_before = (opens + IST_OFFSET_MS) // DAY * DAY - IST_OFFSET_MS - DAY
    last_trade = np.where(traded[instruments] > 0, traded[instruments], day_before + _LAST_TRADE_OF_A_DAY)
    events["traded_at"] = np.where(is_index[instruments], events["timestamp"], last_trade)
    return events


def _read(path: Path, label: Label | None) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    table = read_columns(path)
    is_end = label == "end" or (label is None and "time_end" in table.columns)
    if "time_end" in table.columns and "time" not in table.columns:
        table = table.rename({"time_end": "time"})
    require(table, path, "symbol", "time", "open", "high", "low", "close")
    if "volume" not in table.columns:
        table = table.with_columns(volume=pl.lit(0))
    require(table, path, "volume")
    prices = [(pl.col(name) * 100).round() / 100 for name in ("open", "high", "low", "close")]
    rounded = table.with_columns(prices)
    moved = max(float((rounded[name] - table[name]).abs().max() or 0) for name in ("open", "high", "low", "close"))  # type: ignore[arg-type]
    if moved > _PAISE:
        log.warning("prices_rounded_to_paise", file=str(path), largest_change=moved)
    _refuse_bad_rows(rounded, path)
    shift = MINUTE if is_end else 0
    return rounded.with_columns(time=pl.col("time") - shift, volume=pl.col("volume").cast(pl.Int64))


def _refuse_bad_rows(table: pl.DataFrame, path: Path) -> None:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    body_low, body_high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    rules = {
        "its low is above its open or close": pl.col("low") > body_low,
        "its high is below its open or close": pl.col("high") < body_high,
        "a price is not above zero": ~(pl.col("low") > 0),
        "a price is more than Kite can send": ~(pl.col("high") * 100 <= _WIRE_MAXIMUM),
        "its volume is negative": pl.col("volume") < 0,
        "its time is no whole minute": pl.col("time") % MINUTE != 0,
        "its symbol and time came before": ~pl.struct("symbol", "time").is_first_distinct(),
    }
    broken = table.select(**rules)
    for rule in rules:
        if broken[rule].any():
            row = int(broken[rule].arg_max() or 0)
            raise Misconfigured(f"{path}, data row {row + 1} ({table['symbol'][row]}): {rule}; it is no 1m candle")


def _indices(table: pl.DataFrame) -> list[str]:
    """Return the symbols that never have a volume: index values are not traded."""
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    totals = table.group_by("symbol", maintain_order=True).agg(pl.col("volume").sum())
    return list(totals.filter(pl.col("volume") == 0)["symbol"])


def _split(table: pl.DataFrame, symbols: list[str]) -> list[NDArray[np.void]]:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    if not table.height:
        raise Misconfigured("the candle file has no rows")
    places = {symbol: place for place, symbol in enumerate(symbols)}
    instrument = pl.col("symbol").replace_strict(places, return_dtype=pl.Int32)
    table = table.with_columns(instrument=instrument).sort("time", "instrument")
    candles = np.empty(table.height, dtype=CANDLE)
    for name in CANDLE.names or ():
        candles[name] = table[name].to_numpy()
    days = (candles["time"] + IST_OFFSET_MS) // DAY
    split = np.split(candles, np.flatnonzero(np.diff(days)) + 1)
    for day in split:
        totals = np.bincount(day["instrument"], weights=day["volume"])
        if totals.max() > _WIRE_MAXIMUM:
            raise Misconfigured(f"{symbols[int(totals.argmax())]} has a day's volume of more than Kite can send")
    return split
