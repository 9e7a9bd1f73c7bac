"""What the account has at Kite and would pay: positions, holdings, funds, margins, charges, and triggers Kite keeps.

It computes nothing: every number is Kite's.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec

from niftyflow.brokers.account_book import (
    BasketMargin,
    Charges,
    Conversion,
    Funds,
    Holding,
    Margin,
    Positions,
    PricedOrder,
    Profile,
)
from niftyflow.brokers.capabilities import CallKind
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.kite.account_replies import (
    BasketReply,
    FundsReply,
    HoldingReply,
    MarginReply,
    NoteReply,
    PositionsReply,
    ProfileReply,
    charges_of,
    funds_of,
    holding_of,
    margin_of,
    position_of,
    profile_of,
)
from niftyflow.brokers.kite.capabilities import NAME
from niftyflow.brokers.kite.order_replies import TRIGGER_KINDS, GttReply, gtt_of
from niftyflow.brokers.kite.rest import Call, KiteRest
from niftyflow.brokers.order_book import Gtt, GttRequest, Terms
from niftyflow.model import Order, OrderType, Product, split_key


class _TriggerId(msgspec.Struct):
    trigger_id: int


class KitePortfolio:
    """The account's routes beside its orders. Errors are those of `brokers/broker_port.py`."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def profile(self) -> Profile:
        """Return who the account belongs to."""
        return profile_of(await self._rest.ask(_question("/user/profile"), ProfileReply))

    async def funds(self) -> list[Funds]:
        """Return the money of each segment."""
        reply = await self._rest.ask(_question("/user/margins"), dict[str, FundsReply])
        return [funds_of(segment, money) for segment, money in reply.items()]

    async def positions(self) -> Positions:
        """Return the positions, net and of the day."""
        reply = await self._rest.ask(_question("/portfolio/positions"), PositionsReply)
        return Positions([position_of(each) for each in reply.net], [position_of(each) for each in reply.day])

    async def holdings(self) -> list[Holding]:
        """Return the delivered shares."""
        reply = await self._rest.ask(_question("/portfolio/holdings"), list[HoldingReply])
        return [holding_of(each) for each in reply]

    async def convert(self, conversion: Conversion) -> None:
        """Hold a position as another product."""
        exchange, symbol = split_key(conversion.instrument)
        form = {
            "exchange": exchange,
            "tradingsymbol": symbol,
            "transaction_type": conversion.side.value,
            "position_type": "overnight" if conversion.is_overnight else "day",
            "quantity": str(conversion.quantity),
            "old_product": conversion.held_as.value,
            "new_product": conversion.hold_as.value,
        }
        call = Call(CallKind.OTHER, "PUT", "/portfolio/positions", form=form, is_change=True)
        await self._rest.ask(call, bool)

    async def margins(self, orders: Sequence[tuple[Order, Terms]]) -> list[Margin]:
        """Return what each order would need by itself."""
        call = _calculation("/margins/orders", [_margin_question(*each) for each in orders])
        return [margin_of(reply) for reply in await self._rest.ask(call, list[MarginReply])]

    async def basket_margin(self, orders: Sequence[tuple[Order, Terms]], *, with_positions: bool) -> BasketMargin:
        """Return what orders would need together."""
        query = {"consider_positions": "true" if with_positions else "false"}
        call = _calculation("/margins/basket", [_margin_question(*each) for each in orders], query)
        reply = await self._rest.ask(call, BasketReply)
        return BasketMargin(
            margin_of(reply.initial), margin_of(reply.final), [margin_of(each) for each in reply.orders]
        )

    async def charges(self, orders: Sequence[PricedOrder]) -> list[Charges]:
        """Return what each order costs by Kite's virtual contract note."""
        call = _calculation("/charges/orders", [_note_question(order) for order in orders])
        return [charges_of(reply.charges) for reply in await self._rest.ask(call, list[NoteReply])]

    async def gtts(self) -> list[Gtt]:
        """Return the triggers Kite keeps, or has kept lately."""
        reply = await self._rest.ask(_question("/gtt/triggers"), list[GttReply])
        return [gtt_of(each) for each in reply]

    async def place_gtt(self, request: GttRequest) -> str:
        """Hand triggers in."""
        return await self._gtt("POST", "/gtt/triggers", _gtt_form(request))

    async def modify_gtt(self, gtt_id: str, request: GttRequest) -> str:
        """Replace triggers by others."""
        return await self._gtt("PUT", f"/gtt/triggers/{_gtt_named(gtt_id)}", _gtt_form(request))

    async def cancel_gtt(self, gtt_id: str) -> str:
        """Take triggers back."""
        return await self._gtt("DELETE", f"/gtt/triggers/{_gtt_named(gtt_id)}", None)

    async def _gtt(self, method: str, path: str, form: dict[str, str] | None) -> str:
        call = Call(CallKind.OTHER, method, path, form=form, is_change=True, is_urgent=form is None)
        return str((await self._rest.ask(call, _TriggerId)).trigger_id)


def _question(path: str) -> Call:
    return Call(CallKind.OTHER, "GET", path)


def _calculation(path: str, rows: list[dict[str, Any]], query: dict[str, str] | None = None) -> Call:
    """Return a question that Kite takes as a POST of JSON; it changes nothing."""
    return Call(CallKind.OTHER, "POST", path, query=query, json=_JSON.encode(rows))


_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def _margin_question(order: Order, terms: Terms) -> dict[str, Any]:
    return {
        "exchange": order.exchange,
        "tradingsymbol": order.symbol,
        "transaction_type": order.side,
        "variety": terms.variety,
        "product": order.product,
        "order_type": order.order_type,
        "quantity": order.quantity,
        "price": order.price or Decimal(0),
        "trigger_price": order.trigger or Decimal(0),
    }


def _note_question(order: PricedOrder) -> dict[str, Any]:
    exchange, symbol = split_key(order.instrument)
    return {
        "order_id": order.order_id,
        "exchange": exchange,
        "tradingsymbol": symbol,
        "transaction_type": order.side,
        "variety": order.variety,
        "product": order.product,
        "order_type": order.order_type,
        "quantity": order.quantity,
        "average_price": order.average_price,
    }


def _gtt_form(request: GttRequest) -> dict[str, str]:
    """Return triggers as Kite's form, two fields of which are JSON.

    Raises:
        InputRefused: there are not one or two legs, or a number of one cannot be.
    """
    kind = TRIGGER_KINDS.get(len(request.legs))
    if kind is None:
        raise InputRefused(NAME, "", f"a GTT of {len(request.legs)} legs", "give one leg, or two")
    exchange, symbol = split_key(request.instrument)
    condition = {
        "exchange": exchange,
        "tradingsymbol": symbol,
        "trigger_values": [leg.trigger for leg in request.legs],
        "last_price": request.last_price,
    }
    orders = []
    for leg in request.legs:
        if leg.product not in {Product.CNC, Product.NRML, Product.MIS} or leg.quantity <= 0 or leg.price <= 0:
            raise InputRefused(NAME, "", "a leg without a product, quantity or price", "give all three")
        orders.append({
            "exchange": exchange,
            "tradingsymbol": symbol,
            "transaction_type": leg.side,
            "quantity": leg.quantity,
            "order_type": OrderType.LIMIT,
            "product": leg.product,
            "price": leg.price,
        })  # fmt: skip
    return {"type": kind, "condition": _JSON.encode(condition).decode(), "orders": _JSON.encode(orders).decode()}


def _gtt_named(gtt_id: str) -> str:
    if not gtt_id:
        raise InputRefused(NAME, "", "no GTT is named", "give its id")
    return quote(gtt_id, safe="")
