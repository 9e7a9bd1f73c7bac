"""Cases of the account that only read: the session, who it is, what it has, and the day's orders.

An account in which there is nothing passes, and the card says what was not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable
from typing import Final
from urllib.parse import urlsplit

from niftyflow.brokers.conformance.case import Case, Needs, NotRun, case, expect
from niftyflow.brokers.conformance.stage import Stage
from niftyflow.brokers.errors import InputRefused, SessionDead
from niftyflow.brokers.order_book import BrokerOrder, BrokerTrade
from niftyflow.kit.clock import to_ist
from niftyflow.model import NiftyflowError, OrderState

_ISIN_CHARACTERS: Final = 12
_STATE: Final = "conformance-state-1"
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@case("session", Needs.READS)
async def session(stage: Stage) -> None:
    """The session of today is known, and the moment at which its token dies."""
    found = await stage.broker.session_of_today()
    if found is None:
        raise NotRun("nobody is logged in")
    name, minutes = stage.capabilities.name, stage.capabilities.token_dies_at_minute
    expect(found.broker == name, f"the session is of {found.broker!r}, the adapter is {name!r}")
    expect(found.user_id, "the session names no user")
    expect(found.outlives(stage.clock.now()), "the token is said to be dead already")
    death = to_ist(found.dies_at)
    told = death.hour * 60 + death.minute
    expect(told == minutes, f"the token dies at minute {told} of the day, the capabilities say {minutes}")
    secret = found.access_token.get_secret_value()
    expect(secret and secret not in f"{found!r} {found}", "the token can be read in what the session prints")


@case("login-page", Needs.READS)
async def login_page(stage: Stage) -> None:
    """The login page is on https or on this machine, and our state goes along."""
    url = stage.broker.login_url(_STATE)
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    expect(is_safe, f"a login at {parts.scheme}://{parts.hostname} goes through the open net")
    expect(_STATE in url, "the state is not in the page's address, so the answer cannot be known")


@case("wrong-token", Needs.READS)
async def wrong_token(stage: Stage) -> None:
    """A token that the broker does not know is told as a dead session."""
    if stage.stranger is None:
        raise NotRun("no call with a wrong token is made here")
    async with stage.stranger() as stranger:
        await expect_dead(stranger.profile(), "a question with a wrong token")


@case("profile", Needs.READS)
async def profile(stage: Stage) -> None:
    """Who the account belongs to is told, with the exchanges it may trade on."""
    told = await stage.broker.profile()
    expect(told.user_id, "the profile names no user")
    expect(told.exchanges, "the profile names no exchange")
    found = await stage.broker.session_of_today()
    if stage.is_consistent and found is not None:
        expect(told.user_id == found.user_id, f"the profile is of {told.user_id}, the session of {found.user_id}")


@case("funds", Needs.READS)
async def funds(stage: Stage) -> None:
    """The money of each segment is told, once a segment, in finite numbers."""
    told = await stage.broker.funds()
    expect(told, "no segment is told")
    expect_once((each.segment for each in told), "segment")
    for each in told:
        amounts = [each.net, *each.available.values(), *each.utilised.values()]
        expect(all(amount.is_finite() for amount in amounts), f"{each.segment} holds an amount that is no number")


@case("holdings", Needs.READS)
async def holdings(stage: Stage) -> str | None:
    """Delivered shares are told, each with its ISIN, quantities and prices."""
    told = await stage.broker.holdings()
    for each in told:
        expect(each.symbol and each.exchange, "a holding has no instrument")
        expect(len(each.isin) in {0, _ISIN_CHARACTERS}, f"{each.instrument} has the ISIN {each.isin!r}")
        expect(min(each.used, each.unsettled, each.pledged) >= 0, f"{each.instrument} has a quantity below zero")
        expect(min(each.average_price, each.last_price) >= 0, f"{each.instrument} has a price below zero")
    return None if told else "there are no holdings"


@case("positions", Needs.READS)
async def positions(stage: Stage) -> str | None:
    """Positions are told, once an instrument and product, and what is read of them can be reckoned with."""
    told = await stage.broker.positions()
    for side in (told.net, told.day):
        expect_once((f"{each.instrument} {each.product or each.unread}" for each in side), "position")
        for each in side:
            expect(each.symbol and each.exchange, "a position has no instrument")
            expect(each.product or each.unread.get("product"), f"{each.instrument} has no product, not even an unread")
            expect(each.multiplier > 0, f"{each.instrument} has the multiplier {each.multiplier}")
    return None if told.net else "there are no positions"


@case("order-book", Needs.READS)
async def order_book(stage: Stage) -> str | None:
    """The day's orders are told, each once, and what one says of itself fits together."""
    told = await stage.broker.orders()
    expect_once((order.broker_order_id for order in told), "order id")
    for order in told:
        expect_sound(order)
    return None if told else "the book is empty"


