"""The times of a candle file as ms UTC: which form they have and which zone they are in, detected and stated.

One column has one form, that of its first value; a value of another form is left empty for the checks to name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from niftyflow.ingestion.candle_source import CandleSource
from niftyflow.model import Refused

if TYPE_CHECKING:
    import polars as pl

INDIAN = "Asia/Kolkata"

_DATE_FORMS = {
    r"\d{4}-\d\d?-\d\d?": "%Y-%m-%d",
    r"\d{4}/\d\d?/\d\d?": "%Y/%m/%d",
    r"\d{8}": "%Y%m%d",
    r"\d\d?-\d\d?-\d{4}": "%d-%m-%Y",
    r"\d\d?/\d\d?/\d{4}": "%d/%m/%Y",
    r"\d\d?-[A-Za-z]{3}-\d{4}": "%d-%b-%Y",
}
_DAY_FIRST = ("%d-%m-%Y", "%d/%m/%Y")
_TEXT = re.compile(
    rf"(?P<date>{'|'.join(_DATE_FORMS)})"
    r"(?:(?P<gap>[T ]+)(?P<clock>\d\d?:\d\d(?P<seconds>:\d\d(?:\.\d+)?)?)(?P<zone> ?(?:Z|IST|UTC|[+-]\d\d:?\d\d))?)?"
)
_EPOCH_UNITS = ((10**11, "seconds", 1000, 1), (10**14, "milliseconds", 1, 1),
                (10**17, "microseconds", 1, 1000), (10**20, "nanoseconds", 1, 1_000_000))  # fmt: skip
_DATE_NUMBERS = (19_000_101, 21_001_231)


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How times are read: an expression of ms UTC (null where one cannot be read), and the words for people."""

    expression: pl.Expr
    columns: tuple[str, ...]
    stated: str
    rule: str
    is_date: bool = False


