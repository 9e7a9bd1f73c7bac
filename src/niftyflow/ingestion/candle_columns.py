"""The rows of a candle file as arrays, with every rule that one row, or two of one instrument, must keep.

Owns parsing, the rules of a candle, the interval, order and duplicates. It knows no calendar and stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from niftyflow.ingestion.candle_source import ROW, CandleSource, choose_columns
from niftyflow.ingestion.candle_times import TimeReading, read_times, zone_named
from niftyflow.kit.clock import IST_OFFSET_MS, to_ist
from niftyflow.model import (
    Exchange,
    InstrumentKey,
    Interval,
    InvalidValue,
    Provenance,
    instrument_key,
    parse_instrument,
)

if TYPE_CHECKING:
    import polars as pl

MINUTE_MS = 60_000
DAY_MS = 86_400_000
PRICES = ("open", "high", "low", "close")
_FIRST_TIME, _LAST_TIME = 631_132_200_000, 4_102_424_400_000  # 1990 to 2100, IST
_LARGEST = 2.0**53
_SPACING_ROWS = 200_000
_VWAP_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the user says about a file, and what may be done to it; None means: find it out."""

    symbol: str | None = None
    exchange: Exchange | None = None
    interval: Interval | None = None
    time_zone: str | None = None
    label: str | None = None
    provenance: Provenance = Provenance.OFFICIAL
    is_replacing: bool = False
    is_sorting: bool = False
    drops_duplicates: bool = False
    drops_outside: bool = False
    allows_gaps: bool = False


@dataclass(slots=True)
class CandleRows:
    """The candles of a file, by instrument and then time once `in_order` has run.

    `values` holds open, high, low, close (rupees), volume, open_interest, trades and vwap; `time` is ms UTC of the
    start; `row` is the row in the file, from 0.
    """

    source: CandleSource
    columns: Mapping[str, str]
    time_column: str
    keys: list[InstrumentKey]
    interval: Interval
    row: NDArray[np.int64]
    code: NDArray[np.int32]
    time: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    stated: list[str]
    complaints: list[str] = field(default_factory=list)
    is_end_label: bool = False

    def __len__(self) -> int:
        return len(self.time)

    def keep(self, rows: Any) -> None:
        """Keep the rows of a mask or an index array."""
        self.row, self.code, self.time = self.row[rows], self.code[rows], self.time[rows]
        self.values = {name: column[rows] for name, column in self.values.items()}

    def named(self, index: int) -> str:
        """Return where a candle stands in the file and which it is."""
        return (
            f"{self.source.place(int(self.row[index]))}, column {self.time_column}: "
            f"{self.keys[int(self.code[index])]} {self.when(int(self.time[index]))}"
        )

    def when(self, time: int) -> str:
        """Return a candle's time in words."""
        return f"{to_ist(time):%Y-%m-%d}" if self.interval is Interval.D1 else f"{to_ist(time):%Y-%m-%d %H:%M} IST"


def read_rows(source: CandleSource, options: ImportOptions) -> CandleRows:
    """Read a file whole and hold it to the rules of single candles; rows are in the file's order.

    Raises:
        CandleFileRefused: naming line, column, value and rule of the first row that cannot be.
        Refused: an option makes no sense.
    """
    schema = source.schema()
    columns = choose_columns(source, list(schema))
    times = read_times(source, schema, _time_columns(columns), zone_named(options.time_zone))
    frame = source.collect(_query(source, schema, columns, times))
    if not frame.height:
        raise source.refusal("it has no rows")
    _refuse_impossible(source, frame, columns, times)
    keys, code = _instruments(source, frame, columns, options)
    time = frame["time"].to_numpy()
    interval, spacing = _interval(source, code, time, times, options)
    is_end = options.label == "end" or (options.label is None and times.columns[0] == columns.get("time_end"))
    rows = CandleRows(
        source, columns, times.columns[-1], keys, interval,
        row=frame[ROW].to_numpy().astype(np.int64), code=code, time=_starts(time, interval, is_end=is_end),
        values=_values(frame), is_end_label=is_end, stated=[],
    )  # fmt: skip
    _refuse_broken_minutes(rows)
    rows.stated = _statements(rows, schema, times, spacing, options)
    return rows


