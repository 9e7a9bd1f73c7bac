"""What every ledger of permits promises: the one in memory, the file of a machine, and the cells on Redis."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from niftyflow.brokers.governor_ledgers import FileLedger, MemoryLedger, PermitLedger
from niftyflow.model import Misconfigured, Refused, Unavailable
from niftyflow.storage.redis_cells import RedisCells
from support.redis import RedisServer, redis_server, start_redis

__all__ = ["redis_server", "start_redis"]

NAMES = ["AB1234/orders", "AB1234/quotes", "../übel " + "n" * 300]


@pytest.fixture(params=["memory", "file", pytest.param("redis", marks=pytest.mark.redis)])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PermitLedger]:
    """Give each engine."""
    if request.param != "redis":
        yield MemoryLedger() if request.param == "memory" else FileLedger(tmp_path / "permits")
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    cells = RedisCells(server.settings())
    await cells.open()
    yield cells
    await cells.close()


def counted(held: bytes | None, now: int) -> bytes:
    """Count one more."""
    assert now > 0
    return str(int(held or 0) + 1).encode()


async def held_by(ledger: PermitLedger, name: str) -> bytes | None:
    """Return what is held, and leave it."""
    found: list[bytes | None] = []

    def look(held: bytes | None, _now: int) -> bytes:
        found.append(held)
        return held or b"0"

    await ledger.change(name, look)
    return found[-1]


async def test_changes_follow_one_another_and_none_is_lost(ledger: PermitLedger):
    """Thirty at once under each of three names; the names do not touch one another."""
    assert await held_by(ledger, NAMES[0]) is None
    await asyncio.gather(*(ledger.change(name, counted) for name in NAMES for _ in range(30)))
    assert [await held_by(ledger, name) for name in NAMES] == [b"30"] * 3


async def test_a_rule_that_refuses_changes_nothing(ledger: PermitLedger):
    """Its error is the caller's, and the next change works."""

    def refuse(_held: bytes | None, _now: int) -> bytes:
        raise Misconfigured("damaged")

    await ledger.change("a", counted)
    with pytest.raises(Misconfigured, match="damaged"):
        await ledger.change("a", refuse)
    await ledger.change("a", counted)
    assert await held_by(ledger, "a") == b"2"


async def test_a_ledgers_time_goes_on_and_is_in_milliseconds(ledger: PermitLedger):
    """Two looks with fifty ms between them are at least that far apart."""
    times: list[int] = []

    def look(held: bytes | None, now: int) -> bytes:
        times.append(now)
        return held or b"0"

    await ledger.change("a", look)
    await asyncio.sleep(0.05)
    await ledger.change("a", look)
    assert 49 <= times[-1] - times[0] < 60_000


async def test_a_process_that_stands_still_with_the_file_makes_it_unavailable(tmp_path: Path):
    """Not for ever waited for; when it goes on, so does everybody."""
    ledger = FileLedger(tmp_path)
    await ledger.change("a", counted)
    other = os.open(tmp_path / "permits-a.lock", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Unavailable, match="does not go on"):
        await ledger.change("a", counted)
    os.close(other)
    await ledger.change("a", counted)
    assert await held_by(ledger, "a") == b"2"


@pytest.mark.redis
async def test_cells_on_redis_say_when_it_is_away_and_go_on_when_it_is_back(start_redis: Callable[..., RedisServer]):
    """Its scripts are told to the new one; what it held is gone."""
    server = start_redis()
    cells = RedisCells(server.settings(timeout_seconds=5))
    with pytest.raises(Unavailable, match="not open"):
        await cells.ping()
    await cells.open()
    await cells.ping()
    await cells.change("a", counted)
    server.kill()
    with pytest.raises(Unavailable):
        await cells.change("a", counted)
    server.start()
    await cells.change("a", counted)
    assert await held_by(cells, "a") == b"1"
    await cells.close()


@pytest.mark.redis
async def test_cells_on_redis_end_an_operation_in_time_and_refuse_what_is_no_text(
    start_redis: Callable[..., RedisServer],
):
    """Also where the server hangs; a key of another type is not overwritten."""
    server = start_redis()
    cells = RedisCells(server.settings(timeout_seconds=0.5, prefix=""))
    await cells.open()
    server.call("SADD", "b", "x")
    with pytest.raises(Refused):
        await cells.change("b", counted)
    server.pause()
    with pytest.raises(Unavailable):
        await cells.change("a", counted)
    server.resume()
    await cells.close()
