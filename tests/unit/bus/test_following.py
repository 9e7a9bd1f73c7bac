"""Following a topic: every batch in order, whatever cannot be read and however often the bus is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from niftyflow.bus import following
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.following import follow
from niftyflow.bus.port import Batch, Start
from niftyflow.model import DecodeError, Unavailable
from support.buses import ticks
from support.waiting import until


class Stubborn:
    """A bus and its one reader, which fails as told before it gives what there is."""

    def __init__(self, *errors: Exception | None, subscribes: Sequence[Exception] = ()) -> None:
        self.errors = list(errors)
        self.subscribes = list(subscribes)
        self.subscribed = self.closed = 0

    async def subscribe(self, *_: Any, **__: Any) -> Stubborn:
        """Begin reading."""
        self.subscribed += 1
        if self.subscribes:
            raise self.subscribes.pop(0)
        return self

    async def poll(self) -> list[Batch]:
        """Fail, or give one batch."""
        if not self.errors:
            await asyncio.sleep(3600)
        error = self.errors.pop(0)
        if error is not None:
            raise error
        return [Batch("raw-ticks", 0, len(self.errors), ticks(1))]

    async def close(self) -> None:
        """Leave."""
        self.closed += 1


async def test_every_batch_is_given_in_order_until_cancelled(tmp_path):
    """From the end of the topic, or its beginning."""
    bus = EmbeddedBus(tmp_path)
    await bus.open()
    await bus.publish("raw-ticks", [ticks(3)])
    seen: list[int] = []
    late: list[int] = []
    begun = asyncio.Event()
    first = asyncio.create_task(follow(bus, "raw-ticks", lambda batch: seen.append(batch.offset), start=Start.EARLIEST))
    second = asyncio.create_task(follow(bus, "raw-ticks", lambda batch: late.append(batch.offset), begun=begun))
    await asyncio.wait_for(begun.wait(), 60)
    await bus.publish("raw-ticks", [ticks(2)])
    await bus.publish("raw-ticks", [ticks(1)])
    await until(lambda: len(seen) == 3 and len(late) == 2)
    assert (seen, late) == ([0, 3, 5], [3, 5])
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    await bus.close()


async def test_a_bus_that_is_away_is_waited_for(monkeypatch):
    """At the beginning and in between; it subscribes once, and leaves once."""
    monkeypatch.setattr(following, "PAUSE_SECONDS", 0.001)
    away = Unavailable("bus", "away")
    bus = Stubborn(None, away, away, DecodeError("torn", b"x"), None, subscribes=[away, away])
    taken: list[Batch] = []
    task = asyncio.create_task(follow(bus, "raw-ticks", taken.append))  # type: ignore[arg-type]
    await until(lambda: len(taken) == 2)
    assert (bus.subscribed, bus.closed) == (3, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bus.closed == 1
