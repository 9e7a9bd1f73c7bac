"""Cases of what a broker may offer beside orders: margins, charges, conversions, triggers that it keeps.

What the capabilities deny must be refused when it is asked for all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from niftyflow.brokers.account_book import Conversion, PricedOrder
from niftyflow.brokers.capabilities import Variety
from niftyflow.brokers.conformance.case import Case, Failed, Needs, NotOffered, case, expect
from niftyflow.brokers.conformance.order_cases import told
from niftyflow.brokers.conformance.stage import Stage
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.order_book import Gtt, GttLeg, GttRequest, Terms
from niftyflow.model import OrderState, OrderType, Product, Side


@case("margins", Needs.READS)
async def margins(stage: Stage) -> None:
    """What an order needs is told, alone and in a basket."""
    share = stage.shares[0]
    question = [(stage.intent(share, price=await stage.last(share)), Terms())]
    await _offered(stage.capabilities.has_margins, "margins", lambda: stage.broker.margins(question))
    alone = await stage.broker.margins(question)
    expect(len(alone) == 1, f"one order was asked for, {len(alone)} are told")
    expect(alone[0].total > 0, f"an order needs {alone[0].total}")
    expect(alone[0].instrument == share, f"the margin is of {alone[0].instrument}")
    basket = await stage.broker.basket_margin(question)
    expect(basket.final.total > 0, f"a basket needs {basket.final.total}")
    expect(len(basket.orders) == 1, f"a basket of one order is told as {len(basket.orders)}")


@case("charges", Needs.READS)
async def charges(stage: Stage) -> None:
    """What an order costs by the contract note is told, and its parts add up."""
    share = stage.shares[0]
    priced = PricedOrder(
        order_id="1", instrument=share, side=Side.BUY, variety=Variety.REGULAR, product=Product.CNC,
        order_type=OrderType.MARKET, quantity=10, average_price=await stage.last(share),
    )  # fmt: skip
    await _offered(stage.capabilities.has_charges, "charges", lambda: stage.broker.charges([priced]))
    (note,) = await stage.broker.charges([priced])
    parts = (note.transaction_tax, note.exchange_turnover, note.sebi_turnover, note.brokerage, note.stamp_duty)
    total = sum(parts, note.gst)
    expect(note.total > 0, f"a delivery costs {note.total}")
    expect(abs(total - note.total) <= 1, f"the parts add up to {total}, the total is {note.total}")


@case("convert", Needs.ORDERS)
async def convert(stage: Stage) -> None:
    """A position of the day is held as another product, in full."""
    share = stage.shares[0]
    asked = Conversion(
        instrument=share, side=Side.BUY, quantity=10, is_overnight=False, held_as=Product.MIS, hold_as=Product.CNC
    )
    await _offered(stage.capabilities.has_convert, "a conversion", lambda: stage.broker.convert(asked))
    placed = await stage.broker.place(stage.intent(share, quantity=10, order_type=OrderType.MARKET))
    await told(stage, placed, lambda each: each.state is OrderState.FILLED, "the fill")
    await stage.broker.convert(asked)
    net = (await stage.broker.positions()).net
    held = {each.product: each.net_quantity for each in net if each.instrument == share}
    expect(held.get(Product.CNC) == 10, f"after the conversion {held.get(Product.CNC)} are held as CNC")  # noqa: PLR2004
    expect(not held.get(Product.MIS), f"after the conversion {held.get(Product.MIS)} are still held as MIS")


@case("gtt", Needs.ORDERS)
async def gtt(stage: Stage) -> None:
    """Triggers far from the market are kept, changed, listed and taken back, with one leg and with two."""
    share = stage.shares[0]
    last = await stage.last(share)
    low, high = await stage.price(share, "0.9"), await stage.price(share, "1.1")
    leg = GttLeg(side=Side.SELL, quantity=1, product=Product.CNC, price=low, trigger=low)
    request = GttRequest(instrument=share, last_price=last, legs=(leg,))
    await _offered(stage.capabilities.has_gtt, "a GTT", lambda: stage.broker.place_gtt(request))
    gtt_id = await stage.broker.place_gtt(request)
    expect((await _kept(stage, gtt_id)).legs[0].trigger == low, "the trigger is not kept as it was sent")
    lower = await stage.price(share, "0.85")
    moved = msgspec.structs.replace(leg, trigger=lower, price=lower)
    changed = await stage.broker.modify_gtt(gtt_id, msgspec.structs.replace(request, legs=(moved,)))
    expect((await _kept(stage, changed)).legs[0].trigger == lower, "the trigger is not changed as it was sent")
    other = msgspec.structs.replace(leg, trigger=high, price=high)
    both = await stage.broker.place_gtt(msgspec.structs.replace(request, legs=(leg, other)))
    triggers = [each.trigger for each in (await _kept(stage, both)).legs]
    expect(triggers == [low, high], f"two legs are kept with the triggers {triggers}")
    for each in (changed, both):
        await stage.broker.cancel_gtt(each)
    standing = {each.gtt_id: each.status for each in await stage.broker.gtts() if each.gtt_id in {changed, both}}
    active = [gtt_id for gtt_id, status in standing.items() if status.lower() == "active"]
    expect(not active, f"GTT {', '.join(active)} is active after it was taken back")


async def _kept(stage: Stage, gtt_id: str) -> Gtt:
    for each in await stage.broker.gtts():
        if each.gtt_id == gtt_id:
            return each
    raise Failed(f"GTT {gtt_id} is not in the list")


async def _offered(is_offered: bool, what: str, ask: Callable[[], Awaitable[object]]) -> None:  # noqa: FBT001
    """Go on when something is offered; when it is not, see that asking for it is refused.

    Raises:
        NotOffered: it is not offered, and asking for it was refused.
        Failed: it is not offered, and yet it was answered.
    """
    if is_offered:
        return
    try:
        await ask()
    except InputRefused:
        raise NotOffered(f"the capabilities deny {what}, and it was refused") from None
    raise Failed(f"the capabilities deny {what}, and yet it was answered")


OFFERED_CASES: Final[tuple[Case, ...]] = (margins, charges, convert, gtt)
