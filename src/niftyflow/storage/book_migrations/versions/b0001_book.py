"""Accounts, orders and their events, trades, positions, strategies, and what trading took in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    _create_orders()
    _create_money()
    _create_trading()


def downgrade() -> None:
    """Drop the tables."""
    for name in (
        "reading_positions",
        "command_results",
        "trading_inputs",
        "strategies",
        "accounts",
        "position_events",
        "positions",
        "trades",
        "order_events",
        "orders",
        "order_intents",
    ):
        op.drop_table(name)


def _create_orders() -> None:
    op.create_table(
        "order_intents",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("client_order_id", WORD, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("symbol", WORD, nullable=False),
        sa.Column("exchange", WORD, nullable=False),
        sa.Column("side", WORD, nullable=False),
        sa.Column("product", WORD, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("order_type", WORD, nullable=False),
        sa.Column("validity", WORD, nullable=False),
        sa.Column("price", sa.BigInteger),
        sa.Column("trigger", sa.BigInteger),
        sa.Column("cause", WORD, nullable=False),
        sa.Column("signal_id", WORD, nullable=False),
        sa.Column("trace_id", WORD, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("valid_until", sa.BigInteger, nullable=False),
        sa.Column("risk", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_order_intents"),
        sa.UniqueConstraint("client_order_id", name="uq_order_intents_client_order_id"),
    )
    op.create_index("ix_order_intents_decided_at", "order_intents", ["decided_at"])
    op.create_table(
        "orders",
        sa.Column("client_order_id", WORD, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("order_type", WORD, nullable=False),
        sa.Column("validity", WORD, nullable=False),
        sa.Column("price", sa.BigInteger),
        sa.Column("trigger", sa.BigInteger),
        sa.Column("valid_until", sa.BigInteger, nullable=False),
        sa.Column("risk", sa.Text),
        sa.Column("state", WORD, nullable=False),
        sa.Column("broker_order_id", WORD, nullable=False),
        sa.Column("filled", sa.BigInteger, nullable=False),
        sa.Column("filled_value", sa.BigInteger, nullable=False),
        sa.Column("is_triggered", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("client_order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_account_state", "orders", ["account", "state"])
    op.create_table(
        "order_events",
        sa.Column("client_order_id", WORD, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("broker_order_id", WORD, nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("symbol", WORD, nullable=False),
        sa.Column("exchange", WORD, nullable=False),
        sa.Column("side", WORD, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("filled", sa.BigInteger, nullable=False),
        sa.Column("order_type", WORD, nullable=False),
        sa.Column("price", sa.BigInteger),
        sa.Column("trigger", sa.BigInteger),
        sa.Column("product", WORD, nullable=False),
        sa.Column("validity", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("risk", sa.Text),
        sa.Column("signal_id", WORD, nullable=False),
        sa.Column("trace_id", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client_order_id", "sequence", name="pk_order_events"),
    )


def _create_money() -> None:
    op.create_table(
        "trades",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("fill_id", WORD, nullable=False),
        sa.Column("client_order_id", WORD, nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("symbol", WORD, nullable=False),
        sa.Column("exchange", WORD, nullable=False),
        sa.Column("side", WORD, nullable=False),
        sa.Column("product", WORD, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("charges", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("signal_id", WORD, nullable=False),
        sa.Column("trace_id", WORD, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_trades"),
        sa.UniqueConstraint("client_order_id", "fill_id", name="uq_trades_client_order_id_fill_id"),
    )
    op.create_index("ix_trades_at", "trades", ["at"])
    op.create_table(
        "positions",
        sa.Column("account", WORD, nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("exchange", WORD, nullable=False),
        sa.Column("symbol", WORD, nullable=False),
        sa.Column("product", WORD, nullable=False),
        sa.Column("net_quantity", sa.BigInteger, nullable=False),
        sa.Column("average_price", sa.BigInteger, nullable=False),
        sa.Column("realised", sa.BigInteger, nullable=False),
        sa.Column("realised_fifo", sa.BigInteger, nullable=False),
        sa.Column("charges", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("account", "strategy", "exchange", "symbol", "product", name="pk_positions"),
    )
    op.create_table(
        "position_events",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("strategy", WORD, nullable=False),
        sa.Column("symbol", WORD, nullable=False),
        sa.Column("exchange", WORD, nullable=False),
        sa.Column("product", WORD, nullable=False),
        sa.Column("net_quantity", sa.BigInteger, nullable=False),
        sa.Column("average_price", sa.BigInteger, nullable=False),
        sa.Column("realised", sa.BigInteger, nullable=False),
        sa.Column("realised_fifo", sa.BigInteger, nullable=False),
        sa.Column("unrealised", sa.BigInteger, nullable=False),
        sa.Column("charges", sa.BigInteger, nullable=False),
        sa.Column("change", WORD, nullable=False),
        sa.Column("fill_id", WORD, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_position_events"),
    )
    op.create_index("ix_position_events_account", "position_events", ["account"])


def _create_trading() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", WORD, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("taken_over_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )
    op.create_table(
        "strategies",
        sa.Column("account", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("instruments", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("saved", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name="pk_strategies"),
    )
    op.create_table(
        "trading_inputs",
        sa.Column("account", WORD, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("account", "sequence", name="pk_trading_inputs"),
    )
    op.create_table(
        "command_results",
        sa.Column("id", WORD, nullable=False),
        sa.Column("account", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("is_done", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_command_results"),
    )
    op.create_table(
        "reading_positions",
        sa.Column("account", WORD, nullable=False),
        sa.Column("topic", WORD, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "topic", "partition", name="pk_reading_positions"),
    )
