"""What Kite Connect v3 can do and how often it may be asked (its documentation and official clients).

It holds data only. Placing, changing and cancelling all count as orders here: the exchange sees each as a message.
"""

from __future__ import annotations

from typing import Final

from niftyflow.brokers.capabilities import CallKind, Capabilities, RateLimit, Standing, Variety
from niftyflow.model import Interval, OrderType, Product

NAME: Final = "kite"
SECONDS_OF_DAY: Final = 86_400.0

KITE: Final = Capabilities(
    name=NAME,
    products=(Product.CNC, Product.MIS, Product.NRML),
    order_types=(OrderType.LIMIT, OrderType.MARKET, OrderType.SL, OrderType.SL_M),
    validities=(Standing.DAY, Standing.IOC, Standing.TTL),
    varieties=(Variety.AMO, Variety.AUCTION, Variety.COVER, Variety.ICEBERG, Variety.REGULAR),
    tag_characters=20,
    needs_market_protection=True,
    has_gtt=True,
    has_convert=True,
    has_margins=True,
    has_charges=True,
    rate_limits=(
        RateLimit(CallKind.ORDERS, 10, 1.0),
        RateLimit(CallKind.ORDERS, 400, 60.0),
        RateLimit(CallKind.ORDERS, 5000, SECONDS_OF_DAY),
        RateLimit(CallKind.QUOTES, 1, 1.0),
        RateLimit(CallKind.HISTORY, 3, 1.0),
        RateLimit(CallKind.OTHER, 10, 1.0),
    ),
    history_days={
        Interval.M1: 60,
        Interval.M3: 100,
        Interval.M5: 100,
        Interval.M10: 100,
        Interval.M15: 200,
        Interval.M30: 200,
        Interval.H1: 400,
        Interval.D1: 2000,
    },
    quote_instruments=500,
    ltp_instruments=1000,
    feed_instruments=3000,
    feed_connections=3,
    token_dies_at_minute=6 * 60,
)
