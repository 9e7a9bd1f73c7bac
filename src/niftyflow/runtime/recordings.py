"""A day of a workspace's journal, exported as a recording that the simulator and `replay` play."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import numpy as np

from niftyflow.brokers.simulator.recording import write_recording
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.market import day_start
from niftyflow.model import Misconfigured, TickBatch
from niftyflow.runtime.workspace import Workspace

TOPIC = "raw-ticks"
DAY_MS = 86_400_000


async def export_day(workspace: Workspace, day: date) -> Path:
    """Return the recording of a day, written from the journal unless it was before.

    Raises:
        Misconfigured: the journal holds no tick of that day.
    """
    path = workspace.path / "recordings" / f"{day}.parquet"
    if path.exists():
        return path
    batches = [batch async for batch in _ticks(workspace, day)] if workspace.log.exists() else []
    if not batches:
        raise Misconfigured(
            f"{workspace.path} has recorded nothing on {day} (the journal keeps 24 hours); "
            f"name a file, or a workspace that has with --workspace"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(path, batches)
    return path


async def _ticks(workspace: Workspace, day: date) -> AsyncIterator[TickBatch]:
    since = day_start(day)
    bus = EmbeddedBus(workspace.log)
    await bus.open()
    try:
        reader = await bus.subscribe(TOPIC, group=None, start=Start.EARLIEST)
        while batches := await reader.poll(timeout_seconds=0):
            for batch in batches:
                if isinstance(batch.body, TickBatch):
                    inside = (batch.body.received >= since) & (batch.body.received < since + DAY_MS)
                    if inside.any():
                        yield batch.body.take(np.flatnonzero(inside))
        await reader.close()
    finally:
        await bus.close()
