"""REST routes of market data: quotes and candles of what is being played."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from niftyflow.brokers.simulator import history, quotes
from niftyflow.brokers.simulator.accounts import rupees
from niftyflow.brokers.simulator.kite_errors import input_error
from niftyflow.brokers.simulator.quotes import Depth, Level
from niftyflow.brokers.simulator.rest import Call, Front, Route, in_kite_words, whole
from niftyflow.brokers.simulator.times import parse_stamp
from niftyflow.model import InvalidValue, Kind

Quoted = Callable[[int, np.void], dict[str, Any]]


class MarketRoutes:
    """Routes of one front."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._listings = front.broker.listings
        self._candles = history.CandleBook(front.playback.source)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/quote", self._full),
            Route("GET", "/quote/ohlc", self._day),
            Route("GET", "/quote/ltp", self._last),
            Route("GET", "/instruments/historical/{token}/{interval}", self._history),
        ]

    def _full(self, call: Call) -> dict[str, Any]:
        def told(place: int, state: np.void) -> dict[str, Any]:
            instrument = self._listings.instruments[place]
            key = str(instrument.key)
            limits = self._front.broker.limits_of(key)
            depth: Depth = ((), ()) if instrument.kind is Kind.INDEX else self._depth(key)
            return quotes.full_quote(int(instrument.token), instrument.kind, state, depth, limits, call.shift)

        return self._quoted(call, quotes.MOST_FULL, told)

    def _day(self, call: Call) -> dict[str, Any]:
        return self._quoted(
            call, quotes.MOST_SHORT, lambda place, state: quotes.day_quote(self._token(place), state)
        )  # fmt: skip

    def _last(self, call: Call) -> dict[str, Any]:
        return self._quoted(
            call, quotes.MOST_SHORT, lambda place, state: quotes.last_price_quote(self._token(place), state)
        )  # fmt: skip

    def _quoted(self, call: Call, most: int, told: Quoted) -> dict[str, Any]:
        wanted = call.every("i")
        if not wanted or len(wanted) > most:
            raise input_error(f"Invalid `i`: ask for 1 to {most} instruments.")
        found: dict[str, Any] = {}
        for key in wanted:
            place = self._listings.place_of_key(key)
            state = None if place is None else quotes.last_state(self._front.playback, place)
            if place is not None and state is not None:
                found[key] = told(place, state)
        return found

    def _token(self, place: int) -> int:
        return int(self._listings.instruments[place].token)

    def _depth(self, key: str) -> Depth:
        depth = self._front.broker.exchange.depth(key)
        sides = [
            [Level(rupees(each.price), each.quantity, each.orders) for each in side]
            for side in (depth.bids, depth.asks)
        ]
        return sides[0], sides[1]

    async def _history(self, call: Call) -> dict[str, Any]:
        place = self._listings.place_of_token(whole(call.parts["token"], "instrument_token"))
        if place is None:
            raise input_error("invalid token")
        try:
            since, until = parse_stamp(call.first("from")), parse_stamp(call.first("to"))
        except InvalidValue as error:
            raise in_kite_words(error) from error
        interval = call.parts["interval"]
        history.check_span(interval, since, until)
        await asyncio.to_thread(self._candles.make)
        rows = self._candles.candles(
            place, interval, since, until, self._front.playback.position, has_open_interest=call.first("oi") == "1"
        )  # fmt: skip
        return {"candles": rows}
