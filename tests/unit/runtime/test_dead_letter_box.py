"""Dead letters as an operator deals with them: looked at, sent again, dropped; all or none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from niftyflow.bus.embedded import EmbeddedBus
from niftyflow.bus.port import Start
from niftyflow.kit.dead_letters import DeadLetters
from niftyflow.model import DeadLetter, Misconfigured, Refused, Tick, TickBatch, Unavailable
from niftyflow.runtime.letters import LetterBox, letter_box
from niftyflow.runtime.workspace import Workspace
from support.records import a_tick


def letter(number: int, **changes: object) -> DeadLetter:
    """Return the letter of a tick that can be sent again."""
    record = msgspec.json.encode(a_tick(sequence=number)).decode()
    fields = {"topic": "raw-ticks", "partition": 0, "offset": number, "key": "NSE:RELIANCE", "record": record,
              "error": "late", "stage": "processing", "at": 1}  # fmt: skip
    return DeadLetter(**(fields | changes))


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    """A log."""
    bus = EmbeddedBus(tmp_path / "log")
    await bus.open()
    yield bus
    await bus.close()


@pytest.fixture
async def box(bus: EmbeddedBus) -> LetterBox:
    """A box of three letters, the last of which cannot be sent as it is."""
    await bus.publish("dlq.raw-ticks", [(letter(7), letter(8), letter(9, record='{"ltp":null}'))])
    return LetterBox(bus)


async def ticks(bus: EmbeddedBus) -> list[Tick]:
    """Return every tick in the log."""
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    found = [tick for batch in await reader.poll(timeout_seconds=0) for tick in batch.body.to_records()]
    await reader.close()
    return found


async def test_what_nobody_has_settled_waits(box):
    """By its number in the topic."""
    waiting = await box.waiting()
    assert list(waiting) == [0, 1, 2]
    assert waiting[1] == letter(8)


async def test_a_letter_sent_again_is_in_the_topic_and_waits_no_more(box, bus):
    """The record is the one that came."""
    await box.replay(await box.chosen([0, 1]))
    assert await ticks(bus) == [a_tick(sequence=7), a_tick(sequence=8)]
    assert list(await box.waiting()) == [2]


async def test_a_letter_that_cannot_be_sent_keeps_all_others_back(box, bus):
    """The line names it; nothing was sent and nothing settled."""
    with pytest.raises(Refused, match="dead letter 2 cannot be sent again"):
        await box.replay(await box.chosen([]))
    assert await ticks(bus) == []
    assert list(await box.waiting()) == [0, 1, 2]


@pytest.mark.parametrize("record", ["", "{}", "\\xff", '"text"', msgspec.json.encode(a_tick(ltp=-1.0)).decode()])
async def test_a_record_that_breaks_a_rule_cannot_be_sent_again(bus, record):
    """Half a record, bytes, or a price that cannot be."""
    with pytest.raises(Refused, match="dead letter 5"):
        await LetterBox(bus).replay({5: letter(1, record=record)})
    assert await ticks(bus) == []


async def test_a_dropped_letter_waits_no_more_and_stays_readable(box, bus):
    """Nothing is erased: the settlement is one more record that says how."""
    await box.drop(await box.chosen([2]))
    assert list(await box.waiting()) == [0, 1]
    kept = await bus.read_dead_letters("raw-ticks")
    assert kept[2][1].record == '{"ltp":null}'
    assert (kept[3][1].settles, kept[3][1].error, kept[3][1].record) == (2, "dropped", "")


async def test_records_that_follow_from_ticks_are_dropped_and_never_sent_again(bus):
    """A scorecard or a candle was decided on when it came; each topic's letters have numbers of their own."""
    await bus.publish("dlq.market_candles", [(letter(4),)])
    box = LetterBox(bus)
    waiting = await box.chosen([], "market_candles")
    with pytest.raises(Refused, match="drop its letters"):
        await box.replay(waiting, "market_candles")
    await box.drop(waiting, "market_candles")
    assert await box.waiting("market_candles") == {}


async def test_settling_is_not_settled(box):
    """Numbers of later letters are not confused with those of settlements."""
    await box.drop(await box.chosen([0]))
    await box.drop(await box.chosen([]))
    assert await box.waiting() == {}
    await box.drop({})
    assert await box.waiting() == {}


@pytest.mark.parametrize("numbers", [[17], [0, 17], [-1]])
async def test_a_number_that_does_not_wait_is_refused(box, numbers):
    """So is one that was settled before."""
    with pytest.raises(Refused, match=r"no dead letter .* waits"):
        await box.chosen(numbers)
    await box.drop(await box.chosen([1]))
    with pytest.raises(Refused, match="no dead letter 1 waits"):
        await box.chosen([1])


async def test_a_workspace_without_a_log_says_what_makes_one(tmp_path):
    """And is not made by looking."""
    with pytest.raises(Misconfigured, match="niftyflow demo"):
        async with letter_box(Workspace(tmp_path / "ws")):
            pass
    assert not (tmp_path / "ws").exists()


async def test_letters_kept_on_the_disk_are_in_the_box(tmp_path, bus):
    """Those that an outage left behind."""

    class Away:
        async def publish(self, _topic, _bodies):
            raise Unavailable("bus", "gone")

    await DeadLetters(Away(), tmp_path).put([letter(1)])
    async with letter_box(Workspace(tmp_path)) as box:
        assert list((await box.waiting()).values()) == [letter(1)]


async def test_replayed_ticks_of_one_call_are_one_batch(box, bus):
    """All or none reaches the log."""
    await box.replay(await box.chosen([0, 1]))
    reader = await bus.subscribe("raw-ticks", group=None, start=Start.EARLIEST)
    (batch,) = await reader.poll(timeout_seconds=0)
    assert isinstance(batch.body, TickBatch)
    assert len(batch.body) == 2
    await reader.close()
