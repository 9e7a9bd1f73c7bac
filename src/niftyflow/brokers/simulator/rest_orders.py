"""REST routes of orders and trades: place, change, cancel, list, history."""

from __future__ import annotations

from typing import Any

import msgspec

from niftyflow.brokers.simulator.kite_errors import KiteError, input_error
from niftyflow.brokers.simulator.order_book import OrderRecord, order_row, trade_row
from niftyflow.brokers.simulator.order_parameters import OrderRequest, in_parts, parse_order
from niftyflow.brokers.simulator.rest import Call, Front, Route

MOST_SLICES = 10
"""Kite slices an order in at most so many; more are refused."""


class OrderRoutes:
    """Routes of one front."""

    def __init__(self, front: Front) -> None:
        self._broker = front.broker

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/orders", self._list),
            Route("GET", "/trades", self._trades),
            Route("GET", "/orders/{order_id}", self._history),
            Route("GET", "/orders/{order_id}/trades", self._order_trades),
            Route("POST", "/orders/{variety}", self._place),
            Route("PUT", "/orders/{variety}/{order_id}", self._modify),
            Route("DELETE", "/orders/{variety}/{order_id}", self._cancel),
        ]

    def _place(self, call: Call) -> dict[str, Any]:
        request = parse_order(call.form, call.parts["variety"], call.user.user_id, self._broker.listings)
        if request.is_autosliced:
            return self._place_sliced(call, request)
        record = self._broker.place(request)
        return self._placed(call, record)

    def _place_sliced(self, call: Call, request: OrderRequest) -> dict[str, Any]:
        """Place an order above the freeze quantity in parts: the first is the parent, a part that fails says why."""
        order = request.order
        instrument = self._broker.listings.of_key(order.instrument)
        sizes = in_parts(order.quantity, instrument.freeze_quantity if instrument else None)
        if len(sizes) > MOST_SLICES:
            raise input_error(f"Order would be sliced into more than {MOST_SLICES} orders.")
        slices = [_with_quantity(request, size) for size in sizes]
        parent = self._broker.place(slices[0])
        told: dict[str, Any] = self._placed(call, parent)
        children: list[dict[str, Any]] = []
        for each in slices[1:]:
            try:
                child = self._broker.place(each, parent=parent.order.order_id)
                children.append({"order_id": child.order.order_id})
            except KiteError as error:
                refused = {"code": error.status, "error_type": error.error_type, "message": error.message, "data": None}
                children.append({"error": refused})
        return {**told, "children": children}

    def _placed(self, call: Call, record: OrderRecord) -> dict[str, Any]:
        call.arrival.order_id = record.order.order_id
        call.arrival.outcome = f"taken: {record.status}"
        return {"order_id": record.order.order_id}

    def _modify(self, call: Call) -> dict[str, Any]:
        call.arrival.order_id = order_id = call.parts["order_id"]
        self._broker.modify(call.user.user_id, order_id, call.form)
        return {"order_id": order_id}

    def _cancel(self, call: Call) -> dict[str, Any]:
        call.arrival.order_id = order_id = call.parts["order_id"]
        self._broker.cancel(call.user.user_id, order_id)
        return {"order_id": order_id}

    def _list(self, call: Call) -> list[dict[str, Any]]:
        records = self._broker.orders.of_account(call.user.user_id)
        return [order_row(each, each.last, call.shift) for each in records]

    def _history(self, call: Call) -> list[dict[str, Any]]:
        record = self._own(call)
        return [order_row(record, step, call.shift) for step in record.steps]

    def _trades(self, call: Call) -> list[dict[str, Any]]:
        records = self._broker.orders.of_account(call.user.user_id)
        traded = [(trade, each) for each in records for trade in each.trades]
        return [trade_row(each, trade, call.shift) for trade, each in sorted(traded, key=lambda pair: pair[0].at)]

    def _order_trades(self, call: Call) -> list[dict[str, Any]]:
        record = self._own(call)
        return [trade_row(record, trade, call.shift) for trade in record.trades]

    def _own(self, call: Call) -> OrderRecord:
        record = self._broker.orders.of(call.parts["order_id"])
        if record is None or record.order.account != call.user.user_id:
            raise input_error("Couldn't find that `order_id`.")
        return record


def _with_quantity(request: OrderRequest, quantity: int) -> OrderRequest:
    order = msgspec.structs.replace(request.order, quantity=quantity)
    return OrderRequest(order, request.tag, is_autosliced=False)
