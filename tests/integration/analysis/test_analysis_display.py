"""What analysis shows in the hot store, and that nothing waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from niftyflow.analysis.display import RESULTS, RESULTS_KEPT
from niftyflow.model import Refused, Unavailable
from niftyflow.storage.memory_hot import MemoryHotStore
from support.analysis_floors import Floor, cards_of, floor, tape, walk

KEYS = ["NSE:ALPHA", "NSE:BETA", "NSE:GAMMA INDEX"]
ALPHA = KEYS[:1]


@pytest.fixture
async def ground(tmp_path) -> AsyncIterator[Floor]:
    """A log and stores, empty."""
    async with floor(tmp_path) as opened:
        yield opened


async def test_the_hot_store_shows_the_last_indicators_and_the_newest_scorecards(ground):
    """JSON under the public names, unknown numbers null; the stream keeps about a thousand."""
    await ground.put(*tape(walk(KEYS, 400)))
    await ground.analyze()
    shown = msgspec.json.decode(await ground.hot.get("indicators:NSE:GAMMA INDEX:1m"))
    last = cards_of(await ground.told())[-1]
    assert (shown["time"], shown["rsi"], shown["vwap"]) == (int(last.time[2]), float(last.rsi[2]), None)
    assert shown["composite_score"] == float(last.composite_score[2])
    assert 80 < await ground.hot.ttl("indicators:NSE:ALPHA:1m") <= 90
    entries = await ground.hot.read_stream(RESULTS, count=5000)
    assert RESULTS_KEPT - 1 <= len(entries) <= RESULTS_KEPT + 110
    newest = msgspec.json.decode(entries[-1][1]["scorecard"])
    assert (newest["symbol"], newest["bars"]) == ("GAMMA INDEX", 400)
    assert newest["missing"]["vwap"] == "nothing was traded in volume yet"


class CountingHotStore(MemoryHotStore):
    """A hot store that counts how it is asked to add to a stream."""

    one_by_one = together = 0

    async def add_to_stream(self, key, fields, max_length) -> str:
        """Count a round trip for one entry."""
        self.one_by_one += 1
        return await super().add_to_stream(key, fields, max_length)

    async def add_all_to_stream(self, key, entries, max_length) -> list[str]:
        """Count a round trip for all entries."""
        self.together += 1
        return await super().add_all_to_stream(key, entries, max_length)


async def test_scorecards_are_shown_in_one_round_trip_a_batch(ground):
    """Not in one for each instrument and minute."""
    hot = CountingHotStore()
    await hot.open()
    await ground.put(*tape(walk(KEYS, 12)))
    await ground.analyze(hot=hot)
    assert len(await hot.read_stream(RESULTS, count=5000)) == 12 * len(KEYS)
    assert hot.one_by_one == 0
    assert 1 <= hot.together < 12


class AwayHotStore(MemoryHotStore):
    """A hot store that does not answer."""

    calls = 0

    async def set_many(self, values, ttl_seconds=None) -> None:  # noqa: ARG002 - the port's
        """Fail."""
        self.calls += 1
        raise Unavailable("hot store", "the test says so")


async def test_a_hot_store_that_is_away_holds_nothing_up(ground, capsys):
    """Every minute is told; the log says once that nothing is shown."""
    hot = AwayHotStore()
    await ground.put(*tape(walk(ALPHA, 12)))
    await ground.analyze(hot=hot, records=3)
    assert len(cards_of(await ground.told())) == 12
    assert hot.calls > 3
    said = capsys.readouterr()
    assert (said.out + said.err).count("not_shown") == 1


class HangingHotStore(MemoryHotStore):
    """A hot store that never answers."""

    async def set_many(self, values, ttl_seconds=None) -> None:  # noqa: ARG002 - the port's
        """Wait for ever."""
        await asyncio.Event().wait()


class FullHotStore(MemoryHotStore):
    """A hot store that takes nothing more."""

    async def set_many(self, values, ttl_seconds=None) -> None:  # noqa: ARG002 - the port's
        """Refuse."""
        raise Refused("it is full")


@pytest.mark.parametrize("hot", [HangingHotStore(), FullHotStore()])
async def test_a_hot_store_that_hangs_or_refuses_holds_nothing_up(ground, hot):
    """A screen that looks old is no reason to decide late."""
    await ground.put(*tape(walk(ALPHA, 3)))
    await asyncio.wait_for(ground.analyze(hot=hot), 60)
    assert len(cards_of(await ground.told())) == 3
