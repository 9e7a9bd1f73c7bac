"""The shell that runs a stage: read batches, call its core, do its effects, publish, commit. Once, for all layers.

A stage is a pure core behind a few methods; everything that waits, retries, dead-letters or stops is here. Errors of
the world pause the stage and are tried for ever; errors of a record dead-letter that record and go on. The partitions
of a turn are worked off side by side, each in its own order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from niftyflow.kit import metrics
from niftyflow.kit.clock import Clock, monotonic
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.kit.health import Worker
from niftyflow.kit.log import get_logger
from niftyflow.kit.retry import until_it_works
from niftyflow.model import Broken, Columns, DeadLetter, DecodeError, Retryable, Watermark, rows_of

log = get_logger(__name__)

COMMIT_SECONDS = 1.0
LAG_SECONDS = 5.0


class Batch(Protocol):
    """Consecutive records of one partition, as a bus hands them out."""

    @property
    def topic(self) -> str:
        """Topic they are of."""
        ...

    @property
    def partition(self) -> int:
        """Partition they are of."""
        ...

    @property
    def offset(self) -> int:
        """Offset of the first."""
        ...

    @property
    def end(self) -> int:
        """Offset after the last."""
        ...

    @property
    def body(self) -> Any:
        """The records."""
        ...


class Reader(Protocol):
    """The part of a subscription that the shell needs."""

    async def poll(self) -> Sequence[Batch]:
        """Return what is there, waiting a moment for it."""
        ...

    async def commit(self, position: Mapping[int, int]) -> None:
        """Store the group's position."""
        ...

    async def lag(self) -> Mapping[int, int]:
        """Return the records behind the position."""
        ...

    async def close(self) -> None:
        """Leave."""
        ...


class Writer(Protocol):
    """The part of a bus that the shell needs."""

    async def publish(self, topic: str, bodies: Sequence[Any], partition: int | None = None) -> None:
        """Append durably."""
        ...


@dataclass(slots=True)
class Work:
    """What one partition's batches brought: done in this order, and only then is `commit` stored.

    `shown` is what a screen looks at and may vanish: readers of the log do not wait for it.
    """

    effects: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    publications: list[tuple[str, Sequence[Any], int | None]] = field(default_factory=list)
    shown: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    commit: int | None = None


def effect(function: Callable[..., Awaitable[object]], *arguments: object) -> Callable[[], Awaitable[None]]:
    """Return the effect of calling a function with arguments, to be awaited when its turn comes."""

    async def call() -> None:
        await function(*arguments)

    return call


class Stage(Protocol):
    """A layer's core as the shell drives it. `take` and `work` neither wait nor do I/O."""

    name: str
    topic: str

    async def assigned(self, partition: int, offset: int) -> None:
        """Prepare the partition's state; reading begins at `offset`.

        Raises:
            Retryable: what it needs is away; the shell asks again.
        """
        ...

    def revoked(self, partition: int) -> None:
        """Forget the partition."""
        ...

    async def before(self, batch: Batch) -> None:
        """Fetch what taking this batch will need; mostly nothing.

        Raises:
            Retryable: it is away; the shell asks again.
        """
        ...

    def take(self, batch: Batch) -> None:
        """Take in records.

        Raises:
            Broken: a record among them cannot be; nothing of the batch was taken in.
        """
        ...

    def work(self, partition: int) -> Work:
        """Return what came of everything taken since the last call."""
        ...