def in_order(rows: CandleRows, options: ImportOptions) -> None:
    """Sort by instrument and time, and complain of rows out of order and of duplicates.

    Raises:
        CandleFileRefused: two rows tell different things of one candle.
    """
    wrong = _out_of_order(rows)
    if len(wrong) and not options.is_sorting:
        first = int(wrong[0])
        rows.complaints.append(
            f"{rows.named(first)} is earlier than a row before it ({len(wrong):,} such rows); --sort puts rows in order"
        )
    elif len(wrong):
        rows.stated.append(f"sorted: {len(wrong):,} rows were earlier than a row before them")
    if len(wrong) or (np.diff(rows.code) < 0).any():  # else it is so already, and a copy costs memory
        rows.keep(np.lexsort((rows.time, rows.code)))
    again = np.flatnonzero((np.diff(rows.time) == 0) & (np.diff(rows.code) == 0)) + 1
    if not len(again):
        return
    different = np.zeros(len(again), np.bool_)
    for column in rows.values.values():
        different |= column[again] != column[again - 1]
    if different.any():
        second = int(again[different][0])
        earlier = rows.source.place(int(rows.row[second - 1]))
        raise rows.source.refusal(
            f"{rows.named(second)} comes twice with different values (first in {earlier}); keep one"
        )
    if not options.drops_duplicates:
        earlier = rows.source.place(int(rows.row[again[0] - 1]))
        rows.complaints.append(
            f"{rows.named(int(again[0]))} comes twice (first in {earlier}; {len(again):,} such rows, all with equal "
            "values); --drop-duplicates keeps the first"
        )
    else:
        rows.stated.append(f"dropped {len(again):,} duplicate rows with equal values")
    rows.keep(np.delete(np.arange(len(rows)), again))


def _time_columns(columns: Mapping[str, str]) -> list[str]:
    for ours in ("time", "time_end"):
        if ours in columns:
            return [columns[ours]]
    return [columns[ours] for ours in ("date", "clock") if ours in columns]


def _query(
    source: CandleSource, schema: Mapping[str, Any], columns: Mapping[str, str], times: TimeReading
) -> pl.LazyFrame:
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    def number(ours: str) -> pl.Expr:
        name = columns[ours]
        column = pl.col(name)
        if schema[name] == pl.String:
            column = column.str.strip_chars()
        parsed = column.cast(pl.Float64, strict=False)
        return (parsed.round(2) if schema[name] == pl.Float32 else parsed).alias(ours)

    numbers = [number(ours) for ours in (*PRICES, "volume", "open_interest", "trades", "vwap") if ours in columns]
    names = [
        pl.col(columns[ours]).cast(pl.String).str.strip_chars().cast(pl.Categorical).alias(ours)
        for ours in ("symbol", "exchange")
        if ours in columns
    ]
    needed = [pl.col(columns[ours]) for ours in PRICES] + [pl.col(name) for name in times.columns]
    rows = source.scan()
    if not source.is_parquet:  # an empty line is no row
        rows = rows.filter(~pl.all_horizontal([column.is_null() for column in needed]))
    return rows.select(ROW, times.expression.alias("time"), *names, *numbers)


def _rules(frame: pl.DataFrame, times: TimeReading) -> dict[tuple[str, str], pl.Expr]:
    """Return (column, rule in words) → rows that break it; of rules broken by one row the first is told."""
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    rules = {
        ("time", times.rule): pl.col("time").is_null(),
        ("time", "no candle is from before 1990 or after 2099"): ~pl.col("time").is_between(_FIRST_TIME, _LAST_TIME),
    }
    for name in ("symbol", "exchange"):
        if name in frame.columns:
            rules[name, f"{name} is needed"] = pl.col(name).is_null() | (pl.col(name).cast(pl.String) == "")
    for name in PRICES:
        price = pl.col(name)
        rules[name, "a price is a finite number above zero"] = ~(price.is_finite() & (price > 0)).fill_null(value=False)
    low, high = pl.col("low"), pl.col("high")
    rules["low", "the low of a candle is not above its open or close"] = low > pl.min_horizontal("open", "close")
    rules["high", "the high of a candle is not below its open or close"] = high < pl.max_horizontal("open", "close")
    for name in ("volume", "open_interest", "trades"):
        if name in frame.columns:
            count = pl.col(name)
            whole = count.is_finite() & count.is_between(0, _LARGEST) & (count == count.floor())
            # a vendor that has no count of a day leaves it empty, but a volume is always known
            rules[name, "a whole number of zero or more is needed"] = ~whole.fill_null(value=name != "volume")
    if "vwap" in frame.columns:
        inside = pl.col("vwap").is_between(low - _VWAP_TOLERANCE, high + _VWAP_TOLERANCE)
        rules["vwap", "an average price lies between low and high"] = ~inside.fill_null(value=True)
    return rules


