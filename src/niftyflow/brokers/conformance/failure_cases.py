"""Cases of what goes wrong between us and the broker: lost answers, too many calls, dead tokens, a cut stream.

They need a broker that can be made to fail, so no recording and no live account shows them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from niftyflow.brokers.capabilities import CallKind, RateLimit
from niftyflow.brokers.conformance.case import Case, Failed, Needs, NotRun, case, expect
from niftyflow.brokers.conformance.order_cases import cancelled, far_order, in_book, standing
from niftyflow.brokers.conformance.reading_cases import expect_dead
from niftyflow.brokers.conformance.stage import ArrivedCall, Faults, Stage
from niftyflow.brokers.errors import OutcomeUnknown, RateLimited
from niftyflow.brokers.order_book import BrokerOrder
from niftyflow.model import NiftyflowError, Order, OrderState

LONGEST_WINDOW_SECONDS: Final = 5.0
"""Limits over a longer time are not gone to the end of: the burst would last as long."""


@case("lost-answer", Needs.ORDERS)
async def lost_answer(stage: Stage) -> None:
    """An order whose answer is cut off is of unknown outcome, and stands in the book once, under our id."""
    await _expect_unknown_once(stage, _faults(stage).lose_answer)


@case("failed-answer", Needs.ORDERS)
async def failed_answer(stage: Stage) -> None:
    """An order answered with a failure of the broker's own is of unknown outcome, and stands in the book once."""
    await _expect_unknown_once(stage, _faults(stage).fail_answer)


@case("lost-cancellation", Needs.ORDERS)
async def lost_cancellation(stage: Stage) -> None:
    """A cancellation whose answer is cut off is of unknown outcome; the updates tell that it was done."""
    order = await far_order(stage, stage.shares[0])
    stood = await standing(stage, await stage.broker.place(order))
    await _faults(stage).lose_answer()
    try:
        await stage.broker.cancel(stood)
    except OutcomeUnknown:
        stage.broker.order_updates.look_now()
        order_id = stood.broker_order_id
        ended = await stage.heard.until(
            lambda each: each.broker_order_id == order_id and each.state.is_final, "the end of the order"
        )
        expect(ended.state is OrderState.CANCELLED, f"the order ended {ended.status}")
    except NiftyflowError as error:
        raise Failed(f"a lost answer raised {type(error).__name__}, where OutcomeUnknown is due: {error}") from error
    else:
        raise Failed("a cancellation without an answer counts as done")


@case("too-many-calls", Needs.ORDERS)
async def too_many_calls(stage: Stage) -> None:
    """A call that came too soon is told as such, with how long to wait; a refused order does not come to be."""
    order = await far_order(stage, stage.shares[0])
    await _faults(stage).refuse_too_many(1)
    try:
        await stage.broker.place(order)
    except RateLimited as limited:
        expect(limited.seconds > 0, f"the wait is {limited.seconds} s")
    except NiftyflowError as error:
        raise Failed(f"a 429 raised {type(error).__name__}, where RateLimited is due: {error}") from error
    else:
        raise Failed("an order that was refused for coming too soon counts as placed, or was sent again")
    expect(not _like(order, await stage.broker.orders()), "the refused order stands in the book: it was sent again")


@case("dead-token", Needs.ORDERS)
async def dead_token(stage: Stage) -> None:
    """When the token dies, questions and orders alike are told that the session is dead."""
    order = await far_order(stage, stage.shares[0])
    await _faults(stage).end_session()
    await expect_dead(stage.broker.profile(), "a question with a dead token")
    await expect_dead(stage.broker.place(order), "an order with a dead token")


@case("logout", Needs.ORDERS)
async def logout(stage: Stage) -> None:
    """After the session has been ended, it is forgotten here and dead at the broker."""
    await stage.broker.invalidate()
    expect(await stage.broker.session_of_today() is None, "the session is still known after its end")
    await expect_dead(stage.broker.profile(), "a question after the logout")


@case("cut-updates", Needs.ORDERS)
async def cut_updates(stage: Stage) -> None:
    """When the stream of updates is cut, what happens to orders is heard all the same."""
    stood = await standing(stage, await stage.broker.place(await far_order(stage, stage.shares[0])))
    await _faults(stage).cut_updates()
    await cancelled(stage, stood)
    await standing(stage, await stage.broker.place(await far_order(stage, stage.shares[0])))


