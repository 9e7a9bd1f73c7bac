"""What Kite's sessions go by: the checksum that proves a secret, and the hour at which every token dies.

Pure, so that whoever plays Kite's part goes by the same rules. It holds no token and no secret.
"""

from __future__ import annotations

import hashlib
from typing import Final

from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.kit.clock import IST_OFFSET_MS

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


def checksum_of(*parts: str) -> str:
    """Return Kite's checksum of parts: the SHA-256 of them joined, in hex.

    A login's parts are key, one-time token and secret; a postback's are order id, order time and secret.
    """
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def token_dies_at(now: int) -> int:
    """Return when a token got at `now` (ms UTC) may die: the next 06:00 in India, the earliest that Kite names."""
    hour = KITE.token_dies_at_minute * _MINUTE_MS - IST_OFFSET_MS
    return hour + ((now - hour) // _DAY_MS + 1) * _DAY_MS
