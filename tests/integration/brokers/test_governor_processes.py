"""Several processes on one account: a server counts what arrives, whatever happens to the ledger or to a process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from niftyflow.kit.clock import monotonic
from support.governed_process import Arrivals, GovernedProcess
from support.redis import RedisServer, redis_server, start_redis
from support.waiting import until
from support.windows import most_in_window

__all__ = ["redis_server", "start_redis"]

MARGIN = 0.4
"""A busy machine needs longer than a network for the way from a permit to the server."""
LIMITS = [(6, 0.5), (10, 1.5), (5000, 86_400)]
SETTINGS = {"margin_seconds": MARGIN, "settle_seconds": 1.5, "patience_seconds": 0.2}


@asynccontextmanager
async def processes(
    plans: dict[str, dict[str, Any]], **common: Any
) -> AsyncIterator[tuple[Arrivals, list[GovernedProcess]]]:
    """Start processes, wait until all are ready, let them begin, and see that none stays."""
    async with Arrivals().serving() as server:
        given = {"limits": LIMITS, "settings": SETTINGS, "strategies": 1, **common}
        started = [GovernedProcess(name, server, **{**given, **plan}) for name, plan in plans.items()]
        try:
            async with asyncio.timeout(60):
                await asyncio.gather(*(process.ready() for process in started))
            for process in started:
                process.go()
            yield server, started
        finally:
            for process in started:
                process.kill()


def check(server: Arrivals, limits: list[tuple[int, float]] = LIMITS) -> None:
    """See that no window ever held more than its limit."""
    if server.slowest_way() >= MARGIN:
        pytest.skip(
            f"a call needed {server.slowest_way():.2f} s to a server beside it: the machine is too busy to tell"
        )
    for count, seconds in limits:
        assert most_in_window(server.times(), seconds) <= count


THREE: dict[str, dict[str, Any]] = {"a": {"strategies": 2}, "b": {}, "c": {}}


async def test_four_strategies_in_three_processes_never_exceed_a_limit_of_their_file(tmp_path: Path):
    """They send as fast as they may, and each process gets its part."""
    async with processes(THREE, folder=str(tmp_path / "permits")) as (server, started), asyncio.timeout(60):
        begun = monotonic()
        await until(lambda: len(server.calls) >= 20)
        elapsed = monotonic() - begun
        outcomes = sum([await process.end() for process in started], Counter())
    check(server)
    assert elapsed > 1.5
    assert set(server.by_process()) == {"a", "b", "c"}
    assert outcomes["refused"] == 0


@pytest.mark.redis
async def test_three_processes_never_exceed_a_limit_on_redis_that_dies_between(start_redis: Callable[..., RedisServer]):
    """It comes back with nothing, and is told again what was; meanwhile new orders are refused."""
    redis = start_redis()
    where = redis.settings(timeout_seconds=2, prefix="")
    given = {"url": where.url.get_secret_value(), "timeout_seconds": 2}
    async with processes(THREE, redis=given) as (server, started), asyncio.timeout(60):
        await until(lambda: len(server.calls) >= 7)
        redis.kill()
        await asyncio.sleep(0.8)
        redis.start()
        died_at = len(server.calls)
        await until(lambda: len(server.calls) >= died_at + 8)
        outcomes = sum([await process.end() for process in started], Counter())
    check(server)
    assert outcomes["refused"] > 0
    assert set(server.by_process()) == {"a", "b", "c"}


async def test_a_process_killed_with_permits_in_hand_keeps_the_others_waiting_for_a_moment_only(tmp_path: Path):
    """Its permits count as used when their time is over; the file it may have been writing is whole."""
    limits = [(6, 1.0)]
    plans = {"killed": {"strategies": 3, "pause": 0.05}, "stays": {"pause": 0.05}}
    async with processes(plans, folder=str(tmp_path), limits=limits) as (server, started), asyncio.timeout(60):
        await until(lambda: server.by_process()["killed"] >= 4)
        started[0].kill()
        killed_at = monotonic()
        before = server.by_process()["stays"]
        await until(lambda: server.by_process()["stays"] >= before + 8)
        waited = [arrived for arrived, _, process in server.calls if process == "stays" and arrived > killed_at]
        await started[1].end()
    check(server, limits)
    assert len(waited) >= 8
