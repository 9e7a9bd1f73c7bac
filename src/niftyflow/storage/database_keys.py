"""The key store in the book's database, on every engine: who may use the gateway, by hash.

It opens and closes nothing: whoever opened the database does. It never sees a secret and decides nothing about scopes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.model import Refused
from niftyflow.storage.book_reading import Database
from niftyflow.storage.book_schema import api_keys, sessions, tickets
from niftyflow.storage.key_ports import ApiKey, BrowserSession, Ticket
from niftyflow.storage.record_layout import RecordLayout

KEY = RecordLayout(ApiKey)
SESSION = RecordLayout(BrowserSession)
TICKET = RecordLayout(Ticket)


class DatabaseKeyStore:
    """`KeyStore` in a book's tables, through the book's connections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_key(self, key: ApiKey) -> None:
        """Store a new key.

        Raises:
            Refused: a key of that id or hash is there, or another of that name still holds.
            Unavailable: the database is away, locked or full; nothing was stored.
        """

        async def add(connection: AsyncConnection) -> None:
            await self._add_alone(connection)
            for known in await _keys(connection):
                if key.id == known.id or key.hash == known.hash:
                    raise Refused(f"key {key.id} is there already")
                if key.name == known.name and known.holds(key.created_at):
                    raise Refused(f"a key named {key.name} holds already: revoke it first, or choose another name")
            await connection.execute(insert(api_keys), KEY.values(key))

        await self._database.write(add)

    async def keys(self) -> list[ApiKey]:
        """Return every key, the revoked too, oldest first."""
        return await self._database.read(_keys)

    async def key_of(self, hash: str) -> ApiKey | None:  # noqa: A002 - what it is
        """Return the key of a hash, revoked or not; None when there is none."""
        return await self._database.read(lambda connection: _key(connection, api_keys.c.hash == hash))

    async def revoke_key(self, id: str, at: int) -> bool:  # noqa: A002 - what it is
        """Revoke a key from `at` (ms UTC) on and end its sessions and tickets; False when none of that id holds."""

        async def revoke(connection: AsyncConnection) -> bool:
            done = await connection.execute(
                update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked_at.is_(None)).values(revoked_at=at)
            )
            if done.rowcount:
                for table in (sessions, tickets):
                    await connection.execute(delete(table).where(table.c.key_id == id))
            return bool(done.rowcount)

        return await self._database.write(revoke)

    async def add_session(self, session: BrowserSession) -> None:
        """Store a session, and forget those that ended before it began.

        Raises:
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        await self._add(sessions, SESSION.values(session))

    async def session_of(self, hash: str) -> tuple[BrowserSession, ApiKey] | None:  # noqa: A002 - what it is
        """Return the session of a hash with its key, ended or not; None when there is none."""

        async def find(connection: AsyncConnection) -> tuple[BrowserSession, ApiKey] | None:
            row = (await connection.execute(select(sessions).where(sessions.c.hash == hash))).mappings().first()
            key = None if row is None else await _key(connection, api_keys.c.id == row["key_id"])
            return None if row is None or key is None else (SESSION.record(row), key)  # type: ignore[arg-type]

        return await self._database.read(find)

    async def end_session(self, hash: str) -> None:  # noqa: A002 - what it is
        """Forget a session.

        Raises:
            Unavailable: the database is away, locked or full.
        """

        async def end(connection: AsyncConnection) -> None:
            await connection.execute(delete(sessions).where(sessions.c.hash == hash))

        await self._database.write(end)

    async def add_ticket(self, ticket: Ticket) -> None:
        """Store a ticket, and forget those that ended before it was made.

        Raises:
            Unavailable: the database is away, locked or full; nothing was stored.
        """
        await self._add(tickets, TICKET.values(ticket))

    async def use_ticket(self, hash: str, at: int) -> ApiKey | None:  # noqa: A002 - what it is
        """Take a ticket, once, and return its key; None when it is unknown, used, or over at `at` (ms UTC).

        Raises:
            Unavailable: the database is away, locked or full; the ticket can still be used.
        """

        async def use(connection: AsyncConnection) -> ApiKey | None:
            query = delete(tickets).where(tickets.c.hash == hash).returning(tickets)
            row = (await connection.execute(query)).mappings().first()
            if row is None or at >= row["expires_at"]:
                return None
            return await _key(connection, api_keys.c.id == row["key_id"])

        return await self._database.write(use)

    async def _add_alone(self, connection: AsyncConnection) -> None:
        """Let no other key come between looking for one and adding one, where the engine does not see to it."""

    async def _add(self, table: Table, row: dict[str, Any]) -> None:
        async def add(connection: AsyncConnection) -> None:
            await connection.execute(delete(table).where(table.c.expires_at <= row["created_at"]))
            await connection.execute(insert(table), row)

        await self._database.write(add)


async def _keys(connection: AsyncConnection) -> list[ApiKey]:
    rows = (await connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))).mappings()
    return [KEY.record(row) for row in rows]  # type: ignore[arg-type]


async def _key(connection: AsyncConnection, which: Any) -> ApiKey | None:
    row = (await connection.execute(select(api_keys).where(which))).mappings().first()
    return None if row is None else KEY.record(row)  # type: ignore[arg-type]
