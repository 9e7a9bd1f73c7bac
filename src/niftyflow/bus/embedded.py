"""The embedded engine: a durable log in one folder, one SQLite file a topic, no server.

It owns those files and the commits of the groups beside them. It never keeps a publisher waiting for a reader, and
never gives a reader half of what was published.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakSet

from niftyflow.bus.codec import Decoder
from niftyflow.bus.embedded_file import USUAL_LIMITS, LogFile, LogLimits
from niftyflow.bus.embedded_groups import GroupMember, committed_by
from niftyflow.bus.embedded_log import TopicLog
from niftyflow.bus.embedded_recent import Recent, batch_from
from niftyflow.bus.port import Assignment, Batch, Body, Position, Start, Topic, UnreadableRecord, count_of
from niftyflow.bus.topics import DEAD_LETTER_PREFIX, TOPICS, refuse_body, with_dead_letters
from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, WallClock
from niftyflow.kit.log import get_logger
from niftyflow.model import DeadLetter, DecodeError, InvalidValue, Misconfigured, Refused, Watermark

T = TypeVar("T")
log = get_logger(__name__)

READ_THREADS: Final = 4
RECENT_BYTES: Final = 64 * 1024**2
RECENT_SECONDS: Final = 60.0


class EmbeddedBus:
    """A `Bus` over files in `folder`. `clock` gives the time by which entries age."""

    def __init__(
        self,
        folder: Path,
        topics: Sequence[Topic] = TOPICS,
        *,
        clock: Clock | None = None,
        recent_bytes: int = RECENT_BYTES,
        recent_seconds: float = RECENT_SECONDS,
        limits: LogLimits = USUAL_LIMITS,
    ) -> None:
        self._folder = folder
        self._topics = with_dead_letters(tuple(topics))
        self._clock = clock or WallClock()
        self._recent = (recent_bytes, recent_seconds)
        self._limits = limits
        self._logs: dict[str, TopicLog] = {}
        self._subscriptions: WeakSet[EmbeddedSubscription] = WeakSet()

    async def open(self) -> None:
        """Open every topic's file, making those that are missing.

        Raises:
            Misconfigured: the folder cannot be written, or a file in it is not ours; the message says what to do.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"cannot make the folder {self._folder} ({error.strerror}): set another") from error
        self._pool = ThreadPoolExecutor(READ_THREADS, thread_name_prefix="log-reader")
        self._checkpoints = ThreadPoolExecutor(1, thread_name_prefix="log-checkpoint")
        try:
            for name, topic in self._topics.items():
                path = self._folder / f"{name}.db"
                topic_log = TopicLog(topic, path, self._clock, self._checkpoints, Recent(*self._recent), self._limits)
                self._logs[name] = topic_log
                await topic_log.open()
        except Misconfigured:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the readers still open, write what was accepted, and let go of the files."""
        for subscription in list(self._subscriptions):
            await subscription.close()
        while self._logs:
            _, topic_log = self._logs.popitem()
            await topic_log.close()
        self._pool.shutdown()
        self._checkpoints.shutdown()

    def partitions(self, topic: str) -> int:
        """Return 1: every topic of the embedded engine has one partition."""
        self._log(topic)
        return 1

    def partition_of(self, topic: str, key: str) -> int:  # noqa: ARG002 - the port's signature
        """Return 0, the only partition."""
        self._log(topic)
        return 0

    async def publish(self, topic: str, bodies: Sequence[Body], partition: int | None = None) -> None:
        """Append the bodies in one transaction; return when it is committed.

        Raises:
            Unavailable: the disk is full or broken; nothing was appended.
            InvalidValue: no such topic or partition, or a body the topic does not carry.
        """
        topic_log = self._log(topic)
        for body in bodies:
            refuse_body(topic_log.topic, body)
            goes_to = body.partition if partition is None and isinstance(body, Watermark) else partition
            if goes_to not in {None, 0}:
                raise InvalidValue("partition", goes_to, "the embedded engine has partition 0 alone")
        bodies = [body for body in bodies if count_of(body)]
        if bodies:
            await topic_log.append(bodies)

    async def subscribe(
        self, topic: str, *, group: str | None, start: Start = Start.COMMITTED, assignment: Assignment | None = None
    ) -> EmbeddedSubscription:
        """Begin reading; `assignment` is told before this returns.

        Raises:
            LeaseHeld: the group already has a member that reads this topic.
        """
        topic_log = self._log(topic)
        member = None
        if group is not None:
            groups = self._folder / "groups"
            member = await self._run(lambda: GroupMember(groups, group, topic, topic_log.identity))
        subscription = EmbeddedSubscription(topic_log, member, self._pool, assignment)
        self._subscriptions.add(subscription)
        async with AsyncExitStack() as unless_it_begins:
            unless_it_begins.push_async_callback(subscription.close)
            await subscription.begin(start)
            unless_it_begins.pop_all()
        return subscription

    async def end(self, topic: str) -> Position:
        """Return the next offset of the one partition."""
        topic_log = self._log(topic)
        return {0: await self._run(lambda: topic_log.ask(LogFile.end))}

    async def behind(self, topic: str, group: str) -> int:
        """Return how many records lie behind a group's commit, whether it runs or not.

        Raises:
            Unavailable: the disk.
        """
        topic_log = self._log(topic)
        return await self._run(lambda: _behind(topic_log, self._folder / "groups", group))

    async def last_watermark(self, topic: str, partition: int, before: int | None = None) -> Watermark | None:
        """Return the last watermark, or the last one before an offset; None when there is none."""
        topic_log = self._log(topic)
        if partition != 0:
            raise InvalidValue("partition", partition, "the embedded engine has partition 0 alone")
        entry = await self._run(lambda: topic_log.ask(lambda log_file: log_file.last_watermark(before)))
        if entry is None:
            return None
        body = Decoder(topic_log.topic.record).decode(entry.body)
        return body if isinstance(body, Watermark) else None

    async def read_dead_letters(self, topic: str) -> list[tuple[int, DeadLetter]]:
        """Return (offset, letter) of every dead letter kept for `topic`, oldest first."""
        topic_log = self._log(DEAD_LETTER_PREFIX + topic)
        return await self._run(lambda: _letters(topic_log))

    def _log(self, topic: str) -> TopicLog:
        if topic not in self._logs:
            known = ", ".join(self._topics)
            raise InvalidValue("topic", topic, f"the bus is not open, or has no such topic; it knows {known}")
        return self._logs[topic]

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class EmbeddedSubscription:
    """One reader of one topic: from memory at the head, from the file behind it."""

    def __init__(
        self,
        topic_log: TopicLog,
        member: GroupMember | None,
        pool: ThreadPoolExecutor,
        assignment: Assignment | None,
    ) -> None:
        self._log = topic_log
        self._topic = topic_log.topic.name
        self._member = member
        self._position = 0
        self._pool = pool
        self._assignment = assignment
        self._decoder = Decoder(topic_log.topic.record)
        self._file: LogFile | None = None
        self._reading = threading.Lock()  # a cancelled poll may still read when the next one begins
        self._is_open = True
        self._is_assigned = False
        topic_log.reader_came()

    async def begin(self, start: Start) -> None:
        """Take the position at which reading begins, and tell the assignment."""
        loop = asyncio.get_running_loop()
        self._position = await loop.run_in_executor(self._pool, _begin, self._log, self._member, start)
        if self._assignment is not None:
            await self._assignment.assigned({0: self._position})
            self._is_assigned = True

    async def poll(self, max_records: int = 50_000, timeout_seconds: float = 0.5) -> list[Batch]:
        """Return what is there; wait up to `timeout_seconds` when nothing is.

        Raises:
            Unavailable: the disk.
            UnreadableRecord: an entry is torn or changed; the position is past it.
        """
        if not self._is_open:
            raise Refused(f"this reader of {self._topic} is closed")
        await self._log.wait_beyond(self._position, timeout_seconds)
        if self._log.head <= self._position:
            return []
        batches = self._log.recent.read(self._topic, self._position, max_records)
        if batches is None:
            batches = await self._from_file(max_records)
        if batches:
            self._position = batches[-1].end
        return batches

    def position(self) -> Position:
        """Return the offset after the last record polled."""
        return {0: self._position}

    async def commit(self, position: Position) -> None:
        """Store the group's position.

        Raises:
            Refused: this is a broadcast reader, or it is closed.
            Unavailable: the disk.
        """
        member = self._member
        if member is None or not self._is_open:
            raise Refused(f"this reader of {self._topic} has no group to commit for, or is closed")
        if 0 in position:
            offset = position[0]
            await asyncio.get_running_loop().run_in_executor(self._pool, lambda: member.commit(offset))

    async def lag(self) -> Mapping[int, int]:
        """Return how many records lie behind the position."""
        end = await asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._log.ask(LogFile.end))
        return {0: max(0, end - self._position)}

    async def close(self) -> None:
        """Leave; the group's place is free for another member."""
        if not self._is_open:
            return
        self._is_open = False
        self._log.reader_left()
        await asyncio.get_running_loop().run_in_executor(self._pool, self._let_go)
        if self._assignment is not None and self._is_assigned:
            await self._assignment.revoked([0])

    def _let_go(self) -> None:
        with self._reading:
            if self._file is not None:
                self._file.close()
        if self._member is not None:
            self._member.close()

    async def _from_file(self, max_records: int) -> list[Batch]:
        position = self._position
        try:
            batches = await asyncio.get_running_loop().run_in_executor(self._pool, self._read, position, max_records)
        except UnreadableRecord as error:
            self._position = error.offset + error.count
            metrics.BUS_ERRORS.labels(type="unreadable").inc()
            raise
        if batches and batches[0].offset > position:
            _report_expired(self._topic, position, batches[0].offset)
        return batches

    def _read(self, position: int, max_records: int) -> list[Batch]:
        batches: list[Batch] = []
        with self._reading:
            if self._file is None:
                self._file = LogFile(self._log.path, is_writer=False)
            for entry in self._file.read(position, max_records, self._log.limits.read_bytes):
                try:
                    body = self._decoder.decode(entry.body)
                except DecodeError as error:
                    if batches:
                        break  # what is good goes first; the next poll begins at this entry
                    raise UnreadableRecord(
                        error.reason, error.data, topic=self._topic, partition=0, offset=entry.first, count=entry.rows
                    ) from error
                batches.append(batch_from(self._topic, entry.first, body, position))
        return batches


