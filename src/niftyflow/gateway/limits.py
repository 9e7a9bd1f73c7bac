"""How often each key may ask: a token bucket a key, which all gateways on one hot store share.

It knows names, rates and a clock for waiting, and answers nobody. A hot store that is away leaves each gateway with its
own buckets: nobody is refused for that, and nobody let through.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from niftyflow.gateway.settings import GatewaySettings
from niftyflow.kit.clock import monotonic
from niftyflow.kit.health import Health
from niftyflow.kit.log import get_logger
from niftyflow.model import Refused, Retryable
from niftyflow.storage.ports import HotStore
from niftyflow.storage.token_bucket import ALMOST_ONE

log = get_logger(__name__)

MOST_BUCKETS = 10_000
REST_SECONDS: Final = 1.0
"""Between two looks whether a hot store that failed is back; one request makes them, which may wait for it."""
STANDARD: Final = "standard"
WORKER: Final = "gateway"


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


class Limits:
    """The limit of each key by its tier; what a tier is not known by has the standard's.

    This process's own bucket comes first: what it refuses no other would let through, and it knows what was taken
    here when the hot store goes away.
    """

    def __init__(
        self, hot: HotStore, health: Health, rates: Mapping[str, Rate], seconds: Callable[[], float] = monotonic
    ) -> None:
        self._hot = hot
        self._health = health
        self._rates = rates
        self._seconds = seconds
        self._own = Buckets(seconds)
        self._is_away = False
        self._rests_until = 0.0

    def rate(self, tier: str) -> Rate:
        """Return the rate of a tier."""
        return self._rates.get(tier) or self._rates[STANDARD]

    async def take(self, name: str, tier: str) -> float:
        """Take a token and return 0, or return the seconds after which there will be one."""
        rate = self.rate(tier)
        wait = self._own.take(name, rate)
        if wait or not self._hot.is_shared or not self._is_worth_asking():
            return wait
        try:
            wait = await self._hot.take_tokens(f"rate_limit:{name}", rate.per_second, rate.burst)
        except (Retryable, Refused) as error:
            self._failed(str(error))
        else:
            self._answered()
        return wait

    def _is_worth_asking(self) -> bool:
        if not self._is_away:
            return True
        now = self._seconds()
        if now < self._rests_until:
            return False
        self._rests_until = now + REST_SECONDS
        return True

    def _failed(self, reason: str) -> None:
        self._rests_until = self._seconds() + REST_SECONDS
        if not self._is_away:
            log.warning("limits_not_shared", reason=reason)
            self._health.worker(WORKER).runs(f"limits are not shared with other gateways: {reason}")
        self._is_away = True

    def _answered(self) -> None:
        if self._is_away:
            log.info("limits_shared_again")
            self._health.worker(WORKER).runs()
        self._is_away = False


def rates_of(settings: GatewaySettings) -> dict[str, Rate]:
    """Return the rate of each tier."""
    return {
        STANDARD: Rate(settings.standard_per_second, settings.standard_burst),
        "premium": Rate(settings.premium_per_second, settings.premium_burst),
        "owner": Rate(settings.owner_per_second, settings.owner_burst),
    }
