"""Group commit: what is queued while a group is written goes together, publishers wait for room, errors are told."""

import asyncio
import threading

import pytest

from niftyflow.bus import group_writer
from niftyflow.bus.group_writer import GroupWriter
from niftyflow.model import Unavailable


class Sink:
    """Takes groups when it is let."""

    def __init__(self) -> None:
        self.groups = []
        self.told = []
        self.go = threading.Event()

    def write(self, items):
        self.go.wait(60)
        self.groups.append(items)
        if "bad" in items:
            raise Unavailable("disk", "full")
        return len(items)

    def written(self, items, result):
        self.told.append((items, result))


async def queued(writer, items):
    """Hand in items in one turn of the loop."""
    publishing = [asyncio.create_task(writer.append(item)) for item in items]
    await asyncio.sleep(0.01)
    return publishing


async def test_items_of_one_turn_of_the_loop_go_together():
    """Fifty partitions that publish at once are one group, not one and then forty-nine."""
    sink = Sink()
    sink.go.set()
    writer = GroupWriter("test", sink.write, sink.written)
    await asyncio.gather(*(writer.append(number) for number in range(50)))
    assert sink.groups == [list(range(50))]
    writer.stop()


async def test_items_queued_meanwhile_are_written_together_in_order():
    """What comes while a group is written waits for the next; each publisher returns when its own is written."""
    sink = Sink()
    writer = GroupWriter("test", sink.write, sink.written)
    publishing = await queued(writer, [0]) + await queued(writer, range(1, 5))
    assert not any(task.done() for task in publishing)
    sink.go.set()
    await asyncio.gather(*publishing)
    assert sink.groups == [[0], [1, 2, 3, 4]]
    assert sink.told == [([0], 1), ([1, 2, 3, 4], 4)]
    writer.stop()


async def test_an_error_reaches_those_who_asked_and_the_next_group_goes_on():
    """A group that could not be written is told to its publishers alone."""
    sink = Sink()
    sink.go.set()
    writer = GroupWriter("test", sink.write, sink.written)
    with pytest.raises(Unavailable, match="full"):
        await writer.append("bad")
    await writer.append("good")
    assert sink.groups == [["bad"], ["good"]]
    writer.stop()


async def test_publishers_wait_when_the_queue_is_full(monkeypatch: pytest.MonkeyPatch):
    """The queue takes its limit and no more; a cancelled publisher's item is still written, and its room freed."""
    monkeypatch.setattr(group_writer, "QUEUE_LIMIT", 3)
    sink = Sink()
    writer = GroupWriter("test", sink.write, sink.written)
    publishing = await queued(writer, [0]) + await queued(writer, range(1, 6))
    assert len(writer._pending) == 2  # one is being written
    publishing[1].cancel()
    await asyncio.sleep(0)
    sink.go.set()
    await asyncio.gather(*publishing, return_exceptions=True)
    await writer.finish()
    assert [item for group in sink.groups for item in group] == list(range(6))
    assert publishing[1].cancelled()
    writer.stop()


async def test_finishing_waits_for_everything_queued():
    """After `finish` nothing is left."""
    sink = Sink()
    writer = GroupWriter("test", sink.write, sink.written)
    publishing = await queued(writer, range(3))
    await asyncio.sleep(0)
    last = asyncio.create_task(writer.append(3))
    await asyncio.sleep(0)
    sink.go.set()
    await writer.finish()
    await asyncio.gather(*publishing, last)
    assert sink.groups == [[0, 1, 2], [3]]
    writer.stop()
