"""Candles and their first revisions, instruments, gaps, repairs, data quality."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    for name in ("candles_1m", "candles_1d", "candle_bases"):
        op.create_table(name, *_candle(), sa.PrimaryKeyConstraint("instrument", "time", name=f"pk_{name}"))
    op.create_table(
        "candle_revisions",
        sa.Column("interval", WORD, nullable=False),
        *_candle(),
        sa.PrimaryKeyConstraint("interval", "instrument", "time", name="pk_candle_revisions"),
    )
    _create_instruments()
    op.create_table(
        "feed_gaps",
        sa.Column("source", WORD, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("source", "since", "until", name="pk_feed_gaps"),
    )
    op.create_table(
        "repair_requests",
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("time", "instrument", name="pk_repair_requests"),
    )
    op.create_table(
        "data_quality",
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("minutes_expected", sa.Integer, nullable=False),
        sa.Column("minutes_live", sa.Integer, nullable=False),
        sa.Column("minutes_repaired", sa.Integer, nullable=False),
        sa.Column("minutes_different", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("instrument", "day", name="pk_data_quality"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _have_first_revisions_kept()


def downgrade() -> None:
    """Drop the tables."""
    for name in (
        "data_quality", "repair_requests", "feed_gaps", "instruments",
        "candle_revisions", "candle_bases", "candles_1d", "candles_1m",
    ):  # fmt: skip
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION keep_first_revision")


def _have_first_revisions_kept() -> None:
    """Have a correction put revision 0 aside in the statement that replaces it.

    A writer of the correction cannot do it by itself: the candle it corrects may be stored by another one meanwhile.
    """
    names = [column.name for column in _candle()]
    op.execute(f"""
        CREATE FUNCTION keep_first_revision() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO candle_revisions ("interval", {", ".join(names)})
            VALUES (TG_ARGV[0], {", ".join(f"OLD.{name}" for name in names)})
            ON CONFLICT DO NOTHING;
            RETURN NEW;
        END $$
    """)  # noqa: S608 -- names of this file
    for table, interval in (("candles_1m", "1m"), ("candles_1d", "1d")):
        op.execute(f"""
            CREATE TRIGGER keep_first_revision BEFORE UPDATE ON {table} FOR EACH ROW
            WHEN (OLD.revision = 0 AND NEW.revision > 0) EXECUTE FUNCTION keep_first_revision('{interval}')
        """)


def _create_instruments() -> None:
    op.create_table(
        "instruments",
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("token", WORD, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tick_size", sa.BigInteger, nullable=False),
        sa.Column("lot_size", sa.BigInteger, nullable=False),
        sa.Column("freeze_quantity", sa.BigInteger),
        sa.Column("has_derivatives", sa.Boolean, nullable=False),
        sa.Column("underlying", WORD),
        sa.Column("expiry", sa.Date),
        sa.Column("strike", sa.BigInteger),
        sa.Column("option_right", WORD),
        sa.PrimaryKeyConstraint("instrument", "valid_from", name="pk_instruments"),
    )


def _candle() -> list[sa.Column[int] | sa.Column[float] | sa.Column[bool] | sa.Column[str]]:
    return [
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("open", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("close", sa.Double, nullable=False),
        sa.Column("volume", sa.BigInteger, nullable=False),
        sa.Column("trades", sa.BigInteger, nullable=False),
        sa.Column("vwap", sa.Double, nullable=False),
        sa.Column("open_interest", sa.BigInteger, nullable=False),
        sa.Column("day_volume", sa.BigInteger, nullable=False),
        sa.Column("traded_at", sa.BigInteger, nullable=False),
        sa.Column("provenance", sa.SmallInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("incomplete", sa.Boolean, nullable=False),
        sa.Column("through_partition", sa.Integer, nullable=False),
        sa.Column("through_offset", sa.BigInteger, nullable=False),
    ]
