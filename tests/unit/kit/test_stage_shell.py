"""The shell: the order of effects, publishing and commits; waiting for the world; records that cannot be taken."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from niftyflow.bus.port import Batch, UnreadableRecord
from niftyflow.kit.dead_letters import FILE
from niftyflow.kit.health import State
from niftyflow.kit.stage import Part
from niftyflow.model import DeadLetter, DecodeError, TickBatch, Unavailable, Watermark
from support.records import a_tick
from support.stages import NOW, Play, lines, play
from support.waiting import until


@pytest.fixture
async def one(tmp_path) -> Play:
    """A shell that has partition 0."""
    return await play(tmp_path)


async def test_effects_come_before_publishing_and_publishing_before_the_commit(one):
    """The order that makes a crash repeat work, never skip it."""
    await one.run([lines("a", "b")])
    order = [each for each in one.bus.happened if each.split()[0] in {"effect", "publish", "commit", "close"}]
    assert order == ["effect a,b", "publish pages", "commit {0: 2}", "close"]
    assert one.bus.targets == [0]


@pytest.mark.parametrize("kind", ["before", "effect", "publish", "commit"])
@pytest.mark.parametrize("failures", [1, 2])
async def test_what_is_away_is_waited_for_and_nothing_is_lost_or_done_out_of_order(one, kind, failures):
    """Each step is tried again until it works; the steps after it wait."""
    one.bus.away[kind] = failures
    await one.run([lines("a")], [lines("b", offset=1)])
    if kind == "commit":
        assert one.reader.commits == [] or one.reader.commits[-1] == {0: 2}
    else:
        assert one.reader.commits[-1] == {0: 2}
    assert one.stage.taken[0] == ["a", "b"]
    assert one.bus.bodies["pages"] == [["a"], ["b"]]
    done = [each for each in one.bus.happened if each.startswith(("effect ", "publish ")) and "fails" not in each]
    assert done == ["effect a", "publish pages", "effect b", "publish pages"]
    assert one.bus.happened.count(f"{kind} fails") >= 1


async def test_a_poll_that_finds_the_bus_away_says_so_and_goes_on(one):
    """Health shows that the stage waits, then that it runs; nothing that follows is missed."""
    one.reader.polls = [Unavailable("bus", "gone"), [lines("a")]]
    running = asyncio.create_task(one.shell.run(one.reader))
    await until(lambda: one.worker.state is State.WAITING)
    assert one.worker.reason == "bus is unavailable: gone"
    await until(lambda: bool(one.stage.taken[0]))
    assert one.worker.state is State.RUNNING
    one.shell.stop()
    await running
    assert one.worker.state is State.STOPPED


async def test_a_commit_that_fails_is_made_up_for_by_the_next(one):
    """A postponed position is not forgotten, and never overwrites a later one."""
    one.shell._commits = {0: 5, 1: 7}
    one.bus.away["commit"] = 1
    await one.shell._commit(one.reader)
    one.shell._commits[0] = 9
    await one.shell._commit(one.reader)
    assert one.reader.commits == [{0: 9, 1: 7}]


async def test_a_preparation_that_fails_is_tried_again_before_anything_is_read(tmp_path):
    """A partition is not read before its state is there."""
    one = await play(tmp_path)
    one.bus.away["assigned"] = 1
    await one.shell.assigned({3: 40})
    assert one.bus.happened[-2:] == ["assigned fails", "assigned 3 from 40"]


async def test_a_stop_while_the_world_is_away_ends_at_once_and_commits_only_what_is_done(one):
    """Nobody has to kill a stage that waits; what it held is read again next time."""
    one.bus.away["effect"] = 1_000_000
    running = asyncio.create_task(one.shell.run(one.reader))
    one.reader.polls = [[lines("a")]]
    await until(lambda: one.worker.state is State.WAITING)
    one.shell.stop()
    await asyncio.wait_for(running, 60)
    assert one.reader.commits == []
    assert one.bus.bodies["pages"] == []
    assert one.reader.is_closed
    assert one.worker.state is State.STOPPED


async def test_a_stop_commits_what_was_done(one):
    """The commit of the last second is not left out."""
    one.shell._committed_at = 1e18  # as if one had just been made
    await one.run([lines("a")], [lines("b", offset=1)])
    assert one.reader.commits == [{0: 2}]


async def test_commits_are_made_while_it_runs(one):
    """A stage that never stops commits all the same."""
    await one.run([lines("a")], [])
    assert one.bus.happened.index("commit {0: 1}") < one.bus.happened.index("close")
    assert one.reader.commits == [{0: 1}]


async def test_a_broken_record_alone_is_dead_lettered_with_its_own_place(one):
    """The letter tells topic, partition, offset, reason, stage and time, and holds the record."""
    await one.run([lines("a", "b", "broken c", "d", "e", offset=40)])
    assert one.bus.letters == [
        DeadLetter(
            topic="lines", partition=0, offset=42, key="", record='{"text":"broken c"}', error="broken c cannot be",
            stage="notebook", at=NOW,
        )
    ]  # fmt: skip
    assert one.stage.taken[0] == ["a", "b", "d", "e"]
    assert one.reader.commits == [{0: 45}]


async def test_a_dead_letter_is_kept_before_the_position_passes_its_record(one):
    """A crash between them repeats the letter; it never loses it."""
    await one.run([lines("broken")])
    assert one.bus.happened.index("letters dlq.lines") < min(
        place for place, each in enumerate(one.bus.happened) if each.startswith("commit")
    )


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=6))
async def test_whatever_is_broken_everything_else_is_taken_once_and_in_order(tmp_path_factory, batches):
    """Halving finds every broken record, and only those."""
    one = await play(tmp_path_factory.mktemp("letters"))
    polls, offset, good, bad = [], 0, [], []
    for batch in batches:
        texts = [f"{'broken ' if broken else ''}{offset + place}" for place, broken in enumerate(batch)]
        good += [text for text in texts if not text.startswith("broken")]
        bad += [offset + place for place, broken in enumerate(batch) if broken]
        polls.append(lines(*texts, offset=offset))
        offset += len(batch)
    await one.run(polls)
    assert one.stage.taken[0] == good
    assert [letter.offset for letter in one.bus.letters] == bad
    assert not one.shell.has_done({0: offset + 1})
    assert one.shell.has_done({0: offset})


async def test_letters_of_the_stage_itself_are_kept_too(one):
    """A core may refuse records of its own accord."""
    letter = DeadLetter(topic="lines", partition=0, offset=1, key="", record="x", error="no", stage="notebook", at=1)
    one.stage.dead = [letter]
    await one.run([lines("a")])
    assert one.bus.letters == [letter]


async def test_bytes_that_cannot_be_decoded_are_dead_lettered_and_passed(one):
    """The place of the bytes is kept, and the stage counts as having passed them."""
    unreadable = UnreadableRecord("cut short", b"\xffhalf", topic="lines", partition=0, offset=1, count=2, key="K")
    await one.run([lines("a")], unreadable)
    letter = one.bus.letters[0]
    assert (letter.partition, letter.offset, letter.key, letter.error) == (0, 1, "K", "cut short")
    assert letter.record == "\\xffhalf"
    assert one.shell.has_done({0: 3})
    assert not one.shell.has_done({0: 4})


async def test_bytes_without_a_place_are_dead_lettered_too(one):
    """A plain decode error tells neither partition nor offset."""
    await one.run(DecodeError("not ours", b"??"), [lines("a")])
    assert [(letter.partition, letter.offset, letter.record) for letter in one.bus.letters] == [(-1, -1, "??")]
    assert one.stage.taken[0] == ["a"]


async def test_while_the_bus_is_away_for_letters_they_are_on_the_disk(one, tmp_path):
    """The stage does not wait with a letter in its hands."""
    one.bus.away["letters"] = 2
    await one.run([lines("broken", "a")])
    assert one.bus.happened.count("letters fails") == 2
    assert one.reader.commits == [{0: 2}]
    stored = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [letter["record"] for letter in stored] == ['{"text":"broken"}']


async def test_letters_on_the_disk_follow_without_another_letter(one, tmp_path):
    """The shell looks after them when it measures its lag."""
    one.bus.away["letters"] = 1
    await one.letters.put([_letter()])
    assert (tmp_path / FILE).read_text()
    await one.run([lines("a")])
    assert one.bus.letters == [_letter()]
    assert not (tmp_path / FILE).read_text()


async def test_revoked_partitions_are_forgotten(tmp_path):
    """Neither their commit nor how far they were done outlives them."""
    one = await play(tmp_path, 0, 1)
    one.shell._committed_at = 1e18
    running = asyncio.create_task(one.shell.run(one.reader))
    one.reader.polls = [[lines("a"), lines("b", partition=1)]]
    await until(lambda: one.shell.has_done({0: 1, 1: 1}))
    await one.shell.revoked([1])
    one.shell.stop()
    await running
    assert one.reader.commits == [{0: 1}]
    assert not one.shell.has_done({1: 1})
    assert list(one.stage.taken) == [0]


async def test_partitions_keep_their_own_positions(tmp_path):
    """Batches of several partitions in one poll are each worked off and committed."""
    one = await play(tmp_path, 0, 1)
    polls = [lines("a"), lines("b", "c", partition=1), lines("d", offset=1)]
    await one.run(polls)
    assert one.reader.commits == [{0: 2, 1: 2}]
    assert one.stage.taken == {0: ["a", "d"], 1: ["b", "c"]}


async def test_the_lag_is_a_metric_and_its_absence_stops_nothing(one):
    """It counts from the position; a bus that cannot tell is no reason to stop."""
    one.reader.behind = {0: 17}
    await one.run([lines("a")])
    assert REGISTRY.get_sample_value("consumer_lag", {"topic": "lines", "partition": "0"}) == 17
    again = await play(one.letters._file.parent)
    again.bus.away["lag"] = 1
    await again.run([lines("a")])
    assert again.stage.taken[0] == ["a"]


async def test_an_error_of_ours_ends_the_stage_and_leaves_the_bus(one):
    """A mistake in a core is not waited for and not hidden."""
    one.stage.pages.clear()
    with pytest.raises(KeyError):
        await one.run([lines("a")])
    assert one.reader.is_closed
    assert one.reader.commits == []


def test_a_part_of_a_batch_has_its_own_offsets_whatever_it_is_made_of():
    """Columns, plain records, and parts of parts."""
    ticks = TickBatch.from_records([a_tick(sequence=number) for number in range(10)])
    part = Part(Part(Batch("raw-ticks", 2, 100, ticks), 2, 8), 1, 3)
    assert (part.topic, part.partition, part.offset, part.end) == ("raw-ticks", 2, 103, 105)
    assert part.body.sequence.tolist() == [3, 4]
    assert [line.text for line in Part(lines("a", "b", "c"), 1, 2).body] == ["b"]


async def test_a_control_record_that_cannot_be_taken_is_dead_lettered_whole(one):
    """A watermark is one record; there is nothing to halve."""
    mark = Watermark(time=5, partition=0, source="test", healthy=True)
    await one.run([Batch("lines", 0, 7, mark)])
    assert [(letter.offset, letter.error) for letter in one.bus.letters] == [(7, "a notebook has no time")]
    assert json.loads(one.bus.letters[0].record)["time"] == 5


def _letter() -> DeadLetter:
    return DeadLetter(topic="lines", partition=0, offset=3, key="K", record="{}", error="no", stage="test", at=1)
