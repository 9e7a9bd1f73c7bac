"""Where records go that cannot be taken: a dead-letter topic, or a local fsynced file while the bus is away.

A letter that was put is on the disk or on the bus; one that was on its way when the process died may come twice.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from niftyflow.kit import metrics
from niftyflow.kit.log import get_logger
from niftyflow.model import DeadLetter, Retryable, Unavailable

log = get_logger(__name__)

PREFIX = "dlq."
FILE = "dead-letters.jsonl"


class Publisher(Protocol):
    """The part of a bus that dead letters need."""

    async def publish(self, topic: str, bodies: Sequence[tuple[DeadLetter, ...]], /) -> None:
        """Append durably, or raise `Retryable`."""
        ...


class DeadLetters:
    """Keeps what was refused, with its reason, until an operator looks at it.

    Whoever writes to the local file or empties it holds its lock: several stages and processes share it.
    """

    def __init__(self, bus: Publisher, folder: Path) -> None:
        self._bus = bus
        self._file = folder / FILE

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters; when the bus is away they go to the local file first and follow later.

        Raises:
            Unavailable: neither the bus nor the local file takes them.
        """
        for topic, some in _by_topic(letters).items():
            await self._keep(topic, some)
            log.warning("dead_lettered", topic=topic, count=len(some), error=some[0].error, record=some[0].record[:300])
            metrics.DEAD_LETTERS.labels(topic).inc(len(some))

    async def drain(self) -> int:
        """Send what the local file holds, and empty it; return how many letters that were.

        While the bus is away, or while somebody else sends them, they stay where they are.
        """
        if not self._file.exists() or not self._file.stat().st_size:
            return 0
        with self._file.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            letters = await asyncio.to_thread(_read, file)
            try:
                for topic, some in _by_topic(letters).items():
                    await self._bus.publish(PREFIX + topic, [tuple(some)])
            except Retryable:
                return 0
            file.truncate(0)
            return len(letters)

    async def _keep(self, topic: str, letters: list[DeadLetter]) -> None:
        try:
            await self._bus.publish(PREFIX + topic, [tuple(letters)])
        except Retryable as error:
            log.warning("dead_letters_kept_locally", file=str(self._file), reason=str(error))
            await asyncio.to_thread(self._append, letters)
        else:
            await self.drain()

    def _append(self, letters: Sequence[DeadLetter]) -> None:
        try:
            with self._file.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = file.seek(0, os.SEEK_END)
                if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                    file.write(b"\n")  # a process died in the middle of a letter; it will put that one again
                file.writelines(msgspec.json.encode(letter) + b"\n" for letter in letters)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable(str(self._file), error.strerror or str(error)) from error


def _by_topic(letters: Iterable[DeadLetter]) -> dict[str, list[DeadLetter]]:
    by_topic: dict[str, list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        by_topic[letter.topic].append(letter)
    return by_topic


def _read(file: BinaryIO) -> list[DeadLetter]:
    letters = []
    for line in file.read().splitlines():
        try:
            letters.append(msgspec.json.decode(line, type=DeadLetter))
        except msgspec.MsgspecError as error:
            log.warning("dead_letter_torn", data=line[:300].decode(errors="replace"), reason=str(error))
    return letters
