"""The shared language: records, columnar batches, ids, enums and the error tree. Imports nothing of ours."""

from niftyflow.model.batches import CandleBatch, Name, NameTable, TickBatch, milliseconds, moment
from niftyflow.model.enums import Exchange, Interval, Kind, Provenance
from niftyflow.model.errors import (
    Broken,
    DecodeError,
    InvalidValue,
    LeaseHeld,
    Misconfigured,
    NiftyflowError,
    Refused,
    Retryable,
    Unavailable,
    Unknown,
    UnknownInstrument,
)
from niftyflow.model.ids import InstrumentKey, instrument_key, parse_instrument, split_key
from niftyflow.model.records import Candle, DeadLetter, FeedGap, Instrument, Tick, Watermark

__all__ = [
    "Broken",
    "Candle",
    "CandleBatch",
    "DeadLetter",
    "DecodeError",
    "Exchange",
    "FeedGap",
    "Instrument",
    "InstrumentKey",
    "Interval",
    "InvalidValue",
    "Kind",
    "LeaseHeld",
    "Misconfigured",
    "Name",
    "NameTable",
    "NiftyflowError",
    "Provenance",
    "Refused",
    "Retryable",
    "Tick",
    "TickBatch",
    "Unavailable",
    "Unknown",
    "UnknownInstrument",
    "Watermark",
    "instrument_key",
    "milliseconds",
    "moment",
    "parse_instrument",
    "split_key",
]
