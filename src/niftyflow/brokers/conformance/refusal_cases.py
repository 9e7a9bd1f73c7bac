"""Cases of orders that must be refused: in the right class of error, in the broker's words, with what to do.

A broker may refuse when it is asked, or take the order in and reject it in its book. Both count; taking it does not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from niftyflow.brokers.conformance.case import Case, Failed, Needs, NotOffered, NotRun, case, expect
from niftyflow.brokers.conformance.market_cases import NOBODY
from niftyflow.brokers.conformance.order_cases import FAR, cancelled, far_order, standing
from niftyflow.brokers.conformance.stage import Stage
from niftyflow.brokers.errors import InputRefused, OrderRejected
from niftyflow.brokers.order_book import BrokerOrder, Terms
from niftyflow.model import NiftyflowError, Order, OrderState, OrderType

_TAKEN: Final = frozenset({OrderState.OPEN, OrderState.PART_FILLED, OrderState.FILLED, OrderState.CANCELLED})


@case("unknown-symbol", Needs.ORDERS)
async def unknown_symbol(stage: Stage) -> None:
    """An order in an instrument that there is none of is refused."""
    price = await stage.price(stage.shares[0], FAR)
    await expect_refused(stage, stage.intent(NOBODY, price=price), "a symbol that nobody knows")


@case("off-the-lot", Needs.ORDERS)
async def off_the_lot(stage: Stage) -> None:
    """A quantity that is no whole number of lots is refused."""
    keys = [*stage.shares, *([] if stage.contract is None else [stage.contract])]
    rows = [await stage.row_of(key) for key in keys]
    row = next((row for row in rows if row.lot_size > 1), None)
    if row is None:
        raise NotRun("nothing is traded in lots here")
    order = await far_order(stage, row.instrument.key)
    await cancelled(stage, await standing(stage, await stage.broker.place(order)))  # a whole lot is taken
    order = await far_order(stage, row.instrument.key, quantity=row.lot_size + 1)
    await expect_refused(stage, order, f"{row.lot_size + 1} of an instrument in lots of {row.lot_size}")


@case("off-the-tick", Needs.ORDERS)
async def off_the_tick(stage: Stage) -> None:
    """A price between two ticks is refused."""
    share = stage.shares[0]
    tick = (await stage.row_of(share)).tick_size
    price = await stage.price(share, FAR) + tick / 5
    await expect_refused(stage, stage.intent(share, price=price), f"a price of {price} with a tick of {tick}")


@case("outside-the-band", Needs.ORDERS)
async def outside_the_band(stage: Stage) -> None:
    """A price outside the day's limits is refused."""
    share = stage.shares[0]
    price = await stage.price(share, "0.5")
    await expect_refused(stage, stage.intent(share, price=price), "half the last price")


@case("no-protection", Needs.ORDERS)
async def no_protection(stage: Stage) -> None:
    """A market order without protection is refused, where the broker wants one."""
    if not stage.capabilities.needs_market_protection:
        raise NotOffered("the broker takes market orders without protection")
    order = stage.intent(stage.shares[0], order_type=OrderType.MARKET)
    await expect_refused(stage, order, "a market order without protection", Terms(market_protection=Decimal(0)))


@case("no-money", Needs.ORDERS)
async def no_money(stage: Stage) -> None:
    """An order that the money of the account is not enough for is refused."""
    order = await far_order(stage, stage.shares[0], quantity=900_000)
    await expect_refused(stage, order, "900,000 shares")


async def expect_refused(stage: Stage, order: Order, what: str, terms: Terms = Terms()) -> None:  # noqa: B008 - frozen
    """Go on when an order is refused for good, says why and what to do, and does not stand in the book.

    Raises:
        Failed: it is taken, or refused otherwise.
    """
    try:
        placed = await stage.broker.place(order, terms)
    except (OrderRejected, InputRefused) as error:
        refused: OrderRejected | InputRefused = error
    except NiftyflowError as error:
        raise Failed(f"{what} raised {type(error).__name__}, which is no refusal: {error}") from error
    else:

        def is_settled(each: BrokerOrder) -> bool:
            is_it = each.broker_order_id == placed.broker_order_id
            return is_it and (each.state is OrderState.REJECTED or each.state in _TAKEN)

        settled = await stage.heard.until(is_settled, "the refusal in the book")
        expect(settled.state is OrderState.REJECTED, f"{what} was taken: the broker says {settled.status}")
        refused = stage.broker.refusal(settled)
    is_before_sending = isinstance(refused, InputRefused) and not refused.words
    expect(refused.words or is_before_sending, f"{what} was refused without the broker's words")
    expect(refused.meaning, f"the refusal of {what} does not say what it means")
    expect(refused.advice, f"the refusal of {what} does not say what to do")
    await _expect_none_stands(stage, order, what)


async def _expect_none_stands(stage: Stage, order: Order, what: str) -> None:
    for each in await stage.broker.orders():
        is_ours = each.instrument == order.instrument and each.client_order_id == order.client_order_id
        expect(not is_ours or each.state.is_final, f"{what} was refused, and stands in the book as {each.status}")


REFUSAL_CASES: Final[tuple[Case, ...]] = (
    unknown_symbol, off_the_lot, off_the_tick, outside_the_band, no_protection, no_money,
)  # fmt: skip
