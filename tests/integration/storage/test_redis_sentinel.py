"""Sentinels watch a master and its replica: the master dies, the replica is promoted, our store goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from niftyflow.model import Misconfigured, Unavailable
from niftyflow.storage.redis_hot import RedisHotStore
from support.redis import RedisServer, lasting_port
from support.waiting import until

StartRedis = Callable[..., RedisServer]
SETTINGS = """\
port {port}
bind 127.0.0.1
dir {folder}
requirepass watch
sentinel sentinel-pass watch
sentinel monitor market 127.0.0.1 {master} 2
sentinel auth-pass market secret
sentinel down-after-milliseconds market 500
sentinel failover-timeout market 5000
"""


class Watched:
    """A master, its replica, three Sentinels, and the address of a fourth that is not there."""

    def __init__(self, start_redis: StartRedis, folder: Path) -> None:
        secret = ("--requirepass", "secret", "--masterauth", "secret")
        self.master = start_redis(*secret)
        self.replica = start_redis(*secret, "--replicaof", "127.0.0.1", str(self.master.port))
        self.sentinels = [f"127.0.0.1:{lasting_port()}"]
        for number in range(3):
            port = lasting_port()
            file = folder / f"sentinel-{number}.conf"
            file.write_text(SETTINGS.format(port=port, folder=folder, master=self.master.port))
            start_redis(str(file), "--sentinel", port=port)
            self.sentinels.append(f"127.0.0.1:{port}")

    def store(self, **changes: object) -> RedisHotStore:
        """Return a store that finds its master by the Sentinels."""
        sentinel = {"sentinels": self.sentinels, "sentinel_master": "market", "sentinel_password": "watch"}
        return RedisHotStore(
            self.master.settings(**{"password": "secret", "timeout_seconds": 5, **sentinel, **changes})
        )

    def knows_enough(self) -> bool:
        """Whether the Sentinels see each other and the replica, so that they can promote it."""
        with self.master.client(int(self.sentinels[-1].rpartition(":")[2]), "watch") as client:
            seen = client.sentinel_master("market")
            return seen["num-slaves"] == 1 and seen["num-other-sentinels"] == 2


async def test_the_store_goes_on_with_the_promoted_replica(start_redis: StartRedis, tmp_path: Path):
    """Killed with -9 between two writes; values, scripts and listeners work on without opening again."""
    watched = Watched(start_redis, tmp_path)
    await until(watched.knows_enough)
    store = watched.store()
    await store.open()
    told: list[bool] = []
    listener = store.listen("tick:updates", on_hearing=told.append)
    await until(lambda: told == [True])
    await store.set_many({"kept": b"1"})
    with watched.replica.client(password="secret") as client:
        await until(lambda: client.dbsize() == 1)

    watched.master.kill()
    await until(lambda: told == [True, False])
    with pytest.raises(Unavailable, match="Redis master market of"):
        await store.set_many({"lost": b"1"})

    async def works() -> bool:
        try:
            await store.set_hashes({"h": {"f": b"1"}}, ttl_seconds=100)
        except Unavailable:
            await asyncio.sleep(0.1)
            return False
        return True

    await until(works)
    assert await store.get("kept") == b"1"
    assert await store.take_tokens("bucket", 1, 1, 5.0) == 0
    await until(lambda: told[-1])
    assert await store.publish("tick:updates", b"after") == 1
    assert await anext(listener) == ("tick:updates", b"after")
    await store.close()


async def test_sentinels_that_know_no_such_master_or_no_such_password_are_told(start_redis: StartRedis, tmp_path: Path):
    """And a wrong password of the master is told as one."""
    watched = Watched(start_redis, tmp_path)
    with pytest.raises(Unavailable, match=r"Redis master markte .* no Sentinel that answers knows a master"):
        await watched.store(sentinel_master="markte").open()
    with pytest.raises(Misconfigured, match=r"hot\.sentinel_password"):
        await watched.store(sentinel_password="wrong").open()
    with pytest.raises(Misconfigured, match=r"hot\.password"):
        await watched.store(password="wrong").open()
