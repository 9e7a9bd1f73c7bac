"""Routes of the market: clock, instruments, prices, quotes, candles.

They read, and compute nothing that other layers decide; what is not known is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from niftyflow.gateway.candle_columns import MOST, columns_of
from niftyflow.gateway.day_so_far import DaySoFar
from niftyflow.gateway.envelope import success
from niftyflow.gateway.instruments_known import KnownInstruments, key_of
from niftyflow.gateway.market_clock import MarketClock
from niftyflow.gateway.prices import Prices
from niftyflow.gateway.routing import Route
from niftyflow.gateway.schemas_common import answers
from niftyflow.gateway.schemas_market import (
    CandlesAnswer,
    ClockAnswer,
    InstrumentAnswer,
    PriceAnswer,
    QuoteAnswer,
)
from niftyflow.gateway.sources import Sources, sources_of
from niftyflow.model import Instrument, Interval, InvalidValue, Kind, UnknownInstrument

router = APIRouter(tags=["market"], route_class=Route)

LATEST: Final = 250_000_000_000_000
"""ms UTC, in the year 9892: later times are beyond any calendar."""
MOST_PRICES: Final = 500
MOST_QUOTES: Final = 100
LONGEST_SYMBOLS: Final = 20_000

PRICE: Final = {
    "symbol": "NSE:RELIANCE", "ltp": 2850.5, "change": 12.25, "change_percent": 0.4316, "previous_close": 2838.25,
    "volume": 4211000, "bid": 2850.25, "ask": 2850.75, "time": 1795425300000, "age_seconds": 0.4,
}  # fmt: skip
CANDLES: Final = {
    "symbol": "NSE:RELIANCE", "interval": "1m", "time": [1795425300000], "open": [2845.0], "high": [2851.0],
    "low": [2844.0], "close": [2850.5], "volume": [150000], "vwap": [2847.8], "trades": [350], "incomplete": [False],
    "revision": [0],
    "open_candle": {"time": 1795425360000, "open": 2850.5, "high": 2852.0, "low": 2850.0, "close": 2851.5,
                    "volume": 21000},
}  # fmt: skip
CLOCK: Final = {
    "time": 1795425300000, "day": "2026-11-23", "phase": "continuous", "is_open": True, "next_change": 1795447800000,
    "speed": 1.0, "is_paused": False, "is_demo": False, "last_tick_at": 1795425299000, "data_age_seconds": 1.0,
}  # fmt: skip
INSTRUMENT: Final = {
    "symbol": "NSE:RELIANCE", "name": "RELIANCE INDUSTRIES", "kind": "equity", "lot_size": 1, "tick_size": "0.05",
    "has_derivatives": True,
}  # fmt: skip

Symbols = Annotated[
    str | None,
    Query(
        description="EXCHANGE:SYMBOL or SYMBOL (of the NSE), separated by commas; left out: all that are listed",
        examples=["NSE:RELIANCE,TCS"],
        min_length=1,
        max_length=LONGEST_SYMBOLS,
    ),
]
Symbol = Annotated[
    str,
    Query(description="EXCHANGE:SYMBOL or SYMBOL (of the NSE)", examples=["NSE:RELIANCE"], min_length=1, max_length=64),
]
Moment = Annotated[int | None, Query(ge=0, le=LATEST, description="ms UTC", examples=[1795425300000])]


@dataclass(frozen=True, slots=True)
class MarketViews:
    """What the market's routes and channels look through; made once for an application."""

    instruments: KnownInstruments
    prices: Prices
    days: DaySoFar
    clock: MarketClock


def market_views(sources: Sources) -> MarketViews:
    """Return the views over some sources."""
    return MarketViews(sources.instruments, Prices(sources), DaySoFar(sources), MarketClock(sources))


def market_of(connection: HTTPConnection) -> MarketViews:
    """Return the views of the application that a request or socket came to."""
    views: MarketViews = connection.app.state.market
    return views


@router.get(
    "/api/v1/prices", operation_id="getPrices", summary="Last prices",
    responses=answers(list[PriceAnswer], "unknown_instrument", example=[PRICE], means="In the order asked"),
)  # fmt: skip
async def prices(request: Request, symbols: Symbols = None) -> Response:
    """Return the last price of up to 500 instruments, with its change from the last close before the day.

    A price is the last tick's, and when there was none for five minutes the last stored candle's close. What is not
    known is null.
    """
    views = market_of(request)
    return success(await views.prices.encoded(await _keys(views, symbols, MOST_PRICES)))


