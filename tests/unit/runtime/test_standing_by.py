"""Standing by: a lease that is held is waited for, and the worker says who has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from niftyflow.kit.health import State, Worker
from niftyflow.model import LeaseHeld
from niftyflow.runtime.standing_by import StandingBy
from niftyflow.storage.leases import FileLeases
from support.waiting import until


async def test_a_lease_that_is_held_is_taken_when_it_comes_free(tmp_path: Path):
    """Meanwhile the worker waits, and says for whom."""
    leases, worker = FileLeases(tmp_path), Worker("signals")
    held = await leases.acquire("signals")
    taking = asyncio.create_task(StandingBy(leases, worker, asyncio.Event()).acquire("signals"))
    await until(lambda: worker.state is State.WAITING)
    assert "stands by" in worker.reason
    assert "process" in worker.reason
    await held.release()
    lease = await asyncio.wait_for(taking, 60)
    assert lease.fence > held.fence
    await lease.release()


async def test_a_stop_ends_the_waiting(tmp_path: Path):
    """Whoever has the lease keeps it."""
    leases, stopping = FileLeases(tmp_path), asyncio.Event()
    held = await leases.acquire("signals")
    taking = asyncio.create_task(StandingBy(leases, Worker("signals"), stopping).acquire("signals"))
    stopping.set()
    with pytest.raises(LeaseHeld):
        await asyncio.wait_for(taking, 60)
    await held.release()
