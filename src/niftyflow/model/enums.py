"""Closed vocabularies of the platform; an unknown wire value is an error, never a new string."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Exchange(StrEnum):
    """Exchange segment, as in the first half of an instrument key."""

    NSE = "NSE"
    BSE = "BSE"
    NFO = "NFO"
    BFO = "BFO"
    CDS = "CDS"
    BCD = "BCD"
    MCX = "MCX"


class Kind(StrEnum):
    """What an instrument is; with `has_derivatives` it decides the session hours."""

    EQUITY = "equity"
    INDEX = "index"
    FUTURE = "future"
    OPTION = "option"


class Interval(StrEnum):
    """Candle interval; intraday ones are anchored at the session's open."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M10 = "10m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    D1 = "1d"

    @property
    def minutes(self) -> int:
        """Length in session minutes; 0 for a whole day."""
        return _MINUTES[self]


_MINUTES = {
    Interval.M1: 1,
    Interval.M3: 3,
    Interval.M5: 5,
    Interval.M10: 10,
    Interval.M15: 15,
    Interval.M30: 30,
    Interval.H1: 60,
    Interval.D1: 0,
}


class Provenance(IntEnum):
    """Where a candle's numbers come from; stored as the integer, spelled by name on topics."""

    LIVE = 0
    OFFICIAL = 1
    REPAIRED = 2
    SYNTHETIC = 3

    @property
    def label(self) -> str:
        """The lower-case name used in JSON and tables."""
        return self.name.lower()

    @classmethod
    def of(cls, label: str) -> Provenance:
        """Return the provenance a label names.

        Raises:
            KeyError: no such provenance.
        """
        return cls[label.upper()]


class Side(StrEnum):
    """Which way an order or a signal goes."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 to buy, -1 to sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Product(StrEnum):
    """How a position is held: within the day, delivered, or carried (derivatives)."""

    MIS = "MIS"
    CNC = "CNC"
    NRML = "NRML"


class OrderType(StrEnum):
    """What an order waits for; SL and SL-M wait for their trigger price first."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"
    SL_M = "SL-M"


class Validity(StrEnum):
    """How long an order stands: until the session's end, or not at all."""

    DAY = "DAY"
    IOC = "IOC"


class OrderState(StrEnum):
    """Where an order is. `unknown` is left only by the broker's own statement; the last four are final."""

    INTENDED = "intended"
    SENT = "sent"
    ACCEPTED = "accepted"
    OPEN = "open"
    PART_FILLED = "part_filled"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in _FINAL


_FINAL = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})


class Recommendation(IntEnum):
    """What a scorecard says, as a step from -2 to 2; spelled by name on topics."""

    STRONG_SELL = -2
    SELL = -1
    HOLD = 0
    BUY = 1
    STRONG_BUY = 2


class Sentiment(StrEnum):
    """Mood of the market as a whole."""

    BULLISH = "BULLISH"
    NEUTRAL = "NEUTRAL"
    BEARISH = "BEARISH"


class CommandKind(StrEnum):
    """What can be asked of trading."""

    PLACE_ORDER = "place_order"
    MODIFY_ORDER = "modify_order"
    CANCEL_ORDER = "cancel_order"
    SQUARE_OFF = "square_off"
    SET_KILL_SWITCH = "set_kill_switch"
    START_STRATEGY = "start_strategy"
    STOP_STRATEGY = "stop_strategy"


class StrategyStatus(StrEnum):
    """Whether a strategy runs; one that threw is failed, and runs again only when it is started again."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"


class PositionChange(StrEnum):
    """What a fill did to a position."""

    OPENED = "opened"
    INCREASED = "increased"
    REDUCED = "reduced"
    CLOSED = "closed"
    FLIPPED = "flipped"
