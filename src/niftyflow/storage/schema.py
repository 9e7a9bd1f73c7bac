"""The tables of the market database, decisions included, for every engine: SQLite and PostgreSQL.

Times are BIGINT ms UTC, prices float8 rupees, dates DATE, exact amounts BIGINT of 1/10,000 rupee.
It holds no statement and opens no connection; `migrations/` brings a database to this shape, and a test compares them.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
)

from niftyflow.model import Interval

REVISIONS = ("0001", "0002")
"""Every schema revision this program knows, oldest first; the last one is what it needs."""

MIGRATIONS = Path(__file__).parent / "migrations"

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
)


Word = String().with_variant(String(collation="C"), "postgresql")
"""Text that is compared and ordered by its bytes on every engine, as SQLite does, whatever a server's language is."""

POSTGRES_VERSION_TABLE = "alembic_version_market"
"""What remembers the revision on PostgreSQL, where the book's tables may be in the same database."""


def _candle_columns() -> list[Column[int] | Column[float] | Column[bool] | Column[str]]:
    """Return the columns of a candle, in the order in which `CandleBatch.COLUMNS` declares them."""
    return [
        Column("instrument", Word, nullable=False),
        Column("time", BigInteger, nullable=False),
        Column("open", Double, nullable=False),
        Column("high", Double, nullable=False),
        Column("low", Double, nullable=False),
        Column("close", Double, nullable=False),
        Column("volume", BigInteger, nullable=False),
        Column("trades", BigInteger, nullable=False),
        Column("vwap", Double, nullable=False),
        Column("open_interest", BigInteger, nullable=False),
        Column("day_volume", BigInteger, nullable=False),
        Column("traded_at", BigInteger, nullable=False),
        Column("provenance", SmallInteger, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("incomplete", Boolean, nullable=False),
        Column("through_partition", Integer, nullable=False),
        Column("through_offset", BigInteger, nullable=False),
    ]


candles_1m = Table("candles_1m", metadata, *_candle_columns(), PrimaryKeyConstraint("instrument", "time"))

candles_1d = Table("candles_1d", metadata, *_candle_columns(), PrimaryKeyConstraint("instrument", "time"))

candle_tables: dict[Interval, Table] = {Interval.M1: candles_1m, Interval.D1: candles_1d}
"""The table of each stored interval; candles of all others are built from these."""

candle_revisions = Table(
    "candle_revisions",
    metadata,
    Column("interval", Word, nullable=False),
    *_candle_columns(),
    PrimaryKeyConstraint("interval", "instrument", "time"),
)
"""Revision 0 of candles that were corrected: what was known when it was decided on."""

candle_bases = Table("candle_bases", metadata, *_candle_columns(), PrimaryKeyConstraint("instrument", "time"))
"""What minutes without a candle taught (day volume, last price): rows of revision -1 that only a restart reads."""

instruments = Table(
    "instruments",
    metadata,
    Column("instrument", Word, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("kind", Word, nullable=False),
    Column("token", Word, nullable=False),
    Column("name", Text, nullable=False),
    Column("tick_size", BigInteger, nullable=False),
    Column("lot_size", BigInteger, nullable=False),
    Column("freeze_quantity", BigInteger),
    Column("has_derivatives", Boolean, nullable=False),
    Column("underlying", Word),
    Column("expiry", Date),
    Column("strike", BigInteger),
    Column("option_right", Word),
    PrimaryKeyConstraint("instrument", "valid_from"),
)
"""Every instrument with every state it had: the row with the latest `valid_from` on or before a day holds that day."""

feed_gaps = Table(
    "feed_gaps",
    metadata,
    Column("source", Word, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("source", "since", "until"),
)

repair_requests = Table(
    "repair_requests",
    metadata,
    Column("instrument", Word, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("time", "instrument"),
)

data_quality = Table(
    "data_quality",
    metadata,
    Column("instrument", Word, nullable=False),
    Column("day", Date, nullable=False),
    Column("minutes_expected", Integer, nullable=False),
    Column("minutes_live", Integer, nullable=False),
    Column("minutes_repaired", Integer, nullable=False),
    Column("minutes_different", Integer, nullable=False),
    PrimaryKeyConstraint("instrument", "day"),
)
"""What a day should have had and what it got; `different`: the official minute is not the live one."""

signals = Table(
    "signals",
    metadata,
    Column("id", Word, nullable=False),
    Column("strategy", Word, nullable=False),
    Column("instrument", Word, nullable=False),
    Column("interval", Word, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("action", Word, nullable=False),
    Column("strength", Double, nullable=False),
    Column("price", Double, nullable=False),
    Column("stop", Double),
    Column("target", Double),
    Column("reason", Text, nullable=False),
    Column("saw", Text, nullable=False),
    PrimaryKeyConstraint("id"),
    Index(None, "time"),
)
"""What rules concluded; `time` is the moment it could be known, `reason` and `saw` are JSON."""

predictions = Table(
    "predictions",
    metadata,
    Column("interval", Word, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("instrument", Word, nullable=False),
    Column("prediction", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("model_version", Word, nullable=False),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("interval", "time", "instrument"),
)
"""What the model, or the heuristic in its place, answered. The key is the identity: one answer for each moment."""

analysis_states = Table(
    "analysis_states",
    metadata,
    Column("interval", Word, nullable=False),
    Column("instrument", Word, nullable=False),
    Column("anchor", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("version", Word, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("interval", "instrument"),
)
"""Indicators after the candle that ended at `time`, as float64: a restart goes on from here."""
