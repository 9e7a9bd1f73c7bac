"""The demo's market: a past made once, days that go on, and a restart that begins where the log ends."""

from __future__ import annotations

import asyncio
from datetime import date

import msgspec
import numpy as np
import pytest

from niftyflow.brokers.simulator.pace import Pace
from niftyflow.kit.clock import monotonic
from niftyflow.market import day_start, ist_day
from niftyflow.model import Interval, InvalidValue, Misconfigured, Provenance
from niftyflow.runtime.demo_market import FIRST_DAY, MINUTES_IN, PAST_DAYS, DemoMarket, Steering, trading_days
from niftyflow.runtime.demo_settings import write_settings
from niftyflow.runtime.settings import load
from niftyflow.runtime.stores import market_of
from niftyflow.runtime.wiring import Does, Process, engines
from niftyflow.runtime.workspace import Workspace
from support.waiting import until

MINUTE_MS = 60_000
OPENS = day_start(FIRST_DAY) + 555 * MINUTE_MS


async def played(workspace: Workspace, until_time: int) -> tuple[int, int]:
    """Play a demo's ticks until a moment of its market; return from where it went on, and where it ended."""
    settings = load(workspace.settings_file)
    async with engines(workspace, settings) as on:
        market = DemoMarket(workspace, 600)
        await market.open(on.market, on.journal)
        began = market.clock.now()
        process = Process(workspace, settings, on)
        running = asyncio.create_task(
            process.run(market.feed(), market.instruments, market.clock, does=Does.PROCESSING, supervised=True)
        )
        await until(lambda: market.clock.now() >= until_time or running.done())
        process.stop()
        await running
        last = await on.journal.last_watermark("raw-ticks", 0)
        assert last is not None
        return began, last.time


async def test_a_new_demo_has_a_past_and_goes_on_to_the_second_from_start_to_start(tmp_path):
    """Five whole sessions and the first half hour as candles; then ticks, none of them missing or twice."""
    workspace = Workspace(tmp_path / "ws").create()
    start = OPENS + MINUTES_IN * MINUTE_MS
    first, ended = await played(workspace, start + 3 * MINUTE_MS)
    assert first == start
    again, later = await played(workspace, start + 7 * MINUTE_MS)
    assert again == ended
    assert later > again
    async with market_of(workspace, read_only=True) as market:
        found = await market.first_told(0, 1 << 60, ["NSE:RELIANCE"])
        assert await market.gaps(0, 1 << 60) == []
        counts = await market.count_candles(Interval.M1, 0, OPENS)
    assert set(found.provenance.tolist()) == {int(Provenance.SYNTHETIC)}
    assert not found.incomplete.any()
    today = found.time[found.time >= OPENS]
    assert today.tolist() == list(range(OPENS, int(today[-1]) + 1, MINUTE_MS))
    assert int(today[-1]) >= start + 5 * MINUTE_MS
    days = sorted({ist_day(int(time)) for time in found.time if time < OPENS})
    assert len(days) == PAST_DAYS
    assert counts["NSE:RELIANCE"] == PAST_DAYS * 375
    moves = np.abs(np.diff(np.log(found.close)))
    assert moves.max() < 0.05  # nobody's price jumps back over a night, nor where ticks follow candles


async def test_the_state_is_kept_before_a_day_begins_and_a_damaged_one_is_refused(tmp_path):
    """Two days of closes at most: the older one may not be played to its end yet."""
    workspace = Workspace(tmp_path / "ws").create()
    file = workspace.path / "demo.json"
    closes = [100.0] * 51
    file.write_bytes(msgspec.json.encode({"seed": 1, "closes": {"2026-01-02": closes, "2026-01-05": closes}}))
    async with engines(workspace, load(workspace.settings_file)) as on:
        market = DemoMarket(workspace, 10)
        await market.open(on.market, on.journal)
        market._begins(date(2026, 1, 6), [101.0] * 51)
        kept = msgspec.json.decode(file.read_bytes())
        assert sorted(kept["closes"]) == ["2026-01-05", "2026-01-06"]
        file.write_text("{")
        with pytest.raises(Misconfigured, match="--fresh"):
            await DemoMarket(workspace, 10).open(on.market, on.journal)


def test_speed_and_pause_change_at_the_moment_they_are_changed():
    """The market's time neither jumps nor goes back."""
    pace = Pace(10)
    pace.anchor(monotonic(), OPENS)
    steering = Steering(pace)
    steering.change(speed=600)
    assert OPENS <= pace.due(monotonic()) < OPENS + 60_000
    steering.change(is_paused=True)
    stands = pace.due(monotonic())
    assert (steering.speed, steering.is_paused) == (600, True)
    assert pace.due(monotonic() + 5) == stands
    steering.change(is_paused=False, speed=1)
    assert stands <= pace.due(monotonic()) < stands + 10_000
    for wrong in (0.0, 601.0, float("nan"), float("inf")):
        with pytest.raises(InvalidValue, match="speed"):
            steering.change(speed=wrong)
    assert steering.speed == 1


def test_the_demo_s_days_are_the_calendar_s():
    """Weekends and holidays are no days; it ends where the calendar does."""
    days = [day for day, _ in trading_days(FIRST_DAY)]
    assert days[0] == FIRST_DAY
    assert date(2026, 1, 10) not in days
    assert date(2026, 1, 26) not in days
    assert len(days) > 200


def test_a_new_demo_gets_settings_that_are_valid_and_an_old_one_keeps_its_own(tmp_path):
    """For their owner alone."""
    workspace = Workspace(tmp_path / "ws").create()
    write_settings(workspace)
    assert {each.kind for each in load(workspace.settings_file).trading.strategies} == {"ema-cross", "signal-follower"}
    assert workspace.settings_file.stat().st_mode & 0o777 == 0o600
    workspace.settings_file.write_text("")
    write_settings(workspace)
    assert workspace.settings_file.read_text() == ""
