"""A cluster of real processes on real servers, with everything killed under it that can be: nothing lost or doubled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from niftyflow.kit.clock import monotonic
from support.chaos_cluster import ALL, FEW, ChaosCluster, Left, assert_same, reference
from support.chaos_faults import (
    FEED_KILLED,
    KILLS,
    ONE_OF_THREE,
    REDIS_LOST,
    TRADER_KILLED,
    Fault,
    broker_away,
    cut_off,
    postgres_restarted,
)
from support.chaos_feed import Tape
from support.chaos_network import Namespace, need_namespaces
from support.chaos_servers import Servers
from support.chaos_table import Found, note
from support.kafka import need_kafka
from support.postgres import need_postgres

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.redis]

SHORT = Tape(symbols=50, minutes=30, speed=60)
"""3,400 ticks a second for half a minute."""
IN_TURN = (
    KILLS, TRADER_KILLED, REDIS_LOST, FEED_KILLED, postgres_restarted("fast"), KILLS, broker_away(5),
    postgres_restarted("immediate"), KILLS,
)  # fmt: skip
LONG = Tape(symbols=150, minutes=120, speed=60)
"""10,000 ticks a second for two minutes."""


class Scenario(NamedTuple):
    """A fault that comes again and again, `apart` seconds from one to the next."""

    fault: Fault
    times: int
    apart: tuple[float, float] = (8, 16)


SCENARIOS = (
    Scenario(KILLS, 8), Scenario(TRADER_KILLED, 3, (25, 35)), Scenario(FEED_KILLED, 3, (15, 25)),
    Scenario(REDIS_LOST, 4), Scenario(postgres_restarted("fast"), 4), Scenario(postgres_restarted("immediate"), 4),
    Scenario(broker_away(60), 1), Scenario(ONE_OF_THREE, 4), Scenario(cut_off(30), 2),
)  # fmt: skip
AT_RANDOM = (
    KILLS, KILLS, KILLS, TRADER_KILLED, FEED_KILLED, REDIS_LOST, postgres_restarted("fast"),
    postgres_restarted("immediate"), broker_away(10),
)  # fmt: skip
ROUNDS = 3

_wanted: dict[Tape, Left] = {}


@asynccontextmanager
async def a_cluster(
    folder: Path, tape: Tape, *, has_all: bool = False, brokers: int = 1, namespace: Namespace | None = None
) -> AsyncIterator[ChaosCluster]:
    """Have a cluster run, with its servers; what it should come to is known by then."""
    need_kafka()
    need_postgres()
    servers = Servers(folder, brokers)
    try:
        await asyncio.to_thread(servers.start)
        if tape not in _wanted:
            _wanted[tape] = await reference(folder, tape, servers)
        cluster = ChaosCluster(folder, servers, tape, ALL if has_all else FEW, namespace)
        async with cluster.running():
            yield cluster
    finally:
        await asyncio.to_thread(servers.stop)


async def inflict(
    cluster: ChaosCluster, faults: Sequence[Fault], dice: random.Random, apart: tuple[float, float]
) -> None:
    """Inflict faults one after another, some seconds apart."""
    for fault in faults:
        await asyncio.sleep(dice.uniform(*apart))
        await fault.inflict(cluster, dice)


async def same_in_the_end(cluster: ChaosCluster) -> Left:
    """Compare what is left, when all is worked off, with what should be; there is something of everything."""
    wanted = _wanted[cluster.tape]
    assert_same(await cluster.worked_off(), wanted)
    assert wanted.candles
    assert wanted.signals
    assert wanted.fills
    return wanted


@pytest.mark.timeout(1200)
async def test_a_cluster_survives_all_faults_in_turn(tmp_path: Path) -> None:
    """Processes, the broker, PostgreSQL and Redis die in turn; candles, signals and orders are as if undisturbed."""
    async with a_cluster(tmp_path, SHORT) as cluster:
        await inflict(cluster, IN_TURN, random.Random(20260105), (2, 4))
        await same_in_the_end(cluster)
        assert cluster.deaths >= 4


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.fault.name)
async def test_a_cluster_survives_a_fault_by_itself(tmp_path: Path, scenario: Scenario) -> None:
    """One fault again and again while 10,000 ticks a second come; all is as if undisturbed."""
    namespace = None
    if scenario.fault.name == cut_off(0).name:
        need_namespaces()
        namespace = Namespace()
        namespace.lay()
    try:
        faults = [scenario.fault] * scenario.times
        await assert_survives(tmp_path, scenario.fault, faults, 1, scenario.apart, namespace)
    finally:
        if namespace is not None:
            namespace.remove()


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_a_cluster_survives_all_faults_at_random(tmp_path: Path, seed: int) -> None:
    """All faults in random order while 10,000 ticks a second come; all is as if undisturbed."""
    faults = list(AT_RANDOM)
    random.Random(seed).shuffle(faults)
    title = Fault(f"random-{seed}", f"All of them on one broker, in random order (round {seed + 1})", KILLS.inflict)
    await assert_survives(tmp_path, title, faults, seed, (5, 12), None)


async def assert_survives(
    folder: Path, title: Fault, faults: Sequence[Fault], seed: int, apart: tuple[float, float],
    namespace: Namespace | None,
) -> None:  # fmt: skip
    """Have a cluster of all layers survive faults, and note it for the table."""
    async with a_cluster(folder, LONG, has_all=True, brokers=title.brokers, namespace=namespace) as cluster:
        began = monotonic()
        await inflict(cluster, faults, random.Random(seed), apart)
        left = await same_in_the_end(cluster)
        seconds = LONG.minutes * 60 / LONG.speed
        note(
            Found(
                name=title.name, title=title.title, times=len(faults), deaths=cluster.deaths, ticks=LONG.ticks,
                ticks_a_second=round(LONG.ticks / seconds), candles=len(left.candles), signals=len(left.signals),
                orders=len(left.orders), fills=len(left.fills), worked_off_seconds=monotonic() - began,
            )
        )  # fmt: skip
