"""Leases for a process that takes over when another ends: who finds one held waits for it, and says so.

It decides nothing about who should own what; whoever asks first when a lease comes free has it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from niftyflow.kit.health import Worker
from niftyflow.model import LeaseHeld, Retryable
from niftyflow.storage.ports import Lease, Leases

LOOK_SECONDS: Final = 0.5
STANDS_BY: Final = "stands by"
"""How a worker's reason begins that waits for another process to end."""


class StandingBy:
    """`Leases` that waits for one that is held until it is free, or until `stopping`; its workers say who has it.

    It waits in the same way for whatever keeps the leases, when that is away.
    """

    def __init__(self, leases: Leases, worker: Worker, stopping: asyncio.Event, *others: Worker) -> None:
        """Take from `leases`; `others` are workers that wait together with the first."""
        self._leases = leases
        self._workers = (worker, *others)
        self._stopping = stopping

    async def acquire(self, name: str) -> Lease:
        """Take a lease as soon as it is free.

        Raises:
            LeaseHeld: another process has it still, and ours is stopping.
            Retryable: nobody can say who has it, and ours is stopping.
        """
        while True:
            try:
                return await self._leases.acquire(name)
            except LeaseHeld as held:
                self._wait(f"{STANDS_BY}: {held}")
                if self._stopping.is_set():
                    raise
            except Retryable as away:
                self._wait(str(away))
                if self._stopping.is_set():
                    raise
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)

    def _wait(self, reason: str) -> None:
        for worker in self._workers:
            worker.waits(reason)
