"""A candle file as it lies on the disk: CSV or Parquet, its columns, and the place of any cell for a message.

Owns opening, column names and places (line of a CSV, row of a Parquet file). It judges no value and stores nothing.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from niftyflow.model import Refused

if TYPE_CHECKING:
    import polars as pl

ROW = "row of the file"
"""Name of the column that counts the file's rows from 0; no file has one of that name."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "symbol": ("symbol", "tradingsymbol", "ticker", "instrument", "scrip"),
    "exchange": ("exchange", "exch"),
    "time": ("ts", "timestamp", "datetime"),
    "time_end": ("tsend", "timeend", "endtime", "closetime"),
    "date": ("date", "date1", "dtyyyymmdd"),
    "clock": ("time",),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice"),
    "low": ("low", "l", "lowprice"),
    "close": ("close", "c", "closeprice"),
    "volume": ("volume", "v", "vol", "ttltrdqnty"),
    "open_interest": ("openinterest", "oi", "openint"),
    "vwap": ("vwap", "avgprice"),
    "trades": ("trades", "numberoftrades", "nooftrades"),
}
"""Our names and what they may be called; case, spaces and signs in a file's names are nothing."""

CONTRACT_COLUMNS = frozenset({"strike", "strikeprice", "expiry", "expirydate", "optiontype", "right"})
_INTERVAL_IN_NAME = re.compile(r"[ _-](1m|1min|1minute|minute|1d|1day|day|daily)$", re.IGNORECASE)
_SEPARATORS = (",", ";", "\t", "|")
_FIRST_LINE_BYTES = 1 << 16


class CandleFileRefused(Refused):
    """A candle file breaks a rule; the message says where, and nothing of it was stored."""


class CandleSource:
    """One file: `scan` gives its rows lazily, `place` and `cell` look one of them up again for a message."""

    def __init__(self, path: Path) -> None:
        """Look at the file's first bytes.

        Raises:
            CandleFileRefused: it is not there, or neither CSV (also .csv.gz) nor Parquet.
        """
        self.path = path
        name = path.name.lower()
        self.is_parquet = name.endswith((".parquet", ".pq"))
        if not self.is_parquet and not name.endswith((".csv", ".csv.gz", ".txt")):
            raise self.refusal("it is neither CSV (.csv, .csv.gz) nor Parquet (.parquet), by its name")
        self.separator = "," if self.is_parquet else self._find_separator()

    @property
    def symbol(self) -> str:
        """The symbol that the file is named after: its name without endings and the interval."""
        return _INTERVAL_IN_NAME.sub("", self.path.name.split(".")[0])

    def scan(self) -> pl.LazyFrame:
        """Return the rows, those of a CSV as text, with their number in `ROW`."""
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second

        if self.is_parquet:
            return pl.scan_parquet(self.path, row_index_name=ROW)
        return pl.scan_csv(self.path, infer_schema=False, separator=self.separator, row_index_name=ROW)

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Read what a query over `scan` asks for, in the file's order, holding no more than its answer.

        Raises:
            CandleFileRefused: the file cannot be read as what its name says.
        """
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second

        try:
            return frame.collect(engine="streaming")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._explained(error) from error

    def schema(self) -> Mapping[str, pl.DataType]:
        """Return the file's columns with their types.

        Raises:
            CandleFileRefused: the file cannot be read.
        """
        import polars as pl  # noqa: PLC0415 - takes a quarter of a second

        try:
            found = dict(self.scan().collect_schema())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._explained(error) from error
        del found[ROW]
        return found

    def place(self, row: int) -> str:
        """Return where a row (from 0) stands: the line of a CSV, the row of a Parquet file (from 1)."""
        if self.is_parquet:
            return f"row {row + 1}"
        begins = 1
        with self._text() as file:
            reader = csv.reader(file, delimiter=self.separator)
            for _ in islice(reader, row + 1):
                begins = reader.line_num + 1
        return f"line {begins}"

    def cell(self, row: int, column: str) -> Any:
        """Return the value of a cell as the file has it."""
        return self.collect(self.scan().slice(row, 1).select(column)).item()

    def refusal(self, why: str) -> CandleFileRefused:
        """Return the error, with the file's name in front."""
        return CandleFileRefused(f"{self.path.name}: {why}; nothing was imported")

    def refusal_of_cell(self, row: int, column: str, rule: str, breaks: int = 1) -> CandleFileRefused:
        """Return the error naming the place, the column, its value and the rule, and how many rows break it."""
        value = self.cell(row, column)
        shown = "empty" if value is None or value == "" else repr(value) if isinstance(value, str) else str(value)
        others = f" ({breaks:,} rows break this rule)" if breaks > 1 else ""
        return self.refusal(f"{self.place(row)}, column {column} is {shown}: {rule}{others}")

    def _find_separator(self) -> str:
        try:
            with self._bytes() as file:
                first = file.read(_FIRST_LINE_BYTES).split(b"\n")[0].decode("utf-8-sig", "replace")
        except (OSError, EOFError) as error:
            raise self._explained(error) from error
        return max(_SEPARATORS, key=lambda separator: (first.count(separator), separator == ","))

    def _explained(self, error: Exception) -> CandleFileRefused:
        """Say in the user's words why the file cannot be read; the line is looked for where Polars does not name it."""
        if isinstance(error, FileNotFoundError) or not self.path.exists():
            return self.refusal("it is not there")
        if isinstance(error, PermissionError):
            return self.refusal("this user may not read it")
        if not self.is_parquet:
            found = self._fault_of_text()
            if found:
                return self.refusal(found)
        reason = str(error).strip().splitlines()
        return self.refusal(
            f"it cannot be read as {'Parquet' if self.is_parquet else 'CSV'}: {reason[0] if reason else 'damaged'}"
        )

    def _fault_of_text(self) -> str:
        """Return what is wrong with the text and where, empty when nothing is found."""
        line = 0
        try:
            with self._bytes() as file:
                for line, text in enumerate(file, 1):  # noqa: B007 - the last line is named
                    text.decode()
            if not line:
                return "it is empty"
            with self._text() as text_file:
                rows = csv.reader(text_file, delimiter=self.separator)
                columns = len(next(rows))
                for fields in rows:
                    if len(fields) > columns:
                        return f"line {rows.line_num} has {len(fields)} values, but line 1 names {columns} columns"
        except UnicodeDecodeError:
            return f"line {line} is not UTF-8 text"
        except (OSError, EOFError, csv.Error) as error:
            return f"it cannot be read after line {line}: {error}"
        return ""

    def _bytes(self) -> IO[bytes]:
        if self.path.suffix.lower() == ".gz":
            return gzip.open(self.path)  # type: ignore[return-value]
        return self.path.open("rb")

    def _text(self) -> IO[str]:
        return io.TextIOWrapper(self._bytes(), encoding="utf-8-sig", newline="")