def zone_named(name: str | None) -> str | None:
    """Return the IANA name of a time zone; `IST` means India's.

    Raises:
        Refused: there is no such zone.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(INDIAN if name.upper() == "IST" else name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(f"time zone {name} is not known: write one such as {INDIAN} or UTC") from error


def read_times(
    source: CandleSource, schema: Mapping[str, Any], columns: Sequence[str], zone: str | None
) -> TimeReading:
    """Return how to read the time of a row, which stands in one column, or in a date and a clock column.

    `zone` is that of times which name none; without it they are Indian.

    Raises:
        CandleFileRefused: the first time cannot be understood, or `zone` contradicts what the file says.
    """
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    if len(columns) > 1:
        texts = [pl.col(column).cast(pl.String).str.strip_chars() for column in columns]
        return _of_text(source, pl.concat_str(texts, separator=" "), tuple(columns), zone)
    column, dtype = columns[0], schema[columns[0]]
    if isinstance(dtype, pl.Datetime | pl.Date):
        return _of_datetime(source, column, dtype, zone)
    if dtype.is_numeric():
        return _of_number(source, pl.col(column).cast(pl.Int64, strict=False), column, zone)
    if dtype == pl.String:
        text = pl.col(column).str.strip_chars()
        first = _first(source, text)
        if re.fullmatch(r"\d{9,19}(\.0+)?", first):
            return _of_number(source, text.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False), column, zone)
        return _of_text(source, text, (column,), zone)
    raise source.refusal(f"column {column} holds {dtype}, which is no time")


def _of_datetime(source: CandleSource, column: str, dtype: Any, zone: str | None) -> TimeReading:
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    own = getattr(dtype, "time_zone", None)
    moments = pl.col(column).cast(pl.Datetime("ms", own)) if isinstance(dtype, pl.Datetime) else pl.col(column)
    if own:
        _refuse_zone(source, column, f"time zone {own}", zone)
        return TimeReading(moments.dt.epoch("ms"), (column,), f"with time zone {own}", "a time is needed")
    is_date = dtype == pl.Date
    expression, said = _in_zone(moments.cast(pl.Datetime("ms")), zone)
    return TimeReading(expression, (column,), "dates" if is_date else said, "a time is needed", is_date)


def _of_number(source: CandleSource, numbers: pl.Expr, column: str, zone: str | None) -> TimeReading:
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    ends = source.collect(source.scan().select(low=numbers.min(), high=numbers.max()))
    low, high = ends["low"].item(), ends["high"].item()
    if low is None:
        raise source.refusal(f"column {column} has no value that is a time")
    if _DATE_NUMBERS[0] <= low and high <= _DATE_NUMBERS[1]:
        days = numbers.cast(pl.String).str.to_datetime("%Y%m%d", time_unit="ms", strict=False)
        return TimeReading(_in_zone(days, zone)[0], (column,), "dates YYYYMMDD", "a date is YYYYMMDD", is_date=True)
    _refuse_zone(source, column, "seconds since 1970, which are UTC", zone)
    found = next(((unit, times, over) for limit, unit, times, over in _EPOCH_UNITS if high < limit), None)
    if found is None:
        raise source.refusal(f"column {column} holds {high}, which is no time since 1970")
    unit, times, over = found
    return TimeReading(numbers * times // over, (column,), f"{unit} since 1970, UTC", f"a time is {unit} since 1970")


def _of_text(source: CandleSource, text: pl.Expr, columns: tuple[str, ...], zone: str | None) -> TimeReading:
    first = _first(source, text)
    match = _TEXT.fullmatch(first)
    if match is None:
        raise source.refusal(
            f"column {' and '.join(columns)}: {first!r} is no time that can be understood; "
            "write 2024-01-25 09:15:00, with +05:30 behind it where the zone is not India's"
        )
    form = next(form for pattern, form in _DATE_FORMS.items() if re.fullmatch(pattern, match["date"]))
    own, rule = (match["zone"] or "").strip(), f"it does not read like {first!r}, the file's first time"
    day_first = ", day first" if form in _DAY_FIRST else ""
    if match["clock"]:
        form += match["gap"] + ("%H:%M:%S%.f" if match["seconds"] else "%H:%M")
        form += (match["zone"] or "").replace(own, _zone_form(own))
    has_offset = own.startswith(("+", "-"))
    moments = text.str.to_datetime(form, time_unit="ms", strict=False)
    if own:
        _refuse_zone(source, columns[0], own, zone)
        named = INDIAN if own == "IST" else "UTC"
        expression = moments.dt.epoch("ms") if has_offset else _in_zone(moments, named)[0]
        return TimeReading(expression, columns, f"such as {first}{day_first}", rule)
    expression, said = _in_zone(moments, zone)
    is_date = match["clock"] is None
    stated = f"dates such as {first}" if is_date else f"such as {first}, {said}"
    return TimeReading(expression, columns, stated + day_first, rule, is_date)


def _in_zone(moments: pl.Expr, zone: str | None) -> tuple[pl.Expr, str]:
    """Read times without a zone in one; a time that its clock change skips or repeats is left empty."""
    aware = moments.dt.replace_time_zone(zone or INDIAN, ambiguous="null", non_existent="null")
    said = f"taken as {zone}, as asked" if zone else f"without a zone, taken as {INDIAN}"
    return aware.dt.epoch("ms"), said


def _zone_form(own: str) -> str:
    if own.startswith(("+", "-")):
        return "%:z" if ":" in own else "%z"
    return own


def _first(source: CandleSource, text: pl.Expr) -> str:
    import polars as pl  # noqa: PLC0415 - takes a quarter of a second

    rows = source.scan().select(text.alias("text"))
    values = source.collect(rows.filter(pl.col("text").str.len_bytes() > 0).head(1))
    if not values.height:
        raise source.refusal("it has no rows with a time")
    return str(values.item())


def _refuse_zone(source: CandleSource, column: str, own: str, zone: str | None) -> None:
    if zone is not None:
        raise source.refusal(f"column {column} says its zone itself ({own}); leave --time-zone away")
