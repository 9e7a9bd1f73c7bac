"""The tables of the book database, for every engine: accounts, orders, fills, positions, trading's inputs, API keys.

Times are BIGINT ms UTC, money BIGINT of 1/10,000 rupee, enums their value, verdicts, parameters and bodies JSON text.
It holds no statement and opens no connection; `book_migrations/` brings a database to this shape, a test compares them.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from niftyflow.storage.schema import Word

REVISIONS = ("b0001", "b0002", "b0003")
"""Every schema revision this program knows, oldest first; the last one is what it needs."""

MIGRATIONS = Path(__file__).parent / "book_migrations"

POSTGRES_VERSION_TABLE = "alembic_version_book"
"""What remembers the revision on PostgreSQL, where the market's tables may be in the same database."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    },
)

Number = BigInteger().with_variant(Integer, "sqlite")
"""Rows numbered in the order in which they were written; SQLite numbers only its INTEGER keys."""

accounts = Table(
    "accounts",
    metadata,
    Column("account", Word, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("taken_over_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    PrimaryKeyConstraint("account"),
)
"""`fence` is the newest owner's, `time` the latest that was committed, `sequence` the last trading input's."""

order_intents = Table(
    "order_intents",
    metadata,
    Column("number", Number, nullable=False),
    Column("client_order_id", Word, nullable=False),
    Column("account", Word, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("strategy", Word, nullable=False),
    Column("symbol", Word, nullable=False),
    Column("exchange", Word, nullable=False),
    Column("side", Word, nullable=False),
    Column("product", Word, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("order_type", Word, nullable=False),
    Column("validity", Word, nullable=False),
    Column("price", BigInteger),
    Column("trigger", BigInteger),
    Column("cause", Word, nullable=False),
    Column("signal_id", Word, nullable=False),
    Column("trace_id", Word, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("risk", Text, nullable=False),
    PrimaryKeyConstraint("number"),
    UniqueConstraint("client_order_id"),
    Index(None, "decided_at"),
)
"""What was decided, why, by which owner, and what the risk gate said: written once, before the order leaves."""

orders = Table(
    "orders",
    metadata,
    Column("client_order_id", Word, nullable=False),
    Column("account", Word, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("order_type", Word, nullable=False),
    Column("validity", Word, nullable=False),
    Column("price", BigInteger),
    Column("trigger", BigInteger),
    Column("valid_until", BigInteger, nullable=False),
    Column("risk", Text),
    Column("state", Word, nullable=False),
    Column("broker_order_id", Word, nullable=False),
    Column("filled", BigInteger, nullable=False),
    Column("filled_value", BigInteger, nullable=False),
    Column("is_triggered", Boolean, nullable=False),
    Column("reason", Text),
    Column("updated_at", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("tag", Text, nullable=False),
    PrimaryKeyConstraint("client_order_id"),
    Index(None, "account", "state"),
)
"""Where each order is now; `risk` is null where the verdict is still the intent's."""


def _order_events(book: MetaData, *month: Column[int]) -> Table:
    return Table(
        "order_events",
        book,
        Column("client_order_id", Word, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("account", Word, nullable=False),
        Column("broker_order_id", Word, nullable=False),
        Column("strategy", Word, nullable=False),
        Column("symbol", Word, nullable=False),
        Column("exchange", Word, nullable=False),
        Column("side", Word, nullable=False),
        Column("quantity", BigInteger, nullable=False),
        Column("filled", BigInteger, nullable=False),
        Column("order_type", Word, nullable=False),
        Column("price", BigInteger),
        Column("trigger", BigInteger),
        Column("product", Word, nullable=False),
        Column("validity", Word, nullable=False),
        Column("state", Word, nullable=False),
        Column("reason", Text),
        Column("risk", Text),
        Column("signal_id", Word, nullable=False),
        Column("trace_id", Word, nullable=False),
        Column("at", BigInteger, nullable=False),
        *month,
        PrimaryKeyConstraint("client_order_id", "sequence", *(column.name for column in month)),
    )


def _trades(book: MetaData, *month: Column[int]) -> Table:
    return Table(
        "trades",
        book,
        Column("number", Number, autoincrement=True, nullable=False),
        Column("account", Word, nullable=False),
        Column("fill_id", Word, nullable=False),
        Column("client_order_id", Word, nullable=False),
        Column("strategy", Word, nullable=False),
        Column("symbol", Word, nullable=False),
        Column("exchange", Word, nullable=False),
        Column("side", Word, nullable=False),
        Column("product", Word, nullable=False),
        Column("quantity", BigInteger, nullable=False),
        Column("price", BigInteger, nullable=False),
        Column("charges", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("signal_id", Word, nullable=False),
        Column("trace_id", Word, nullable=False),
        *month,
        PrimaryKeyConstraint("number", *(column.name for column in month)),
        # An exchange gives both sides of a trade one number, and begins again each day.
        UniqueConstraint("client_order_id", "fill_id", *(column.name for column in month)),
        Index(None, "at"),
    )


order_events = _order_events(metadata)
"""Every state an order went through; `risk` is null where the verdict is the intent's."""

trades = _trades(metadata)
"""Fills in the order in which they were booked; `charges` is JSON of amounts in 1/10,000 rupee."""

positions = Table(
    "positions",
    metadata,
    Column("account", Word, nullable=False),
    Column("strategy", Word, nullable=False),
    Column("exchange", Word, nullable=False),
    Column("symbol", Word, nullable=False),
    Column("product", Word, nullable=False),
    Column("net_quantity", BigInteger, nullable=False),
    Column("average_price", BigInteger, nullable=False),
    Column("realised", BigInteger, nullable=False),
    Column("realised_fifo", BigInteger, nullable=False),
    Column("charges", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("account", "strategy", "exchange", "symbol", "product"),
)

position_events = Table(
    "position_events",
    metadata,
    Column("number", Number, nullable=False),
    Column("account", Word, nullable=False),
    Column("strategy", Word, nullable=False),
    Column("symbol", Word, nullable=False),
    Column("exchange", Word, nullable=False),
    Column("product", Word, nullable=False),
    Column("net_quantity", BigInteger, nullable=False),
    Column("average_price", BigInteger, nullable=False),
    Column("realised", BigInteger, nullable=False),
    Column("realised_fifo", BigInteger, nullable=False),
    Column("unrealised", BigInteger, nullable=False),
    Column("charges", BigInteger, nullable=False),
    Column("change", Word, nullable=False),
    Column("fill_id", Word, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("number"),
    Index(None, "account"),
)
"""What each fill did to its position, in the order in which they were booked."""

strategies = Table(
    "strategies",
    metadata,
    Column("account", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("status", Word, nullable=False),
    Column("instruments", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("saved", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", "name"),
)

trading_inputs = Table(
    "trading_inputs",
    metadata,
    Column("account", Word, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", Word, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("account", "sequence"),
)
"""What trading took in, in the order taken, without holes: replaying it gives the same decisions."""

command_results = Table(
    "command_results",
    metadata,
    Column("id", Word, nullable=False),
    Column("account", Word, nullable=False),
    Column("kind", Word, nullable=False),
    Column("is_done", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("id"),
)

reading_positions = Table(
    "reading_positions",
    metadata,
    Column("account", Word, nullable=False),
    Column("topic", Word, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("account", "topic", "partition"),
)
"""How far an account has taken each topic in; committed with what it made of the records."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Word, nullable=False),
    Column("hash", Word, nullable=False),
    Column("name", Word, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("tier", Word, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("hash"),
)
"""Who may use the gateway; `hash` is the SHA-256 of a key's text, which is kept nowhere here."""

sessions = Table(
    "sessions",
    metadata,
    Column("hash", Word, nullable=False),
    Column("key_id", Word, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("hash"),
    Index(None, "key_id"),
)
"""Browsers that signed in, by the hash of their cookie."""

tickets = Table(
    "tickets",
    metadata,
    Column("hash", Word, nullable=False),
    Column("key_id", Word, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("hash"),
    Index(None, "key_id"),
)
"""One-time links that were not opened yet, by hash."""

leases = Table(
    "leases",
    metadata,
    Column("name", Word, nullable=False),
    Column("holder", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("name"),
)
"""What one process owns at a time, by the database's clock; a row stays when it is given back: the fence only grows."""

by_month = MetaData(naming_convention=metadata.naming_convention)
"""The book as PostgreSQL has it: events and fills lie in a partition for each month of their order (`book_months`)."""

order_events_by_month = _order_events(by_month, Column("decided_at", BigInteger, nullable=False))
trades_by_month = _trades(by_month, Column("decided_at", BigInteger, nullable=False))
for _table in metadata.sorted_tables:
    if _table.name not in by_month.tables:
        _table.to_metadata(by_month)
