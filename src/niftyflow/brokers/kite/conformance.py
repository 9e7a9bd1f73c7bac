"""What the conformance cases need to know of Kite: which recording is which answer, and where it is simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from niftyflow.brokers.conformance.testkit import CandleQuestion, Kit, RecordedGround
from niftyflow.brokers.kite.adapter import KITE_ADAPTER
from niftyflow.brokers.kite.reading import time_of
from niftyflow.brokers.kite.simulated import KiteSimulator
from niftyflow.model import Exchange, Instrument, Interval, Kind

RECORDINGS: Final = {
    ("POST", "/session/token"): "generate_session.json",
    ("GET", "/user/profile"): "profile.json",
    ("GET", "/user/margins"): "margins.json",
    ("GET", "/portfolio/holdings"): "holdings.json",
    ("GET", "/portfolio/positions"): "positions.json",
    ("GET", "/orders"): "orders.json",
    ("GET", "/trades"): "trades.json",
    ("GET", "/instruments"): "instruments_nse.csv",
    ("GET", "/quote"): "quote.json",
    ("GET", "/quote/ltp"): "ltp.json",
    ("GET", "/quote/ohlc"): "ohlc.json",
    ("GET", "/gtt/triggers"): "gtt_get_orders.json",
    ("POST", "/margins/orders"): "order_margins.json",
    ("POST", "/margins/basket"): "basket_margins.json",
    ("POST", "/charges/orders"): "virtual_contract_note.json",
}
"""The names of Zerodha's published mocks of its REST (github.com/zerodha/kiteconnect-mocks), a route each."""
STAND_INS: Final = {
    ("GET", "/trades"): ("order_trades.json", b'{"status":"success","data":%s}'),
    ("GET", "/gtt/triggers"): ("gtt_get_order.json", b'{"status":"success","data":[%s]}'),
}
"""Where the list was not recorded, the same rows of another route: one order's trades, one trigger."""
_CANDLES: Final = "historical_minute.json"
_TOKEN_OF_INFY: Final = "408065"  # noqa: S105 - an instrument's
_RECORDED_SHARE: Final = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, token=_TOKEN_OF_INFY)
_MINUTE_MS: Final = 60_000
_NOON: Final = 1_700_030_400_000
"""The adapter's time while recordings are read: 15 November 2023, 12:10 in India."""
_NEVER_SECONDS: Final = 3600.0


class _Candles(msgspec.Struct):
    candles: list[list[object]]


class _Envelope(msgspec.Struct):
    data: msgspec.Raw


class _CandlesFile(msgspec.Struct):
    data: _Candles


def recorded(folder: Path) -> RecordedGround:
    """Return the ground of a folder of recordings, or of `mocks` below it."""
    folder = folder / "mocks" if (folder / "mocks").is_dir() else folder
    answers = {route: body for route, name in RECORDINGS.items() if (body := _body(folder / name)) is not None}
    for route, (name, envelope) in STAND_INS.items():
        body = _body(folder / name)
        if body is not None:
            answers.setdefault(route, envelope % bytes(msgspec.json.decode(body, type=_Envelope).data))
    candles: tuple[CandleQuestion, ...] = ()
    body = _body(folder / _CANDLES)
    if body is not None:
        answers["GET", f"/instruments/historical/{_TOKEN_OF_INFY}/minute"] = body
        times = [time_of(str(row[0])) for row in msgspec.json.decode(body, type=_CandlesFile).data.candles]
        candles = (CandleQuestion(_RECORDED_SHARE, Interval.M1, times[0], times[-1] + _MINUTE_MS),)
    return RecordedGround(
        adapter=KITE_ADAPTER, answers=answers, options=_options, shares=(_RECORDED_SHARE.key,), candles=candles,
        at=_NOON, by_itself=(("GET", "/orders"),),
    )  # fmt: skip


def _options(root: str) -> dict[str, object]:
    return {
        "root": root, "login_page": f"{root}/connect/login", "api_key": "recorded", "api_secret": "recorded",
        "socket_root": "", "poll_seconds": _NEVER_SECONDS,
    }  # fmt: skip


def _body(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


KIT: Final = Kit(recorded=recorded, simulator=KiteSimulator)
