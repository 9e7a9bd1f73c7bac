"""Dated market facts of NSE and BSE: sessions and phases, candle buckets, instruments, contract rules, charges.

Everything is data with a validity and a source (`market/data/`), loaded on first use; nothing here reads a clock.
"""

from niftyflow.market.buckets import NO_BUCKET, bucket_of, minute_buckets, minute_mask
from niftyflow.market.calendar import (
    Session,
    SessionClass,
    Span,
    day_start,
    is_trading_day,
    ist_day,
    minutes_expected,
    next_close,
    next_open,
    phase,
    session,
    session_class,
    span_at,
)
from niftyflow.market.charges import (
    ZERODHA,
    BrokerPlan,
    ChargePart,
    ChargeRow,
    Charges,
    ChargesUnknown,
    PlanTerms,
    charges_of,
    known_charges,
    known_terms,
    plan,
)
from niftyflow.market.contracts import Fact, expiry_weekday, is_index_underlying, known_facts, lot_size, tick_size
from niftyflow.market.instruments import InstrumentBook
from niftyflow.market.tables import CalendarUnknown, Phase, Segment, Status

__all__ = [
    "NO_BUCKET",
    "ZERODHA",
    "BrokerPlan",
    "CalendarUnknown",
    "ChargePart",
    "ChargeRow",
    "Charges",
    "ChargesUnknown",
    "Fact",
    "InstrumentBook",
    "Phase",
    "PlanTerms",
    "Segment",
    "Session",
    "SessionClass",
    "Span",
    "Status",
    "bucket_of",
    "charges_of",
    "day_start",
    "expiry_weekday",
    "is_index_underlying",
    "is_trading_day",
    "ist_day",
    "known_charges",
    "known_facts",
    "known_terms",
    "lot_size",
    "minute_buckets",
    "minute_mask",
    "minutes_expected",
    "next_close",
    "next_open",
    "phase",
    "plan",
    "session",
    "session_class",
    "span_at",
    "tick_size",
]
