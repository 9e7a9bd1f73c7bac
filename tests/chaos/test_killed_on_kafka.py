"""The same graph joined by a real Kafka: processing killed with -9 while the feed goes on.

It is started again, or another member of its group takes over.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.bus.kafka import KafkaBus
from niftyflow.bus.port import Bus, Start
from niftyflow.cli.sim import trading_parts
from niftyflow.model import Candle, CandleBatch, Instrument
from niftyflow.runtime.workspace import Workspace
from support.commands import end, kill, simulator, start
from support.data import shared_data
from support.kafka import members_of
from support.polars_oracle import MINUTE, candles
from support.recorded import FIELDS, in_ms, open_of, stored
from support.replays import outcome, replay
from support.speeds import LONG

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

DAY = "ticks_nse_2021/ticks_2021-04-26.parquet"
SPEED = 60 if LONG else 600
LIFE_SECONDS = (40, 90) if LONG else (5, 8)
PARTITIONS = 3
SYMBOLS, TAPE_SPEED = (170, 20) if LONG else (40, 90)
MUHURAT = datetime(2025, 10, 21)  # noqa: DTZ001 - a day; its session lasts an hour
UNDER_LOAD = 5_000
"""Ticks on the topic before a member is killed."""
GROUP = "candle-processors"


def workspace_on(folder: Path, servers: str, prefix: str) -> Workspace:
    """Return a workspace whose processes are joined by Kafka."""
    workspace = Workspace(folder).create()
    workspace.settings_file.write_text(
        f'[bus]\nengine = "kafka"\nservers = "{servers}"\nprefix = "{prefix}"\npartitions = {PARTITIONS}\n'
    )
    return workspace


def layer(workspace: Workspace, name: str, *, of: str, log: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a process of one layer, by a name of its own."""
    arguments = ("--workspace", str(workspace.path), "run", of, "--name", name, "--internal-port", "0")
    return start(*arguments, log=log, **environment)


async def published(bus: Bus) -> list[Candle]:
    """Return every candle on the topic."""
    reader = await bus.subscribe("market_candles", group=None, start=Start.EARLIEST)
    ends, found = await bus.end("market_candles"), []
    while any(reader.position().get(partition, 0) < at for partition, at in ends.items()):
        for batch in await reader.poll():
            if isinstance(batch.body, CandleBatch):
                found += batch.body.to_records()
    await reader.close()
    return found


@pytest.fixture
async def bus(kafka_servers: str, kafka_prefix: str) -> AsyncIterator[KafkaBus]:
    """The cluster, to look on."""
    bus = KafkaBus(kafka_servers, prefix=kafka_prefix, partitions=PARTITIONS, source="test")
    await bus.open()
    yield bus
    await bus.close()


async def until_told(bus: Bus, processing: subprocess.Popen[str]) -> None:
    """Wait until processing has passed on the last watermark of every partition."""
    for partition in range(PARTITIONS):
        last = await bus.last_watermark("raw-ticks", partition)
        assert last is not None
        while (told := await bus.last_watermark("market_candles", partition)) is None or told.time < last.time:
            assert processing.poll() is None
            await asyncio.sleep(0.2)


@pytest.mark.data
@pytest.mark.long  # the short form is the test after it: a member of two is killed
async def test_processing_killed_on_kafka_loses_and_doubles_nothing(tmp_path, bus, kafka_servers, kafka_prefix):
    """Ingestion lived through all of it, so every minute equals the oracle; what was published twice is the same."""
    path = shared_data(DAY)
    workspace = workspace_on(tmp_path / "workspace", kafka_servers, kafka_prefix)
    log = tmp_path / "run.log"
    dice = random.Random(20210426)
    with simulator(str(path), "--speed", str(SPEED), "--wait", log=tmp_path / "sim.log") as url:
        ingestion = layer(workspace, "ingestion", of="ingestion", log=log, NIFTYFLOW_FEED__URL=url)
        processing = layer(workspace, "processing", of="processing", log=log)
        try:
            for _ in range(3):
                await asyncio.sleep(dice.uniform(*LIFE_SECONDS))
                assert processing.poll() is None, log.read_text()[-3000:]
                kill(processing)
                processing = layer(workspace, "processing", of="processing", log=log)
            assert await asyncio.to_thread(ingestion.wait, 600) == 0, log.read_text()[-3000:]
            await until_told(bus, processing)
        finally:
            end(ingestion)
            assert end(processing, 30) == 0
    told = await published(bus)
    instruments: list[Instrument] = list(open_source(path).instruments)
    left = await outcome(workspace, instruments)
    ticks = in_ms(path)
    expected = candles(ticks, open_of(ticks["timestamp"][0]), 375, ticks["timestamp"].max() + MINUTE)
    assert left.gaps == []
    assert_frame_equal(stored(left), expected.select(FIELDS), check_dtypes=False)
    by_identity: dict[tuple[str, float, int], Candle] = {}
    for candle in told:
        assert by_identity.setdefault((candle.instrument, candle.time.timestamp(), candle.revision), candle) == candle
    assert {(key, at) for key, at, _ in by_identity} == {
        (f"NSE:{symbol}", at / 1000) for symbol, at in stored(left).select("symbol", "time").iter_rows()
    }


async def until_members(servers: str, group: str, wanted: set[str], *processes: subprocess.Popen[str]) -> None:
    """Wait until Kafka's own tool shows these client ids, with all partitions between them."""
    members: dict[str, int] = {}
    while members.keys() != wanted or sum(members.values()) != PARTITIONS or 0 in members.values():
        assert all(process.poll() is None for process in processes), members
        members = await asyncio.to_thread(members_of, servers, group)


async def test_of_two_members_one_is_killed_and_the_other_takes_over(tmp_path, bus, kafka_servers, kafka_prefix):
    """Kafka's own tool names both by their processes; the candles are those of an undisturbed run."""
    workspace = workspace_on(tmp_path / "workspace", kafka_servers, kafka_prefix)
    log, group = tmp_path / "run.log", kafka_prefix + GROUP
    arguments = ("--synthetic", "--date", f"{MUHURAT:%Y-%m-%d}", "--symbols", str(SYMBOLS), "--speed", str(TAPE_SPEED))
    started = [layer(workspace, name, of="processing", log=log) for name in ("processing-1", "processing-2")]
    doomed, heir = started
    try:
        await until_members(kafka_servers, group, {"processing-1", "processing-2"}, doomed, heir)
        with simulator(*arguments, "--wait", log=tmp_path / "sim.log") as url:
            ingestion = layer(workspace, "ingestion", of="ingestion", log=log, NIFTYFLOW_FEED__URL=url)
            started.append(ingestion)
            while sum((await bus.end("raw-ticks")).values()) < UNDER_LOAD:
                assert ingestion.poll() is None, log.read_text()[-3000:]
                await asyncio.sleep(0.1)
            kill(doomed)
            assert ingestion.poll() is None, "the feed was over before anything was killed"
            await until_members(kafka_servers, group, {"processing-2"}, heir)
            assert await asyncio.to_thread(ingestion.wait, 600) == 0, log.read_text()[-3000:]
            await until_told(bus, heir)
    except BaseException as error:
        error.add_note(log.read_text()[-3000:])
        raise
    finally:
        codes = [end(process, 30) for process in started]
    assert codes[1:] == [0, 0]
    tape = SyntheticSession(trading_parts(MUHURAT), seed=1, symbols=SYMBOLS)
    left = await outcome(workspace, list(tape.instruments))
    expected = await replay(tape, tmp_path / "undisturbed")
    assert left.gaps == []
    assert_frame_equal(stored(left), stored(expected))
