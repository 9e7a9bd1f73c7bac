"""A desk whose orders go to a broker: what leaves is carried once it is in the book, what comes back is heard whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from niftyflow.kit.health import Worker
from niftyflow.model import CommandKind, Misconfigured, Order, OrderState
from niftyflow.storage.memory_hot import MemoryHotStore
from niftyflow.storage.sqlite_book import SqliteBookStore
from niftyflow.trading.account import Action, TradingAccount
from niftyflow.trading.desk import TradingDesk
from niftyflow.trading.requests import NewTerms, VenueFill, VenueUpdate
from niftyflow.trading.settings import TradingSettings
from support.trading_days import ACCOUNT, STARTS, TradingDay, a_command, at, steps_of, the_log
from support.trading_floors import Floor, Fuse, Held, MortalBus, a_floor


class Satchel:
    """A carrier that keeps what it is given."""

    def __init__(self) -> None:
        self.carried: list[tuple[Action, Order, bool]] = []

    def carry(self, action: Action, order: Order, *, is_urgent: bool) -> None:
        """Keep it."""
        self.carried.append((action, order, is_urgent))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep warnings out of the output."""
    with capture_logs():
        yield


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    """Open the stores of a short day on which no strategy trades."""
    settings = TradingSettings.model_validate({"strategies": [], "orders_to": "zerodha"})
    async with a_floor(tmp_path, TradingDay(the_log(at("15:06"), []), settings)) as opened:
        yield opened


@asynccontextmanager
async def life(
    floor: Floor, fence: int, satchel: Satchel | None, **changes: Any
) -> AsyncIterator[tuple[TradingDesk, SqliteBookStore]]:
    """Open the account for a life of its process."""
    book = SqliteBookStore(floor.folder / "book.db")
    await book.open()
    try:
        settings = floor.day.settings.model_copy(update=changes)
        bus = MortalBus(floor.told, Fuse(), floor.day.log)
        desk = TradingDesk(bus, book, floor.market, MemoryHotStore(), Worker("trading"), settings, satchel)  # type: ignore[arg-type]
        await desk.open(Held(fence), STARTS)
        yield desk, book
    finally:
        await book.close()


