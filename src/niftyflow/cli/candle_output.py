"""Candles and missing minutes as a table for people, or JSON and CSV for programs, on standard output."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import msgspec
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from niftyflow.kit.clock import IST
from niftyflow.model import Candle, CandleBatch, Interval, moment, split_key
from niftyflow.storage.candle_reading import DayQuality

MINUTE_MS = 60_000
PLAIN_WIDTH = 160
SPANS_SHOWN = 6
CSV_FIELDS = (
    "time", "symbol", "exchange", "interval", "open", "high", "low", "close", "volume", "trades", "vwap",
    "open_interest", "provenance", "revision", "incomplete",
)  # fmt: skip


def show_candles(candles: CandleBatch, key: str, *, form: str, is_utc: bool) -> None:
    """Print candles as `table`, `json` or `csv`."""
    records = candles.to_records()
    if form == "json":
        typer.echo(msgspec.json.encode(records))
    elif form == "csv":
        _write_csv(CSV_FIELDS, [_csv_row(candle, is_utc=is_utc) for candle in records])
    else:
        _console().print(_candle_table(records, f"{key} {candles.interval.value}", is_utc=is_utc))


def show_gaps(days: Sequence[DayQuality], key: str, *, form: str, is_utc: bool) -> None:
    """Print the minutes of each day that are missing or incomplete."""
    exchange, symbol = split_key(key)
    if form == "json":
        found = [
            {
                "symbol": symbol,
                "exchange": exchange,
                "day": day.day,
                "minutes_expected": day.expected,
                "minutes_stored": day.stored,
                "missing": [moment(time) for time in day.missing.tolist()],
                "incomplete": [moment(time) for time in day.incomplete.tolist()],
            }
            for day in days
        ]
        typer.echo(msgspec.json.encode(found))
    elif form == "csv":
        _write_csv(
            ("time", "symbol", "exchange", "state"),
            [
                (_iso(time, is_utc=is_utc), symbol, exchange, state)
                for day in days
                for state, times in (("missing", day.missing), ("incomplete", day.incomplete))
                for time in times.tolist()
            ],
        )
    else:
        _console().print(_gap_table(days, key, is_utc=is_utc))


def _candle_table(candles: Sequence[Candle], title: str, *, is_utc: bool) -> Table:
    has_interest = any(candle.open_interest for candle in candles)
    table = Table(title=f"{title}, {_zone_name(is_utc=is_utc)}", title_justify="left")
    table.add_column("time", no_wrap=True)
    numbers = ["open", "high", "low", "close", "volume", "trades", "vwap", *(["open interest"] if has_interest else [])]
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("mark", no_wrap=True)
    for candle in candles:
        marks = ["incomplete"] * candle.incomplete + [f"revision {candle.revision}"] * (candle.revision > 0)
        table.add_row(
            _time(candle, is_utc=is_utc),
            *(f"{price:,.2f}" for price in (candle.open, candle.high, candle.low, candle.close)),
            f"{candle.volume:,}", f"{candle.trades:,}", f"{candle.vwap:,.2f}",
            *([f"{candle.open_interest:,}"] if has_interest else []),
            candle.provenance, ", ".join(marks), style="yellow" if marks else None,
        )  # fmt: skip
    return table


def _gap_table(days: Sequence[DayQuality], key: str, *, is_utc: bool) -> Table:
    table = Table(title=f"{key} 1m, missing and incomplete minutes, {_zone_name(is_utc=is_utc)}", title_justify="left")
    for heading in ("day", "expected", "stored", "missing", "incomplete"):
        table.add_column(heading, justify="left" if heading == "day" else "right", no_wrap=True)
    table.add_column("minutes missing")
    table.add_column("minutes incomplete")
    for day in days:
        table.add_row(
            str(day.day), str(day.expected), str(day.stored), str(len(day.missing)), str(len(day.incomplete)),
            _spans(day.missing, is_utc=is_utc), _spans(day.incomplete, is_utc=is_utc),
            style="yellow" if len(day.missing) or len(day.incomplete) else None,
        )  # fmt: skip
    return table


def _spans(times: NDArray[Any], *, is_utc: bool) -> str:
    """Return minutes as runs, such as `09:15, 10:02 to 10:05`."""
    runs: list[list[int]] = []
    for time in times.tolist():
        if runs and time == runs[-1][1] + MINUTE_MS:
            runs[-1][1] = time
        else:
            runs.append([time, time])
    clock = [[f"{moment(time).astimezone(UTC if is_utc else IST):%H:%M}" for time in run] for run in runs]
    shown = [first if first == last else f"{first} to {last}" for first, last in clock[:SPANS_SHOWN]]
    return ", ".join(shown) + (f" and {len(runs) - SPANS_SHOWN} more" if len(runs) > SPANS_SHOWN else "")


def _csv_row(candle: Candle, *, is_utc: bool) -> list[Any]:
    time = candle.time if is_utc else candle.time.astimezone(IST)
    plain = [getattr(candle, field) for field in CSV_FIELDS[4:]]
    return [time.isoformat().replace("+00:00", "Z"), candle.symbol, candle.exchange, candle.interval.value, *plain]


def _write_csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def _time(candle: Candle, *, is_utc: bool) -> str:
    time = candle.time if is_utc else candle.time.astimezone(IST)
    if candle.interval is Interval.D1 and not is_utc:
        return f"{time:%Y-%m-%d}"
    return f"{time:%Y-%m-%d %H:%M}"


def _iso(time: int, *, is_utc: bool) -> str:
    return moment(time).astimezone(IST).isoformat() if not is_utc else moment(time).isoformat().replace("+00:00", "Z")


def _zone_name(*, is_utc: bool) -> str:
    return "UTC" if is_utc else "IST"


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)
