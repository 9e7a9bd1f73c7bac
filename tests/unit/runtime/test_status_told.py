"""The status of a workspace: missing, empty, full, running."""

from __future__ import annotations

import msgspec
import pytest

from niftyflow.kit.clock import WallClock
from niftyflow.model import Misconfigured
from niftyflow.runtime.broker_accounts import brokers_folder
from niftyflow.runtime.graph import GRAPH
from niftyflow.runtime.status import BrokerStatus, GroupStatus, TopicStatus, broker_status, look_at, spelled
from niftyflow.runtime.stores import market_of
from niftyflow.runtime.workspace import Workspace
from niftyflow.storage.leases import FileLeases
from support.broker_settings import seal, with_accounts, written
from support.candle_stages import floor, mark
from support.intakes import DAY, Ticks
from support.market import INFY
from support.replays import replay
from support.simulator import SmallTape, every

MINUTE = 60_000


async def test_a_workspace_that_is_not_there_is_said_so_and_not_made(tmp_path):
    """Looking changes nothing."""
    with pytest.raises(Misconfigured) as refused:
        await look_at(Workspace(tmp_path / "ws"))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ws").exists()


async def test_an_empty_workspace_has_nothing(tmp_path):
    """Databases without a session: no day, no topics' records, never observed."""
    workspace = Workspace(tmp_path)
    async with market_of(workspace):
        pass
    found = await look_at(workspace)
    assert (found.running, found.observed_until, found.day) == ("", 0, "")
    assert (found.instruments, found.candles_1m, found.candles_of_day, found.topics) == (0, 0, 0, [])
    assert not workspace.leases.exists()


async def test_a_session_is_told_with_its_gaps_and_incomplete_minutes(tmp_path):
    """Of the last day in the log; older days count in the totals only."""
    make = Ticks()
    async with floor(tmp_path, [msgspec.structs.replace(INFY, symbol="RELIANCE")]) as ground:
        await ground.put(
            mark(-86_400_000), make.of({"at": -86_400_000 + 10, "day_volume": 5}), mark(-86_400_000 + MINUTE),
            mark(0), make.of({"at": 10, "day_volume": 5}), mark(MINUTE),
            make.of({"at": MINUTE + 10, "day_volume": 6}), mark(MINUTE + 20_000),
            mark(MINUTE + 40_000, healthy=False), mark(2 * MINUTE), make.of({"at": 2 * MINUTE + 5, "ltp": 2.0}),
            make.of({"at": 2 * MINUTE + 6, "symbol": "NOBODY"}), mark(3 * MINUTE),
        )  # fmt: skip
        await ground.process()
    found = await look_at(Workspace(tmp_path))
    assert (found.day, found.observed_until) == ("2024-01-18", DAY + 3 * MINUTE)
    assert (found.instruments, found.candles_of_day, found.incomplete_of_day) == (1, 3, 2)
    assert found.candles_1m > found.candles_of_day
    assert [(gap.since - DAY, gap.until - DAY) for gap in found.gaps_of_day] == [(MINUTE + 20_000, MINUTE + 40_000)]
    assert found.topics[0] == TopicStatus("raw-ticks", 13, 1)
    assert found.topics[1].topic == "market_candles"
    group = found.groups[0]
    assert (group.group, group.topic) == ("candle-processors", "raw-ticks")
    assert 0 < group.behind < 13


async def test_a_group_that_never_read_is_behind_by_everything(tmp_path):
    """And one that has read nothing of an empty log by nothing."""
    workspace = Workspace(tmp_path)
    async with floor(tmp_path, [INFY]) as ground:
        assert (await look_at(workspace)).groups[0] == GroupStatus("candle-processors", "raw-ticks", 0)
        await ground.put(mark(0), mark(1000))
    told = (await look_at(workspace)).groups
    assert told[0] == GroupStatus("candle-processors", "raw-ticks", 2)
    groups = {(reading.group, reading.topic) for node in GRAPH for reading in node.reads if reading.group}
    assert {(each.group, each.topic) for each in told} == groups


async def test_a_running_workspace_names_who_runs(tmp_path):
    """Looking takes nothing from the one who holds the lease, nor leaves anything held."""
    workspace = Workspace(tmp_path)
    async with market_of(workspace):
        pass
    lease = await FileLeases(workspace.leases).acquire("raw-ticks/0")
    assert (await look_at(workspace)).running.startswith("process ")
    await lease.release()
    assert (await look_at(workspace)).running == ""
    await (await FileLeases(workspace.leases).acquire("raw-ticks/0")).release()


async def test_after_a_replay_everything_is_accounted_for(tmp_path):
    """A whole process ran here."""
    await replay(SmallTape(every(500, 240)), tmp_path)
    found = await look_at(Workspace(tmp_path))
    assert (found.instruments, found.candles_1m, found.gaps_of_day) == (2, 4, [])
    assert found.day == "2026-01-05"
    assert found.topics[0].records > 240


async def test_accounts_at_brokers_are_told_with_their_logins(tmp_path):
    """Until when, or the command; a session that others may read is no login."""
    settings = with_accounts("ours", "idle")
    dies_at = WallClock().now() + 3_600_000
    seal(settings, "ours", dies_at)
    assert await broker_status(settings, "ours") == BrokerStatus(
        "ours", "kite", "read_only", "AB1234 (Asha Rao)", dies_at
    )
    assert (await broker_status(settings, "idle")).trouble == "not logged in: niftyflow login idle"
    for file in brokers_folder().glob("*.session"):
        file.chmod(0o640)
    assert "chmod 600" in (await broker_status(settings, "ours")).trouble
    workspace = Workspace(written(tmp_path, '[brokers.ours]\nbroker = "kite"\noptions = { api_key = "k" }\n'))
    async with market_of(workspace):
        pass
    assert [each.name for each in (await look_at(workspace)).brokers] == ["ours"]


def test_times_are_spelled_for_people():
    """In India's time."""
    assert spelled(0) == "never"
    assert spelled(DAY) == "2024-01-18 09:15:00 IST"
