"""Following a topic as a broadcast reader, for whoever keeps the newest of it in memory.

It outlasts a bus that is away and leaves out what cannot be read. It commits nothing and answers nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from niftyflow.bus.port import Batch, Bus, Start, Subscription
from niftyflow.kit.log import get_logger
from niftyflow.model import DecodeError, Retryable

log = get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
"""Between two tries while the bus is away."""


async def follow(
    bus: Bus, topic: str, take: Callable[[Batch], None], *, start: Start = Start.LATEST,
    begun: asyncio.Event | None = None,
) -> None:  # fmt: skip
    """Give every batch of a topic to `take`, in order, until cancelled; `begun` is set once reading has begun."""
    reader: Subscription | None = None
    is_away = False
    try:
        while True:
            try:
                if reader is None:
                    reader = await bus.subscribe(topic, group=None, start=start)
                    if begun is not None:
                        begun.set()
                batches = await reader.poll()
            except DecodeError as error:
                log.warning("record_left_out", topic=topic, reason=error.reason)
                continue
            except Retryable as error:
                if not is_away:
                    log.warning("following_waits", topic=topic, reason=str(error))
                is_away = True
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            is_away = False
            for batch in batches:
                take(batch)
    finally:
        if reader is not None:
            await reader.close()
