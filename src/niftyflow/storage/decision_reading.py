"""The decision store over SQL: signals, predictions and indicator states, on every engine alike.

The first word on a signal or a prediction stands. Engines add how they store rows; it knows no dialect.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import Interval, Prediction, Signal
from niftyflow.storage.book_ports import IndicatorState
from niftyflow.storage.decision_rows import (
    prediction_of,
    prediction_row,
    predictions_told,
    signal_of,
    signal_row,
    signals_told,
    state_of,
    state_row,
)
from niftyflow.storage.market_reading import Database
from niftyflow.storage.schema import analysis_states
from niftyflow.storage.schema import predictions as prediction_table
from niftyflow.storage.schema import signals as signal_table


class SqlDecisions(ABC):
    """`DecisionStore` over SQL; an engine says how rows are saved."""

    def __init__(self, database: Database) -> None:
        self._reading = database

    @abstractmethod
    async def _save(self, table: Table, rows: list[tuple[Any, ...]]) -> int:
        """Store rows by the rule of their table, all or none; return how many were new or changed."""

    async def save_signals(self, signals: Sequence[Signal]) -> int:
        """Store signals by id, the first word standing; return how many were new.

        Raises:
            InvalidValue: a number is not finite; nothing was stored.
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        return await self._save(signal_table, [signal_row(signal) for signal in signals])

    async def signals(
        self, since: int, until: int, *, instrument: str | None = None, strategy: str | None = None,
        limit: int | None = None,
    ) -> list[Signal]:  # fmt: skip
        """Return signals with `since` <= timestamp < `until` (ms UTC), oldest first; `limit` keeps the newest."""
        newest_first = await self._rows(signals_told(since, until, instrument, strategy, limit))
        return [signal_of(row) for row in reversed(newest_first)]

    async def signal(self, signal_id: str) -> Signal | None:
        """Return a signal, or None."""
        rows = await self._rows(select(signal_table).where(signal_table.c.id == signal_id))
        return signal_of(rows[0]) if rows else None

    async def save_predictions(self, predictions: Sequence[Prediction]) -> int:
        """Store answers by id, the first word standing; return how many were new.

        Raises:
            InvalidValue: a number is not finite; nothing was stored.
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        return await self._save(prediction_table, [prediction_row(prediction) for prediction in predictions])

    async def predictions(self, interval: Interval, since: int, until: int) -> list[Prediction]:
        """Return answers with `since` <= timestamp < `until` (ms UTC), oldest first, then by instrument."""
        return [prediction_of(row) for row in await self._rows(predictions_told(interval, since, until))]

    async def save_states(self, states: Sequence[IndicatorState]) -> None:
        """Store each instrument's state; an older one of the same anchor and version does not replace a newer one.

        Raises:
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        await self._save(analysis_states, [state_row(state) for state in states])

    async def states(self, interval: Interval) -> list[IndicatorState]:
        """Return the stored states, by instrument."""
        query = (
            select(analysis_states)
            .where(analysis_states.c.interval == interval.value)
            .order_by(analysis_states.c.instrument)
        )
        return [state_of(row) for row in await self._rows(query)]

    async def _rows(self, query: Select[Any]) -> Sequence[Mapping[str, Any]]:
        async def fetch(connection: AsyncConnection) -> Sequence[Mapping[str, Any]]:
            rows: Sequence[Mapping[str, Any]] = (await connection.execute(query)).mappings().all()
            return rows

        return await self._reading.read(fetch)
