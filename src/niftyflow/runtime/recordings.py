"""A day of a workspace's journal, exported as a recording that the simulator and `replay` play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import numpy as np

from niftyflow.brokers.simulator.recording import read_recording, write_recording
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Batch, Start, Subscription
from niftyflow.kit.log import get_logger
from niftyflow.market import day_start
from niftyflow.model import DecodeError, Misconfigured, TickBatch
from niftyflow.runtime.workspace import Workspace

log = get_logger(__name__)

TOPIC = "raw-ticks"
DAY_MS = 86_400_000


async def export_day(workspace: Workspace, day: date) -> Path:
    """Return the recording of a day, written from the journal when that holds more of the day than one made before.

    Raises:
        Misconfigured: the journal holds no tick of that day.
    """
    path = workspace.path / "recordings" / f"{day}.parquet"
    has_log, has_recording = await asyncio.to_thread(lambda: (workspace.log.exists(), path.exists()))
    recorded = sum(len(batch) for batch in read_recording(path)) if has_recording else 0
    batches = [batch async for batch in _ticks(workspace, day)] if has_log else []
    if sum(len(batch) for batch in batches) > recorded:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_recording(path, batches)
    elif not has_recording:
        raise Misconfigured(
            f"{workspace.path} has recorded nothing on {day} (the journal keeps 24 hours); "
            f"name a file, or a workspace that has with --workspace"
        )
    return path


async def _ticks(workspace: Workspace, day: date) -> AsyncIterator[TickBatch]:
    since = day_start(day)
    bus = EmbeddedBus(workspace.log)
    await bus.open()
    try:
        reader = await bus.subscribe(TOPIC, group=None, start=Start.EARLIEST)
        while batches := await _poll(reader):
            for batch in batches:
                if isinstance(batch.body, TickBatch):
                    inside = (batch.body.received >= since) & (batch.body.received < since + DAY_MS)
                    if inside.any():
                        yield batch.body.take(np.flatnonzero(inside))
        await reader.close()
    finally:
        await bus.close()


async def _poll(reader: Subscription) -> list[Batch]:
    """Return what follows; a stored record that cannot be read is left out."""
    while True:
        try:
            return await reader.poll(timeout_seconds=0)
        except DecodeError as error:
            log.warning("record_left_out", topic=TOPIC, reason=error.reason)
