"""What every book does with a commit: all of it or nothing, once, and only from the newest owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from niftyflow.model import CommandKind, CommandResult, InvalidValue, OrderState, Refused, Side, Verdict
from niftyflow.storage.book_ports import Account, BookStore, Changes, LeaseLost
from support.books import (
    MINUTE,
    OPENED,
    PAPER,
    a_fill,
    a_position,
    a_position_event,
    a_strategy,
    an_input,
    an_order,
    bought,
    event_of,
)

RESULT = CommandResult(
    id="c-1",
    account=PAPER,
    kind=CommandKind.SET_KILL_SWITCH,
    is_done=False,
    at=OPENED,
    reason="late",
    body={"on": True},
)


def everything() -> Changes:
    """Return a commit with something of each kind."""
    order = an_order(filled=5, filled_value=Decimal("14252.25"), state=OrderState.PART_FILLED, is_triggered=True)
    return Changes(
        time=OPENED,
        orders=[order],
        events=[event_of(order)],
        fills=[a_fill(order)],
        positions=[a_position()],
        position_events=[a_position_event()],
        strategies=[a_strategy()],
        inputs=[an_input(1), an_input(2)],
        results=[RESULT],
        progress={("signals", 0): 8, ("market_candles", 3): 11},
        account={"kill_switch": True, "realised": "-12.5"},
    )


async def contents(book: BookStore) -> tuple:
    """Return all that a book holds."""
    return (
        await book.account(PAPER), await book.orders(), await book.fills(), await book.positions(),
        await book.position_events(), await book.strategies(), await book.inputs(PAPER), await book.result("c-1"),
    )  # fmt: skip


async def test_everything_of_a_commit_comes_back_as_it_went_in(book: BookStore):
    """Money exact, enums as enums, JSON as it was."""
    changes = everything()
    await book.commit(PAPER, 1, changes)
    (order,) = changes.orders
    assert await book.orders() == await book.orders(PAPER) == changes.orders
    assert await book.order(order.client_order_id) == order
    assert await book.order_events(order.client_order_id) == changes.events
    assert await book.fills() == changes.fills
    assert await book.positions() == changes.positions
    assert await book.position_events(PAPER) == changes.position_events
    assert await book.strategies() == changes.strategies
    assert await book.inputs(PAPER) == changes.inputs
    assert await book.result("c-1") == RESULT
    assert await book.account(PAPER) == Account(
        account=PAPER, fence=1, state=changes.account, time=OPENED, sequence=2, orders=changes.orders,
        positions=changes.positions, strategies=changes.strategies, progress=changes.progress,
    )  # fmt: skip


async def test_an_order_without_price_or_reason_comes_back_without(book: BookStore):
    """Null is not zero; a reason that is empty text is not null."""
    bare = an_order(1, price=None, trigger=None, reason=None)
    told = an_order(2, price=Decimal(0), reason="")
    await book.commit(PAPER, 1, Changes(orders=[bare, told], events=[event_of(bare)]))
    assert await book.orders() == [bare, told]
    assert (await book.orders())[0].price is None
    assert await book.order_events(bare.client_order_id) == [event_of(bare)]


async def test_an_order_may_be_modified_and_its_first_verdict_stays_with_its_first_event(book: BookStore):
    """Quantity, price and a new verdict replace; events tell what held when they happened."""
    first = an_order()
    await book.commit(PAPER, 1, Changes(orders=[first], events=[event_of(first)]))
    modified = msgspec.structs.replace(
        first,
        quantity=20,
        price=Decimal("2849.05"),
        risk=Verdict(verdict="pass"),
        state=OrderState.OPEN,
        broker_order_id="1601",
        sequence=2,
        updated_at=first.updated_at + 1,
        valid_until=first.valid_until + MINUTE,
    )
    await book.commit(PAPER, 1, Changes(orders=[modified], events=[event_of(modified)]))
    assert await book.order(first.client_order_id) == modified
    assert await book.order_events(first.client_order_id) == [event_of(first), event_of(modified)]


@pytest.mark.parametrize("change", [{"side": Side.BUY}, {"cause": "another"}, {"decided_at": 7}, {"symbol": "TCS"}])
async def test_what_was_decided_never_changes(book: BookStore, change: dict):
    """Another decision under an old id is a mistake, and nothing beside it is written."""
    await book.commit(PAPER, 1, everything())
    before = await contents(book)
    other = msgspec.structs.replace(before[1][0], **change)
    with pytest.raises(Refused, match="decided"):
        await book.commit(PAPER, 1, Changes(positions=[a_position(net_quantity=99)], orders=[other]))
    assert await contents(book) == before


@pytest.mark.parametrize("kind", ["events", "fills", "inputs", "results"])
async def test_what_was_written_before_is_refused_with_all_that_comes_with_it(book: BookStore, kind: str):
    """Also when it is the last thing of a commit."""
    await book.commit(PAPER, 1, everything())
    before = await contents(book)
    again = {kind: getattr(everything(), kind)}
    with pytest.raises(Refused):
        await book.commit(
            PAPER, 1, Changes(orders=[an_order(9)], positions=[a_position(symbol="TCS")], account={}, **again)
        )
    assert await contents(book) == before


async def test_one_trade_number_on_both_sides_is_two_fills(book: BookStore):
    """An exchange numbers the trade and not its sides; within an order it is one fill."""
    buy, sell = an_order(1, side=Side.BUY), an_order(2)
    fills = [a_fill(buy, fill_id="77"), a_fill(sell, fill_id="77")]
    await book.commit(PAPER, 1, Changes(orders=[buy, sell], fills=fills))
    assert await book.fills() == fills
    with pytest.raises(Refused, match="before"):
        await book.commit(PAPER, 1, Changes(fills=[a_fill(sell, fill_id="77", price=Decimal(1))]))


@pytest.mark.parametrize("sequences", [[2], [1, 3], [2, 1], [1, 1], [0]])
async def test_inputs_leave_no_hole(book: BookStore, sequences: list[int]):
    """They count from 1, within a commit and from one to the next."""
    inputs = [an_input(sequence) for sequence in sequences]
    with pytest.raises(Refused, match="inputs"):
        await book.commit(PAPER, 1, Changes(inputs=inputs))
    assert await book.inputs(PAPER) == []


async def test_inputs_go_on_from_the_last(book: BookStore):
    """A commit without inputs in between changes nothing about that."""
    await book.commit(PAPER, 1, Changes(inputs=[an_input(1), an_input(2)]))
    await book.commit(PAPER, 1, Changes(time=5))
    await book.commit(PAPER, 1, Changes(inputs=[an_input(3)]))
    with pytest.raises(Refused, match="go on after 4"):
        await book.commit(PAPER, 1, Changes(inputs=[an_input(5)]))
    assert [each.sequence for each in await book.inputs(PAPER, after=1)] == [2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        Changes(orders=[an_order(account="live-1")]),
        Changes(events=[event_of(an_order(account="live-1"))]),
        Changes(fills=[a_fill(an_order(account="live-1"))]),
        Changes(positions=[a_position(account="live-1")]),
        Changes(position_events=[a_position_event(account="live-1")]),
        Changes(strategies=[a_strategy(account="live-1")]),
        Changes(inputs=[an_input(1, account="live-1")]),
        Changes(results=[msgspec.structs.replace(RESULT, account="live-1")]),
    ],
)
async def test_a_record_of_another_account_is_refused(book: BookStore, changes: Changes):
    """An owner writes its own account only."""
    with pytest.raises(Refused, match="live-1"):
        await book.commit(PAPER, 1, changes)
    assert await book.accounts() == [PAPER]


async def test_an_order_id_of_another_account_cannot_be_taken(book: BookStore):
    """Nor can its events or fills be written."""
    await book.take_over("live-1", 1, {}, 0)
    theirs = an_order(account="live-1")
    await book.commit("live-1", 1, Changes(orders=[theirs]))
    stolen = msgspec.structs.replace(theirs, account=PAPER)
    for changes in (
        Changes(orders=[stolen]),
        Changes(events=[event_of(stolen)]),
        Changes(fills=[a_fill(stolen)]),
    ):
        with pytest.raises(Refused, match="no order of this account"):
            await book.commit(PAPER, 1, changes)
    assert await book.orders() == [theirs]


async def test_an_amount_finer_than_the_book_keeps_is_refused(book: BookStore):
    """Money is never rounded on its way to the disk."""
    with pytest.raises(InvalidValue, match="four decimals"):
        await book.commit(PAPER, 1, Changes(inputs=[an_input(1)], positions=[a_position(realised=Decimal("0.00001"))]))
    assert await book.positions() == []
    assert await book.inputs(PAPER) == []


async def test_positions_strategies_progress_and_state_replace_what_was_there(book: BookStore):
    """Each by its key; the account's state as a whole, and only when it is given."""
    await book.commit(PAPER, 1, everything())
    later = Changes(
        time=OPENED - 1,
        positions=[a_position(net_quantity=0, state=b""), a_position(strategy="orb")],
        strategies=[a_strategy(saved={}, reason="stopped by hand"), a_strategy("orb")],
        progress={("signals", 0): 9, ("signals", 1): 1},
    )
    await book.commit(PAPER, 1, later)
    account = await book.account(PAPER)
    assert account.positions == later.positions
    assert account.strategies == later.strategies
    assert account.progress == {("market_candles", 3): 11, ("signals", 0): 9, ("signals", 1): 1}
    assert account.state == everything().account
    assert account.time == OPENED