async def given(desk: TradingDesk, floor: Floor) -> Order:
    """Give an order to buy ten INFY below the market, once its price is known."""
    await desk.take_steps(list(steps_of(floor.day.log))[:1])
    mark = desk.account.portfolio.last_price("NSE:INFY")  # type: ignore[union-attr, arg-type]
    assert mark is not None
    price = str(Decimal(mark.price // 500 * 500 - 5_000) / 10_000)
    body = {"instrument": "INFY", "side": "BUY", "quantity": 10, "order_type": "LIMIT", "price": price}
    result = await desk.take_command(a_command(1, CommandKind.PLACE_ORDER, body, STARTS), STARTS)
    assert result is not None
    assert result.is_done, result.reason
    [order] = desk.account.portfolio.working()  # type: ignore[union-attr]
    return order


def saying(*updates: VenueUpdate) -> Any:
    """Return a word of the broker's."""

    async def say(_: TradingAccount) -> Sequence[VenueUpdate]:
        return updates

    return say


def word(order: Order, state: OrderState, **more: Any) -> VenueUpdate:
    """Return what the broker says of an order."""
    return VenueUpdate(client_order_id=order.client_order_id, state=state, at=STARTS + 1, broker_order_id="B1", **more)


async def test_without_a_carrier_an_account_at_a_broker_does_not_open(floor: Floor) -> None:
    """What would never leave must not be taken."""
    with pytest.raises(Misconfigured, match="orders do not leave for the broker account zerodha yet"):
        async with life(floor, 1, None):
            pass


async def test_an_order_is_carried_and_stays_intended_until_the_broker_is_heard(floor: Floor) -> None:
    """Ticks fill nothing; a trade is booked when the broker tells it, and what cannot be is left out."""
    satchel = Satchel()
    async with life(floor, 1, satchel) as (desk, book):
        order = await given(desk, floor)
        assert [(action.kind, each.state) for action, each, _ in satchel.carried] == [("send", OrderState.INTENDED)]
        await desk.take_steps(list(steps_of(floor.day.log))[1:40])
        assert (await book.order(order.client_order_id)).state is OrderState.INTENDED  # type: ignore[union-attr]
        fill = VenueFill(fill_id="T1", quantity=4, price=Decimal("1500.00"))
        too_much = VenueFill(fill_id="T2", quantity=7, price=Decimal("1500.00"))
        taken = await desk.hear(
            saying(
                word(order, OrderState.SENT), word(order, OrderState.OPEN),
                word(order, OrderState.PART_FILLED, fill=fill), word(order, OrderState.PART_FILLED, fill=too_much),
            )
        )  # fmt: skip
        assert [each.state for each in taken] == [OrderState.SENT, OrderState.OPEN, OrderState.PART_FILLED]
        assert [each.fill_id for each in await desk.fills_of_today()] == ["T1"]
        assert [(each.state, each.filled) for each in await desk.orders_of_today()] == [(OrderState.PART_FILLED, 4)]
        last = (await book.inputs(ACCOUNT))[-1]
        assert last.kind == "broker"
        assert msgspec.json.decode(last.body, type=list[VenueUpdate]) == taken


async def test_a_change_stands_when_the_broker_says_so(floor: Floor) -> None:
    """Until then the order is as it was; a cancel is carried as urgent."""
    satchel = Satchel()
    async with life(floor, 1, satchel) as (desk, book):
        order = await given(desk, floor)
        await desk.hear(saying(word(order, OrderState.SENT), word(order, OrderState.OPEN)))
        body = {"client_order_id": order.client_order_id, "quantity": 8}
        await desk.take_command(a_command(2, CommandKind.MODIFY_ORDER, body, STARTS), STARTS)
        action, _, is_urgent = satchel.carried[-1]
        assert (action.kind, action.terms, is_urgent) == ("modify", NewTerms(quantity=8), False)
        assert (await book.order(order.client_order_id)).quantity == 10  # type: ignore[union-attr]
        await desk.hear(saying(word(order, OrderState.OPEN, quantity=8)))
        assert (await book.order(order.client_order_id)).quantity == 8  # type: ignore[union-attr]
        body = {"client_order_id": order.client_order_id}
        await desk.take_command(a_command(3, CommandKind.CANCEL_ORDER, body, STARTS), STARTS)
        assert (satchel.carried[-1][0].kind, satchel.carried[-1][2]) == ("cancel", True)


async def test_after_a_restart_what_was_never_sent_expires_and_what_may_have_been_waits(floor: Floor) -> None:
    """Nobody knows how old an intent is; an order that may be with the broker is his to tell of."""
    async with life(floor, 1, Satchel()) as (desk, _):
        intended = await given(desk, floor)
    satchel = Satchel()
    async with life(floor, 2, satchel) as (desk, book):
        found = await book.order(intended.client_order_id)
        assert found is not None
        assert (found.state, found.reason) == (OrderState.EXPIRED, "it was not sent before a restart")
        assert satchel.carried == []


async def test_an_account_does_not_change_where_it_trades_while_it_holds_something(floor: Floor) -> None:
    """Its orders would be taken for the other's; with nothing open it may."""
    async with life(floor, 1, Satchel()) as (desk, _):
        order = await given(desk, floor)
        await desk.hear(saying(word(order, OrderState.SENT), word(order, OrderState.OPEN)))
    with pytest.raises(Misconfigured, match="has orders or positions of zerodha"):
        async with life(floor, 2, None, orders_to="paper"):
            pass
    async with life(floor, 3, Satchel()) as (desk, _):
        await desk.hear(saying(word(order, OrderState.CANCELLED)))
    async with life(floor, 4, None, orders_to="paper") as (desk, _):
        assert desk.account is not None
        assert desk.account.portfolio.state.orders_to == "paper"
