"""Instruments and moments for tests of market facts."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from niftyflow.market import Segment, SessionClass, Status
from niftyflow.market.tables import tables
from niftyflow.model import Exchange, Instrument, Kind, milliseconds

IST = ZoneInfo("Asia/Kolkata")

INFY = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, has_derivatives=True)
SMALL_SHARE = Instrument(exchange=Exchange.NSE, symbol="SMALLCO", kind=Kind.EQUITY)
BSE_RELIANCE = Instrument(exchange=Exchange.BSE, symbol="RELIANCE", kind=Kind.EQUITY, has_derivatives=True)
BSE_SMALL_SHARE = Instrument(exchange=Exchange.BSE, symbol="SMALLCO", kind=Kind.EQUITY)
NIFTY_50 = Instrument(exchange=Exchange.NSE, symbol="NIFTY 50", kind=Kind.INDEX, has_derivatives=True)
SMALLCAP_250 = Instrument(exchange=Exchange.NSE, symbol="NIFTY SMLCAP 250", kind=Kind.INDEX)
NIFTY_FUTURE = Instrument(
    exchange=Exchange.NFO,
    symbol="NIFTY26DECFUT",
    kind=Kind.FUTURE,
    underlying="NIFTY",
    expiry=date(2026, 12, 29),
    lot_size=65,
)
SENSEX_OPTION = Instrument(
    exchange=Exchange.BFO, symbol="SENSEX26DEC90000CE", kind=Kind.OPTION, underlying="SENSEX", expiry=date(2026, 12, 31)
)
INFY_FUTURE = Instrument(
    exchange=Exchange.NFO, symbol="INFY26DECFUT", kind=Kind.FUTURE, underlying="INFY", expiry=date(2026, 12, 29)
)

CLASSES = [SessionClass(exchange, segment) for exchange in (Exchange.NSE, Exchange.BSE) for segment in Segment]
HOURS_KNOWN_FROM = date(2009, 1, 1)
LAST_DAY = date(2026, 12, 31)


def ist(day: str | date, time: str) -> int:
    """Return a time of day in Asia/Kolkata as ms UTC."""
    return milliseconds(datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=IST))


def days_of_unknown_hours() -> set[date]:
    """Return the days that traded at hours no source states."""
    return {day for (_, day), session in tables().special.items() if session.status is Status.UNKNOWN}
