"""The matching engine: a pure exchange for our own accounts among a replayed market. No clock, no I/O."""

from niftyflow.brokers.matching.exchange import Exchange
from niftyflow.brokers.matching.gtt import GttBook, GttFired, GttOrder, GttStatus
from niftyflow.brokers.matching.hours import Mode
from niftyflow.brokers.matching.messages import (
    AUTOMATIC_PROTECTION,
    Depth,
    DepthLevel,
    EventKind,
    ExchangeEvent,
    Listing,
    NewOrder,
    OrderChange,
    OrderStatus,
    OrderView,
    Refusal,
    TimeInForce,
    Trade,
    Variety,
)
from niftyflow.brokers.matching.quotes import NOT_TOLD, Quote, Quotes
from niftyflow.brokers.matching.settings import Hours, MatchingSettings, SelfTrade

__all__ = [
    "AUTOMATIC_PROTECTION",
    "NOT_TOLD",
    "Depth",
    "DepthLevel",
    "EventKind",
    "Exchange",
    "ExchangeEvent",
    "GttBook",
    "GttFired",
    "GttOrder",
    "GttStatus",
    "Hours",
    "Listing",
    "MatchingSettings",
    "Mode",
    "NewOrder",
    "OrderChange",
    "OrderStatus",
    "OrderView",
    "Quote",
    "Quotes",
    "Refusal",
    "SelfTrade",
    "TimeInForce",
    "Trade",
    "Variety",
]
