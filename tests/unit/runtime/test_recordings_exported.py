"""A day of the journal as a recording, and what the recording plays."""

from __future__ import annotations

import sqlite3
from datetime import date

import pytest

from niftyflow.brokers.simulator.recording import Recording, read_recording
from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.model import Misconfigured, TickBatch
from niftyflow.runtime.recordings import export_day
from niftyflow.runtime.workspace import Workspace
from support.candle_stages import mark
from support.intakes import DAY, Ticks

THURSDAY = date(2024, 1, 18)
NIGHT = 86_400_000


async def journal(workspace: Workspace, *bodies: object) -> None:
    """Append to the workspace's journal."""
    bus = EmbeddedBus(workspace.log)
    await bus.open()
    await bus.publish("raw-ticks", bodies)
    await bus.close()


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path)


def received(path) -> list[int]:
    """Return when each recorded tick came, in ms after `DAY`."""
    return [at - DAY for batch in read_recording(path) for at in batch.received.tolist()]


async def test_the_day_s_ticks_are_exported_in_their_order_and_no_other_day_s(workspace):
    """The day is India's, midnight to midnight."""
    make = Ticks()
    midnight = -(9 * 60 + 15) * 60_000
    await journal(
        workspace, mark(-NIGHT), make.of({"at": midnight - 1}, {"at": midnight}), mark(0),
        make.of({"at": 10, "symbol": "INFY"}, {"at": 20}), mark(1000), make.of({"at": midnight + NIGHT}),
    )  # fmt: skip
    path = await export_day(workspace, THURSDAY)
    assert path == workspace.path / "recordings" / "2024-01-18.parquet"
    assert received(path) == [midnight, 10, 20]
    assert [each.symbol for each in Recording(path).instruments] == ["RELIANCE", "INFY"]
    assert received(await export_day(workspace, date(2024, 1, 17))) == [midnight - 1]


async def test_a_day_still_under_way_is_exported_anew(workspace):
    """Asked again in the evening, the recording is not that of the morning."""
    make = Ticks()
    await journal(workspace, make.of({"at": 10}))
    assert received(await export_day(workspace, THURSDAY)) == [10]
    await journal(workspace, make.of({"at": 20}))
    assert received(await export_day(workspace, THURSDAY)) == [10, 20]


async def test_a_recording_outlives_the_journal(workspace):
    """After a day the journal holds less than the file, or nothing."""
    make = Ticks()
    await journal(workspace, make.of({"at": 10}, {"at": 20}))
    path = await export_day(workspace, THURSDAY)
    workspace.log.rename(workspace.path / "gone")
    assert received(await export_day(workspace, THURSDAY)) == [10, 20]
    await journal(workspace, make.of({"at": 20}))
    assert await export_day(workspace, THURSDAY) == path
    assert received(path) == [10, 20]


@pytest.mark.parametrize("has_log", [True, False])
async def test_a_day_without_ticks_says_so(workspace, has_log):
    """And what else to do; no file is made."""
    if has_log:
        await journal(workspace, mark(0))
    with pytest.raises(Misconfigured, match=r"has recorded nothing on 2024-01-18.*name a file"):
        await export_day(workspace, THURSDAY)
    assert not (workspace.path / "recordings").exists()


async def test_a_damaged_record_is_left_out(workspace):
    """The rest of the day is worth having."""
    make = Ticks()
    batches: list[TickBatch] = [make.of({"at": at}) for at in (10, 20, 30)]
    for batch in batches:
        await journal(workspace, batch)
    connection = sqlite3.connect(workspace.log / "raw-ticks.db")
    (table,) = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if any(column[1] == "body" for column in connection.execute(f"PRAGMA table_info({name})"))
    ]
    connection.execute(f"UPDATE {table} SET body = x'00' WHERE rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET 1)")
    connection.commit()
    connection.close()
    assert received(await export_day(workspace, THURSDAY)) == [10, 30]
