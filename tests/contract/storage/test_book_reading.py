"""How every book is looked at: spans, accounts, order, and beginnings of ids."""

from __future__ import annotations

import pytest

from niftyflow.storage.book_ports import BookStore, Changes
from support.books import (
    MINUTE,
    OPENED,
    PAPER,
    a_fill,
    a_position,
    a_position_event,
    a_strategy,
    an_order,
)


@pytest.fixture
async def two_accounts(book: BookStore) -> BookStore:
    """Book six orders for each of two accounts, each order with a fill."""
    await book.take_over("live-1", 1, {}, 0)
    for account in (PAPER, "live-1"):
        orders = [an_order(number, account=account) for number in (3, 1, 2, 4, 5, 6)]
        await book.commit(
            account,
            1,
            Changes(
                orders=orders,
                fills=[a_fill(order) for order in orders],
                positions=[a_position(account, strategy=name) for name in ("orb", "ema")],
                position_events=[a_position_event(account, at=at) for at in (9, 3)],
                strategies=[a_strategy(name, account) for name in ("orb", "ema")],
            ),
        )
    return book


async def test_orders_come_oldest_first_and_the_newest_are_kept(two_accounts: BookStore):
    """By the time decided, of one account or of all; the end of a span is exclusive."""
    orders = await two_accounts.orders(PAPER)
    assert [order.cause for order in orders] == [f"candle-{number}" for number in range(1, 7)]
    assert await two_accounts.orders(PAPER, limit=2) == orders[-2:]
    assert await two_accounts.orders(PAPER, since=OPENED + 2 * MINUTE, until=OPENED + 4 * MINUTE) == orders[1:3]
    assert len(await two_accounts.orders()) == 12
    assert [order.decided_at for order in await two_accounts.orders(limit=4)] == sorted(
        order.decided_at for order in await two_accounts.orders()
    )[-4:]


async def test_orders_of_one_moment_come_as_they_were_written(book: BookStore):
    """Also the newest of them."""
    orders = [an_order(number, decided_at=OPENED) for number in (5, 2, 9, 1)]
    await book.commit(PAPER, 1, Changes(orders=orders))
    assert await book.orders() == orders
    assert await book.orders(limit=3) == orders[1:]


async def test_fills_come_as_they_were_booked(two_accounts: BookStore):
    """Not by time: a broker may tell a trade late."""
    assert [fill.trace_id for fill in await two_accounts.fills(PAPER)] == [f"trace-{n}" for n in (3, 1, 2, 4, 5, 6)]
    (third,) = await two_accounts.fills(client_order_id=an_order(3).client_order_id)
    assert third == a_fill(an_order(3))
    assert await two_accounts.fills(PAPER, since=third.at, until=third.at + 1) == [third]
    assert len(await two_accounts.fills(since=third.at, until=third.at + MINUTE)) == 2


async def test_positions_and_strategies_come_by_account_and_name(two_accounts: BookStore):
    """And position events as they were booked."""
    keys = [(account, strategy) for account in ("live-1", PAPER) for strategy in ("ema", "orb")]
    assert [(each.account, each.strategy) for each in await two_accounts.positions()] == keys
    assert [(each.account, each.name) for each in await two_accounts.strategies()] == keys
    assert [each.at for each in await two_accounts.position_events(PAPER)] == [9, 3]
    assert len(await two_accounts.position_events()) == 4


async def test_the_beginning_of_an_id_finds_the_only_order_that_has_it(book: BookStore):
    """Six characters at least; two that begin alike are found by nothing shorter than what tells them apart."""
    alike = [an_order(number, client_order_id=f"nfabcdef{number}") for number in (1, 2)]
    exact = an_order(3, client_order_id="nfabcdef")
    await book.commit(PAPER, 1, Changes(orders=[*alike, an_order(4, client_order_id="nf_%cdef9")]))
    assert await book.order("nfabcdef1") == alike[0]
    assert await book.order("nfabcdef") is None
    await book.commit(PAPER, 1, Changes(orders=[exact]))
    assert await book.order("nfabcdef") == exact
    assert (await book.order("nf_%cd")).client_order_id == "nf_%cdef9"
    assert await book.order("nf_%c") is None
    assert await book.order("nf____") is None
    assert await book.order("") is None


async def test_what_is_not_there_is_nothing(book: BookStore):
    """No error for a question about the unknown."""
    assert await book.order("nf0123456789abcdef") is None
    assert await book.result("c-9") is None
    assert await book.account("live-9") is None
    assert await book.order_events("nf0123456789abcdef") == []
    assert await book.inputs("live-9") == []
    assert await book.orders("live-9") == []
    await book.ping()
