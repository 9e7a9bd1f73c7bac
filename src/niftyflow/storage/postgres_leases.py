"""Leases between processes of a cluster: rows in the book database, renewed by their holders, with a fence that grows.

All time is the database's clock: holders' clocks may differ. A holder counts its own time (monotonic) from before it
asked, so it knows that a lease is over no later than the database does. Who stood still meanwhile learns it from
`is_held`, and what it still writes is refused by its fence: the fence is what protects, the time only decides who.

A lease that could not be renewed in time, because the database was away, is asked for still: as long as its fence is
the last one nobody had it meanwhile, and it is ours again. Others leave it to its holder for as long as a lease lasts
once the database is back.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    TextClause,
    and_,
    bindparam,
    cast,
    extract,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from niftyflow.kit.clock import monotonic, to_ist
from niftyflow.kit.log import get_logger
from niftyflow.model import LeaseHeld, Retryable
from niftyflow.storage.book_schema import leases
from niftyflow.storage.postgres_book_statements import BEGIN
from niftyflow.storage.postgres_database import PostgresDatabase

log = get_logger(__name__)

TTL_SECONDS = 15.0
"""How long a lease outlives its holder; a holder that cannot reach the database for so long is not sure of it."""

DATABASE_NOW = cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
_STARTED = cast(extract("epoch", func.pg_postmaster_start_time()) * 1000, BigInteger)
_SPAN = bindparam("span", type_=BigInteger)

Owned = tuple[str, int]
"""A lease's name and its owner's fence."""


def this_process() -> str:
    """Return this process as others are told of it."""
    return f"{socket.gethostname()}:{os.getpid()}"


class PostgresLease:
    """A lease that was taken, and is renewed by `kept_by` until it is given back or another has it."""

    def __init__(self, name: str, fence: int, since: float, kept_by: PostgresLeases) -> None:
        self.name = name
        self.fence = fence
        self.is_taken = False
        self._kept_by = kept_by
        self._lost = asyncio.Event()
        self._is_given_back = False
        self._until = since + kept_by.ttl_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._look_at_time()

    @property
    def is_held(self) -> bool:
        """Whether it is surely ours at this moment, by our own clock."""
        return not self._is_given_back and not self.is_taken and monotonic() < self._until

    async def lost(self) -> None:
        """Return when it is not surely ours: not renewed in time, or another's. It never does for giving it back."""
        await self._lost.wait()

    async def release(self) -> None:
        """Give it back; a second time does nothing. When the database is away it ends by itself after its time."""
        if self._is_given_back:
            return
        self._is_given_back = True
        self._disarm()
        giving = asyncio.create_task(self._kept_by.give_back(self))
        error = await _ended(giving, self._kept_by.ttl_seconds)
        if error is not None:
            log.warning("lease_not_given_back", lease=self.name, fence=self.fence, error=str(error))

    def renewed(self, until: float) -> None:
        """Note that it is ours until then, by our own clock."""
        if self._is_given_back or self.is_taken:
            return
        self._until = until
        self._lost.clear()
        self._disarm()
        self._look_at_time()

    def taken(self) -> None:
        """Note that another owner has had it."""
        if self._is_given_back or self.is_taken:
            return
        self.is_taken = True
        self._disarm()
        self._lost.set()
        log.error("lease_lost", lease=self.name, fence=self.fence)

    def _look_at_time(self) -> None:
        left = self._until - monotonic()
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(left, self._look_at_time)
        else:
            self._lost.set()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


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
    """`Leases` in the tables of a book that is open; `holder` is named to those who come too late.

    All leases of one holder are renewed by one statement. Each transaction begins with `begin`.
    """

    def __init__(
        self, database: PostgresDatabase, holder: str | None = None, ttl_seconds: float = TTL_SECONDS, *,
        begin: TextClause = BEGIN,
    ) -> None:  # fmt: skip
        self._database = database
        self._holder = holder or this_process()
        self.ttl_seconds = ttl_seconds
        self._begin = begin
        self._held: set[PostgresLease] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._away_at: float | None = None

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
        was_there = self._away_at is None or since - self._away_at >= self.ttl_seconds
        row = {"name": name, "holder": self._holder, "span": self._span, "was_there": was_there}

        async def take(connection: AsyncConnection) -> int | None:
            await connection.execute(self._begin)
            fence: int | None = await connection.scalar(_TAKE, row)
            return fence

        try:
            fence = await self._database.write(take)
        except Retryable:
            self._away_at = monotonic()
            raise
        if fence is None:
            raise LeaseHeld(name, await self._holder_of(name))
        lease = PostgresLease(name, fence, since, self)
        self._held.add(lease)
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="leases")
        return lease

    async def renew(self, owned: Sequence[Owned]) -> set[Owned]:
        """Keep leases for another `ttl_seconds`, also such whose time was over; return those that nobody else had.

        Raises:
            Unavailable: the database is away.
        """

        async def keep(connection: AsyncConnection) -> set[Owned]:
            await connection.execute(self._begin)
            kept = await connection.execute(_KEEP, {"owned": list(owned), "span": self._span})
            return {(name, fence) for name, fence in kept}

        return await self._database.write(keep)

    async def give_back(self, lease: PostgresLease) -> None:
        """End a lease, if it is still this owner's.

        Raises:
            Unavailable: the database is away.
        """
        self._held.discard(lease)
        if not self._held and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

        async def end(connection: AsyncConnection) -> None:
            await connection.execute(self._begin)
            await connection.execute(_END, {"given": lease.name, "owner": lease.fence})

        await self._database.write(end)

    async def _keep(self) -> None:
        """Renew all that is held every third of its time, sooner when that failed."""
        wait = self.ttl_seconds / 3
        while True:
            await asyncio.sleep(wait)
            wait = self.ttl_seconds / (3 if await self._renew_all() else 12)

    async def _renew_all(self) -> bool:
        """Renew all that is held; return whether the database answered."""
        asked = monotonic()
        owned = {(lease.name, lease.fence): lease for lease in self._held if not lease.is_taken}
        if not owned:
            return True
        renewing = asyncio.create_task(self.renew(sorted(owned)))
        error = await _ended(renewing, self.ttl_seconds / 2)
        if error is not None:
            self._away_at = monotonic()
            sure = sum(lease.is_held for lease in owned.values())
            log.warning("leases_not_renewed", leases=len(owned), sure_still=sure, error=str(error))
            return False
        for own, lease in owned.items():
            if own in renewing.result():
                lease.renewed(asked + self.ttl_seconds)
            else:
                lease.taken()
        return True

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
    name=bindparam("name"), holder=bindparam("holder"), fence=1, since=DATABASE_NOW, expires_at=DATABASE_NOW + _SPAN
)
# Who could not renew because the database was away comes first when it is back: the server was not there, or we could
# not reach it either.
_was_there = and_(bindparam("was_there", type_=Boolean), _STARTED + _SPAN <= DATABASE_NOW)
# The times of the update are taken when the row is locked, not when the insert was tried: somebody may have renewed.
_TAKE = _taken.on_conflict_do_update(
    index_elements=["name"],
    set_={
        "holder": _taken.excluded.holder, "fence": leases.c.fence + 1, "since": DATABASE_NOW,
        "expires_at": DATABASE_NOW + _SPAN,
    },
    where=or_(
        leases.c.expires_at == 0,
        and_(leases.c.expires_at <= DATABASE_NOW, or_(leases.c.holder == _taken.excluded.holder, _was_there)),
    ),
).returning(leases.c.fence)  # fmt: skip
_KEEP = (
    update(leases)
    .where(tuple_(leases.c.name, leases.c.fence).in_(bindparam("owned", expanding=True)), leases.c.expires_at > 0)
    .values(expires_at=DATABASE_NOW + _SPAN)
    .returning(leases.c.name, leases.c.fence)
)
"""Whether its time is over does not matter: it is the last fence, so nobody had it. 0 says that it was given back."""
_END = (
    update(leases)
    .where(leases.c.name == bindparam("given"), leases.c.fence == bindparam("owner"))
    .values(expires_at=0, holder="")
)
