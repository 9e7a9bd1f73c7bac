"""Group commit, for every engine: one thread writes, and what is queued while it does is written together next.

The queue is bounded and publishers wait for room. The event loop is never blocked; order of acceptance is order of
writing. It knows nothing of what it writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")

QUEUE_LIMIT: Final = 256  # publish calls waiting to be written; the next one waits for room


@dataclass(frozen=True, slots=True)
class _Job(Generic[Item]):
    item: Item
    done: asyncio.Future[None]


class GroupWriter(Generic[Item, Result]):
    """Writes items in groups: `write` on the thread, then `written` on the loop, before the publishers are told."""

    def __init__(
        self,
        name: str,
        write: Callable[[list[Item]], Result],
        written: Callable[[list[Item], Result | BaseException], None],
    ) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._write = write
        self._tell = written
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(QUEUE_LIMIT)
        self._pending: list[_Job[Item]] = []
        self._writing: asyncio.Future[Result] | None = None
        self._starting: asyncio.Handle | None = None

    async def append(self, item: Item) -> None:
        """Queue an item; return when it is written, or raise what writing it raised."""
        await self._room.acquire()
        job = _Job(item, self._loop.create_future())
        self._pending.append(job)
        if self._writing is None and self._starting is None:  # what others append in this turn of the loop goes along
            self._starting = self._loop.call_soon(self._start)
        await job.done

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run something else on the writer's thread, between two groups."""
        return self._loop.run_in_executor(self._thread, work)

    async def finish(self) -> None:
        """Wait until all that was queued is written."""
        while self._writing is not None or self._starting is not None:
            if self._writing is not None:
                await asyncio.wait([self._writing])
            await asyncio.sleep(0)  # let what starts the next group run

    def stop(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _start(self) -> None:
        self._starting = None
        if self._writing is not None or not self._pending:
            return
        jobs, self._pending = self._pending, []
        self._writing = self._loop.run_in_executor(self._thread, self._write, [job.item for job in jobs])
        self._writing.add_done_callback(partial(self._finished, jobs))

    def _finished(self, jobs: list[_Job[Item]], done: asyncio.Future[Result]) -> None:
        self._writing = None
        error = done.exception()
        self._tell([job.item for job in jobs], done.result() if error is None else error)
        for job in jobs:
            self._room.release()
            if not job.done.done():  # its publisher may have been cancelled
                job.done.set_result(None) if error is None else job.done.set_exception(error)
        self._start()