def choose_columns(source: CandleSource, names: Sequence[str]) -> dict[str, str]:
    """Return our name → the file's name for every column of ours that the file has.

    Raises:
        CandleFileRefused: a needed column is missing or there twice, or the file holds contracts.
    """
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(re.sub(r"[^a-z0-9]", "", name.lower().removesuffix("_duplicated_0")), []).append(name)
    contracts = sorted(name for key, names_ in plain.items() if key in CONTRACT_COLUMNS for name in names_)
    if contracts:
        raise source.refusal(
            f"it holds contracts (column {contracts[0]}); only candles of shares and indices are imported"
        )
    chosen = dict(_chosen(source, plain))
    place = "" if source.is_parquet else "line 1: "
    for ours in ("open", "high", "low", "close"):
        if ours not in chosen:
            raise source.refusal(f"{place}no column for {ours}; it may be called {_spelled(ours)}{_has(names)}")
    if not chosen.keys() & {"time", "time_end", "date", "clock"}:
        raise source.refusal(
            f"{place}no column for time; it may be called {_spelled('time', 'date', 'time_end')}{_has(names)}"
        )
    return chosen


def _chosen(source: CandleSource, plain: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    for ours, aliases in ALIASES.items():
        key = next((alias for alias in aliases if alias in plain), None)
        if key is None:
            continue
        if len(plain[key]) > 1:
            first, second = plain[key][:2]
            raise source.refusal(
                f"columns {first} and {second.removesuffix('_duplicated_0')} both mean {ours}; keep one"
            )
        yield ours, plain[key][0]


def _spelled(*ours: str) -> str:
    return ", ".join(alias for name in ours for alias in ALIASES[name])


def _has(names: Sequence[str]) -> str:
    return f" (the file has {', '.join(names)})"
