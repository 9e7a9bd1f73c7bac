"""API keys, signed-in browsers and one-time tickets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0002"
down_revision = "b0001"

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "api_keys",
        sa.Column("id", WORD, nullable=False),
        sa.Column("hash", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("tier", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    for name in ("sessions", "tickets"):
        op.create_table(
            name,
            sa.Column("hash", WORD, nullable=False),
            sa.Column("key_id", WORD, nullable=False),
            sa.Column("created_at", sa.BigInteger, nullable=False),
            sa.Column("expires_at", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("hash", name=f"pk_{name}"),
        )
        op.create_index(f"ix_{name}_key_id", name, ["key_id"])


def downgrade() -> None:
    """Drop the tables."""
    for name in ("tickets", "sessions", "api_keys"):
        op.drop_table(name)
