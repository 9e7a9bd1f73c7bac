"""Where records go that cannot be taken: a dead-letter topic, or a local fsynced file while the bus is away."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from niftyflow.kit import metrics
from niftyflow.kit.log import get_logger
from niftyflow.model import DeadLetter, Retryable

log = get_logger(__name__)

PREFIX = "dlq."
FILE = "dead-letters.jsonl"


class Publisher(Protocol):
    """The part of a bus that dead letters need."""

    async def publish(self, topic: str, bodies: Sequence[tuple[DeadLetter, ...]], /) -> None:
        """Append durably, or raise `Retryable`."""
        ...


class DeadLetters:
    """Keeps what was refused, with its reason, until an operator looks at it."""

    def __init__(self, bus: Publisher, folder: Path) -> None:
        self._bus = bus
        self._file = folder / FILE

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters; when the bus is away they go to the local file first and follow later."""
        if not letters:
            return
        by_topic: dict[str, list[DeadLetter]] = defaultdict(list)
        for letter in letters:
            by_topic[letter.topic].append(letter)
        for topic, some in by_topic.items():
            log.warning("dead_lettered", topic=topic, count=len(some), error=some[0].error, record=some[0].record[:300])
            metrics.DEAD_LETTERS.labels(topic).inc(len(some))
            try:
                await self._bus.publish(PREFIX + topic, [tuple(some)])
            except Retryable as error:
                log.warning("dead_letters_kept_locally", file=str(self._file), reason=str(error))
                await asyncio.to_thread(self._append, some)
            else:
                await self.drain()

    async def drain(self) -> int:
        """Send what the local file holds, and remove the file; return how many letters it held."""
        if not self._file.exists():
            return 0
        lines = (await asyncio.to_thread(self._file.read_bytes)).splitlines()
        letters = [msgspec.json.decode(line, type=DeadLetter) for line in lines]
        try:
            for letter in letters:
                await self._bus.publish(PREFIX + letter.topic, [(letter,)])
        except Retryable:
            return 0
        self._file.unlink()
        return len(letters)

    def _append(self, letters: Sequence[DeadLetter]) -> None:
        with self._file.open("ab") as file:
            file.writelines(msgspec.json.encode(letter) + b"\n" for letter in letters)
            file.flush()
            os.fsync(file.fileno())