def _begin(topic_log: TopicLog, member: GroupMember | None, start: Start) -> int:
    """Return where reading begins; a commit past the end of the log (power was lost) begins at the end."""
    oldest, end = topic_log.ask(LogFile.oldest), topic_log.ask(LogFile.end)
    if start is Start.LATEST:
        return end
    committed = member.committed() if member is not None and start is Start.COMMITTED else None
    if committed is None:
        return oldest
    begin = min(max(committed, oldest), end)
    if begin != committed:
        _report_expired(topic_log.topic.name, committed, begin)
    return begin


def _behind(topic_log: TopicLog, groups: Path, group: str) -> int:
    oldest, end = topic_log.ask(LogFile.oldest), topic_log.ask(LogFile.end)
    committed = committed_by(groups, group, topic_log.topic.name, topic_log.identity)
    return end - min(max(oldest if committed is None else committed, oldest), end)


def _report_expired(topic: str, position: int, goes_on_at: int) -> None:
    metrics.BUS_ERRORS.labels(type="position_expired").inc()
    log.warning("position_expired", topic=topic, position=position, goes_on_at=goes_on_at)


def _letters(topic_log: TopicLog) -> list[tuple[int, DeadLetter]]:
    decoder = Decoder(DeadLetter)
    letters: list[tuple[int, DeadLetter]] = []
    position = 0
    most = topic_log.limits.read_bytes
    while entries := topic_log.ask(lambda file: file.read(position, 10_000, most)):  # noqa: B023 - asked at once
        for entry in entries:
            position = entry.first + entry.rows
            try:
                body = decoder.decode(entry.body)
            except DecodeError as error:
                log.warning("dead_letter_unreadable", topic=topic_log.topic.name, offset=entry.first, reason=str(error))
                continue
            if isinstance(body, tuple):
                found = ((entry.first + row, letter) for row, letter in enumerate(body))
                letters += [(offset, letter) for offset, letter in found if isinstance(letter, DeadLetter)]
    return letters