async def test_a_new_owner_gets_the_account_as_it_stands(book: BookStore):
    """Its state is the stored one; orders that ended are not among what it must look after."""
    await book.commit(PAPER, 1, everything())
    ended = [an_order(number, state=state) for number, state in enumerate(OrderState, start=10) if state.is_final]
    going = [an_order(number, state=state) for number, state in enumerate(OrderState, start=20) if not state.is_final]
    await book.commit(PAPER, 1, Changes(orders=[*going, *ended]))
    taken = await book.take_over(PAPER, 5, {"kill_switch": "ignored"}, OPENED)
    assert taken == await book.account(PAPER)
    assert taken.fence == 5
    assert taken.state == everything().account
    assert taken.orders == [*everything().orders, *going]


async def test_an_owner_who_lost_the_account_writes_nothing_more(
    book: BookStore, book_handles: Callable[[], BookStore]
):
    """Neither it, nor one who comes with its fence or an older one."""
    newer = book_handles()
    await newer.open()
    await newer.take_over(PAPER, 2, {}, OPENED)
    before = await contents(book)
    with pytest.raises(LeaseLost, match="fence 2"):
        await book.commit(PAPER, 1, everything())
    for fence in (1, 2):
        with pytest.raises(LeaseLost):
            await book.take_over(PAPER, fence, {}, OPENED)
    with pytest.raises(LeaseLost):
        await book.commit(PAPER, 3, everything())
    assert await contents(book) == before
    await newer.commit(PAPER, 2, everything())


