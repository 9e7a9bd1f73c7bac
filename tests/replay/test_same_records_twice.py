"""The same recording, replayed twice, gives the same records on every topic, to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from niftyflow.brokers.simulator.files import open_source
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.model import Columns
from niftyflow.runtime.wiring import Does
from support.data import shared_data
from support.replays import replay

TOPICS = (
    "raw-ticks", "market_candles", "dlq.raw-ticks", "analysis_updates", "market_view", "predictions", "signals",
    "order_events",
)  # fmt: skip
NINE_FIFTEEN = 1_767_584_700_000


async def digest(folder: Path) -> dict[str, tuple[int, str]]:
    """Return, for each topic, how many records it has and the digest of their JSON in order."""
    bus = EmbeddedBus(folder / "log")
    await bus.open()
    digests = {}
    try:
        for topic in TOPICS:
            reader = await bus.subscribe(topic, group=None, start=Start.EARLIEST)
            count, digest_ = 0, hashlib.sha256()
            while batches := await reader.poll(timeout_seconds=0):
                for batch in batches:
                    body = batch.body
                    plain = list(body) if isinstance(body, tuple) else [body]
                    records = body.to_records() if isinstance(body, Columns) else plain
                    count += len(records)
                    for record in records:
                        digest_.update(msgspec.json.encode(record) + b"\n")
            await reader.close()
            digests[topic] = (count, digest_.hexdigest())
    finally:
        await bus.close()
    return digests


async def test_a_generated_session_gives_the_same_bytes_twice(tmp_path):
    """Three quarters of an hour of fifty-one instruments, twice, decisions included."""
    for run in ("one", "two"):
        parts = [(NINE_FIFTEEN, NINE_FIFTEEN + 45 * 60_000)]
        await replay(SyntheticSession(parts, seed=3), tmp_path / run, Does.ALL)
    one, two = await digest(tmp_path / "one"), await digest(tmp_path / "two")
    assert one == two
    assert one["market_candles"][0] > 45 * 51
    assert min(one[topic][0] for topic in TOPICS if topic != "dlq.raw-ticks") > 40


@pytest.mark.data
async def test_a_recorded_session_with_dead_letters_gives_the_same_bytes_twice(tmp_path):
    """2021-06-11, its 1970 rows and its late rows, twice."""
    path = shared_data("ticks_nse_2021/ticks_2021-06-11.parquet")
    for run in ("one", "two"):
        await replay(open_source(path), tmp_path / run)
    one, two = await digest(tmp_path / "one"), await digest(tmp_path / "two")
    assert one == two
    assert one["dlq.raw-ticks"][0] > 0
