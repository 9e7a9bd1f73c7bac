"""A replay that was cut off: what its workspace says, and a journal that is given everything again."""

from __future__ import annotations

import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.model import DeadLetter, Misconfigured, Watermark
from niftyflow.runtime.resuming import Progress, Replay, ResumedJournal, ResumedLetters, begin, note
from niftyflow.runtime.workspace import Workspace
from support.buses import ticks

TOPIC = "raw-ticks"


def mark(time: int) -> Watermark:
    """Return a watermark."""
    return Watermark(time=time, partition=0, source="replay", healthy=True)


def tape() -> list[list[object]]:
    """Return what a tape says, publication by publication."""
    return [[mark(1000), ticks(3)], [ticks(2), mark(2000)], [ticks(4), mark(3000)], [mark(4000)]]


async def journal(folder) -> EmbeddedBus:
    """Return an open log."""
    bus = EmbeddedBus(folder / "log")
    await bus.open()
    return bus


async def everything(bus: EmbeddedBus) -> list[object]:
    """Return every record of the journal, ticks one by one."""
    reader = await bus.subscribe(TOPIC, group=None, start=Start.EARLIEST)
    found: list[object] = []
    while batches := await reader.poll(timeout_seconds=0):
        for batch in batches:
            found += [batch.body] if isinstance(batch.body, Watermark) else batch.body.to_records()
    await reader.close()
    return found


@pytest.mark.parametrize("cut", range(5))
async def test_a_resumed_journal_ends_as_an_undisturbed_one(tmp_path, cut):
    """Wherever it was cut off, also between the records of one body."""
    whole, broken = await journal(tmp_path / "whole"), await journal(tmp_path / "broken")
    for bodies in tape():
        await whole.publish(TOPIC, bodies)
    for bodies in tape()[:cut]:
        await broken.publish(TOPIC, bodies)
    if cut < 3:
        await broken.publish(TOPIC, [ticks(1)] if cut else [mark(1000), ticks(1)])
    resumed = await ResumedJournal.of(broken, TOPIC)
    assert await resumed.end(TOPIC) == {0: 0}
    assert await resumed.last_watermark(TOPIC, 0) is None
    for bodies in tape():
        await resumed.publish(TOPIC, bodies)
    assert await everything(broken) == await everything(whole)
    await whole.close()
    await broken.close()


async def test_a_journal_of_another_tape_is_refused(tmp_path):
    """Its times do not fit, so it is not gone on with."""
    bus = await journal(tmp_path)
    await bus.publish(TOPIC, [mark(500), mark(900)])
    resumed = await ResumedJournal.of(bus, TOPIC)
    with pytest.raises(Misconfigured, match="another tape"):
        await resumed.publish(TOPIC, [mark(1000)])
    await bus.close()


async def test_letters_that_are_there_are_not_kept_twice(tmp_path):
    """The same record at the same place is the same letter."""
    bus = await journal(tmp_path)
    old = DeadLetter(topic=TOPIC, partition=0, offset=7, key="NSE:X", record="{}", error="no", stage="ingestion", at=1)
    new = DeadLetter(topic=TOPIC, partition=0, offset=8, key="NSE:X", record="{}", error="no", stage="ingestion", at=1)
    await DeadLetters(bus, tmp_path).put([old])
    await ResumedLetters(bus, tmp_path, [old]).put([old, new])
    assert [letter.offset for _, letter in await bus.read_dead_letters(TOPIC)] == [7, 8]
    await bus.close()


def test_a_workspace_says_how_far_its_replay_came(tmp_path):
    """New in an empty one, cut off until it is noted as done, and then refused."""
    workspace = Workspace(tmp_path / "ws")
    first = begin(workspace, "bars.csv")
    assert first == Replay(source="bars.csv", progress=Progress.NEW)
    note(workspace, first)
    assert begin(workspace, "bars.csv").progress is Progress.CUT_OFF
    with pytest.raises(Misconfigured, match=r"holds a replay of bars\.csv"):
        begin(workspace, "ticks.csv")
    note(workspace, first.at(Progress.DONE))
    with pytest.raises(Misconfigured, match="complete"):
        begin(workspace, "bars.csv")


def test_a_workspace_of_something_else_is_refused(tmp_path):
    """What is there is not touched, and neither is a marker that cannot be read."""
    workspace = Workspace(tmp_path / "ws")
    workspace.create().market_db.write_text("x")
    with pytest.raises(Misconfigured, match="not empty"):
        begin(workspace, "bars.csv")
    (workspace.path / "replay.json").write_text("{")
    with pytest.raises(Misconfigured, match="cannot be read"):
        begin(workspace, "bars.csv")
