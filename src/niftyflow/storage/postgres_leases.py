"""Leases between processes of a cluster: rows in the book database, renewed by their holders, with a fence that grows.

All time is the database's clock: holders' clocks may differ. A holder counts its own time (monotonic) from before it
asked, so it knows that a lease is over no later than the database does. Who stood still meanwhile learns it from
`is_held`, and what it still writes is refused by its fence: the fence is what protects, the time only decides who.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from sqlalchemy import BigInteger, bindparam, cast, extract, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.kit.clock import monotonic, to_ist
from niftyflow.kit.log import get_logger
from niftyflow.model import LeaseHeld
from niftyflow.storage.book_schema import leases
from niftyflow.storage.postgres_book_statements import BEGIN
from niftyflow.storage.postgres_database import PostgresDatabase

log = get_logger(__name__)

TTL_SECONDS = 15.0
"""How long a lease outlives its holder; a holder that cannot reach the database for so long loses it."""

_NOW = cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
_SPAN = bindparam("span", type_=BigInteger)


def this_process() -> str:
    """Return this process as others are told of it."""
    return f"{socket.gethostname()}:{os.getpid()}"


class PostgresLease:
    """A lease that was taken, and is renewed until it is given back or lost."""

    def __init__(self, name: str, fence: int, since: float, kept_by: PostgresLeases) -> None:
        self.name = name
        self.fence = fence
        self._lost = asyncio.Event()
        self._kept_by = kept_by
        self._until = since + kept_by.ttl_seconds
        self._is_given_back = False
        self._renewing = asyncio.create_task(self._renew(), name=f"lease {name}")

    @property
    def is_held(self) -> bool:
        """Whether it is ours at this moment, by our own clock: False once it was lost or given back."""
        return not self._is_given_back and not self._lost.is_set() and monotonic() < self._until

    async def lost(self) -> None:
        """Return when it was lost: not renewed in time, or found to be another's. It never is by giving it back."""
        await self._lost.wait()

    async def release(self) -> None:
        """Give it back; a second time does nothing. When the database is away it ends by itself after its time."""
        if self._is_given_back:
            return
        self._is_given_back = True
        self._renewing.cancel()
        giving = asyncio.create_task(self._kept_by.give_back(self))
        error = await _ended(giving, self._kept_by.ttl_seconds)
        if error is not None:
            log.warning("lease_not_given_back", lease=self.name, fence=self.fence, error=str(error))

    async def _renew(self) -> None:
        """Renew it every third of its time, sooner when that failed, until it is lost."""
        ttl = self._kept_by.ttl_seconds
        wait = ttl / 3
        while self.is_held:
            await asyncio.sleep(min(wait, max(self._until - monotonic(), 0)))
            asked = monotonic()
            renewing = asyncio.create_task(self._kept_by.renew(self.name, self.fence))
            error = await _ended(renewing, max(self._until - asked, 0))
            if error is not None:
                log.warning("lease_not_renewed", lease=self.name, fence=self.fence, error=str(error))
                wait = ttl / 12
            elif renewing.result() and self.is_held:
                self._until, wait = asked + ttl, ttl / 3
            else:
                break
        self._lost.set()
        log.error("lease_lost", lease=self.name, fence=self.fence)


async def _ended(asking: asyncio.Task[Any], seconds: float) -> BaseException | None:
    """Wait for an answer no longer than that; return what went wrong. What is under way then ends without us."""
    try:
        await asyncio.wait({asking}, timeout=seconds)
    finally:
        is_answered = asking.done()
        asking.cancel()
    if not is_answered:
        return TimeoutError("no answer in time")
    return asking.exception()


class PostgresLeases:
    """`Leases` in the tables of a book that is open; `holder` is named to those who come too late."""

    def __init__(self, database: PostgresDatabase, holder: str | None = None, ttl_seconds: float = TTL_SECONDS) -> None:
        self._database = database
        self._holder = holder or this_process()
        self.ttl_seconds = ttl_seconds
        self._held: set[PostgresLease] = set()

    async def open(self) -> None:
        """Do nothing: whoever shares the database opens it."""

    async def close(self) -> None:
        """Give back all that is held still."""
        await asyncio.gather(*(lease.release() for lease in list(self._held)))

    async def acquire(self, name: str) -> PostgresLease:
        """Take a lease at once.

        Raises:
            LeaseHeld: naming who holds it, and since when.
            Unavailable: the database is away.
        """
        since = monotonic()
        row = {"name": name, "holder": self._holder, "span": self._span}

        async def take(connection: AsyncConnection) -> int | None:
            await connection.execute(BEGIN)
            fence: int | None = await connection.scalar(_TAKE, row)
            return fence

        fence = await self._database.write(take)
        if fence is None:
            raise LeaseHeld(name, await self._holder_of(name))
        lease = PostgresLease(name, fence, since, self)
        self._held.add(lease)
        return lease

    async def renew(self, name: str, fence: int) -> bool:
        """Keep a lease for another `ttl_seconds`; False when it is over, or another's.

        Raises:
            Unavailable: the database is away.
        """

        async def keep(connection: AsyncConnection) -> bool:
            await connection.execute(BEGIN)
            done = await connection.execute(_KEEP, {"given": name, "owner": fence, "span": self._span})
            return done.rowcount == 1

        return await self._database.write(keep)

    async def give_back(self, lease: PostgresLease) -> None:
        """End a lease, if it is still this owner's.

        Raises:
            Unavailable: the database is away.
        """
        self._held.discard(lease)

        async def end(connection: AsyncConnection) -> None:
            await connection.execute(BEGIN)
            await connection.execute(_END, {"given": lease.name, "owner": lease.fence})

        await self._database.write(end)

    async def _holder_of(self, name: str) -> str:
        async def look(connection: AsyncConnection) -> str:
            row = (await connection.execute(select(leases).where(leases.c.name == name))).mappings().first()
            if row is None or not row["holder"]:
                return "a process that gives it back at this moment"
            return f"{row['holder']} since {to_ist(row['since']).isoformat(timespec='seconds')}"

        return await self._database.read(look)

    @property
    def _span(self) -> int:
        return int(self.ttl_seconds * 1000)


_taken = insert(leases).values(
    name=bindparam("name"), holder=bindparam("holder"), fence=1, since=_NOW, expires_at=_NOW + _SPAN
)
# The times of the update are taken when the row is locked, not when the insert was tried: somebody may have renewed.
_TAKE = _taken.on_conflict_do_update(
    index_elements=["name"],
    set_={
        "holder": _taken.excluded.holder, "fence": leases.c.fence + 1, "since": _NOW, "expires_at": _NOW + _SPAN,
    },
    where=leases.c.expires_at <= _NOW,
).returning(leases.c.fence)  # fmt: skip
_OWN = (leases.c.name == bindparam("given"), leases.c.fence == bindparam("owner"))
_KEEP = update(leases).where(*_OWN, leases.c.expires_at > _NOW).values(expires_at=_NOW + _SPAN)
_END = update(leases).where(*_OWN).values(expires_at=0, holder="")