@case("order-history", Needs.READS)
async def order_history(stage: Stage) -> str | None:
    """An order's states are told oldest first, and the last one is the book's."""
    book = await stage.broker.orders()
    if not book:
        return "the book is empty"
    order = book[0]
    states = await stage.broker.order_history(order.broker_order_id)
    expect(states, f"order {order.broker_order_id} has no history")
    expect({each.broker_order_id for each in states} == {order.broker_order_id}, "the history tells of another order")
    times = [each.updated_at or each.accepted_at for each in states]
    expect(times == sorted(times), "the states are not in the order of time")
    filled = [each.filled for each in states]
    expect(filled == sorted(filled), f"the filled quantity goes back: {filled}")
    last = (await stage.broker.order_history(order.broker_order_id))[-1]
    now = next(each for each in await stage.broker.orders() if each.broker_order_id == order.broker_order_id)
    expect(last.state is now.state, f"the history ends {last.state}, the book says {now.state}")
    return None


@case("unknown-order", Needs.READS)
async def unknown_order(stage: Stage) -> None:
    """Asked for an order that there is none of, the broker refuses, and the adapter says so."""
    if not stage.is_consistent:
        raise NotRun("recordings hold no refusal")
    try:
        found = await stage.broker.order_history("999999999999999")
    except InputRefused as refused:
        expect(refused.advice, "the refusal does not say what to do")
        return
    expect(not found, "an order that nobody placed has a history")


@case("trades", Needs.READS)
async def trades(stage: Stage) -> str | None:
    """The day's trades are told, each once, with quantity and price, and belong to orders of the book."""
    told = await stage.broker.trades()
    expect_once((f"{trade.exchange} {trade.trade_id} {trade.side}" for trade in told), "trade id")
    for trade in told:
        expect(trade.quantity > 0 and trade.price > 0, f"trade {trade.trade_id} has no quantity or price")
        expect(trade.at > 0, f"trade {trade.trade_id} has no time")
    if stage.is_consistent:
        known = {order.broker_order_id: order for order in await stage.broker.orders()}
        for order_id, traded in quantities(told).items():
            expect(order_id in known, f"a trade is of order {order_id}, which the book does not know")
            expect(traded <= known[order_id].filled, f"order {order_id} has traded {traded}, more than it has filled")
    return None if told else "there are no trades"


@case("gtt-list", Needs.READS)
async def gtt_list(stage: Stage) -> str | None:
    """The triggers that the broker keeps are told, with their legs."""
    if not stage.capabilities.has_gtt:
        return "the broker keeps no triggers"
    told = await stage.broker.gtts()
    expect_once((gtt.gtt_id for gtt in told), "GTT id")
    for gtt in told:
        expect(gtt.legs and gtt.status, f"GTT {gtt.gtt_id} has no legs or no status")
        expect(all(leg.quantity > 0 and leg.trigger > 0 for leg in gtt.legs), f"GTT {gtt.gtt_id} has an empty leg")
    return None if told else "no trigger is kept"


def expect_once(names: Iterable[str], what: str) -> None:
    """Go on when no name comes twice.

    Raises:
        Failed: one does.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    expect(not twice, f"the {what} {twice[0] if twice else ''} comes more than once")


def expect_sound(order: BrokerOrder) -> None:
    """Go on when what an order says of itself fits together.

    Raises:
        Failed: it does not.
    """
    name = f"order {order.broker_order_id}"
    expect(order.broker_order_id and order.symbol, "an order has no id or no instrument")
    expect(0 <= order.filled <= order.quantity, f"{name} has filled {order.filled} of {order.quantity}")
    is_whole = order.filled == order.quantity
    expect(order.state is not OrderState.FILLED or is_whole, f"{name} counts as filled with {order.filled}")
    expect(not order.filled or order.average_price, f"{name} has filled without an average price")
    for word in ("order_type", "product", "validity", "variety"):
        expect(getattr(order, word) or word in order.unread, f"{name} has lost its {word}: it is not in unread either")
    expect(order.state is not OrderState.REJECTED or order.reason, f"{name} was refused without a reason")


async def expect_dead(asking: Awaitable[object], what: str) -> None:
    """Go on when asking raises `SessionDead`, with what to do.

    Raises:
        Failed: it does not.
    """
    try:
        await asking
    except SessionDead as dead:
        expect(dead.advice, "the dead session does not say what to do")
    except NiftyflowError as error:
        expect(None, f"{what} raised {type(error).__name__}, where SessionDead is due: {error}")
    else:
        expect(None, f"{what} was answered")


def quantities(told: Iterable[BrokerTrade]) -> Counter[str]:
    """Return what each order has traded."""
    traded: Counter[str] = Counter()
    for trade in told:
        traded[trade.broker_order_id] += trade.quantity
    return traded


READING_CASES: Final[tuple[Case, ...]] = (
    session, login_page, wrong_token, profile, funds, holdings, positions, order_book, order_history, unknown_order,
    trades, gtt_list,
)  # fmt: skip
