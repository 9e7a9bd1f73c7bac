"""Leases; on PostgreSQL, events and fills in a partition for each month.

No book was on PostgreSQL before this revision, so nothing is moved there: with rows in the tables it refuses.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0003"
down_revision = "b0002"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")

KEYS = {
    "order_events": {"pk_order_events": "PRIMARY KEY (client_order_id, sequence{month})"},
    "trades": {
        "pk_trades": "PRIMARY KEY (number{month})",
        "uq_trades_client_order_id_fill_id{suffix}": "UNIQUE (client_order_id, fill_id{month})",
    },
}


def upgrade() -> None:
    """Create the table, and on PostgreSQL part the two that grow for ever."""
    op.create_table(
        "leases",
        sa.Column("name", WORD, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _remake(", decided_at BIGINT NOT NULL", "PARTITION BY RANGE (decided_at)", ", decided_at", "_decided_at")


def downgrade() -> None:
    """Drop the table, and make the two whole again."""
    if op.get_bind().dialect.name == "postgresql":
        _remake("", "", "", "")
    op.drop_table("leases")


def _remake(column: str, partition: str, month: str, suffix: str) -> None:
    """Replace the two tables, which must be empty, by ones with other keys."""
    for table, keys in KEYS.items():
        if op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT FROM {table})")):  # noqa: S608 -- our own name
            raise RuntimeError(f"{table} has rows: this revision knows no book on PostgreSQL before it")
        likeness = f"LIKE {table}_before INCLUDING DEFAULTS{column}"
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
        op.execute(f"CREATE TABLE {table} ({likeness}) {partition}")
        if not partition:
            op.execute(f"ALTER TABLE {table} DROP COLUMN decided_at")
        if table == "trades":
            op.execute("ALTER SEQUENCE trades_number_seq OWNED BY trades.number")
        op.execute(f"DROP TABLE {table}_before")
        for name, key in keys.items():
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name.format(suffix=suffix)} {key.format(month=month)}")
    op.create_index("ix_trades_at", "trades", ["at"])
