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
