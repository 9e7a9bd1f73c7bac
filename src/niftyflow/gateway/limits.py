"""How often each key may ask: a token bucket a key, in this process.

It knows names, rates and a clock for waiting; it neither answers nor logs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from niftyflow.gateway.settings import GatewaySettings
from niftyflow.kit.clock import monotonic

MOST_BUCKETS = 10_000
ALMOST_ONE = 1 - 1e-6
"""Whoever comes back when told must not find that a rounding is missing."""


class Rate(NamedTuple):
    """Requests a second, and how many at once after a pause."""

    per_second: float
    burst: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """Token buckets by name; of more than `MOST_BUCKETS` the one used longest ago is forgotten, which fills it."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str, rate: Rate) -> float:
        """Take a token and return 0, or return the seconds after which there will be one."""
        now = self._seconds()
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets.popitem(last=False)
            bucket = self._buckets[name] = _Bucket(float(rate.burst), now)
        else:
            self._buckets.move_to_end(name)
            bucket.tokens = min(float(rate.burst), bucket.tokens + (now - bucket.at) * rate.per_second)
            bucket.at = now
        if bucket.tokens >= ALMOST_ONE:
            bucket.tokens = max(0.0, bucket.tokens - 1)
            return 0.0
        return (1 - bucket.tokens) / rate.per_second


def rates_of(settings: GatewaySettings) -> dict[str, Rate]:
    """Return the rate of each tier."""
    return {
        "standard": Rate(settings.standard_per_second, settings.standard_burst),
        "premium": Rate(settings.premium_per_second, settings.premium_burst),
        "owner": Rate(settings.owner_per_second, settings.owner_burst),
    }
