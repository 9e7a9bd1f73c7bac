"""Keeps the workers of a process alive: one that crashes is begun again, later each time, and the others go on.

What a worker handles itself (the world is away, a record is broken) never comes here. What crashed begins as after a
restart of the process: from its commit, its stores and its book; nothing in memory is trusted. One that cannot go on,
or begin, because the world is away has not crashed: it waits, and is tried again every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from niftyflow.kit.clock import monotonic
from niftyflow.kit.health import Worker
from niftyflow.kit.join import Place
from niftyflow.kit.log import get_logger
from niftyflow.model import Refused, Retryable, Unavailable
from niftyflow.runtime.parts import Part
from niftyflow.storage.book_ports import LeaseLost

log = get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker is waited with before it is begun again, in seconds.

    After crashes that is the first wait, then twice as long each time, up to the longest; who ran well for so long
    begins with the first again. While the world is away it is always the same.
    """

    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 300.0
    well_seconds: float = 300.0
    away_seconds: float = 2.0


PATIENCE: Final = Patience()


class Losable(Protocol):
    """The part of a lease that a unit needs."""

    name: str

    @property
    def is_taken(self) -> bool:
        """Whether another owner is known to have had it since."""
        ...

    async def lost(self) -> None:
        """Return when it is not surely ours."""
        ...


class Unit:
    """Parts that begin and crash together; `make` makes them anew, on what it leaves on the stack.

    `leases` are those without which the parts may not run: when one is lost, they end at once.
    """

    def __init__(self, name: str, workers: Sequence[Worker], make: Make) -> None:
        self.name = name
        self.workers = tuple(workers)
        self.leases: list[Losable] = []
        self._make = make
        self._stack = AsyncExitStack()
        self.parts: list[Part] = []

    async def open(self) -> None:
        """Make the parts.

        Raises:
            LeaseHeld: another process does this work.
            Misconfigured: the surroundings do not allow it.
        """
        self.leases = []
        async with AsyncExitStack() as unless_made:
            parts = await self._make(self, unless_made)
            self._stack = unless_made.pop_all()
        self.parts = parts

    async def close(self) -> None:
        """Let go of parts that are not run."""
        parts, self.parts = self.parts, []
        for part in parts:
            await part.reader.close()
        await self._stack.aclose()

    async def run(self) -> None:
        """Run the parts until they are stopped, or until one crashes; then let go of everything."""
        async with self._stack, asyncio.TaskGroup() as group:
            watching = [group.create_task(_until_lost(lease), name=lease.name) for lease in self.leases]
            parts = [group.create_task(part.shell.run(part.reader), name=part.shell.stage.name) for part in self.parts]
            await asyncio.wait(parts)
            for watch in watching:
                watch.cancel()

    def stop(self) -> None:
        """Ask the parts to end after what they have in hand."""
        for part in self.parts:
            part.shell.stop()

    async def ends(self) -> list[Mapping[Place, int]]:
        """Return where the topics of each part end now."""
        return [await part.end() for part in self.parts if part.has_end]

    def has_done(self, ends: Sequence[Mapping[Place, int]]) -> bool:
        """Whether everything before these offsets is worked off; never while it is being made anew."""
        working = [part for part in self.parts if part.has_end]
        return bool(working) and len(working) == len(ends) and all(map(Part.has_done, working, ends))


Make = Callable[[Unit, AsyncExitStack], Awaitable[list[Part]]]


async def _until_lost(lease: Losable) -> None:
    await lease.lost()
    if lease.is_taken:
        raise LeaseLost(f"the lease {lease.name} was lost: another process may do this work by now")
    raise Unavailable(f"the lease {lease.name}", "it was not renewed in time, so another process may get it")


async def keep(
    name: str, workers: Sequence[Worker], run: Callable[[], Coroutine[Any, Any, None]],
    again: Callable[[], Coroutine[Any, Any, None]], stopping: asyncio.Event, *, stands_by: bool = False,
    patience: Patience = PATIENCE,
) -> None:  # fmt: skip
    """Run something; when it crashes, say so, wait 1, 2, 4 … 300 s, and run it `again`; until it ends or is stopped.

    When the world is away its workers say that they wait, and it is run again every few seconds.

    Raises:
        Refused: before any of its workers ran: somebody has to look at the surroundings or the settings.
        LeaseLost: a newer owner has the work; who `stands_by` waits until that one ends instead.
    """
    wait = patience.first_wait_seconds
    while not stopping.is_set():
        began = monotonic()
        try:
            await run()
        except Exception as error:  # supervisor: whatever a worker dies of, the others go on
            cause = _ends_the_process(error, workers, stands_by=stands_by)
            if cause is not None:
                raise cause from error
            is_away = all(isinstance(each, Retryable) for each in causes(error))
            wait = patience.first_wait_seconds if monotonic() - began >= patience.well_seconds else wait
            _tell(name, workers, error, None if is_away else wait)
        else:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), patience.away_seconds if is_away else wait)
            return
        if not is_away:
            wait = min(2 * wait, patience.longest_wait_seconds)
            for worker in workers:
                worker.restarted()
        run = again


async def keep_unit(
    unit: Unit, stopping: asyncio.Event, *, stands_by: bool = False, patience: Patience = PATIENCE
) -> None:
    """Run a unit, opening it first when it is not open, and make it anew whenever it crashes."""

    async def again() -> None:
        unit.parts = []
        await until_stopped(unit.open(), stopping)
        if not stopping.is_set():
            await unit.run()

    first = unit.run if unit.parts else again
    await keep(unit.name, unit.workers, first, again, stopping, stands_by=stands_by, patience=patience)


async def until_stopped(preparation: Coroutine[Any, Any, T], stopping: asyncio.Event) -> T | None:
    """Return what a preparation gives, or None when a stop comes before."""
    preparing, waiting = asyncio.create_task(preparation), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([preparing, waiting], return_when=asyncio.FIRST_COMPLETED)
        return preparing.result() if preparing.done() else None
    finally:
        waiting.cancel()
        preparing.cancel()
        await asyncio.gather(preparing, waiting, return_exceptions=True)


def causes(error: BaseException) -> list[BaseException]:
    """Return the errors of a group, however deep, or the one error."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [error]


def _ends_the_process(error: Exception, workers: Sequence[Worker], *, stands_by: bool) -> BaseException | None:
    found = causes(error)
    lost = next((cause for cause in found if isinstance(cause, LeaseLost)), None)
    if lost is not None and stands_by:
        return None
    if lost is not None or any(worker.has_run for worker in workers):
        return lost
    return next((cause for cause in found if isinstance(cause, Refused)), None)


def _tell(name: str, workers: Sequence[Worker], error: Exception, wait: float | None) -> None:
    """Say of what it died and when it begins again; without a `wait`, for what it waits."""
    if wait is None:
        for worker in workers:
            worker.waits("; ".join(dict.fromkeys(str(cause) for cause in causes(error))))
        return
    reason = "; ".join(f"{type(cause).__name__}: {cause}" for cause in causes(error))
    for worker in workers:
        worker.fails(f"{reason} (begun again in {wait:g} s)")
    log.error("worker_crashed", unit=name, reason=reason, begun_again_in_seconds=wait, exc_info=error)
