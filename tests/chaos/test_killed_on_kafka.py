"""The same graph joined by a real Kafka: processing killed with -9 and started again while the feed goes on."""

from __future__ import annotations

import asyncio
import random
import subprocess

import pytest
from polars.testing import assert_frame_equal

from niftyflow.brokers.simulator.files import open_source
from niftyflow.bus.kafka import KafkaBus
from niftyflow.bus.port import Bus, Start
from niftyflow.model import Candle, CandleBatch, Instrument
from niftyflow.runtime.workspace import Workspace
from support.commands import end, kill, simulator, start
from support.data import shared_data
from support.polars_oracle import MINUTE, candles
from support.recorded import FIELDS, in_ms, open_of, stored
from support.replays import outcome
from support.speeds import LONG

pytestmark = [pytest.mark.kafka, pytest.mark.data, pytest.mark.timeout(900)]

DAY = "ticks_nse_2021/ticks_2021-04-26.parquet"
SPEED = 60 if LONG else 600
LIFE_SECONDS = (40, 90) if LONG else (5, 8)
PARTITIONS = 3


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


async def until_told(bus: Bus, processing: subprocess.Popen[str]) -> None:
    """Wait until processing has passed on the last watermark of every partition."""
    for partition in range(PARTITIONS):
        last = await bus.last_watermark("raw-ticks", partition)
        assert last is not None
        while (told := await bus.last_watermark("market_candles", partition)) is None or told.time < last.time:
            assert processing.poll() is None
            await asyncio.sleep(0.2)


async def test_processing_killed_on_kafka_loses_and_doubles_nothing(tmp_path, kafka_servers, kafka_prefix):
    """Ingestion lived through all of it, so every minute equals the oracle; what was published twice is the same."""
    path = shared_data(DAY)
    workspace = Workspace(tmp_path / "workspace").create()
    log = tmp_path / "up.log"
    workspace.settings_file.write_text(
        f'[bus]\nengine = "kafka"\nservers = "{kafka_servers}"\nprefix = "{kafka_prefix}"\npartitions = {PARTITIONS}\n'
    )
    command = ("--workspace", str(workspace.path), "up")
    dice = random.Random(20210426)
    bus = KafkaBus(kafka_servers, prefix=kafka_prefix, partitions=PARTITIONS, source="test")
    await bus.open()
    with simulator(str(path), "--speed", str(SPEED), "--wait", log=tmp_path / "sim.log") as url:
        ingestion = start(*command, "--only", "ingestion", "--url", url, log=log)
        processing = start(*command, "--only", "processing", log=log)
        try:
            for _ in range(3):
                await asyncio.sleep(dice.uniform(*LIFE_SECONDS))
                assert processing.poll() is None, log.read_text()[-3000:]
                kill(processing)
                processing = start(*command, "--only", "processing", log=log)
            assert await asyncio.to_thread(ingestion.wait, 600) == 0, log.read_text()[-3000:]
            await until_told(bus, processing)
        finally:
            end(ingestion)
            assert end(processing, 30) == 0
    told = await published(bus)
    await bus.close()
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