@case("rate-limits", Needs.ORDERS)
async def rate_limits(stage: Stage) -> None:
    """A burst through the rate gate arrives within the limits that are declared, and none of it is refused."""
    if stage.arrivals is None:
        raise NotRun("nobody tells here when calls arrive")
    wanted = {CallKind.ORDERS: _burst(stage, CallKind.ORDERS), CallKind.OTHER: _burst(stage, CallKind.OTHER)}
    orders = [await far_order(stage, stage.shares[0])]
    orders += [
        stage.intent(stage.shares[0], quantity=orders[0].quantity, price=orders[0].price)
        for _ in range(wanted[CallKind.ORDERS] - 1)
    ]
    calls = [stage.broker.place(order) for order in orders]
    questions = [stage.broker.profile() for _ in range(wanted[CallKind.OTHER])]
    for answer in await asyncio.gather(*calls, *questions, return_exceptions=True):
        if isinstance(answer, RateLimited):
            raise Failed(f"a call of the burst was refused by the broker: {answer}")
        if isinstance(answer, BaseException):
            raise answer
    arrived = await stage.arrivals()
    for kind, count in wanted.items():
        came = sum(call.kind == kind for call in arrived)
        expect(came >= count, f"{count} calls of kind {kind} were made, {came} arrived")
    for limit in stage.capabilities.rate_limits:
        expect_within(limit, arrived)


def expect_within(limit: RateLimit, arrived: list[ArrivedCall]) -> None:
    """Go on when no window of a limit's length holds more arrivals than it allows.

    Raises:
        Failed: one does.
    """
    times = sorted(call.at for call in arrived if call.kind == limit.kind)
    for first, beyond in zip(times, times[limit.count :], strict=False):
        apart = beyond - first
        expect(
            apart >= limit.seconds * 1000,
            f"{limit.count + 1} calls of kind {limit.kind} arrived within {apart} ms; {limit.count} are allowed in "
            f"{limit.seconds:g} s",
        )


def _burst(stage: Stage, kind: CallKind) -> int:
    """Return how many calls fill the shortest window of a kind twice, and begin a third."""
    short = [each.count for each in stage.capabilities.rate_limits
             if each.kind == kind and each.seconds <= LONGEST_WINDOW_SECONDS]  # fmt: skip
    return 2 * min(short, default=1) + 1


async def _expect_unknown_once(stage: Stage, spoil: Callable[[], Awaitable[None]]) -> None:
    order = await far_order(stage, stage.shares[0])
    await spoil()
    try:
        await stage.broker.place(order)
    except OutcomeUnknown as unknown:
        expect(unknown.advice, "the unknown outcome does not say what to do")
    except NiftyflowError as error:
        raise Failed(f"a lost answer raised {type(error).__name__}, where OutcomeUnknown is due: {error}") from error
    else:
        raise Failed("an order without an answer counts as placed: it was sent again, or its id was made up")
    stage.broker.order_updates.look_now()
    heard = await stage.heard.until(lambda each: bool(_like(order, [each])), "the order of unknown outcome")
    found = _like(order, await stage.broker.orders())
    expect(len(found) == 1, f"the order stands in the book {len(found)} times")
    expect(found[0].broker_order_id == heard.broker_order_id, "the book and the updates tell of different orders")
    await cancelled(stage, await in_book(stage, heard.broker_order_id))


def _like(order: Order, book: list[BrokerOrder]) -> list[BrokerOrder]:
    """Return the orders of a book that are ours by its id, or by its terms where the broker carries no ids."""
    return [
        each
        for each in book
        if each.client_order_id == order.client_order_id
        or (not each.client_order_id and _terms(each) == (order.instrument, order.side, order.quantity, order.price))
    ]


def _terms(order: BrokerOrder) -> tuple[object, ...]:
    return order.instrument, order.side, order.quantity, order.price


def _faults(stage: Stage) -> Faults:
    if stage.faults is None:
        raise NotRun("the broker cannot be made to fail here")
    return stage.faults


FAILURE_CASES: Final[tuple[Case, ...]] = (
    lost_answer, failed_answer, lost_cancellation, too_many_calls, dead_token, logout, cut_updates, rate_limits,
)  # fmt: skip
