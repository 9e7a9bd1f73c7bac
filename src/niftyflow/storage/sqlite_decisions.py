"""The decision store in the market database's SQLite file: signals, predictions and indicator states.

It opens and closes nothing: whoever opened the file does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.storage.decision_reading import SqlDecisions
from niftyflow.storage.schema import analysis_states, predictions, signals
from niftyflow.storage.sqlite_database import SqliteDatabase
from niftyflow.storage.sqlite_statements import compiled, insert_row
from niftyflow.storage.upserts import by_rule


class SqliteDecisionStore(SqlDecisions):
    """`DecisionStore` in the file of a `SqliteMarketStore`, through that store's connections."""

    def __init__(self, database: SqliteDatabase) -> None:
        super().__init__(database)
        self._database = database

    async def _save(self, table: Table, rows: list[tuple[Any, ...]]) -> int:
        async def store(connection: AsyncConnection) -> int:
            return (await connection.exec_driver_sql(_SAVE[table.name], rows)).rowcount

        return await self._database.write(store) if rows else 0


_SAVE = {
    table.name: compiled(by_rule(insert_row(table), table), tuple(table.c.keys()))
    for table in (signals, predictions, analysis_states)
}
