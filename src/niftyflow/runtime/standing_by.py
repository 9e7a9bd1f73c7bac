"""Leases for a process that takes over when another ends: who finds one held waits for it, and says so.

It decides nothing about who should own what; whoever asks first when a lease comes free has it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from niftyflow.kit.health import Worker
from niftyflow.model import LeaseHeld
from niftyflow.storage.ports import Lease, Leases

LOOK_SECONDS: Final = 0.5
STANDS_BY: Final = "stands by"
"""How a worker's reason begins that waits for another process to end."""


class StandingBy:
    """`Leases` that waits for one that is held until it is free, or until `stopping`; its `worker` says who has it."""

    def __init__(self, leases: Leases, worker: Worker, stopping: asyncio.Event) -> None:
        self._leases = leases
        self._worker = worker
        self._stopping = stopping

    async def acquire(self, name: str) -> Lease:
        """Take a lease as soon as it is free.

        Raises:
            LeaseHeld: another process has it still, and ours is stopping.
        """
        while True:
            try:
                return await self._leases.acquire(name)
            except LeaseHeld as held:
                if self._stopping.is_set():
                    raise
                self._worker.waits(f"{STANDS_BY}: {held}")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)