class Shell:
    """Runs one stage on one subscription until stopped."""

    def __init__(self, stage: Stage, writer: Writer, letters: DeadLetters, worker: Worker, clock: Clock) -> None:
        self.stage = stage
        self._writer = writer
        self._letters = letters
        self._worker = worker
        self._clock = clock
        self._stopping = asyncio.Event()
        self._commits: dict[int, int] = {}
        self._committed_at = self._lag_at = 0.0
        self._broken: dict[int, list[DeadLetter]] = {}
        self._done: dict[int, int] = {}

    # -- assignment (called by the bus between polls) --------------------------------------------------------------

    async def assigned(self, partitions: Mapping[int, int]) -> None:
        """Prepare the stage for partitions that came to us."""
        for partition, offset in partitions.items():
            await self._until_it_works(lambda p=partition, o=offset: self.stage.assigned(p, o))  # type: ignore[misc]
            self._done[partition] = offset
        log.info("partitions_assigned", stage=self.stage.name, partitions=dict(partitions))

    async def revoked(self, partitions: Sequence[int]) -> None:
        """Let the stage forget partitions that left us."""
        for partition in partitions:
            self.stage.revoked(partition)
            self._commits.pop(partition, None)
            self._done.pop(partition, None)
        log.info("partitions_revoked", stage=self.stage.name, partitions=list(partitions))

    # -- running ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ask the stage to end after the batch in hand; when it waits for the world, that batch is read again later."""
        self._stopping.set()

    def has_done(self, ends: Mapping[int, int]) -> bool:
        """Whether everything before these offsets is worked off."""
        return all(self._done.get(partition, 0) >= end for partition, end in ends.items())

    async def run(self, reader: Reader) -> None:
        """Read, work and commit until stopped."""
        self._worker.runs()
        try:
            await self._turns(reader)
            await self._commit(reader)
        finally:
            await reader.close()
            self._worker.stops()

    async def _turns(self, reader: Reader) -> None:
        try:
            while not self._stopping.is_set():
                await self._turn(reader)
        except Retryable as error:
            if not self._stopping.is_set():
                raise
            log.warning("stopped_while_waiting", stage=self.stage.name, reason=str(error))

    async def _turn(self, reader: Reader) -> None:
        try:
            batches = await reader.poll()
        except DecodeError as error:
            await self._bury([self._letter_of_bytes(error)])
            if (partition := getattr(error, "partition", -1)) >= 0:
                self._done[partition] = getattr(error, "offset", 0) + getattr(error, "count", 1)
            return
        except Retryable as error:
            self._worker.waits(str(error))
            await asyncio.sleep(0.5)
            return
        self._worker.runs()
        for batch in batches:
            await self._until_it_works(lambda b=batch: self.stage.before(b))  # type: ignore[misc]
            self._take(batch)
        await self._work_off({batch.partition: batch.end for batch in batches})
        now = monotonic()
        if self._commits and now - self._committed_at >= COMMIT_SECONDS:
            await self._commit(reader)
            self._committed_at = now
        if now - self._lag_at >= LAG_SECONDS:
            self._lag_at = now
            await self._measure_lag(reader)
            await self._letters.drain()

    def _take(self, batch: Batch) -> None:
        """Give the batch to the core; halve it until a record it refuses stands alone."""
        try:
            self.stage.take(batch)
        except Broken as error:
            size = batch.end - batch.offset
            if size <= 1:
                self._broken.setdefault(batch.partition, []).append(self._letter(batch, error))
                return
            half = size // 2
            self._take(Part(batch, 0, half))
            self._take(Part(batch, half, size))

    async def _work_off(self, ends: Mapping[int, int]) -> None:
        """Do the work of these partitions side by side, up to these offsets; return or raise when none is under way.

        Their round trips take as long as one. The world being away, and the shell stopped, ends each by itself, so
        that the others get as far as a commit; any other error ends them all.

        Raises:
            Retryable: it was stopped while the world was away.
        """
        works = {partition: self.stage.work(partition) for partition in ends}
        given_up: list[Retryable] = []

        async def do(partition: int, work: Work) -> None:
            try:
                await self._do(work, partition)
            except Retryable as error:
                given_up.append(error)
            else:
                self._done[partition] = ends[partition]

        try:
            async with asyncio.TaskGroup() as tasks:
                for partition, work in works.items():
                    tasks.create_task(do(partition, work), name=f"{self.stage.name}-{partition}")
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if given_up:
            raise given_up[0]

    async def _do(self, work: Work, partition: int) -> None:
        for effect in work.effects:
            await self._until_it_works(effect)
        for topic, bodies, target in work.publications:
            await self._until_it_works(lambda t=topic, b=bodies, p=target: self._writer.publish(t, b, p))  # type: ignore[misc]
        for effect in work.shown:
            await self._until_it_works(effect)
        await self._bury([*self._broken.pop(partition, ()), *work.dead])
        if work.commit is not None:
            self._commits[partition] = work.commit

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        await self._until_it_works(lambda: self._letters.put(letters))

    async def _until_it_works(self, operation: Callable[[], Awaitable[None]]) -> None:
        await until_it_works(operation, self._worker, self._stopping)

    async def _commit(self, reader: Reader) -> None:
        if not self._commits:
            return
        commits, self._commits = self._commits, {}
        try:
            await reader.commit(commits)
        except Retryable as error:
            self._commits = commits | self._commits
            log.warning("commit_postponed", stage=self.stage.name, reason=str(error))

    async def _measure_lag(self, reader: Reader) -> None:
        try:
            for partition, lag in (await reader.lag()).items():
                metrics.LAG.labels(self.stage.topic, str(partition)).set(lag)
        except Retryable as error:
            log.warning("lag_unknown", stage=self.stage.name, reason=str(error))

    def _letter(self, batch: Batch, error: Broken) -> DeadLetter:
        return letter_of(
            batch.body, 0, topic=batch.topic, partition=batch.partition, offset=batch.offset, error=str(error),
            stage=self.stage.name, at=self._clock.now(),
        )  # fmt: skip

    def _letter_of_bytes(self, error: DecodeError) -> DeadLetter:
        where = {field: getattr(error, field, -1) for field in ("partition", "offset")}
        return DeadLetter(
            topic=getattr(error, "topic", self.stage.topic),
            key=getattr(error, "key", ""),
            record=error.data.decode("utf-8", "backslashreplace"),
            error=str(error),
            stage=self.stage.name,
            at=self._clock.now(),
            **where,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a batch's records, with their own offsets."""

    whole: Batch
    first: int
    stop: int

    @property
    def topic(self) -> str:
        """Topic they are of."""
        return self.whole.topic

    @property
    def partition(self) -> int:
        """Partition they are of."""
        return self.whole.partition

    @property
    def offset(self) -> int:
        """Offset of the first."""
        return self.whole.offset + self.first

    @property
    def end(self) -> int:
        """Offset after the last."""
        return self.whole.offset + self.stop

    @property
    def body(self) -> Any:
        """The records."""
        return rows_of(self.whole.body, slice(self.first, self.stop))


def letter_of(
    body: Any, row: int, *, topic: str, partition: int, offset: int, error: str, stage: str, at: int
) -> DeadLetter:
    """Return the dead letter of one record of a body."""
    record: Any
    key = ""
    if isinstance(body, Columns):
        record = body.take(slice(row, row + 1)).to_records()[0]
        key = str(record.instrument)
    else:
        record = body if isinstance(body, Watermark) else body[row]
    return DeadLetter(
        topic=topic, partition=partition, offset=offset, key=key, record=msgspec.json.encode(record).decode(),
        error=error, stage=stage, at=at,
    )  # fmt: skip