def _refuse_impossible(
    source: CandleSource, frame: pl.DataFrame, columns: Mapping[str, str], times: TimeReading
) -> None:
    rules = _rules(frame, times)
    labels = {str(place): key for place, key in enumerate(rules)}
    broken = frame.select(
        [rule.fill_null(value=False).arg_true().min().alias(f"{place}") for place, rule in enumerate(rules.values())]
    ).row(0, named=True)
    found = [(row, int(label)) for label, row in broken.items() if row is not None]
    if not found:
        return
    row, place = min(found)
    name, rule = labels[str(place)]
    column = times.columns[0] if name == "time" else columns[name]
    breaks = int(frame.select(list(rules.values())[place].sum()).item())
    raise source.refusal_of_cell(int(frame[ROW][row]), column, rule, breaks)


def _refuse_broken_minutes(rows: CandleRows) -> None:
    if rows.interval is not Interval.M1:
        return
    broken = np.flatnonzero(rows.time % MINUTE_MS)
    if len(broken):
        raise rows.source.refusal_of_cell(
            int(rows.row[broken[0]]), rows.time_column, "the time of a 1m candle is a whole minute", len(broken)
        )


def _instruments(
    source: CandleSource, frame: pl.DataFrame, columns: Mapping[str, str], options: ImportOptions
) -> tuple[list[InstrumentKey], NDArray[np.int32]]:
    """Return the instruments of a file, and the place of each row's among them."""
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    if options.symbol is not None or "symbol" not in columns:
        if "symbol" in columns and frame["symbol"].n_unique() > 1:
            raise source.refusal(f"--symbol names one instrument, but column {columns['symbol']} names several")
        key = _key(source, options.symbol or source.symbol, options.exchange, "")
        return [key], np.zeros(frame.height, np.int32)
    by = [name for name in ("symbol", "exchange") if name in columns]
    spelled = frame.select(by).unique(maintain_order=True).with_row_index("place")
    keys: dict[InstrumentKey, int] = {}
    codes = [
        keys.setdefault(_key(source, row["symbol"], options.exchange, row.get("exchange", "")), len(keys))
        for row in spelled.with_columns(pl.col(by).cast(pl.String)).iter_rows(named=True)
    ]
    place = frame.select(by).join(spelled, on=by, how="left", maintain_order="left")["place"].to_numpy()
    return list(keys), np.array(codes, np.int32)[place]


def _key(source: CandleSource, symbol: str, asked: Exchange | None, own: str) -> InstrumentKey:
    name = symbol.strip().upper()
    try:
        if ":" in name:
            key = parse_instrument(name)
        else:
            key = parse_instrument(instrument_key(own or asked or Exchange.NSE, name))
    except InvalidValue as error:
        raise source.refusal(str(error)) from error
    if asked is not None and not key.startswith(f"{asked}:"):
        raise source.refusal(f"{key} contradicts --exchange {asked}")
    return key


