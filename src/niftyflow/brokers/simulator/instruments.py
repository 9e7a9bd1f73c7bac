"""Kite-like identities for what the simulator plays: numeric tokens, kinds, and the instruments file clients load.

A token is exchange token times 256 plus the segment's byte, as Kite makes it. It depends on the instrument's key and,
where two keys collide, on the other keys of the tape: clients load it from the simulator and never guess it.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable, Sequence

import msgspec

from niftyflow.brokers.kite.wire import INDICES
from niftyflow.model import Exchange, Instrument, Kind, parse_instrument, split_key

SEGMENTS = {
    Exchange.NSE: 1,
    Exchange.NFO: 2,
    Exchange.CDS: 3,
    Exchange.BSE: 4,
    Exchange.BFO: 5,
    Exchange.BCD: 6,
    Exchange.MCX: 7,
}
_DERIVATIVES = {Exchange.NFO, Exchange.BFO, Exchange.CDS, Exchange.BCD, Exchange.MCX}
_EXCHANGE_TOKENS = (1 << 23) - 1
"""Tokens stay below 2^31, as Kite's do: its own JavaScript client reads them as signed numbers."""
_HEADER = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike", "tick_size",
    "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip


def named(symbols: Iterable[str], indices: Iterable[str] = ()) -> list[Instrument]:
    """Return instruments with tokens for `SYMBOL` or `EXCHANGE:SYMBOL` names; those in `indices` are index values.

    Raises:
        InvalidValue: a name has an unknown exchange or no symbol.
    """
    index_names = set(indices)
    keys = {symbol: parse_instrument(symbol) for symbol in symbols}
    return with_tokens([instrument_of(key, is_index=symbol in index_names) for symbol, key in keys.items()])


def instrument_of(key: str, *, is_index: bool = False, token: str = "") -> Instrument:
    """Return an instrument of which only the key is known: on a derivatives segment it counts as a future."""
    exchange, symbol = split_key(key)
    kind = Kind.FUTURE if Exchange(exchange) in _DERIVATIVES else Kind.EQUITY
    kind = Kind.INDEX if is_index else kind
    return Instrument(exchange=Exchange(exchange), symbol=symbol, kind=kind, token=token, name=symbol)


def with_tokens(instruments: Sequence[Instrument]) -> list[Instrument]:
    """Return the instruments with a token each; one that has a token keeps it."""
    taken = {int(each.token) for each in instruments if each.token}
    tokens: dict[str, int] = {}
    for each in sorted(instruments, key=lambda one: one.key):
        if each.token:
            continue
        segment = INDICES if each.kind is Kind.INDEX else SEGMENTS[each.exchange]
        exchange_token = 1 + zlib.crc32(each.key.encode()) % _EXCHANGE_TOKENS
        while exchange_token << 8 | segment in taken:
            exchange_token = 1 + exchange_token % _EXCHANGE_TOKENS
        tokens[each.key] = exchange_token << 8 | segment
        taken.add(tokens[each.key])
    return [each if each.token else msgspec.structs.replace(each, token=str(tokens[each.key])) for each in instruments]


def instruments_csv(instruments: Iterable[Instrument]) -> str:
    """Return the instruments file as Kite's REST serves it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for each in instruments:
        token = int(each.token)
        instrument_type, segment = _type_and_segment(each)
        writer.writerow(
            [
                token, token >> 8, each.symbol, each.name or each.symbol, 0,
                "" if each.expiry is None else each.expiry.isoformat(), each.strike or 0, each.tick_size,
                each.lot_size, instrument_type, segment, each.exchange.value,
            ]
        )  # fmt: skip
    return text.getvalue()


def _type_and_segment(instrument: Instrument) -> tuple[str, str]:
    match instrument.kind:
        case Kind.INDEX:
            return "EQ", "INDICES"
        case Kind.FUTURE:
            return "FUT", f"{instrument.exchange}-FUT"
        case Kind.OPTION:
            return instrument.right or "CE", f"{instrument.exchange}-OPT"
        case _:
            return "EQ", instrument.exchange.value
