"""A rate limit's token bucket: one rule, in Python for the store in memory and as the script that Redis runs whole.

Both do the same arithmetic on the same doubles, so that a test may compare them bit for bit. No clock is read here.
"""

from __future__ import annotations

import math
from typing import Final

from niftyflow.model import InvalidValue

ALMOST_ONE: Final = 1 - 1e-6
"""Whoever comes back when told must not find that a rounding is missing."""
LEAST_LIFE_SECONDS: Final = 60.0

SCRIPT: Final = """\
local rate, burst, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(held[1] or ''), tonumber(held[2] or '')
if tokens and at then
  tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
else
  tokens = burst
end
local wait = 0
if tokens >= tonumber(ARGV[4]) then
  tokens = math.max(0, tokens - 1)
else
  wait = (1 - tokens) / rate
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return string.format('%.17g', wait)
"""
"""KEYS: the bucket. ARGV: rate, burst, now (empty: the server's clock), `ALMOST_ONE`, life in ms."""


def take(held: dict[str, bytes], now: float, rate: float, burst: int) -> tuple[dict[str, bytes], float]:
    """Take a token of the bucket that a hash holds, at `now` seconds; return its fields after, and the seconds to wait.

    A clock that steps back neither fills the bucket nor empties it.
    """
    tokens, at = _number(held.get("tokens")), _number(held.get("at"))
    left = float(burst) if tokens is None or at is None else min(burst, tokens + max(0.0, now - at) * rate)
    wait = 0.0
    if left >= ALMOST_ONE:
        left = max(0.0, left - 1)
    else:
        wait = (1 - left) / rate
    return {"tokens": b"%.17g" % left, "at": b"%.17g" % now}, wait


def check(rate: float, burst: int) -> None:
    """Refuse a rate that never gives a token, or a bucket that holds none.

    Raises:
        InvalidValue: it is so.
    """
    if not 0 < rate < math.inf:
        raise InvalidValue("rate", rate, "a bucket gets some tokens a second")
    if burst < 1:
        raise InvalidValue("burst", burst, "a bucket holds at least one token")


def life_seconds(rate: float, burst: int) -> float:
    """Return for how long a bucket must be kept: once it is full it says no more than none."""
    return max(LEAST_LIFE_SECONDS, burst / rate)


def _number(text: bytes | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
