"""Kite's GTT triggers on the simulated broker: read strictly, kept by the exchange's rules, told in Kite's words.

A trigger looks at every last price of a step and gives its order when the step is over; at unlimited speed that is up
to some minutes of session time later. Triggers outlive the day; a year after they were made they end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from niftyflow.brokers.kite.order_replies import TRIGGER_KINDS
from niftyflow.brokers.kite.reading import time_text
from niftyflow.brokers.matching import NewOrder
from niftyflow.brokers.matching.gtt import GttBook, GttFired, GttOrder, GttStatus
from niftyflow.brokers.simulator.accounts import rupees, units
from niftyflow.brokers.simulator.broker import Broker
from niftyflow.brokers.simulator.kite_errors import KiteError, input_error, not_found
from niftyflow.brokers.simulator.order_book import OrderRecord
from niftyflow.brokers.simulator.order_parameters import OrderRequest, parse_order
from niftyflow.brokers.simulator.tape import DAY, Events
from niftyflow.model import Instrument

LIFE_MS: Final = 365 * DAY
_MOST_RUPEES = 10**9
_STATUSES = {GttStatus.CANCELLED: "deleted"}


class _Condition(msgspec.Struct):
    exchange: str
    tradingsymbol: str
    trigger_values: list[float]
    last_price: float


class _Leg(msgspec.Struct):
    transaction_type: str
    quantity: int
    product: str
    order_type: str
    price: float


class GttDesk:
    """The triggers of all accounts of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._book = GttBook()
        self._numbers = 0
        self._results: dict[str, tuple[GttFired, OrderRecord | None, str]] = {}
        self._watched: dict[str, int] = {}
        broker.on_events = self.market

    def place(self, form: Mapping[str, str], account: str) -> int:
        """Take a trigger and return its number.

        Raises:
            KiteError: it is none Kite takes.
        """
        number = self._numbers + 1
        gtt = self._read(form, account, str(number))
        _refuse(self._book.place(gtt))
        self._numbers = number
        self._watch(gtt.instrument)
        return number

    def modify(self, number: int, form: Mapping[str, str], account: str) -> None:
        """Change an active trigger.

        Raises:
            KiteError: there is none, or the change is none Kite takes.
        """
        self._own(number, account)
        _refuse(self._book.modify(self._read(form, account, str(number)), self._broker.now))

    def delete(self, number: int, account: str) -> None:
        """End an active trigger.

        Raises:
            KiteError: there is none.
        """
        self._own(number, account)
        _refuse(self._book.cancel(str(number), self._broker.now))

    def rows(self, account: str) -> list[dict[str, Any]]:
        """Return an account's triggers as /gtt/triggers writes them."""
        return [self._row(each) for each in self._book.all(account)]

    def row(self, number: int, account: str) -> dict[str, Any]:
        """Return one trigger.

        Raises:
            KiteError: the account has none of this number.
        """
        return self._row(self._own(number, account))

    def market(self, events: Events, at: int) -> None:
        """Give the orders whose triggers a step's last prices have reached."""
        if not self._watched:
            return
        self._book.advance(at)
        for key, place in self._watched.items():
            prices = events["ltp"][events["instrument"] == place]
            for price in prices[np.flatnonzero(np.diff(prices, prepend=0.0))].tolist():
                for fired in self._book.market(key, units(price), at):
                    self._fire(fired)

    def _fire(self, fired: GttFired) -> None:
        meta = {"app_id": 1, "gtt": int(fired.gtt.gtt_id)}
        try:
            record = self._broker.place(OrderRequest(fired.order, "", is_autosliced=False), meta=meta)
            self._results[fired.gtt.gtt_id] = (fired, record, "")
        except KiteError as error:
            self._results[fired.gtt.gtt_id] = (fired, None, error.message)

    def _watch(self, key: str) -> None:
        place = self._broker.listings.place_of_key(key)
        if place is not None:
            self._watched[key] = place

    def _own(self, number: int, account: str) -> GttOrder:
        gtt = self._book.get(str(number))
        if gtt is None or gtt.account != account:
            raise not_found("Trigger does not exist.")
        return gtt

    def _read(self, form: Mapping[str, str], account: str, gtt_id: str) -> GttOrder:
        try:
            condition = msgspec.json.decode(form.get("condition", ""), type=_Condition)
            legs = msgspec.json.decode(form.get("orders", ""), type=list[_Leg])
        except msgspec.DecodeError as error:
            raise input_error(f"Invalid `condition` or `orders`: {error}") from error
        if form.get("type") != TRIGGER_KINDS.get(len(condition.trigger_values)):
            raise input_error("Invalid `type`.")
        if not all(0 < each < _MOST_RUPEES for each in (*condition.trigger_values, condition.last_price)):
            raise input_error("Invalid `trigger_values` or `last_price`.")
        now = self._broker.now
        return GttOrder(
            gtt_id=gtt_id,
            account=account,
            instrument=f"{condition.exchange}:{condition.tradingsymbol}",
            triggers=tuple(units(each) for each in condition.trigger_values),
            orders=tuple(self._leg(each, condition, account) for each in legs),
            last_price=units(condition.last_price),
            created_at=now,
            expires_at=now + LIFE_MS,
        )

    def _leg(self, leg: _Leg, condition: _Condition, account: str) -> NewOrder:
        form = {name: str(value) for name, value in msgspec.structs.asdict(leg).items()}
        form |= {"exchange": condition.exchange, "tradingsymbol": condition.tradingsymbol}
        return parse_order(form, "regular", account, self._broker.listings).order

    def _row(self, gtt: GttOrder) -> dict[str, Any]:
        instrument = self._broker.listings.of_key(gtt.instrument)
        if instrument is None:
            raise not_found("Trigger does not exist.")
        return {
            "id": int(gtt.gtt_id),
            "user_id": gtt.account,
            "parent_trigger": None,
            "type": TRIGGER_KINDS[len(gtt.triggers)],
            "created_at": time_text(gtt.created_at),
            "updated_at": time_text(gtt.updated_at),
            "expires_at": time_text(gtt.expires_at),
            "status": _STATUSES.get(gtt.status, gtt.status.value),
            "condition": {
                "exchange": instrument.exchange.value,
                "last_price": rupees(gtt.last_price),
                "tradingsymbol": instrument.symbol,
                "trigger_values": [rupees(each) for each in gtt.triggers],
                "instrument_token": int(instrument.token),
            },
            "orders": [
                {**_terms(order, instrument), "result": self._result(gtt, instrument) if leg == gtt.fired_leg else None}
                for leg, order in enumerate(gtt.orders)
            ],
            "meta": None,
        }

    def _result(self, gtt: GttOrder, instrument: Instrument) -> dict[str, Any] | None:
        known = self._results.get(gtt.gtt_id)
        if known is None:
            return None
        fired, record, reason = known
        return {
            "account_id": gtt.account,
            **_terms(fired.order, instrument),
            "validity": fired.order.validity.value,
            "meta": msgspec.json.encode({"app_id": 1, "gtt": int(gtt.gtt_id)}).decode(),
            "timestamp": time_text(fired.at),
            "triggered_at": rupees(gtt.triggers[gtt.fired_leg]),
            "order_result": {
                "status": "failed" if record is None else "success",
                "order_id": "" if record is None else record.order.order_id,
                "rejection_reason": reason,
            },
        }


def _terms(order: NewOrder, instrument: Instrument) -> dict[str, Any]:
    return {
        "exchange": instrument.exchange.value,
        "tradingsymbol": instrument.symbol,
        "product": order.product.value,
        "order_type": order.order_type.value,
        "transaction_type": order.side.value,
        "quantity": order.quantity,
        "price": rupees(order.price),
    }


def _refuse(reason: str) -> None:
    if reason:
        raise input_error(reason)
