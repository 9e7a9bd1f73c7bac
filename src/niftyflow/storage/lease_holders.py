"""Who holds leases of a cluster at this moment, for people who look: rows of the book in PostgreSQL, by its clock."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.storage.book_reading import Database
from niftyflow.storage.book_schema import leases
from niftyflow.storage.postgres_leases import DATABASE_NOW

_HELD = (
    select(leases.c.name, leases.c.holder, leases.c.since)
    .where(leases.c.expires_at > DATABASE_NOW)
    .order_by(leases.c.name)
)


class HeldLease(msgspec.Struct, frozen=True):
    """A lease, who has it, and since when, in ms UTC."""

    name: str
    holder: str
    since: int


async def held_leases(database: Database) -> list[HeldLease]:
    """Return every lease that is held, by name.

    Raises:
        Unavailable: the database is away.
    """

    async def look(connection: AsyncConnection) -> list[HeldLease]:
        rows = (await connection.execute(_HELD)).all()
        return [HeldLease(row.name, row.holder, row.since) for row in rows if row.holder]

    return await database.read(look)