@router.get(
    "/api/v1/quotes", operation_id="getQuotes", summary="Last prices and the day so far",
    responses=answers(
        list[QuoteAnswer], "unknown_instrument", means="In the order asked",
        example=[PRICE | {"open": 2840.0, "high": 2861.0, "low": 2836.5, "vwap": 2849.1, "trades": 48211}],
    ),
)  # fmt: skip
async def quotes(request: Request, symbols: Symbols = None) -> Response:
    """Return up to 100 prices as `/prices` does, and each day's open, high, low, average price and trades so far."""
    views = market_of(request)
    found = await views.prices.of(await _keys(views, symbols, MOST_QUOTES))
    return success([await views.days.quote(price) for price in found])


@router.get(
    "/api/v1/candles", operation_id="getCandles", summary="Candles of an instrument",
    responses=answers(CandlesAnswer, "unknown_instrument", "refused", example=CANDLES, means="Oldest first"),
)  # fmt: skip
async def candles(
    request: Request,
    symbol: Symbol,
    interval: Annotated[Literal["1m", "3m", "5m", "15m", "30m", "1h", "1d"], Query()] = "1m",
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Newest candles of the span")] = 500,
) -> Response:
    """Return the newest `limit` candles with `since` <= time < `until`, oldest first, and the one under way.

    Intervals above a minute are anchored at the session's open and built from at most 50,000 minutes, so there may be
    fewer than asked: ask on with `until` set to the first one's time. It is refused where the calendar does not know
    a day that candles must be built of.
    """
    begins, ends = since or 0, LATEST if until is None else until
    if since is not None and until is not None and since >= until:
        raise InvalidValue("since", since, "it is before until")
    key = key_of(symbol)
    found = await columns_of(sources_of(request), key, Interval(interval), begins, ends, limit)
    if not found["time"] and found["open_candle"] is None:
        await _refuse_unknown(request, key)
    return success(found)


@router.get(
    "/api/v1/instruments", operation_id="getInstruments", summary="Instruments of the day",
    responses=answers(list[InstrumentAnswer], example=[INSTRUMENT], means="By symbol"),
)  # fmt: skip
async def instruments(
    request: Request,
    query: Annotated[str, Query(max_length=64, description="Part of a symbol or name", examples=["RELI"])] = "",
    kind: Annotated[Literal["equity", "index", "future", "option"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=5_000)] = 500,
) -> Response:
    """Return instruments that are listed on the data's day, whose symbol or name has `query` in it."""
    known = (await market_of(request).instruments.today()).values()
    wanted = query.strip().upper()
    found = [
        _instrument(each)
        for each in known
        if (kind is None or each.kind is Kind(kind)) and (wanted in each.key or wanted in each.name.upper())
    ]
    return success(found[:limit])


@router.get(
    "/api/v1/clock", operation_id="getClock", summary="Time of the data, and market phase",
    responses=answers(ClockAnswer, example=CLOCK),
)  # fmt: skip
async def clock(request: Request) -> Response:
    """Return the time of the data, which a demo plays faster than the wall's, what the market does, and how old the
    newest tick is.
    """  # noqa: D205
    return success(await market_of(request).clock.view())


async def _keys(views: MarketViews, symbols: str | None, most: int) -> list[str]:
    """Return the keys asked for, each once, in the order asked.

    Raises:
        InvalidValue: one cannot be, or they are too many.
    """
    if symbols is None:
        return list(await views.instruments.today())[:most]
    keys = list(dict.fromkeys([key_of(text) for text in symbols.split(",")]))
    if len(keys) > most:
        raise InvalidValue("symbols", f"{len(keys)} of them", f"at most {most} at once")
    return keys


async def _refuse_unknown(request: Request, key: str) -> None:
    """Raise when nothing is known of an instrument: neither listed nor with a candle at any time."""
    listed = await market_of(request).instruments.today()
    if key not in listed and not await sources_of(request).market.first_time([key]):
        raise UnknownInstrument(f"no instrument {key} is known")


def _instrument(each: Instrument) -> dict[str, Any]:
    return {
        "symbol": each.key, "name": each.name, "kind": each.kind, "lot_size": each.lot_size,
        "tick_size": str(each.tick_size), "has_derivatives": each.has_derivatives,
    }  # fmt: skip
