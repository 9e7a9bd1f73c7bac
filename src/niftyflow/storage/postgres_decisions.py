"""The decision store in the market's PostgreSQL database: signals, predictions and indicator states.

It opens and closes nothing: whoever opened the database does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from niftyflow.storage.decision_reading import SqlDecisions
from niftyflow.storage.postgres_database import PostgresDatabase
from niftyflow.storage.postgres_saving import save_rows


class PostgresDecisionStore(SqlDecisions):
    """`DecisionStore` in the database of a `PostgresMarketStore`, through that store's connections."""

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self._database = database

    async def _save(self, table: Table, rows: list[tuple[Any, ...]]) -> int:
        return await save_rows(self._database, table, rows)
