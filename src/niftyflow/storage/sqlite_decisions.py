"""The decision store in the market database's SQLite file: signals, predictions and indicator states.

The first word on a signal or a prediction stands. It opens and closes nothing: whoever opened the file does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.dialects.sqlite import Insert
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
from niftyflow.storage.schema import analysis_states, predictions, signals
from niftyflow.storage.sqlite_database import SqliteDatabase
from niftyflow.storage.sqlite_statements import compiled, insert_row


class SqliteDecisionStore:
    """`DecisionStore` in the file of a `SqliteMarketStore`, through that store's connections."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def save_signals(self, signals: Sequence[Signal]) -> int:
        """Store signals by id, the first word standing; return how many were new.

        Raises:
            InvalidValue: a number is not finite; nothing was stored.
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        return await self._save(_SAVE_SIGNAL, [signal_row(signal) for signal in signals])

    async def signals(
        self, since: int, until: int, *, instrument: str | None = None, strategy: str | None = None,
        limit: int | None = None,
    ) -> list[Signal]:  # fmt: skip
        """Return signals with `since` <= timestamp < `until` (ms UTC), oldest first; `limit` keeps the newest."""
        newest_first = await self._rows(signals_told(since, until, instrument, strategy, limit))
        return [signal_of(row) for row in reversed(newest_first)]

    async def signal(self, signal_id: str) -> Signal | None:
        """Return a signal, or None."""
        rows = await self._rows(select(signals).where(signals.c.id == signal_id))
        return signal_of(rows[0]) if rows else None

    async def save_predictions(self, predictions: Sequence[Prediction]) -> int:
        """Store answers by id, the first word standing; return how many were new.

        Raises:
            InvalidValue: a number is not finite; nothing was stored.
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        return await self._save(_SAVE_PREDICTION, [prediction_row(prediction) for prediction in predictions])

    async def predictions(self, interval: Interval, since: int, until: int) -> list[Prediction]:
        """Return answers with `since` <= timestamp < `until` (ms UTC), oldest first, then by instrument."""
        return [prediction_of(row) for row in await self._rows(predictions_told(interval, since, until))]

    async def save_states(self, states: Sequence[IndicatorState]) -> None:
        """Store each instrument's state; an older one of the same anchor and version does not replace a newer one.

        Raises:
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        await self._save(_SAVE_STATE, [state_row(state) for state in states])

    async def states(self, interval: Interval) -> list[IndicatorState]:
        """Return the stored states, by instrument."""
        query = (
            select(analysis_states)
            .where(analysis_states.c.interval == interval.value)
            .order_by(analysis_states.c.instrument)
        )
        return [state_of(row) for row in await self._rows(query)]

    async def _save(self, statement: str, rows: list[tuple[Any, ...]]) -> int:
        async def store(connection: AsyncConnection) -> int:
            return (await connection.exec_driver_sql(statement, rows)).rowcount

        return await self._database.write(store) if rows else 0

    async def _rows(self, query: Select[Any]) -> Sequence[Mapping[str, Any]]:
        async def fetch(connection: AsyncConnection) -> Sequence[Mapping[str, Any]]:
            rows: Sequence[Mapping[str, Any]] = (await connection.execute(query)).mappings().all()
            return rows

        return await self._database.read(fetch)


def _save_state() -> Insert:
    table, statement = analysis_states, insert_row(analysis_states)
    told = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["interval", "instrument"],
        set_={name: told[name] for name in ("anchor", "time", "version", "state")},
        where=or_(
            told.time >= table.c.time,
            told.anchor != table.c.anchor,
            told.version != table.c.version,
        ),
    )


_SAVE_SIGNAL = compiled(insert_row(signals).on_conflict_do_nothing(index_elements=["id"]), tuple(signals.c.keys()))
_SAVE_PREDICTION = compiled(
    insert_row(predictions).on_conflict_do_nothing(index_elements=["interval", "time", "instrument"]),
    tuple(predictions.c.keys()),
)
_SAVE_STATE = compiled(_save_state(), tuple(analysis_states.c.keys()))
