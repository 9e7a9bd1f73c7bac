"""A cluster's processes on one machine: begun, begun again when they die, ended with whoever started them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from niftyflow.cli.cluster import members_of
from niftyflow.kit.call_settings import InternalSettings
from niftyflow.kit.caller import LocalCaller
from niftyflow.kit.health import Health
from niftyflow.model import Misconfigured
from niftyflow.runtime import cluster
from niftyflow.runtime.cluster import LocalCluster, Member
from niftyflow.runtime.internal_http import internal_http
from niftyflow.runtime.questions import QUESTIONS
from niftyflow.runtime.settings import AppSettings
from niftyflow.runtime.workspace import Workspace
from support.waiting import until

COUNTS = {"ingestion": 2, "processing": 2, "analysis": 1, "aggregation": 1, "signals": 1, "trading": 2, "gateway": 1}


def test_each_process_has_a_name_a_port_and_its_share():
    """Ports follow one another; each ingestion has its share; all know who trades, and all of them."""
    members = {member.name: member for member in members_of(COUNTS, AppSettings())}
    assert len(members) == 10
    assert members["ingestion-2"].arguments[-2:] == ("--share", "2/2")
    ports = [member.arguments[member.arguments.index("--internal-port") + 1] for member in members.values()]
    assert ports == [str(port) for port in range(8100, 8110)]
    variables = members["gateway-1"].variables
    assert variables["NIFTYFLOW_INTERNAL__TRADING"] == "http://127.0.0.1:8107,http://127.0.0.1:8108"
    assert variables["NIFTYFLOW_INTERNAL__PROCESSES"].split(",") == [member.address for member in members.values()]
    assert variables["NIFTYFLOW_INTERNAL__NAME"] == "", "they are asked at the address of this machine"
    assert [name for name, member in members.items() if member.serves] == ["gateway-1"]


def simulator(name: str = "market") -> Member:
    """Return a member that runs until it is told to end."""
    return Member(name, ("sim", "--synthetic", "--date", "2026-01-05", "--port", "0", "--symbols", "2"))


def is_alive(process_id: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_member_that_is_killed_is_begun_again_and_all_end_together(tmp_path: Path, monkeypatch):
    """What each says is in a file of its own."""
    monkeypatch.setattr(cluster, "FIRST_WAIT_SECONDS", 0.05)
    said: list[str] = []
    local, stopping = (
        LocalCluster(Workspace(tmp_path), [simulator("one"), simulator("two")], said.append),
        asyncio.Event(),
    )
    running = asyncio.create_task(local.run(stopping))
    await until(lambda: len(local.running) == 2)
    first = local.running["one"].pid
    await until(lambda: local.log_of("one").exists() and "ws://" in local.log_of("one").read_text())
    os.kill(first, signal.SIGKILL)
    await until(lambda: "one" in local.running and local.running["one"].pid != first)
    assert any("one ended (killed by SIGKILL); begun again" in line for line in said)
    processes = [process.pid for process in local.running.values()]
    stopping.set()
    await asyncio.wait_for(running, 60)
    assert not any(map(is_alive, [first, *processes]))


async def test_a_member_is_told_when_it_is_ready_and_not_before(tmp_path: Path, monkeypatch):
    """One that waits for a server is not."""
    monkeypatch.setattr(cluster, "READY_LOOK_SECONDS", 0.05)
    said: list[str] = []
    settings = InternalSettings(port=0)
    async with (
        internal_http(settings, Health(), QUESTIONS) as early,
        internal_http(settings, Health(), QUESTIONS) as it,
    ):
        it.opens({}, LocalCaller())
        members = [Member("early", (), {}, early.address), Member("gateway-1", (), {}, it.address, "serving http://x")]
        for member in members:
            Workspace(tmp_path, member.name).create().address_file.write_text(member.address)
        telling = asyncio.create_task(LocalCluster(Workspace(tmp_path), members, said.append).tell_ready(settings))
        await until(lambda: bool(said))
        assert said == ["gateway-1 is ready: serving http://x"]
        early.opens({}, LocalCaller())
        await asyncio.wait_for(telling, 60)
    assert said[1:] == ["early is ready"]


async def test_a_member_that_cannot_run_ends_the_cluster_with_its_last_word(tmp_path: Path):
    """Beginning it again would not help."""
    wrong = Member("status", ("status",))
    local = LocalCluster(Workspace(tmp_path), [wrong, simulator()], lambda _: None)
    with pytest.raises(ExceptionGroup) as refused:
        await asyncio.wait_for(local.run(asyncio.Event()), 60)
    assert refused.group_contains(Misconfigured, match="status cannot run: niftyflow: .*market.db is not there")
    assert local.running == {}
