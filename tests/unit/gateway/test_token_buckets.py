"""Token buckets: a burst, then the rate, and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from niftyflow.gateway import limits
from niftyflow.gateway.limits import Buckets, Rate, rates_of
from niftyflow.gateway.settings import GatewaySettings


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
