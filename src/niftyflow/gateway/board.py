"""The board: every channel, and what each topic's records change on it. No clock, no I/O, no listeners.

Channels hold what was published since the hub began, and the price a store remembered; nothing is computed from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from niftyflow.bus.port import Body
from niftyflow.bus.topics import ANALYSIS_UPDATES, MARKET_CANDLES, MARKET_VIEW, ORDER_EVENTS, RAW_TICKS, SIGNALS
from niftyflow.gateway import channel_values as values
from niftyflow.gateway.channels import CandleChannel, Channel, EventChannel
from niftyflow.gateway.decision_rows import signal_row
from niftyflow.gateway.latest_values import LatestChannel, ValueChannel
from niftyflow.market.calendar import ist_day
from niftyflow.model import CandleBatch, Interval, MarketView, ScorecardBatch, Signal, TickBatch

Changes = dict[str, frozenset[str] | None]
"""Channel → the symbols that changed on it; None where it has none, or all did."""

CANDLE_RING: Final = 20_000
"""A minute of a large market is thousands of closed candles at once."""
SAMPLED: Final = ("clock", "system", "account")
"""Channels of one value that somebody has to be asked for."""


class Board:
    """The channels of one account's gateway. `day` is the IST day of the newest tick, None before the first."""

    def __init__(self, account: str, epoch: str) -> None:
        self.day: date | None = None
        self.prices = LatestChannel("prices", values.price_encoder(lambda: self._closes))
        self.candles = CandleChannel("candles", limit=CANDLE_RING)
        self.scorecards = LatestChannel("scorecards", values.encode_card)
        self.signals = EventChannel("signals")
        self.orders = EventChannel("orders")
        self.market_view = ValueChannel("market-view")
        self.sampled = {name: ValueChannel(name) for name in SAMPLED}
        own: tuple[Channel, ...] = (
            self.prices, self.candles, self.scorecards, self.signals, self.orders, self.market_view,
        )  # fmt: skip
        self.channels: Mapping[str, Channel] = {channel.name: channel for channel in (*own, *self.sampled.values())}
        self._account = account
        self._closes: Mapping[str, float] = {}
        self._scored: dict[str, int] = {}
        self._closed: dict[str, int] = {}
        self._take: Mapping[str, Callable[[Any], Changes]] = {
            RAW_TICKS.name: self._ticks,
            MARKET_CANDLES.name: self._candles,
            ANALYSIS_UPDATES.name: self._cards,
            MARKET_VIEW.name: self._view,
            SIGNALS.name: self._signals,
            ORDER_EVENTS.name: self._orders,
        }
        self._name_epoch(epoch)

    @property
    def topics(self) -> Sequence[str]:
        """The topics it takes."""
        return tuple(self._take)

    def take(self, topic: str, bodies: Sequence[Body]) -> Changes:
        """Take what was read of a topic; return what changed. Control records change nothing."""
        changes: Changes = {}
        for body in bodies:
            for name, changed in self._take[topic](body).items():
                known = changes.get(name, frozenset())
                changes[name] = None if known is None or changed is None else known | changed
        return changes

    def begin_anew(self, epoch: str) -> None:
        """Start a new epoch after a time that was not seen: events are forgotten, latest values stay."""
        for events in (self.signals, self.orders, self.candles.closed):
            events.forget()
        self._name_epoch(epoch)

    def measure_against(self, closes: Mapping[str, float]) -> Changes:
        """Take the closes that changes are measured against: symbol → rupees."""
        self._closes = closes
        self.prices.again()
        return {self.prices.name: None}

    def remember(self, stored: Sequence[bytes | None]) -> Changes:
        """Take ticks as the hot store keeps them, for symbols that no tick was seen of."""
        found = [values.price_of(data) for data in stored if data is not None]
        prices = {price.symbol: price for price in found if price is not None and price.symbol not in self.prices}
        return self._priced(prices)

    def form(self, stored: Mapping[str, Mapping[str, bytes]]) -> Changes:
        """Take forming candles as the hot store keeps them; those that closed meanwhile, or did not change, are not."""
        forming = {}
        for symbol, fields in stored.items():
            candle = values.forming_candle(symbol, fields)
            if candle is None or candle["time"] <= self._closed.get(symbol, 0):
                continue
            if candle != self.candles.forming.get(symbol):
                forming[symbol] = candle
        self.candles.forming.put(forming)
        return {self.candles.name: frozenset(forming)} if forming else {}

    def _name_epoch(self, epoch: str) -> None:
        for channel in self.channels.values():
            channel.epoch = epoch

    def _ticks(self, body: Body) -> Changes:
        return self._priced(values.prices_of(body)) if isinstance(body, TickBatch) and len(body) else {}

    def _priced(self, prices: Mapping[str, values.Price]) -> Changes:
        if not prices:
            return {}
        newest = ist_day(max(price.time for price in prices.values()))
        self.day = newest if self.day is None else max(self.day, newest)
        self.prices.put(prices)
        return {self.prices.name: frozenset(prices)}

    def _candles(self, body: Body) -> Changes:
        if not isinstance(body, CandleBatch) or body.interval is not Interval.M1 or not len(body):
            return {}
        keys = body.keys()
        self.candles.closed.extend(keys, values.candle_encoder(body, keys))
        for key, time in zip(keys, body.time.tolist(), strict=True):
            self._closed[key] = max(time, self._closed.get(key, 0))
        return {self.candles.name: frozenset(keys)}

    def _cards(self, body: Body) -> Changes:
        if not isinstance(body, ScorecardBatch) or body.interval is not Interval.M1:
            return {}
        cards = {key: card for key, card in values.cards_of(body).items() if card.time >= self._scored.get(key, 0)}
        self._scored |= {key: card.time for key, card in cards.items()}
        self.scorecards.put(cards)
        return {self.scorecards.name: frozenset(cards)} if cards else {}

    def _view(self, body: Body) -> Changes:
        views = [record for record in _records(body) if isinstance(record, MarketView)]
        is_new = bool(views) and self.market_view.set(views[-1])
        return {self.market_view.name: None} if is_new else {}

    def _signals(self, body: Body) -> Changes:
        signals = [record for record in _records(body) if isinstance(record, Signal)]
        return _told(self.signals, [signal.instrument for signal in signals], signals, signal_row)

    def _orders(self, body: Body) -> Changes:
        records: list[Any] = [record for record in _records(body) if getattr(record, "account", "") == self._account]
        return _told(self.orders, [f"{record.exchange}:{record.symbol}" for record in records], records)


def _records(body: Body) -> tuple[msgspec.Struct, ...]:
    return body if isinstance(body, tuple) else ()


def _told(
    channel: EventChannel, keys: Sequence[str], records: Sequence[Any], row_of: Callable[[Any], Any] | None = None
) -> Changes:
    if not records:
        return {}
    channel.extend(keys, values.record_encoder(records, row_of))
    return {channel.name: frozenset(keys)}
