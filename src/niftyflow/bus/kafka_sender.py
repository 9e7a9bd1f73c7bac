"""One Kafka client that sends groups of records, each partition's in order; what failed is never sent later.

It is aiokafka's producer: idempotent, acknowledged by every replica in sync, and one request a broker however many of
its partitions a group goes to. It lives on an event loop of its own that runs while a group is sent and at no other
time, so what is forgotten with its loop is never sent. All calls come from one thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from niftyflow.bus.kafka_client import AsyncError, AsyncProducer, Batch, ErrorLog
from niftyflow.model import Unavailable

Header = tuple[str, bytes]
GIVE_UP_SECONDS: Final = 1.0


class _Said(logging.Handler):
    """What the client writes for a reader, into our own log: each kind once in a while."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._errors = ErrorLog(client="aiokafka")

    def emit(self, record: logging.LogRecord) -> None:
        self._errors.tell(record.msg, record.getMessage())


_client_log = logging.getLogger("aiokafka")
_client_log.propagate = False
_client_log.addHandler(_Said())


class KafkaSender:
    """Sends to one topic, group after group."""

    def __init__(self, servers: str, topic: str, settings: Mapping[str, Any]) -> None:
        self._servers = servers
        self._topic = topic
        self._runner = asyncio.Runner()
        self._client = self._runner.run(_made(settings))
        self._batches: dict[int, list[Batch]] = {}

    def connect(self, seconds: float) -> None:
        """Find the brokers, and get a number that they know this producer by.

        Raises:
            Unavailable: they do not answer in time, or refuse it; forget this sender.
        """
        self._run(self._client.start(), seconds, "it did not answer")

    def add(self, partition: int, value: bytes, key: bytes | None, headers: list[Header]) -> None:
        """Put a record at the end of a partition's part of the group."""
        batches = self._batches.get(partition)
        if batches is None:
            batches = self._batches[partition] = [self._client.create_batch()]
        if batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:  # it is full
            batches.append(self._client.create_batch())
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    def send(self, seconds: float) -> None:
        """Send what was added; return when every replica in sync has it.

        Raises:
            Unavailable: some of it was not acknowledged in time, or was refused; forget this sender.
        """
        batches, self._batches = self._batches, {}
        self._run(self._deliver(batches), seconds, f"records were not acknowledged in {seconds:g} s")

    def forget(self) -> None:
        """End, with all that is on its way: none of it is sent from now on."""
        self._runner.run(self._stop())
        self._runner.close()

    def _run(self, work: Any, seconds: float, reason: str) -> None:
        try:
            self._runner.run(_within(work, seconds))
        except TimeoutError as error:
            raise Unavailable(f"Kafka at {self._servers}", reason) from error
        except AsyncError as error:
            raise Unavailable(f"Kafka at {self._servers}", str(error)) from error

    async def _deliver(self, batches: Mapping[int, list[Batch]]) -> None:
        send, topic = self._client.send_batch, self._topic
        sent = []
        for turn in range(max(map(len, batches.values()), default=0)):
            # Nothing waits within a turn, so the client finds a batch of every partition and makes one request of them.
            sent += [
                await send(parts[turn], topic, partition=partition)
                for partition, parts in batches.items()
                if turn < len(parts)
            ]
        await asyncio.gather(*sent)

    async def _stop(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=GIVE_UP_SECONDS)
        await asyncio.wait([asyncio.create_task(self._client.stop())], timeout=GIVE_UP_SECONDS)


async def _made(settings: Mapping[str, Any]) -> AsyncProducer:
    return AsyncProducer(**settings)  # it keeps the loop that it is made on


async def _within(work: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await work
