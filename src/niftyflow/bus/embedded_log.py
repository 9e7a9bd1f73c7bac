"""One topic of the embedded bus as the event loop sees it: its writer, its newest bodies, and who waits for more.

Publishers wait when the writer's queue is full; readers are never waited for. Checkpoints run on another connection
and thread, so that a publish does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from niftyflow.bus.codec import encode, kind_of
from niftyflow.bus.embedded_file import LogFile, LogLimits, NewEntry
from niftyflow.bus.embedded_recent import Recent
from niftyflow.bus.embedded_watch import Watcher
from niftyflow.bus.group_writer import GroupWriter
from niftyflow.bus.port import Body, Topic, count_of
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.log import get_logger
from niftyflow.model import Unavailable

T = TypeVar("T")
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Written:
    offsets: list[int]
    size: int


class TopicLog:
    """A topic: its file, its newest bodies in memory, and its readers waiting at the head."""

    def __init__(
        self, topic: Topic, path: Path, clock: Clock, checkpoints: Executor, recent: Recent, limits: LogLimits
    ) -> None:
        self.topic = topic
        self.path = path
        self.recent = recent
        self.limits = limits
        self.head = 0
        self.identity = ""
        self._clock = clock
        self._checkpoints = checkpoints
        self._loop = asyncio.get_running_loop()
        self._writer: GroupWriter[Sequence[Body], _Written] = GroupWriter(
            f"log-{topic.name}", self._write, self._written
        )
        self._watcher = Watcher(path, lambda: self.head, lambda: self._writer.submit(self._end), self._advance)
        self._files: list[LogFile] = []
        self._checkpoint_file: LogFile | None = None
        self._housework: set[asyncio.Future[Any]] = set()
        self._waiters: set[asyncio.Future[None]] = set()
        self._not_checkpointed = 0
        self._expire_at = monotonic()
        self._readers = 0
        self._questions = threading.Lock()

    async def open(self) -> None:
        """Open the file, making it if there is none.

        Raises:
            Misconfigured: the folder cannot be written, or the file is no log.
        """
        await self._writer.submit(self._open)

    async def close(self) -> None:
        """Write what was accepted, then let go of the file."""
        self._watcher.stop()
        await self._writer.finish()
        while self._housework:
            await asyncio.wait(self._housework)
            await asyncio.sleep(0)  # let the callbacks run: they may start the next piece
        for file in reversed(self._files):  # the writer last: the last one to close empties the write-ahead log
            await self._writer.submit(file.close)
        self._writer.stop()

    async def append(self, bodies: Sequence[Body]) -> None:
        """Append bodies in one transaction; return when it is committed.

        Raises:
            Unavailable: nothing was appended.
        """
        await self._writer.append(bodies)

    async def wait_beyond(self, position: int, timeout_seconds: float) -> None:
        """Wait until there is a record at `position`, at most `timeout_seconds`."""
        if self.head > position:
            return
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=timeout_seconds)
        finally:
            self._waiters.discard(waiter)

    def reader_came(self) -> None:
        """Look out for what other processes append, from now on."""
        self._readers += 1
        self._watcher.start()

    def reader_left(self) -> None:
        """Stop looking out when that was the last reader."""
        self._readers -= 1
        if not self._readers:
            self._watcher.stop()

    def ask(self, question: Callable[[LogFile], T]) -> T:
        """Ask the file something; blocks, so call it on a reader's thread."""
        with self._questions:
            return question(self._reader)

    def _open(self) -> None:
        self._file = self._opened(is_writer=True)
        self._reader = self._opened(is_writer=False)
        self.head = self._file.end()
        self.identity = self._file.identity()

    def _end(self) -> int:
        return self._file.end()

    def _opened(self, *, is_writer: bool) -> LogFile:
        file = LogFile(self.path, is_writer=is_writer, limits=self.limits)
        self._files.append(file)
        return file

    def _write(self, group: list[Sequence[Body]]) -> _Written:
        entries = [NewEntry(count_of(body), kind_of(body), encode(body)) for bodies in group for body in bodies]
        offsets = self._file.append(entries, self._clock.now())
        return _Written(offsets, sum(len(entry.body) for entry in entries))

    def _written(self, group: list[Sequence[Body]], result: _Written | BaseException) -> None:
        if isinstance(result, BaseException):
            if isinstance(result, Unavailable):
                metrics.BUS_ERRORS.labels(type="unavailable").inc()
            return
        bodies = [body for each in group for body in each]
        for offset, body in zip(result.offsets, bodies, strict=True):
            self.recent.add(offset, body)
        metrics.MESSAGES.labels(topic=self.topic.name).inc(sum(map(count_of, bodies)))
        self._not_checkpointed += result.size
        self._advance(result.offsets[-1] + count_of(bodies[-1]))
        self._keep_house()

    def _advance(self, end: int) -> None:
        if end <= self.head:
            return
        self.head = end
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _keep_house(self) -> None:
        if self._housework:
            return
        if self._not_checkpointed > self.limits.checkpoint_every_bytes:
            self._not_checkpointed = 0
            self._do(self._loop.run_in_executor(self._checkpoints, self._checkpoint), self._checkpointed)
        elif monotonic() >= self._expire_at:
            self._expire_at = monotonic() + self.limits.expire_every_seconds
            self._do(self._writer.submit(self._expire), self._expired)

    def _do(self, task: asyncio.Future[T], then: Callable[[T], None]) -> None:
        """See one piece of housework through; a failure is told and the work tried again later."""
        self._housework.add(task)

        def finished(done: asyncio.Future[T]) -> None:
            self._housework.discard(done)
            error = done.exception()
            if error is None:
                then(done.result())
            else:
                metrics.BUS_ERRORS.labels(type="housework").inc()
                log.warning("log_housework_failed", topic=self.topic.name, reason=str(error))

        task.add_done_callback(finished)

    def _checkpoint(self) -> int:
        if self._checkpoint_file is None:
            self._checkpoint_file = self._opened(is_writer=True)
        return self._checkpoint_file.checkpoint()

    def _checkpointed(self, wal_bytes: int) -> None:
        """Under steady load the log never empties behind the writer's back; past a limit the writer does the rest."""
        if wal_bytes > self.limits.wal_bytes:
            self._do(self._writer.submit(self._file.checkpoint), lambda _: None)

    def _expire(self) -> bool:
        return self._file.expire(self.topic.retention_ms, self.topic.retention_bytes)

    def _expired(self, is_more: bool) -> None:  # noqa: FBT001 - the result of `_expire`
        if is_more:
            self._do(self._writer.submit(self._expire), self._expired)
