"""What a broker can do and how often it may be asked, as data: an adapter declares it, the platform reads it.

It holds no code of any broker, opens nothing and counts nothing: the rate governor does the counting.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from niftyflow.model import Interval, OrderType, Product


class CallKind(StrEnum):
    """The classes of calls a broker counts apart; every call of an adapter belongs to exactly one."""

    ORDERS = "orders"
    QUOTES = "quotes"
    HISTORY = "history"
    OTHER = "other"


class RateLimit(msgspec.Struct, frozen=True):
    """At most `count` calls of `kind` in any window of `seconds`; one kind may have several limits, all of them hold.

    A window of 86,400 seconds means the trading day of the broker, which starts at midnight in India.
    """

    kind: str
    count: int
    seconds: float


class Variety(StrEnum):
    """How an order is handed in; `gtt` is no variety: it is a trigger kept by the broker."""

    REGULAR = "regular"
    AMO = "amo"
    COVER = "co"
    ICEBERG = "iceberg"
    AUCTION = "auction"


class Standing(StrEnum):
    """How long an order can stand at a broker; `ttl` is a number of minutes."""

    DAY = "DAY"
    IOC = "IOC"
    TTL = "TTL"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What one broker can do. Sets are sorted tuples, so that they print and compare the same everywhere.

    `tag_characters` is 0 when the broker does not carry our order id; otherwise the id comes back in its order book.
    `token_dies_at_minute` is the minute of the day in India at which a day's session ends, whenever it was opened.
    `history_days` is the longest span of one history call, in calendar days, by interval.
    """

    name: str
    products: tuple[Product, ...]
    order_types: tuple[OrderType, ...]
    validities: tuple[Standing, ...]
    varieties: tuple[Variety, ...]
    tag_characters: int
    needs_market_protection: bool
    has_gtt: bool
    has_convert: bool
    has_margins: bool
    has_charges: bool
    rate_limits: tuple[RateLimit, ...]
    history_days: dict[Interval, int]
    quote_instruments: int
    ltp_instruments: int
    feed_instruments: int
    feed_connections: int
    token_dies_at_minute: int


class RateGate(Protocol):
    """What every call passes before it leaves; built by the rate governor, one for an account."""

    async def take(self, kind: str, *, is_urgent: bool = False) -> None:
        """Wait until a call of that kind may leave, which it then must do at once.

        Urgent is what takes risk away: a cancel, a closing order. It goes before every other one.

        Raises:
            Retryable: the governor cannot be asked now; the call must not leave.
            Refused: the day's limit is used up.
        """
        ...

    def slowed(self, kind: str, seconds: float) -> None:
        """Hear that the broker answered 429: no call of that kind leaves for `seconds`."""
        ...
