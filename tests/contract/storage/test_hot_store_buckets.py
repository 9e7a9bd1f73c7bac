"""What every hot store does with token buckets: one rule, which the gateway's own buckets follow too."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niftyflow.gateway.limits import Buckets, Rate
from niftyflow.model import Refused
from niftyflow.storage import HotStore
from support.stores import SecondsClock

names = count()
rates = st.floats(0.01, 10_000, allow_nan=False)
waits = st.lists(st.one_of(st.just(0.0), st.floats(0, 5, allow_nan=False)), min_size=1, max_size=30)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=rates, burst=st.integers(1, 20), asked_after=waits)
async def test_a_bucket_answers_as_the_gateways_own_to_the_last_bit(
    hot: HotStore, rate: float, burst: int, asked_after: list[float]
):
    """Whatever the rate, the burst and the pauses."""
    clock = SecondsClock()
    own, key = Buckets(clock), f"rate_limit:{next(names)}"
    for seconds in asked_after:
        clock.now += seconds
        assert await hot.take_tokens(key, rate, burst, clock.now) == own.take(key, Rate(rate, burst))


async def test_who_comes_back_when_told_gets_a_token(hot: HotStore):
    """A third of a token a second is never a rounding short."""
    for _ in range(2):
        assert await hot.take_tokens("rate_limit:a", 1 / 3, 2, 100.0) == 0
    now = 100.0
    for _ in range(20):
        wait = await hot.take_tokens("rate_limit:a", 1 / 3, 2, now)
        assert wait > 0
        now += wait
        assert await hot.take_tokens("rate_limit:a", 1 / 3, 2, now) == 0


async def test_a_clock_that_steps_back_neither_fills_nor_empties_a_bucket(hot: HotStore):
    """It goes on from the time it is told."""
    assert await hot.take_tokens("rate_limit:a", 1, 2, 5000.0) == 0
    assert await hot.take_tokens("rate_limit:a", 1, 2, 1000.0) == 0
    assert await hot.take_tokens("rate_limit:a", 1, 2, 1000.5) == pytest.approx(0.5)
    assert await hot.take_tokens("rate_limit:a", 1, 2, 1001.0) == 0


async def test_by_the_stores_own_clock_as_many_pass_at_once_as_the_burst(hot: HotStore):
    """Fifty at the same time, a burst of ten and hardly a refill."""
    waits_told = await asyncio.gather(*(hot.take_tokens("rate_limit:a", 0.001, 10) for _ in range(50)))
    assert sorted(waits_told)[:10] == [0.0] * 10
    assert all(900 < wait <= 1000 for wait in sorted(waits_told)[10:])
    assert await hot.take_tokens("rate_limit:b", 0.001, 10) == 0


async def test_a_bucket_is_a_hash_that_lives_until_it_is_full_again(hot: HotStore):
    """A minute at least; a bucket of ten hours is kept for ten hours."""
    await hot.take_tokens("rate_limit:a", 10, 10)
    await hot.take_tokens("rate_limit:b", 1 / 3600, 10)
    assert sorted(await hot.get_hash("rate_limit:a")) == ["at", "tokens"]
    short, long = await hot.ttl("rate_limit:a"), await hot.ttl("rate_limit:b")
    assert short is not None
    assert 30 < short <= 60
    assert long is not None
    assert 35_900 < long <= 36_000


async def test_fields_that_are_no_numbers_make_a_full_bucket(hot: HotStore):
    """Somebody else wrote there."""
    await hot.set_hashes({"rate_limit:a": {"tokens": b"many", "at": b""}})
    assert await hot.take_tokens("rate_limit:a", 1, 1, 10.0) == 0
    assert await hot.take_tokens("rate_limit:a", 1, 1, 10.25) == 0.75


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (float("nan"), 1), (1, 0)])
async def test_a_bucket_that_gives_nothing_is_refused(hot: HotStore, rate: float, burst: int):
    """No rate, or no room for a token."""
    with pytest.raises(Refused):
        await hot.take_tokens("rate_limit:a", rate, burst)
    assert await hot.get_hash("rate_limit:a") == {}


async def test_a_key_that_is_no_hash_is_refused(hot: HotStore):
    """And unchanged."""
    await hot.set_many({"rate_limit:a": b"1"})
    with pytest.raises(Refused, match="WRONGTYPE"):
        await hot.take_tokens("rate_limit:a", 1, 1)
    assert await hot.get("rate_limit:a") == b"1"
    assert await hot.ttl("rate_limit:a") is None
