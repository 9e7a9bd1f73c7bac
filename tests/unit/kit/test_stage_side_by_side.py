"""The shell with several partitions in one turn: side by side, each in its own order, one away does not stop others."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.kit.health import State
from niftyflow.model import Refused, Unavailable
from support.stages import Play, lines, play
from support.waiting import until

PARTITIONS = (0, 1, 2)


class Slow:
    """Lets calls for a partition wait for its gate, and notes how many wait at once."""

    def __init__(self) -> None:
        self.gates: dict[int | None, asyncio.Event] = defaultdict(asyncio.Event)
        self.waiting = self.most = 0
        self.seen: list[tuple[int | None, Any]] = []
        self.error: Exception | None = None

    async def publish(self, _topic: str, bodies: Sequence[Any], partition: int | None = None) -> None:
        """Note the call once its gate is open."""
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await self.gates[partition].wait()
        finally:
            self.waiting -= 1
        if partition == 1 and self.error is not None:
            raise self.error
        self.seen += [(partition, line) for page in bodies for line in page]


async def three(folder) -> tuple[Play, Slow]:
    """Return a shell with three partitions whose pages go to a slow bus."""
    one, slow = await play(folder, *PARTITIONS), Slow()
    one.shell._writer = slow
    return one, slow


def a_turn(offset: int = 0):
    """Return what one poll brings: a line of each partition."""
    return [lines(f"{partition}-{offset}", offset=offset, partition=partition) for partition in PARTITIONS]


async def test_the_partitions_of_a_turn_wait_together(tmp_path):
    """Three round trips take as long as one; the next poll comes when all have ended."""
    one, slow = await three(tmp_path)
    running = asyncio.create_task(one.shell.run(one.reader))
    one.reader.polls = [a_turn(), a_turn(1)]
    await until(lambda: slow.waiting == len(PARTITIONS))
    slow.gates[0].set()
    slow.gates[2].set()
    await until(lambda: one.shell.has_done({0: 1, 2: 1}))
    assert not one.shell.has_done({1: 1})
    assert len(one.reader.polls) == 1
    slow.gates[1].set()
    await until(lambda: one.shell.has_done(dict.fromkeys(PARTITIONS, 2)))
    one.shell.stop()
    await running
    assert one.reader.commits[-1] == dict.fromkeys(PARTITIONS, 2)
    assert slow.most == len(PARTITIONS)


async def test_a_partition_that_is_away_at_a_stop_is_not_committed_and_the_others_are(tmp_path):
    """What the others did is not done again; what it held is read again."""
    one, slow = await three(tmp_path)
    slow.error = Unavailable("leader of 1", "the test says so")
    for partition in PARTITIONS:
        slow.gates[partition].set()
    running = asyncio.create_task(one.shell.run(one.reader))
    one.reader.polls = [a_turn()]
    await until(lambda: one.worker.state is State.WAITING and one.shell.has_done({0: 1, 2: 1}))
    one.shell.stop()
    await asyncio.wait_for(running, 60)
    assert one.reader.commits == [{0: 1, 2: 1}]
    assert not one.shell.has_done({1: 1})
    assert sorted(slow.seen) == [(0, "0-0"), (2, "2-0")]


async def test_a_stop_lets_a_slow_partition_end(tmp_path):
    """One that waits for the world gives up; one whose publication is under way gets as far as its commit."""
    one, slow = await three(tmp_path)
    slow.error = Unavailable("leader of 1", "the test says so")
    slow.gates[1].set()
    slow.gates[2].set()
    running = asyncio.create_task(one.shell.run(one.reader))
    one.reader.polls = [a_turn()]
    await until(lambda: one.worker.state is State.WAITING and one.shell.has_done({2: 1}))
    one.shell.stop()
    await asyncio.sleep(0.05)
    assert not running.done()
    slow.gates[0].set()
    await asyncio.wait_for(running, 60)
    assert one.reader.commits == [{0: 1, 2: 1}]


async def test_an_error_of_ours_in_one_partition_ends_the_others_and_is_raised_as_it_is(tmp_path):
    """Whoever waits for it sees the error itself; nothing of the turn that was not done is committed."""
    one, slow = await three(tmp_path)
    slow.error = Refused("a newer owner has it")
    slow.gates[1].set()
    slow.gates[2].set()
    one.reader.polls = [a_turn()]
    with pytest.raises(Refused):
        await asyncio.wait_for(one.shell.run(one.reader), 60)
    assert slow.waiting == 0
    assert not one.shell.has_done({0: 1})
    assert not one.shell.has_done({1: 1})
    assert one.reader.is_closed


async def test_a_shell_that_is_cancelled_leaves_nothing_running(tmp_path):
    """Nobody publishes after the shell has ended."""
    one, slow = await three(tmp_path)
    one.reader.polls = [a_turn()]
    running = asyncio.create_task(one.shell.run(one.reader))
    await until(lambda: slow.waiting == len(PARTITIONS))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert slow.waiting == 0
    assert slow.seen == []
    assert one.reader.commits == []


async def test_a_letter_goes_with_its_own_partition(tmp_path):
    """While one partition waits, the letter of another is kept; the one that waits has kept none."""
    one, slow = await three(tmp_path)
    slow.gates[2].set()
    one.reader.polls = [[lines("broken", "a", partition=1), lines("b", "broken too", partition=2)]]
    running = asyncio.create_task(one.shell.run(one.reader))
    await until(lambda: one.shell.has_done({2: 2}))
    assert [(letter.partition, letter.offset) for letter in one.bus.letters] == [(2, 1)]
    slow.gates[1].set()
    await until(lambda: one.shell.has_done({1: 2}))
    one.shell.stop()
    await running
    assert [(letter.partition, letter.offset) for letter in one.bus.letters] == [(2, 1), (1, 0)]


@given(
    st.lists(st.lists(st.sampled_from(PARTITIONS), min_size=1, max_size=5), min_size=1, max_size=5),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
)
async def test_each_partition_keeps_its_order_however_slow_the_others_are(tmp_path_factory, polls, waits):
    """The same pages in the same order as if each partition were alone."""
    one = await play(tmp_path_factory.mktemp("turns"), *PARTITIONS)
    seen: dict[int | None, list[str]] = defaultdict(list)

    class Late:
        async def publish(self, _topic: str, bodies: Sequence[Any], partition: int | None = None) -> None:
            for _ in range(waits[partition or 0]):
                await asyncio.sleep(0)
            seen[partition] += [line for page in bodies for line in page]

    one.shell._writer = Late()
    ends, given_out, expected = dict.fromkeys(PARTITIONS, 0), [], defaultdict(list)
    for poll in polls:
        batches = []
        for partition in poll:
            text = f"{partition}-{ends[partition]}"
            batches.append(lines(text, offset=ends[partition], partition=partition))
            expected[partition].append(text)
            ends[partition] += 1
        given_out.append(batches)
    await one.run(*given_out)
    assert dict(seen) == dict(expected)
    assert one.shell.has_done(ends)


async def test_what_is_only_shown_comes_after_publishing_and_before_the_commit(tmp_path):
    """Readers of the log do not wait for screens."""
    one = await play(tmp_path)
    work = one.stage.work

    def showing(partition: int):
        made = work(partition)

        async def show() -> None:
            one.bus.note("show")

        made.shown.append(show)
        return made

    one.stage.work = showing
    await one.run([lines("a")])
    kinds = [each.split()[0] for each in one.bus.happened]
    assert [each for each in kinds if each in {"effect", "publish", "show", "commit"}] == [
        "effect", "publish", "show", "commit",
    ]  # fmt: skip
