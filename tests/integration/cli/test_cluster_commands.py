"""`niftyflow status`, `topics` and `cluster` on servers: what is true there, and not what this machine's files say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.health import Health
from niftyflow.model import DeadLetter, Watermark
from niftyflow.runtime.buses import kafka_of
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.questions import QUESTIONS
from niftyflow.runtime.settings import load
from niftyflow.runtime.stores import opened, stores_of
from niftyflow.runtime.system import NOT_HERE
from niftyflow.runtime.workspace import Workspace
from support.callers import unused_address
from support.command_line import Niftyflow, Ran, niftyflow
from support.intakes import DAY
from support.kafka import kafka_prefix, kafka_servers
from support.postgres import empty_postgres_url, postgres_database, postgres_server, postgres_url

__all__ = [
    "empty_postgres_url", "kafka_prefix", "kafka_servers", "niftyflow", "postgres_database", "postgres_server",
    "postgres_url",
]  # fmt: skip
pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LAG = 17
LETTER = DeadLetter(
    topic="signals", partition=0, offset=3, key="", record="{", error="no JSON", stage="trading", at=1_705_560_000_000
)


@pytest.fixture
def workspace(tmp_path: Path, kafka_servers: str, kafka_prefix: str, postgres_url: str) -> Workspace:
    """A workspace of a cluster, in whose files nothing is."""
    workspace = Workspace(tmp_path)
    workspace.settings_file.write_text(
        f'[bus]\nengine = "kafka"\nservers = "{kafka_servers}"\nprefix = "{kafka_prefix}"\npartitions = 2\n'
        f'[database]\nurl = "{postgres_url}"\n'
    )
    return workspace


@asynccontextmanager
async def at_work(workspace: Workspace) -> AsyncIterator[None]:
    """Have a process that processes, under names and leases of a cluster, and one that was killed."""
    settings, health = load(workspace.settings_file), Health()
    stores, bus = stores_of(workspace, settings), kafka_of(settings.bus)
    health.worker("processing").waits("the disk is full")

    async def system() -> dict[str, object]:
        here = {"processing"}
        return {"layers": [{"name": node.name, "lag": LAG, "reason": "" if node.name in here else NOT_HERE}
                           for node in GRAPH]}  # fmt: skip

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(opened([*stores.engines, bus]))
        for name in ("raw-ticks/0", "raw-ticks/1", "signals"):
            stack.push_async_callback((await stores.leases.acquire(name)).release)
        mark = Watermark(time=DAY + 60_000, partition=0, source="ingestion", healthy=True)
        await bus.publish("raw-ticks", [mark])
        await bus.publish("dlq.signals", [(LETTER,)])
        internal = await stack.enter_async_context(internal_http(InternalSettings(port=0), health, QUESTIONS))
        internal.opens({}, LocalCaller({"system": system}))
        stack.enter_context(Workspace(workspace.path, "processing-1").create().told_address(internal.address))
        killed = Workspace(workspace.path, "processing-2").create()
        stack.enter_context(killed.told_address(await unused_address()))
        yield


async def ran(workspace: Workspace, niftyflow: Niftyflow, *arguments: str) -> Ran:
    """Run a command while the cluster is at work."""
    async with at_work(workspace):
        return await asyncio.to_thread(niftyflow, "--workspace", workspace.path, *arguments)


async def test_status_asks_the_servers_and_the_processes(niftyflow: Niftyflow, workspace: Workspace):
    """Leases from PostgreSQL, ends and watermarks from Kafka, health from each process; who is dead is named."""
    told = await ran(workspace, niftyflow, "status", "--json")
    assert told.code == 0, told.said
    found = json.loads(told.out)
    (holder,) = found["holders"]
    assert holder["leases"] == ["raw-ticks/0", "raw-ticks/1", "signals"]
    assert found["running"] == holder["holder"]
    assert (found["observed_until"], found["day"]) == (DAY + 60_000, "2024-01-18")
    assert found["topics"][0] == {"topic": "raw-ticks", "records": 1, "dead_letters": 0}
    assert found["groups"][0] == {"group": "candle-processors", "topic": "raw-ticks", "behind": 1, "lag": LAG}
    lives, dead = found["processes"]
    assert (lives["name"], lives["is_ready"]) == ("processing-1", False)
    assert lives["reasons"] == ["processing waiting: the disk is full"]
    assert (dead["name"], dead["is_ready"]) == ("processing-2", False)
    assert "processing-2 at 127.0.0.1:" in dead["reasons"][0]
    assert not workspace.market_db.exists()
    assert not workspace.log.exists()


async def test_dead_letters_are_those_of_the_cluster(niftyflow: Niftyflow, workspace: Workspace):
    """This machine has no log of its own, and makes none."""
    told = await ran(workspace, niftyflow, "dlq", "list", "--json")
    assert [(line["topic"], line["error"]) for line in map(json.loads, told.out.splitlines())] == [
        ("signals", "no JSON")
    ]
    assert not workspace.log.exists()


async def test_people_read_the_same(niftyflow: Niftyflow, workspace: Workspace):
    """Partitions are counted, and topics name the lag and what lies after the commit."""
    told = await ran(workspace, niftyflow, "status")
    assert any(" 2 partitions of raw-ticks, signals, since " in line for line in told.out.splitlines())
    assert "not ready: processing waiting: the disk is full" in told.out
    async with at_work(workspace):
        topics = await asyncio.to_thread(niftyflow, "--workspace", workspace.path, "topics", "--json")
    groups = {each["group"]: each for each in json.loads(topics.out.splitlines()[0])["groups"]}
    assert groups["candle-processors"] == {
        "group": "candle-processors", "after_commit": 2, "members": 0, "lag": LAG,
    }  # fmt: skip
    assert groups["trading"]["lag"] is None


def test_a_cluster_without_tables_is_refused_before_a_process_is_begun(
    niftyflow: Niftyflow, workspace: Workspace, empty_postgres_url: str, postgres_url: str
):
    """With the command that makes them, and nothing that claims to serve."""
    settings = workspace.settings_file.read_text().replace(postgres_url, empty_postgres_url)
    workspace.settings_file.write_text(settings)
    told = niftyflow("--workspace", workspace.path, "cluster")
    assert told.code == 5
    assert "run `niftyflow db upgrade`" in told.said
    assert told.out == ""
    assert not (workspace.path / "processes").exists()
