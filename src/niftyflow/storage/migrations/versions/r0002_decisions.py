"""Signals, predictions and indicator states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "signals",
        sa.Column("id", WORD, nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("interval", WORD, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("valid_until", sa.BigInteger, nullable=False),
        sa.Column("action", WORD, nullable=False),
        sa.Column("strength", sa.Double, nullable=False),
        sa.Column("price", sa.Double, nullable=False),
        sa.Column("stop", sa.Double),
        sa.Column("target", sa.Double),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("saw", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signals"),
    )
    op.create_index("ix_signals_time", "signals", ["time"])
    op.create_table(
        "predictions",
        sa.Column("interval", WORD, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("prediction", sa.Double, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("model_version", WORD, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("interval", "time", "instrument", name="pk_predictions"),
    )
    op.create_table(
        "analysis_states",
        sa.Column("interval", WORD, nullable=False),
        sa.Column("instrument", WORD, nullable=False),
        sa.Column("anchor", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("version", WORD, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("interval", "instrument", name="pk_analysis_states"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("analysis_states", "predictions", "signals"):
        op.drop_table(name)
