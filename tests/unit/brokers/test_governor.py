"""One rate governor in one process: who goes when, what is refused, and what happens while the ledger is in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from niftyflow.brokers.capabilities import RateLimit
from niftyflow.brokers.governor import RateGovernor
from niftyflow.brokers.governor_leases import HeldLease
from niftyflow.brokers.governor_ledgers import FileLedger, MemoryLedger, PermitLedger
from niftyflow.brokers.governor_settings import GovernorSettings
from niftyflow.brokers.governor_windows import KindState
from niftyflow.kit.clock import VirtualClock, monotonic
from niftyflow.model import InvalidValue, Misconfigured, Refused, Unavailable
from support.forgetful_ledger import ForgetfulLedger
from support.waiting import until
from support.windows import most_in_window

MORNING = 1_790_000_000_000
"""2026-09-21 19:03 in India."""
MARGIN = 0.05
FAST = (RateLimit("orders", 5, 0.2), RateLimit("quotes", 1, 0.1))
HOURLY = (RateLimit("orders", 10, 3600),)


@asynccontextmanager
async def governing(
    ledger: PermitLedger, limits: tuple[RateLimit, ...] = FAST, **changes: Any
) -> AsyncIterator[RateGovernor]:
    """Give a governor that hardly waits."""
    given = {"margin_seconds": MARGIN, "settle_seconds": 0, "look_seconds": 0.05, "patience_seconds": 0.1, **changes}
    governor = RateGovernor("AB1234", limits, ledger, VirtualClock(MORNING), GovernorSettings.model_validate(given))
    try:
        yield governor
    finally:
        await governor.close()


async def take(governor: RateGovernor, times: list[float], kind: str = "orders", *, is_urgent: bool = False) -> None:
    """Take a permit and note when."""
    await governor.take(kind, is_urgent=is_urgent)
    times.append(monotonic())


def state_of(ledger: ForgetfulLedger, kind: str = "orders") -> KindState:
    """Return what a ledger holds of a kind."""
    return msgspec.msgpack.decode(ledger.held[f"AB1234/{kind}"], type=KindState)


async def test_strategies_of_a_process_share_a_limit():
    """Four at once, in two governors on one ledger: no window, with its margin, holds more than five."""
    ledger, times = MemoryLedger(), []
    async with governing(ledger) as one, governing(ledger) as other, asyncio.timeout(60):
        await asyncio.gather(*(take(governor, times) for governor in (one, other) * 12))
    assert len(times) == 24
    assert most_in_window(times, 0.2) <= 5


async def test_kinds_do_not_wait_for_one_another():
    """The second quote waits, and orders go on."""
    times: list[float] = []
    async with governing(MemoryLedger(), (FAST[0], RateLimit("quotes", 1, 3600))) as governor:
        await governor.take("quotes")
        waiting = asyncio.create_task(governor.take("quotes"))
        await asyncio.gather(*(take(governor, times) for _ in range(5)))
        assert len(times) == 5
        assert not waiting.done()
        waiting.cancel()


async def test_urgent_calls_go_before_others_and_each_in_its_order():
    """Five are gone; of those who wait the urgent one goes first, then who came first."""
    order: list[str] = []

    async def call(name: str) -> None:
        await governor.take("quotes", is_urgent=name == "cancel")
        order.append(name)

    async with governing(MemoryLedger()) as governor, asyncio.timeout(60):
        await governor.take("quotes")
        calls = [asyncio.create_task(call(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0.02)
        calls.append(asyncio.create_task(call("cancel")))
        await asyncio.gather(*calls)
    assert order == ["cancel", "first", "second", "third"]


async def test_quiet_times_need_no_exchange_for_each_call():
    """A block is at hand: two calls more without asking; what is left of it is given back."""
    ledger = ForgetfulLedger()
    async with governing(ledger, HOURLY, look_seconds=5, reserve_permits=0, lease_seconds=5) as governor:
        await governor.take("orders")
        calls = ledger.calls
        await governor.take("orders")
        assert ledger.calls == calls
    assert sum(entry.count for entry in state_of(ledger).entries) == 2


async def test_a_caller_who_goes_away_leaves_its_permit_to_the_next():
    """Cancelled while waiting, and cancelled when the permit was dealt already."""
    async with governing(MemoryLedger(), (RateLimit("orders", 1, 0.3),)) as governor, asyncio.timeout(60):
        await governor.take("orders")
        gone = asyncio.create_task(governor.take("orders"))
        stays = asyncio.create_task(governor.take("orders"))
        await asyncio.sleep(0.01)
        gone.cancel()
        await stays
    assert gone.cancelled()


def test_a_permit_whose_callers_turn_comes_too_late_is_not_used():
    """Its end was an hour ago by then; one that went back may be dealt again, and what is dealt is not over."""
    lease = HeldLease("a", count=2, life=250, given_at=0, asked_at=10.0, days=(1,))
    assert lease.deal(10.0)
    assert lease.deal(10.1)
    assert not lease.deal(10.1)
    lease.undeal()
    assert lease.deal(10.2)
    assert lease.use(10.248)
    assert not lease.is_over(3610.0)
    assert not lease.use(3610.0)
    assert lease.is_over(3610.0)
    assert not HeldLease("b", count=1, life=250, given_at=0, asked_at=10.0, days=(1,)).deal(10.249)


async def test_a_days_count_that_is_spent_refuses_and_says_when_it_comes_back():
    """Not by waiting until midnight; the next day calls leave again."""
    limits = (RateLimit("orders", 50, 0.1), RateLimit("orders", 3, 86_400))
    ledger, clock = MemoryLedger(), VirtualClock(MORNING)
    governor = RateGovernor("AB1234", limits, ledger, clock, GovernorSettings(margin_seconds=0))
    for _ in range(3):
        await governor.take("orders")
    with pytest.raises(Refused, match=r"the 3 calls of kind orders .* from 2026-09-22 00:00:05\+05:30 on"):
        await governor.take("orders")
    clock.advance_to(MORNING + 6 * 3_600_000)
    await governor.take("orders")
    await governor.close()


async def test_calls_of_a_kind_without_a_limit_are_refused():
    """Nothing leaves uncounted; nor does anything from a governor that is closed."""
    async with governing(MemoryLedger()) as governor:
        with pytest.raises(InvalidValue, match="no limit is declared"):
            await governor.take("margins")
    with pytest.raises(Refused, match="closed"):
        await governor.take("orders")


async def test_a_429_stops_a_kind_and_slows_it_in_every_process():
    """The permits at hand too; the other governor hears of it by the ledger."""
    ledger, times = MemoryLedger(), []
    async with governing(ledger) as one, governing(ledger) as other, asyncio.timeout(60):
        await asyncio.gather(one.take("orders"), other.take("orders"))
        begun = monotonic()
        one.slowed("orders", 0.5)
        await take(one, times)
        assert times[0] - begun >= 0.5
        await asyncio.sleep(0.6)
        times.clear()
        await asyncio.gather(*(take(other, times) for _ in range(8)))
    assert most_in_window(times, 0.2) <= 2


async def test_those_who_wait_when_it_closes_are_told():
    """They do not hang."""
    async with governing(MemoryLedger(), (RateLimit("orders", 1, 3600),)) as governor:
        await governor.take("orders")
        waiting = asyncio.create_task(governor.take("orders"))
        await asyncio.sleep(0.01)
    with pytest.raises(Refused):
        await waiting


async def test_without_its_ledger_only_what_was_put_by_for_urgent_calls_leaves():
    """One cancel; the next one and every new order are refused, and health says so. Then it is back."""
    ledger = ForgetfulLedger()
    async with governing(ledger, HOURLY) as governor, asyncio.timeout(60):
        await governor.start()
        assert governor.trouble == ""
        ledger.is_away = True
        with pytest.raises(Unavailable, match="no call leaves without a permit"):
            await governor.take("orders")
        assert "1 urgent calls may leave" in governor.trouble
        await governor.take("orders", is_urgent=True)
        with pytest.raises(Unavailable):
            await governor.take("orders", is_urgent=True)
        ledger.is_away = False
        await until(lambda: governor.trouble == "")
        await governor.take("orders")
        await until(lambda: sum(entry.count for entry in state_of(ledger).entries) == 3)  # a new one is put by


async def test_a_ledger_that_forgot_is_told_again():
    """By those who have seen it, so that no call is counted less; its first word is to wait."""
    ledger = ForgetfulLedger()
    async with governing(ledger, HOURLY, reserve_permits=0, block_permits=1, settle_seconds=0.2) as governor:
        await governor.start()
        for _ in range(4):
            await governor.take("orders")
        kept = ledger.held.copy()
        await governor.take("orders")
        for held in ({}, kept):
            begun = monotonic()
            ledger.held = dict(held)
            await governor.take("orders")
            assert held or monotonic() - begun >= 0.19
    assert sum(entry.count for entry in state_of(ledger).entries) == 7


async def test_an_answer_that_was_lost_counts_as_used():
    """The permits were perhaps given: they are never used, and never given again."""
    ledger = ForgetfulLedger()
    async with governing(ledger, HOURLY, reserve_permits=0, block_permits=1, look_seconds=5) as governor:
        ledger.is_answer_lost = True
        with pytest.raises(Unavailable):
            await governor.take("orders")
        ledger.is_answer_lost = False
        lost = sum(entry.count for entry in state_of(ledger).entries)
        await governor.take("orders")
    assert lost >= 1
    assert sum(entry.count for entry in state_of(ledger).entries) == lost + 1


async def test_a_ledgers_clock_that_jumps_ahead_opens_nothing():
    """Two hours at once do not end the hour's window."""
    ledger = ForgetfulLedger()
    async with governing(ledger, HOURLY, reserve_permits=0) as governor:
        await asyncio.gather(*(governor.take("orders") for _ in range(10)))
        ledger.jumped_ms = 7_200_000
        waiting = asyncio.create_task(governor.take("orders"))
        await asyncio.sleep(0.4)
        assert not waiting.done()
        waiting.cancel()


async def test_a_damaged_ledger_refuses_every_call(tmp_path):
    """Saying what to do; so does a folder that cannot be written."""
    ledger = ForgetfulLedger()
    ledger.held["AB1234/orders"] = b"damaged"
    async with governing(ledger) as governor:
        with pytest.raises(Misconfigured, match="remove it"):
            await governor.take("orders")
        ledger.held.clear()
    (tmp_path / "file").write_text("in the way")
    async with governing(FileLedger(tmp_path / "file" / "folder")) as governor:
        with pytest.raises(Misconfigured, match="permits cannot be kept"):
            await governor.take("orders")


async def test_too_many_who_wait_are_refused_at_once():
    """A thousand of a kind, no more."""
    async with governing(MemoryLedger(), (RateLimit("orders", 1, 3600),)) as governor:
        await governor.take("orders")
        waiting = [asyncio.create_task(governor.take("orders")) for _ in range(1000)]
        await asyncio.sleep(0.05)
        with pytest.raises(Refused, match="1000 calls of kind orders wait"):
            await governor.take("orders")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
