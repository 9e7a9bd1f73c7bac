"""What is done to a cluster of real processes and servers, each fault by a name that a table can tell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from support.chaos_cluster import ChaosCluster
from support.chaos_feed import NAME as FEED

Inflict = Callable[[ChaosCluster, random.Random], Awaitable[None]]


class Fault(NamedTuple):
    """Something that is done to a cluster and is over when `inflict` returns; `brokers` are how many it needs."""

    name: str
    title: str
    inflict: Inflict
    brokers: int = 1


async def _kill_one(cluster: ChaosCluster, dice: random.Random) -> None:
    cluster.kill(dice.choice(sorted(cluster.members)))


async def _kill_feed(cluster: ChaosCluster, dice: random.Random) -> None:
    cluster.kill(FEED)


async def _kill_trader(cluster: ChaosCluster, dice: random.Random) -> None:
    cluster.kill(await asyncio.to_thread(cluster.trader))


async def _lose_redis(cluster: ChaosCluster, dice: random.Random) -> None:
    await asyncio.to_thread(cluster.servers.restart_redis)


async def _kill_one_broker(cluster: ChaosCluster, dice: random.Random) -> None:
    brokers, node = cluster.servers.brokers, dice.randrange(3)
    assert brokers is not None
    await asyncio.to_thread(brokers.kill, node)
    await asyncio.sleep(dice.uniform(5, 15))
    await asyncio.to_thread(brokers.bring_back, node)


def broker_away(seconds: float) -> Fault:
    """Return the fault of the only broker killed with -9, and back after so many seconds."""

    async def inflict(cluster: ChaosCluster, dice: random.Random) -> None:
        await asyncio.to_thread(cluster.servers.kill_broker)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(cluster.servers.bring_broker_back)

    return Fault("broker-away", f"The only Kafka broker killed with -9, back after {seconds:g} s", inflict)


def postgres_restarted(mode: str) -> Fault:
    """Return the fault of PostgreSQL stopped in a mode, and started again."""

    async def inflict(cluster: ChaosCluster, dice: random.Random) -> None:
        await asyncio.to_thread(cluster.servers.restart_postgres, mode)

    return Fault(f"postgres-{mode}", f"PostgreSQL restarted (`{mode}`)", inflict)


def cut_off(seconds: float) -> Fault:
    """Return the fault of a namespace whose cable is cut, and mended after so many seconds."""

    async def inflict(cluster: ChaosCluster, dice: random.Random) -> None:
        namespace = cluster.namespace
        assert namespace is not None
        await asyncio.to_thread(namespace.cut)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(namespace.mend)

    return Fault("cut-off", f"A process of every layer cut off from the network, and back after {seconds:g} s", inflict)


KILLS = Fault("kills", "A process of a layer, any, killed with -9", _kill_one)
FEED_KILLED = Fault("feed-killed", "The process that takes ticks in killed with -9", _kill_feed)
TRADER_KILLED = Fault("trader-killed", "The process that trades killed with -9; another takes over", _kill_trader)
REDIS_LOST = Fault("redis-lost", "Redis flushed, killed and started again, empty", _lose_redis)
ONE_OF_THREE = Fault(
    "one-of-three", "One Kafka broker of three killed with -9, and back after 5 to 15 s", _kill_one_broker, brokers=3
)
