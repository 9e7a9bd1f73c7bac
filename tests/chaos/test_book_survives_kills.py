"""An account killed at every moment at which something leaves its process, and rebuilt from what is on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from niftyflow.model import OrderState, StrategyStatus
from support.trading_days import the_day
from support.trading_floors import Floor, Fuse, Killed, Outcome, a_floor, identity

SLICES = 4


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the tracebacks of strategies that throw out of the output."""
    with capture_logs():
        yield


@dataclass
class Reference:
    """The day as it goes when nobody kills: what is in the book, what was told, and how often something left."""

    outcome: Outcome
    rows: dict[str, list[dict[str, Any]]]
    told: dict[object, object]
    moments: int


@pytest.fixture
async def reference(tmp_path: Path) -> Reference:
    """Return the undisturbed day."""
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    async with a_floor(folder) as floor:
        fuse = Fuse()
        await floor.live(fuse)
        told = {identity(each): each for each in floor.events_told()}
        return Reference(await floor.outcome(), floor.rows(), told, fuse.done)


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Floor]:
    """Open the stores of a second process beside an empty book."""
    folder = tmp_path / "killed"
    folder.mkdir()
    async with a_floor(folder) as floor:
        yield floor


async def is_killed(floor: Floor, fuse: Fuse) -> bool:
    """Live until the fuse kills; say whether it did."""
    try:
        await floor.live(fuse)
    except Killed:
        return True
    return False


@dataclass
class Snapshots:
    """What a killed process leaves at moments of its day: the book's files as they were, and what was told by then."""

    floor: Floor
    every: int
    first: int
    taken: dict[int, tuple[dict[str, bytes], int]] = field(default_factory=dict)

    def look(self, moment: int) -> None:
        """Copy what is there, at one moment in so many."""
        if moment % self.every == self.first:
            files = {path.name: path.read_bytes() for path in self.floor.folder.glob("book.db*")}
            files.pop("book.db-shm", None)  # a process's own, made anew by the next
            self.taken[moment] = files, len(self.floor.told)

    def put_back(self, moment: int, told: list[tuple[str, Any]]) -> None:
        """Leave everything as it was at a moment."""
        for path in self.floor.folder.glob("book.db*"):
            path.unlink()
        files, count = self.taken[moment]
        for name, content in files.items():
            (self.floor.folder / name).write_bytes(content)
        self.floor.told[:] = told[:count]


def assert_same(floor: Floor, reference: Reference, moment: object) -> None:
    """Compare everything that is left with the undisturbed day."""
    rows = floor.rows()
    for name in reference.rows:
        assert rows[name] == reference.rows[name], f"{name} differ, killed at {moment}"
    told = {identity(each): each for each in floor.events_told()}
    assert told == reference.told, f"what was told differs, killed at {moment}"
    in_order: dict[str, int] = {}
    for record in told.values():
        if identity(record)[0] == "order":
            assert record.sequence == in_order.get(record.client_order_id, 0) + 1, f"out of order, killed at {moment}"
            in_order[record.client_order_id] = record.sequence


async def test_the_day_has_everything_in_it(reference: Reference) -> None:
    """The handmade day is worth killing: fills, protective orders, refusals, failures, square-off and expiry."""
    orders = reference.outcome.orders
    tags = Counter((order.tag, order.state) for order in orders)
    states = {each.name: each.status for each in reference.outcome.strategies}
    assert tags["stop", OrderState.FILLED] >= 2
    assert tags["target", OrderState.FILLED] >= 1
    assert tags["target", OrderState.CANCELLED] >= 2
    assert tags["failed", OrderState.FILLED] == 1
    assert tags["square-off", OrderState.FILLED] >= 3
    assert {OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELLED} <= {order.state for order in orders}
    assert states["holder"] is states["thrower"] is StrategyStatus.FAILED
    assert any(order.sequence > 4 and order.quantity == 9 for order in orders), "one was modified"
    assert [result.is_done for result in reference.outcome.results].count(False) == 3
    assert {row.product: row.net_quantity for row in reference.outcome.positions if row.net_quantity} == {"CNC": 4}


async def test_the_topic_tells_what_the_book_has(reference: Reference) -> None:
    """Every event, fill and position change of the book was told, and nothing else."""
    outcome = reference.outcome
    in_book = {identity(each): each for each in (*outcome.events, *outcome.fills, *outcome.position_events)}
    assert reference.told == in_book


async def test_each_signal_is_acted_on_at_most_once(reference: Reference) -> None:
    """No signal leads to two entries, no intent to two orders, no order to two fills."""
    outcome = reference.outcome
    entries = Counter(order.signal_id for order in outcome.orders if order.tag == "entry" and order.signal_id)
    assert set(entries.values()) == {1}
    assert max(Counter(order.client_order_id for order in outcome.orders).values()) == 1
    assert max(Counter(fill.client_order_id for fill in outcome.fills).values()) == 1


@pytest.mark.parametrize("part", range(SLICES))
async def test_a_kill_at_any_moment_changes_nothing(part: int, reference: Reference, empty: Floor) -> None:
    """Killed once before the n-th commit or publication, for every n, the day ends as if it had not been."""
    snapshots = Snapshots(empty, SLICES, part)
    await empty.live(Fuse(looks=snapshots.look))
    told = list(empty.told)
    assert len(snapshots.taken) >= reference.moments // SLICES
    for moment in snapshots.taken:
        snapshots.put_back(moment, told)
        await empty.live()
        assert_same(empty, reference, moment)


async def test_a_kill_after_the_last_moment_changes_nothing(reference: Reference, empty: Floor) -> None:
    """Killed right after the last thing that left, the day is over and stays as it is."""
    assert await is_killed(empty, Fuse(reference.moments, is_after=True))
    await empty.live()
    assert_same(empty, reference, "the end")


@pytest.mark.parametrize(("moments", "when"), [(3, "before"), (7, "before"), (2, "after"), (5, "after")])
async def test_a_life_of_a_few_moments_gets_through_the_day(
    reference: Reference, empty: Floor, moments: int, when: str
) -> None:
    """Killed at every few moments all day long, the account still gets through it, and ends the same."""
    kills = 0
    while await is_killed(empty, Fuse(moments, is_after=when == "after")):
        kills += 1
        assert kills < 2 * reference.moments, "it makes no headway"
    assert kills > reference.moments // 10
    assert_same(empty, reference, f"every {moments}, {when}")


async def test_a_command_given_again_returns_the_first_result(reference: Reference, empty: Floor) -> None:
    """Commands that are read again after the day change nothing."""
    await empty.live()
    await empty.live()
    assert_same(empty, reference, "the end, read again")
    results = [record for topic, record in empty.told if topic == "command_results"]
    commands = sum(map(len, the_day().commands.values()))
    assert results[:commands] == results[commands:] == reference.outcome.results
