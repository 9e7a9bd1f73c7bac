"""Standing by: a lease that is held is waited for, and the worker says who has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from niftyflow.kit.health import State, Worker
from niftyflow.model import LeaseHeld, Unavailable
from niftyflow.runtime.standing_by import StandingBy
from niftyflow.storage.leases import FileLease, FileLeases
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


async def test_all_who_wait_together_say_so(tmp_path: Path):
    """Commands of an account wait with its trading: neither is starting for ever."""
    leases, workers = FileLeases(tmp_path), [Worker("trading"), Worker("commands")]
    held = await leases.acquire("account/paper-1")
    standing_by = StandingBy(leases, workers[0], asyncio.Event(), workers[1])
    taking = asyncio.create_task(standing_by.acquire("account/paper-1"))
    await until(lambda: all(worker.reason.startswith("stands by: account/paper-1 is held") for worker in workers))
    assert {worker.state for worker in workers} == {State.WAITING}
    await held.release()
    await (await asyncio.wait_for(taking, 60)).release()


class Away(FileLeases):
    """Leases that nobody can be asked for, until they are back."""

    is_back = False

    async def acquire(self, name: str) -> FileLease:
        """Take a lease, or fail."""
        if not self.is_back:
            raise Unavailable("PostgreSQL", "refused")
        return await super().acquire(name)


async def test_what_keeps_the_leases_may_be_away(tmp_path: Path):
    """It is waited for, and a stop ends that too."""
    leases, worker, stopping = Away(tmp_path), Worker("signals"), asyncio.Event()
    taking = asyncio.create_task(StandingBy(leases, worker, stopping).acquire("signals"))
    await until(lambda: worker.reason == "PostgreSQL is unavailable: refused")
    assert worker.state is State.WAITING
    leases.is_back = True
    lease = await asyncio.wait_for(taking, 60)
    await lease.release()
    leases.is_back = False
    stopping.set()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(StandingBy(leases, worker, stopping).acquire("signals"), 60)


async def test_a_stop_ends_the_waiting(tmp_path: Path):
    """Whoever has the lease keeps it."""
    leases, stopping = FileLeases(tmp_path), asyncio.Event()
    held = await leases.acquire("signals")
    taking = asyncio.create_task(StandingBy(leases, Worker("signals"), stopping).acquire("signals"))
    stopping.set()
    with pytest.raises(LeaseHeld):
        await asyncio.wait_for(taking, 60)
    await held.release()
