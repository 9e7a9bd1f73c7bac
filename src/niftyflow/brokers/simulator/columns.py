"""Reading the columns of a file under the names vendors give them, with times as ms UTC.

A time without a zone is taken as Asia/Kolkata. Nothing is repaired here: what cannot be read is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from niftyflow.model import Misconfigured

if TYPE_CHECKING:
    import polars as pl

ALIASES: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol", "tradingsymbol", "ticker", "instrument"),
    "sequence": ("seq", "sequence"),
    "time": ("ts", "timestamp", "datetime", "time", "date", "exchange_timestamp"),
    "time_end": ("ts_end",),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "ltp": ("ltp", "last_price", "price"),
    "volume": ("volume", "volume_traded", "day_volume", "v"),
    "last_quantity": ("last_quantity", "last_traded_quantity", "ltq"),
    "bid": ("bid", "bid_price_1"),
    "ask": ("ask", "ask_price_1"),
    "open_interest": ("open_interest", "oi"),
}
_EPOCH_MS_FROM = 100_000_000_000


def read_columns(path: Path) -> pl.DataFrame:
    """Return the known columns of a CSV or Parquet file under their own names, `time` and `time_end` as ms UTC.

    A file without a symbol column is about the symbol it is named after.

    Raises:
        Misconfigured: the file is not there, cannot be read, or a time in it cannot be understood.
    """
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    try:
        if path.suffix == ".parquet":
            frame = pl.scan_parquet(path)
        else:
            frame = pl.scan_csv(path, try_parse_dates=True, infer_schema_length=10_000)
        schema = frame.collect_schema()
        chosen = choose_columns(list(schema))
        known = frame.select(pl.col(actual).alias(ours) for ours, actual in chosen.items())
        times = [_as_ms(known, name) for name in ("time", "time_end") if name in chosen]
        table = known.with_columns(times).collect()
    except FileNotFoundError:
        raise Misconfigured(f"{path} is not there") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Misconfigured(f"{path} cannot be read as ticks or candles: {reason}") from error
    if "symbol" not in chosen:
        table = table.with_columns(symbol=pl.lit(path.stem.split(".")[0].upper()))
    return table


def choose_columns(names: list[str]) -> dict[str, str]:
    """Return our name → the file's name for every column of ours that the file has; the case of a name is nothing."""
    by_lower = {name.lower(): name for name in names}
    chosen = {}
    for ours, aliases in ALIASES.items():
        actual = next((by_lower[alias] for alias in aliases if alias in by_lower), None)
        if actual is not None:
            chosen[ours] = actual
    return chosen


def require_columns(table: pl.DataFrame, path: Path, *names: str) -> None:
    """Refuse a table in which one of the columns is missing.

    Raises:
        Misconfigured: naming the column, and what it may be called.
    """
    for name in names:
        if name not in table.columns:
            accepted = ", ".join(ALIASES[name])
            raise Misconfigured(f"{path} has no column for {name}; it may be called {accepted}")


def require(table: pl.DataFrame, path: Path, *names: str) -> None:
    """Refuse a table in which one of the columns is missing or has an empty cell.

    Raises:
        Misconfigured: naming the column, and the first row without a value.
    """
    require_columns(table, path, *names)
    for name in names:
        empty = table[name].is_null()
        if empty.any():
            raise Misconfigured(f"{path}, data row {(empty.arg_max() or 0) + 1}: {name} is empty")


def _as_ms(frame: pl.LazyFrame, name: str) -> pl.Expr:
    import polars as pl  # noqa: PLC0415  takes a quarter of a second

    dtype = frame.collect_schema()[name]
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        aware = column if dtype.time_zone else column.dt.replace_time_zone("Asia/Kolkata")
        return aware.dt.epoch("ms").alias(name)
    if dtype.is_integer():
        return pl.when(column < _EPOCH_MS_FROM).then(column * 1000).otherwise(column).cast(pl.Int64).alias(name)
    if dtype == pl.String:
        zoned = column.str.contains(r"(Z|[+-]\d\d:?\d\d)$")
        with_zone = column.str.to_datetime(time_unit="us", time_zone="UTC", strict=False).dt.epoch("ms")
        without = column.str.to_datetime(time_unit="us", strict=False).dt.replace_time_zone("Asia/Kolkata")
        return pl.when(zoned).then(with_zone).otherwise(without.dt.epoch("ms")).alias(name)
    raise Misconfigured(f"column {name} holds {dtype}, which is no time of day")
