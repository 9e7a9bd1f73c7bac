"""Token buckets: a burst, then the rate, and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.gateway import limits
from niftyflow.gateway.limits import REST_SECONDS, Buckets, Limits, Rate, rates_of
from niftyflow.gateway.settings import GatewaySettings
from niftyflow.kit.health import Health
from niftyflow.model import Unavailable
from niftyflow.storage.memory_hot import MemoryHotStore


class Seconds:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_the_next_is_told_how_long_to_wait():
    """The wait is until one token is there."""
    seconds = Seconds()
    buckets, rate = Buckets(seconds), Rate(10, 3)
    assert [buckets.take("a", rate) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", rate) == 0.1
    seconds.now += 0.1
    assert buckets.take("a", rate) == 0
    assert buckets.take("a", rate) > 0


def test_each_name_has_a_bucket_of_its_own():
    """One key's load is not another's."""
    buckets, rate = Buckets(Seconds()), Rate(1, 1)
    assert buckets.take("a", rate) == 0
    assert buckets.take("b", rate) == 0
    assert buckets.take("a", rate) > 0


def test_a_pause_fills_no_more_than_the_burst():
    """However long it was."""
    seconds = Seconds()
    buckets, rate = Buckets(seconds), Rate(10, 2)
    buckets.take("a", rate)
    seconds.now += 3600
    assert [buckets.take("a", rate) for _ in range(3)] == [0, 0, 0.1]


@given(gaps=st.lists(st.floats(0, 2), max_size=200), per_second=st.floats(0.5, 50), burst=st.integers(1, 20))
def test_no_span_lets_more_through_than_burst_and_rate(gaps, per_second, burst):
    """Whatever the timing."""
    seconds = Seconds()
    buckets, passed = Buckets(seconds), 0
    for gap in gaps:
        seconds.now += gap
        passed += buckets.take("a", Rate(per_second, burst)) == 0
    assert passed <= burst + (seconds.now - 100) * per_second + 1e-3


def test_the_bucket_used_longest_ago_makes_room(monkeypatch):
    """Memory is bounded, whoever asks."""
    monkeypatch.setattr(limits, "MOST_BUCKETS", 2)
    buckets, rate = Buckets(Seconds()), Rate(1, 1)
    for name in ("a", "b", "a", "c"):
        buckets.take(name, rate)
    assert list(buckets._buckets) == ["a", "c"]


def test_every_tier_has_its_rate_from_the_settings():
    """Standard 10 and 20, premium 50 and 100, unless set."""
    rates = rates_of(GatewaySettings(owner_per_second=7, owner_burst=9))
    assert rates == {"standard": (10, 20), "premium": (50, 100), "owner": (7, 9)}


class ServerSeen(MemoryHotStore):
    """A hot store that others see, asked for tokens so often; it can be away."""

    is_shared = True
    is_away = False
    asked = 0

    async def take_tokens(self, key: str, rate: float, burst: int, now: float | None = None) -> float:
        """Count, and fail while it is away."""
        self.asked += 1
        if self.is_away:
            raise Unavailable("hot store", "it is away")
        return await super().take_tokens(key, rate, burst, now)


RATES = {"standard": Rate(0.001, 3), "owner": Rate(1000, 1000)}


async def test_two_processes_share_a_limit_and_one_without_a_shared_store_asks_nobody():
    """Three pass in both together; what a tier is not known by has the standard's rate."""
    hot = ServerSeen()
    one, other = Limits(hot, Health(), RATES), Limits(hot, Health(), RATES)
    waits = [await (one, other)[n % 2].take("a", "unheard of") for n in range(6)]
    assert [wait > 0 for wait in waits] == [False] * 3 + [True] * 3
    alone = MemoryHotStore()
    limits_alone = Limits(alone, Health(), RATES)
    assert [await limits_alone.take("a", "standard") > 0 for _ in range(4)] == [False] * 3 + [True]
    assert alone.used_bytes == 0


async def test_what_the_own_bucket_refuses_is_not_asked_of_the_store():
    """Who asks far too often costs it nothing."""
    hot = ServerSeen()
    limited = Limits(hot, Health(), RATES)
    for _ in range(50):
        await limited.take("a", "standard")
    assert hot.asked == 3


async def test_a_store_that_is_away_is_asked_once_a_second_and_its_return_is_told():
    """By one request; the worker runs all the while, and says what it does without."""
    hot, health, seconds = ServerSeen(), Health(), Seconds()
    limited, worker = Limits(hot, health, RATES, seconds), health.worker(limits.WORKER)
    worker.runs()
    hot.is_away = True
    assert [await limited.take("a", "owner") for _ in range(20)] == [0.0] * 20
    assert hot.asked == 1
    assert (worker.state.value, "not shared" in worker.reason) == ("running", True)
    seconds.now += REST_SECONDS
    assert [await limited.take("a", "owner") for _ in range(20)] == [0.0] * 20
    assert hot.asked == 2
    hot.is_away = False
    seconds.now += REST_SECONDS
    assert [await limited.take("a", "owner") for _ in range(20)] == [0.0] * 20
    assert hot.asked == 22
    assert worker.reason == ""
