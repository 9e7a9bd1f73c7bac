"""`niftyflow topics`: over the embedded log, and over a real Kafka, where it makes what is missing when told to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from support.candle_stages import floor, mark
from support.command_line import Niftyflow, niftyflow
from support.intakes import Ticks
from support.kafka import kafka_prefix, kafka_servers
from support.market import INFY

__all__ = ["kafka_prefix", "kafka_servers", "niftyflow"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace in which a few ticks were processed."""

    async def fill() -> None:
        async with floor(tmp_path, [INFY]) as ground:
            await ground.put(mark(0), Ticks().of({"at": 10, "symbol": "INFY"}), mark(60_000))
            await ground.process()

    asyncio.run(fill())
    return tmp_path


def states(out: str) -> dict:
    """Return what `--json` printed, by topic."""
    return {state["topic"]: state for state in map(json.loads, out.splitlines())}


def test_the_embedded_log_has_one_partition_a_topic(niftyflow: Niftyflow, workspace):
    """Records and how far each group is behind; for people the same."""
    found = states(niftyflow("--workspace", workspace, "topics", "--json").out)
    assert (found["raw-ticks"]["partitions"], found["raw-ticks"]["records"]) == (1, 3)
    assert {group["group"] for group in found["raw-ticks"]["groups"]} == {"candle-processors", "trading"}
    assert found["market_candles"]["records"] > 0
    ran = niftyflow("--workspace", workspace, "topics")
    assert ran.code == 0
    assert any("raw-ticks" in line and "candle-processors: " in line for line in ran.out.splitlines())


def test_without_a_log_the_command_says_what_makes_one(niftyflow: Niftyflow, tmp_path):
    """An empty folder is no error of the program."""
    ran = niftyflow("--workspace", tmp_path, "topics")
    assert ran.code == 5
    assert "there is no log" in ran.said


@pytest.mark.kafka
def test_topics_of_a_cluster_are_made_when_told_and_checked(niftyflow, tmp_path, kafka_servers, kafka_prefix):
    """Missing ones end with exit code 5 and how to make them; a wrong number of partitions with what to do."""
    settings = f'[bus]\nengine = "kafka"\nservers = "{kafka_servers}"\nprefix = "{kafka_prefix}"\npartitions = 2\n'
    (tmp_path / "niftyflow.toml").write_text(settings)
    before = niftyflow("--workspace", tmp_path, "topics")
    assert before.code == 5
    assert "topic raw-ticks is not there: `niftyflow topics --create` makes it" in before.said
    made = niftyflow("--workspace", tmp_path, "topics", "--create", "--json")
    assert made.code == 0, made.said
    assert f"made {kafka_prefix}raw-ticks" in made.said
    raw = states(made.out)["raw-ticks"]
    assert (raw["partitions"], raw["wanted"], raw["copies"], raw["troubles"]) == (2, 2, 1, [])
    assert [(group["after_commit"], group["members"]) for group in raw["groups"]] == [(0, 0), (0, 0)]
    (tmp_path / "niftyflow.toml").write_text(settings.replace("partitions = 2", "partitions = 3"))
    wrong = niftyflow("--workspace", tmp_path, "topics")
    assert wrong.code == 5
    assert "raw-ticks has 2 partitions, 3 are wanted: set the number of partitions to 2" in wrong.out
    assert "2 of 3" in wrong.out
