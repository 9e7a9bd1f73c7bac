"""Instrument keys, closed vocabularies and the error tree."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import (
    Broken,
    DecodeError,
    Exchange,
    Instrument,
    Interval,
    InvalidValue,
    Kind,
    LeaseHeld,
    Misconfigured,
    NiftyflowError,
    Provenance,
    Refused,
    Retryable,
    Unavailable,
    Unknown,
    UnknownInstrument,
    errors,
    instrument_key,
    parse_instrument,
    split_key,
)
from support.records import SYMBOLS, a_candle, a_tick


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("RELIANCE", "NSE:RELIANCE"),
        ("nse:reliance", "NSE:RELIANCE"),
        (" BSE : 500325 ", "BSE:500325"),
        ("NIFTY 50", "NSE:NIFTY 50"),
        ("M&M", "NSE:M&M"),
        ("nfo:nifty25nov26000ce", "NFO:NIFTY25NOV26000CE"),
    ],
)
def test_an_instrument_is_read_as_a_trader_writes_it(text: str, key: str) -> None:
    """A bare symbol means NSE; case and spaces around do not matter."""
    assert parse_instrument(text) == key


@pytest.mark.parametrize(
    ("text", "field"),
    [("NYSE:IBM", "exchange"), (":TCS", "exchange"), ("", "symbol"), ("NSE: ", "symbol")],
)
def test_what_is_no_instrument_is_refused(text: str, field: str) -> None:
    """The refusal names the half that is wrong."""
    with pytest.raises(InvalidValue) as refused:
        parse_instrument(text)
    assert refused.value.field == field


@given(st.sampled_from(Exchange), SYMBOLS.filter(lambda symbol: symbol == symbol.strip()))
def test_a_key_splits_into_what_it_was_joined_from(exchange: Exchange, symbol: str) -> None:
    """Joining, splitting and reading agree."""
    key = instrument_key(exchange, symbol)
    assert split_key(key) == (exchange, symbol)
    assert parse_instrument(key) == key


def test_records_know_their_instrument() -> None:
    """Tick, candle and instrument spell the key alike."""
    instrument = Instrument(exchange=Exchange.NSE, symbol="RELIANCE", kind=Kind.EQUITY)
    assert a_tick().instrument == a_candle().instrument == instrument.key == "NSE:RELIANCE"


def test_intervals_have_their_length_in_session_minutes() -> None:
    """A day has no fixed length: sessions differ."""
    assert {interval.value: interval.minutes for interval in Interval} == {
        "1m": 1, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "30m": 30, "1h": 60, "1d": 0,
    }  # fmt: skip


def test_a_provenance_is_stored_as_a_number_and_spelled_by_name() -> None:
    """The numbers are in databases: they never change."""
    assert [(provenance.value, provenance.label) for provenance in Provenance] == [
        (0, "live"),
        (1, "official"),
        (2, "repaired"),
        (3, "synthetic"),
    ]
    assert all(Provenance.of(provenance.label) is provenance for provenance in Provenance)


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (Unavailable("Kafka", "no answer in 5 s"), Retryable),
        (InvalidValue("ltp", -1.0, "a price is above zero"), Refused),
        (UnknownInstrument("NSE:NONE"), Refused),
        (LeaseHeld("raw-ticks/0", "process 71"), Refused),
        (Misconfigured("the folder is read-only"), Refused),
        (DecodeError("cut short", b"\x00\x01"), Broken),
        (Unknown("no answer to the order"), NiftyflowError),
    ],
)
def test_an_error_belongs_to_the_group_that_says_what_to_do(error: NiftyflowError, parent: type) -> None:
    """Every error says something, and is caught by what the caller does next."""
    groups = {Retryable, Refused, Broken, Unknown}
    assert isinstance(error, parent)
    assert isinstance(error, NiftyflowError)
    assert sum(isinstance(error, group) for group in groups) == 1
    assert str(error)


def test_the_drawn_tree_is_the_real_tree() -> None:
    """The module's docstring names every class, and no class that does not exist."""
    drawn = [line.split("── ")[-1].split()[0] for line in (errors.__doc__ or "").splitlines() if line.strip()][1:]
    real = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, NiftyflowError)}
    assert sorted(drawn) == sorted(real)


def test_an_error_keeps_what_a_log_needs() -> None:
    """Bytes, field, service and holder are attributes, not only prose."""
    assert DecodeError("cut short", b"\x00\x01").data == b"\x00\x01"
    assert (InvalidValue("ltp", 0, "rule").field, InvalidValue("ltp", 0, "rule").rule) == ("ltp", "rule")
    assert str(Unavailable("Kafka", "refused")) == "Kafka is unavailable: refused"
    assert str(LeaseHeld("raw-ticks/0", "process 71")) == "raw-ticks/0 is held by process 71"
