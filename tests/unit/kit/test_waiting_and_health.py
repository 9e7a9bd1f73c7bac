"""Waiting for the world, and what workers say of it."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from niftyflow.kit.health import Health, Report, State, Worker
from niftyflow.kit.retry import until_it_works
from niftyflow.model import Broken, Unavailable


class Door:
    """Something that is away so many times, then gives an answer."""

    def __init__(self, closed: int, error: Exception | None = None) -> None:
        self.closed = closed
        self.calls = 0
        self.error = error or Unavailable("door", "closed")

    async def open(self) -> str:
        """Answer, or raise."""
        self.calls += 1
        if self.calls <= self.closed:
            raise self.error
        return "inside"


@pytest.mark.parametrize("closed", [0, 1, 2])
async def test_what_is_away_is_asked_again_until_it_answers(closed):
    """The answer is given back, and the worker runs again."""
    door, worker = Door(closed), Worker("visitor")
    assert await until_it_works(door.open, worker) == "inside"
    assert door.calls == closed + 1
    assert worker.state is (State.RUNNING if closed else State.STARTING)


async def test_while_it_waits_the_worker_says_for_what():
    """An operator reads the reason in health, and the metric is 1."""
    door, worker = Door(1_000_000), Worker("patient")
    waiting = asyncio.create_task(until_it_works(door.open, worker))
    await asyncio.sleep(0.01)
    assert (worker.state, worker.reason) == (State.WAITING, "door is unavailable: closed")
    assert REGISTRY.get_sample_value("stage_paused", {"stage": "patient"}) == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_between_attempts_it_backs_off():
    """A dead database is not hammered: a second brings a handful of attempts."""
    door = Door(1_000_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(until_it_works(door.open, Worker("patient")), 0.8)
    assert 3 <= door.calls <= 9


async def test_an_error_of_a_record_is_not_waited_for():
    """It will not go away."""
    door = Door(1, Broken("nonsense"))
    with pytest.raises(Broken, match="nonsense"):
        await until_it_works(door.open, Worker("visitor"))
    assert door.calls == 1


async def test_an_error_of_a_record_after_a_wait_passes_through_too():
    """The wait was for the world; what it then says is not the world's fault."""
    answers = [Unavailable("door", "closed"), Broken("nonsense")]

    async def ask() -> None:
        raise answers.pop(0)

    with pytest.raises(Broken, match="nonsense"):
        await until_it_works(ask, Worker("visitor"))


async def test_a_stop_ends_the_wait_with_the_reason():
    """Whoever stops a process does not wait out the longest backoff."""
    door, stopping = Door(1_000_000), asyncio.Event()
    waiting = asyncio.create_task(until_it_works(door.open, Worker("visitor"), stopping))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    stopping.set()
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(waiting, 60)


async def test_a_stop_does_not_disturb_what_works():
    """What is asked once more while stopping is still done when the world is there."""
    stopping = asyncio.Event()
    stopping.set()
    assert await until_it_works(Door(0).open, Worker("visitor"), stopping) == "inside"


def test_health_is_the_state_of_every_worker():
    """One that waits makes the process unhealthy, and is told by name."""
    health = Health()
    first, second = health.worker("ingestion"), health.worker("processing")
    assert not health.is_healthy
    first.runs()
    second.runs()
    assert health.is_healthy
    second.waits("bus is away")
    assert not health.is_healthy
    first.stops("done")
    assert health.report() == [
        Report("ingestion", State.STOPPED, "done"),
        Report("processing", State.WAITING, "bus is away"),
    ]
    assert health.worker("ingestion") is first


def test_a_worker_that_runs_again_forgets_why_it_waited():
    """And its metric is 0."""
    worker = Worker("again")
    worker.waits("x")
    worker.runs()
    assert (worker.state, worker.reason) == (State.RUNNING, "")
    assert REGISTRY.get_sample_value("stage_paused", {"stage": "again"}) == 0
