"""`niftyflow status`: for people and for machines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from support.candle_stages import floor, mark
from support.command_line import Niftyflow, niftyflow
from support.intakes import Ticks
from support.market import INFY

__all__ = ["niftyflow"]

MINUTE = 60_000


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace, in a folder with a name like markup, that holds two minutes and a dozen gaps."""
    folder = tmp_path / "[red]a folder [1] with a long name so that the line is longer than a terminal is wide"
    folder.mkdir()

    async def fill() -> None:
        make = Ticks()
        async with floor(folder, [INFY]) as ground:
            await ground.put(mark(0), make.of({"at": 10, "symbol": "INFY"}), mark(MINUTE))
            for number in range(12):
                at = MINUTE + number * 2000
                await ground.put(mark(at + 1000), mark(at + 2000, healthy=False))
            await ground.put(mark(2 * MINUTE))
            await ground.process()

    asyncio.run(fill())
    return folder


def test_people_read_lines_that_are_never_broken(niftyflow: Niftyflow, workspace):
    """Ten gaps and how many more; paths are not markup."""
    ran = niftyflow("--workspace", workspace, "status")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == f"workspace       {workspace}"
    assert "ingestion       not running" in lines
    assert "observed until  2024-01-18 09:17:00 IST" in lines
    assert sum(line.startswith("  gap ") for line in lines) == 11
    assert "  gap           2 more" in lines
    assert any(line.startswith("group           candle-processors: commit ") for line in lines)
    assert all(line[0].islower() or line.startswith("  gap") for line in lines)


def test_machines_read_one_object(niftyflow: Niftyflow, workspace):
    """With everything that people see."""
    ran = niftyflow("--workspace", workspace, "status", "--json")
    (line,) = ran.out.splitlines()
    found = json.loads(line)
    assert (found["candles_1m"], found["incomplete_of_day"], len(found["gaps_of_day"])) == (1, 1, 12)
    assert found["topics"][0] == {"topic": "raw-ticks", "records": 28, "dead_letters": 0}


def test_an_account_at_a_broker_has_a_line_with_the_command_to_run(niftyflow: Niftyflow, workspace):
    """For people; machines have the parts."""
    (workspace / "niftyflow.toml").write_text('[brokers.ours]\nbroker = "kite"\noptions = { api_key = "k" }\n')
    lines = niftyflow("--workspace", workspace, "status").out.splitlines()
    assert "broker          ours at kite, orders read_only: not logged in: niftyflow login ours" in lines
    found = json.loads(niftyflow("--workspace", workspace, "status", "--json").out)
    assert [(each["name"], each["until"]) for each in found["brokers"]] == [("ours", 0)]