def _interval(
    source: CandleSource, code: NDArray[np.int32], time: NDArray[np.int64], times: TimeReading, options: ImportOptions
) -> tuple[Interval, str]:
    """Return the interval, and how it is known: asked for, or by the most common distance of neighbours."""
    if options.interval is not None:
        if times.is_date and options.interval is not Interval.D1:
            raise source.refusal(f"column {times.columns[0]} holds dates: these are no {options.interval} candles")
        return options.interval, "as asked"
    code, time = code[:_SPACING_ROWS], time[:_SPACING_ROWS]
    order = np.lexsort((time, code))
    apart = np.diff(time[order])[np.diff(code[order]) == 0]
    apart = apart[apart > 0]
    if times.is_date or not len(apart):
        if times.is_date:
            return Interval.D1, "by its times, which are dates"
        raise source.refusal("the interval cannot be told from one row; say --interval 1m or --interval 1d")
    values, counts = np.unique(apart, return_counts=True)
    common = int(values[counts.argmax()])
    if common == MINUTE_MS:
        return Interval.M1, "by the distance of its rows"
    if common % DAY_MS == 0:
        return Interval.D1, "by the distance of its rows"
    minutes = f"{common / MINUTE_MS:g} minutes"
    raise source.refusal(
        f"its rows are mostly {minutes} apart, so they are neither 1m nor 1d candles; import 1m candles, from which "
        "every other interval is built (or say --interval, if the file is just sparse)"
    )


def _starts(time: NDArray[np.int64], interval: Interval, *, is_end: bool) -> NDArray[np.int64]:
    """Return the starts: of a day its midnight in India, of a minute labelled by its end the minute before."""
    if interval is Interval.M1:
        return time - MINUTE_MS if is_end else time.copy()
    inside = time - 1 if is_end else time
    return (inside + IST_OFFSET_MS) // DAY_MS * DAY_MS - IST_OFFSET_MS


def _values(frame: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    nothing = np.zeros(frame.height)
    values = {
        name: frame[name].fill_null(0).to_numpy() if name in frame.columns else nothing
        for name in (*PRICES, "volume", "open_interest", "trades")
    }
    typical = (values["high"] + values["low"] + values["close"]) / 3
    if "vwap" in frame.columns:
        own = frame["vwap"].fill_null(0).to_numpy()
        typical = np.where(own > 0, own, typical)
    values["vwap"] = np.clip(typical, values["low"], values["high"])
    return values


def _out_of_order(rows: CandleRows) -> NDArray[np.int64]:
    by_code = np.argsort(rows.code, kind="stable")
    time, code = rows.time[by_code], rows.code[by_code]
    back = (np.diff(time) < 0) & (np.diff(code) == 0)
    return np.sort(by_code[1:][back])


def _statements(
    rows: CandleRows, schema: Mapping[str, Any], times: TimeReading, spacing: str, options: ImportOptions
) -> list[str]:
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    columns, source = rows.columns, rows.source
    found = ", ".join(
        f"{ours} from {columns[ours]}" if columns[ours].lower() != ours else ours
        for ours in ("symbol", "exchange", *PRICES, "volume", "open_interest", "trades", "vwap")
        if ours in columns
    )
    absent = {
        "volume": "volume 0",
        "open_interest": "open interest 0",
        "trades": "trades 0 (not known)",
        "vwap": "vwap (high + low + close) / 3",
    }
    end = f"label: {'end' if rows.is_end_label else 'start'} of the interval" + (
        ", as asked" if options.label else f", by column {times.columns[0]}"
    )
    stated = [
        f"columns: {found}",
        "not in the file: " + ", ".join(said for name, said in absent.items() if name not in columns),
        f"times: column {' and '.join(times.columns)}, {times.stated}",
        end if rows.interval is Interval.M1 or rows.is_end_label else "label: the day in India that holds the time",
        f"interval: {rows.interval.value}, {spacing}",
        f"instruments: {_named_instruments(rows, options)}",
    ]
    if source.separator != ",":
        stated.insert(0, f"separator: {'tab' if source.separator == chr(9) else source.separator}")
    if any(schema[columns[name]] == pl.Float32 for name in PRICES):
        stated.append("prices: 32-bit floats, rounded to two decimals")
    return [line for line in stated if not line.endswith(": ")]


def _named_instruments(rows: CandleRows, options: ImportOptions) -> str:
    few = ", ".join(rows.keys[:3]) + (f" and {len(rows.keys) - 3} more" if len(rows.keys) > 3 else "")  # noqa: PLR2004
    if options.symbol is not None:
        origin = "as asked"
    elif "symbol" in rows.columns:
        origin = f"by column {rows.columns['symbol']}"
    else:
        origin = "by the name of the file (--symbol says otherwise)"
    exchange = "" if "exchange" in rows.columns or options.exchange else ", exchange NSE where none is named"
    return f"{few}, {origin}{exchange}"