async def test_an_account_that_nobody_took_is_not_written(book: BookStore):
    """There is no owner whose fence could be checked."""
    with pytest.raises(Refused, match="take it over"):
        await book.commit("live-1", 1, Changes(time=1))
    assert await book.account("live-1") is None


async def test_a_new_account_begins_at_nothing(book: BookStore):
    """With the state it was made with."""
    assert await book.take_over("live-1", 7, {"kill_switch": True}, OPENED) == Account(
        account="live-1", fence=7, state={"kill_switch": True}, time=0, sequence=0, orders=[], positions=[],
        strategies=[], progress={},
    )  # fmt: skip
    assert await book.accounts() == ["live-1", PAPER]


async def test_a_cancelled_commit_is_whole_or_absent_and_the_book_goes_on(book: BookStore):
    """Cancelled at any moment, it leaves no half commit and no lock."""
    number = 0
    for attempt in range(20):
        task = asyncio.ensure_future(book.commit(PAPER, 1, bought(number + 1)))
        await asyncio.sleep(attempt * 0.0002)
        task.cancel()
        await asyncio.wait({task})
        account = await book.account(PAPER)
        assert account.sequence in (number, number + 1)
        number = account.sequence
    await book.commit(PAPER, 1, bought(number + 1))
    assert len(await book.fills()) == number + 1


async def test_commits_of_two_accounts_wait_for_each_other(book: BookStore, book_handles: Callable[[], BookStore]):
    """Two processes, an account each: none is told that the database is locked."""
    other = book_handles()
    await other.open()
    await other.take_over("live-1", 1, {}, 0)
    steps = [
        store.commit(account, 1, Changes(orders=[an_order(number, account=account)]))
        for number in range(20)
        for store, account in ((book, PAPER), (other, "live-1"))
    ]
    await asyncio.gather(*steps)
    assert len(await book.orders(PAPER)) == len(await book.orders("live-1")) == 20
