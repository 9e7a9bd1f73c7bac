"""Cases of what the capabilities declare: every order type, product, validity and variety, one case each.

What is not declared is not offered; what is declared must be taken as it is sent, and be told as it was taken.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.brokers.conformance.case import Case, Needs, NotOffered, NotRun, expect
from niftyflow.brokers.conformance.order_cases import FAR, cancelled, far_order, in_book, standing, told
from niftyflow.brokers.conformance.stage import Stage
from niftyflow.brokers.order_book import BrokerOrder, Terms
from niftyflow.model import Order, OrderState, OrderType, Product, Side, Validity

_TTL_MINUTES: Final = 5
_TYPES_SHOWN_AS: Final = {OrderType.SL_M: {OrderType.SL_M, OrderType.SL}, OrderType.MARKET: {*OrderType}}
"""A protected market order is shown by some as the limit order that the exchange got."""


def _of_type(order_type: OrderType) -> Case:
    async def check(stage: Stage) -> None:
        _declared(order_type, stage.capabilities.order_types)
        share = stage.shares[0]
        if order_type is OrderType.MARKET:
            order = stage.intent(share, order_type=order_type)
            placed = await stage.broker.place(order)
            found = await told(stage, placed, lambda each: each.state is OrderState.FILLED, "the fill")
        else:
            found = await _stands(stage, await _not_now(stage, order_type), Terms())
        shown = _TYPES_SHOWN_AS.get(order_type, {order_type})
        expect(found.order_type in shown, f"it was sent as {order_type}, and is told as {found.order_type}")

    return Case(f"type-{order_type}", f"An order of the type {order_type} is taken.", Needs.ORDERS, check)


def _of_product(product: Product) -> Case:
    async def check(stage: Stage) -> None:
        _declared(product, stage.capabilities.products)
        key = stage.contract if product is Product.NRML else stage.shares[0]
        if key is None:
            raise NotRun("no future or option is traded here")
        found = await _stands(stage, await far_order(stage, key, product=product), Terms())
        expect(found.product is product, f"it was sent as {product}, and is told as {found.product}")

    return Case(f"product-{product}", f"An order for the product {product} is taken.", Needs.ORDERS, check)


def _of_validity(validity: Standing) -> Case:
    async def check(stage: Stage) -> None:
        _declared(validity, stage.capabilities.validities)
        if validity is Standing.IOC:
            order = await far_order(stage, stage.shares[0], validity=Validity.IOC)
            placed = await stage.broker.place(order)
            found = await told(stage, placed, lambda each: each.state.is_final, "the end of the order")
            is_gone = found.state in {OrderState.CANCELLED, OrderState.EXPIRED} and not found.filled
            expect(is_gone, f"an IOC order that nobody fills is {found.status}")
        else:
            minutes = _TTL_MINUTES if validity is Standing.TTL else 0
            found = await _stands(stage, await far_order(stage, stage.shares[0]), Terms(ttl_minutes=minutes))
            expect(found.ttl_minutes == minutes, f"{minutes} minutes were sent, {found.ttl_minutes} are told")
        expect(found.validity is validity, f"it was sent as {validity}, and is told as {found.validity}")

    return Case(f"validity-{validity}", f"An order of the validity {validity} is taken.", Needs.ORDERS, check)


def _of_variety(variety: Variety) -> Case:
    async def check(stage: Stage) -> None:
        _declared(variety, stage.capabilities.varieties)
        if variety is Variety.AUCTION:
            raise NotRun("an auction is held only after a delivery has failed, so none stands to be ordered in")
        terms = Terms(variety=variety, iceberg_legs=2 if variety is Variety.ICEBERG else 0)
        changes: dict[str, object] = {"quantity": 10} if variety is Variety.ICEBERG else {}
        if variety is Variety.COVER:
            changes["trigger"] = await stage.price(stage.shares[0], "0.9")
        order = await far_order(stage, stage.shares[0], **changes)
        found = await _stands(stage, order, terms, is_at_exchange=variety is not Variety.AMO)
        expect(found.variety is variety, f"it was sent as {variety}, and is told as {found.variety}")

    return Case(
        f"variety-{variety}", f"An order of the variety {variety} is taken.", Needs.ORDERS, check,
        is_after_hours=variety is Variety.AMO,
    )  # fmt: skip


def _declared(value: object, declared: tuple[object, ...]) -> None:
    if value not in declared:
        raise NotOffered(f"the capabilities do not declare {value}")


async def _not_now(stage: Stage, order_type: OrderType) -> Order:
    """Return an order of a type that the market does not reach."""
    share = stage.shares[0]
    if order_type is OrderType.LIMIT:
        return await far_order(stage, share)
    trigger = await stage.price(share, "1.05")
    tick = (await stage.row_of(share)).tick_size
    price = trigger + tick * 20 if order_type is OrderType.SL else None
    return stage.intent(share, order_type=order_type, side=Side.BUY, trigger=trigger, price=price)


async def _stands(stage: Stage, order: Order, terms: Terms, *, is_at_exchange: bool = True) -> BrokerOrder:
    """Place an order, see it stand, cancel it, and return it as the book had it while it stood."""
    placed = await stage.broker.place(order, terms)
    if is_at_exchange and order.trigger is None:
        await standing(stage, placed)
    else:
        await told(stage, placed, lambda each: not each.state.is_final, "the order")
    found = await in_book(stage, placed.broker_order_id)
    expect(not found.state.is_final, f"the book says {found.status}")
    expect(not found.filled, f"it has filled {found.filled}, {FAR} of the price away")
    if order.trigger is not None:
        expect((found.trigger or Decimal(0)) == order.trigger, f"the trigger is told as {found.trigger}")
    await cancelled(stage, found)
    return found


DECLARED_CASES: Final[tuple[Case, ...]] = (
    *map(_of_type, OrderType), *map(_of_product, Product), *map(_of_validity, Standing), *map(_of_variety, Variety),
)  # fmt: skip
