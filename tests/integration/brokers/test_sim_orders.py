"""Kinds of orders on the simulated broker: protected market orders, triggers, validities, slices, and squaring off."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from kiteconnect import exceptions

from niftyflow.brokers.matching import MatchingSettings, OrderStatus
from niftyflow.brokers.simulator.accounts import Account, Accounts, Holding
from niftyflow.brokers.simulator.broker import Broker
from niftyflow.brokers.simulator.order_book import order_row
from niftyflow.brokers.simulator.order_parameters import parse_order
from niftyflow.brokers.simulator.playback import Playback
from niftyflow.brokers.simulator.rest import FrontOptions
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.brokers.simulator.synthetic import SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE
from niftyflow.model import parse_instrument
from support.simulated_broker import ACCOUNT, PATIENCE_SECONDS, ask, buy, official_client, order_in, serving, until
from support.simulator import OPENS, SmallTape, every

SYMBOL = "HDFCBANK"
LAST_HOUR = OPENS + 345 * MINUTE
"""15:00."""


def standing(since: int, minutes: int, started: int = MINUTE) -> tuple[Playback, Broker]:
    """Return a generated session and its broker, `started` ms after the session's beginning, with no latency."""
    playback = Playback(SyntheticSession([(since, since + minutes * MINUTE)], symbols=3))
    playback.seek(since + started)
    broker = Broker(playback.source, Accounts([ACCOUNT]), matching=MatchingSettings(latency_ms=0))
    broker.wake(playback.everything(), playback.position)
    return playback, broker


def order(broker: Broker, factor: float = 1.0, **named: Any) -> Any:
    """Place an order at so much of the last price, and return its record."""
    price = broker.price_of(f"NSE:{SYMBOL}") / 10_000 * factor
    form = {
        "exchange": "NSE", "tradingsymbol": SYMBOL, "transaction_type": "BUY", "quantity": 10, "product": "MIS",
        "order_type": "LIMIT", "price": round(round(price / 0.05) * 0.05, 2), **named,
    }  # fmt: skip
    text = {name: str(value) for name, value in form.items() if name != "variety"}
    return broker.place(parse_order(text, named.get("variety", "regular"), "AB1234", broker.listings))


async def test_a_market_order_needs_protection_and_fills_with_it():
    """-1 leaves the percentage to the exchange; the row says what was asked."""
    async with serving() as server, official_client(server) as kite:
        terms = {"order_type": "MARKET", "price": None}
        with pytest.raises(exceptions.InputException, match="protection"):
            await buy(kite, SYMBOL, **terms)
        order_id = await buy(kite, SYMBOL, **terms, market_protection=-1)
        assert (await order_in(kite, order_id, "COMPLETE"))["market_protection"] == -1


async def test_a_stop_waits_for_its_trigger_and_an_ioc_order_for_nothing():
    """TRIGGER PENDING stands in the book; what an IOC order cannot get at once is cancelled."""
    async with serving() as server, official_client(server) as kite:
        stop = await buy(kite, SYMBOL, factor=1.06, order_type="SL", trigger_price=await above(kite, 1.05))
        await order_in(kite, stop, "TRIGGER PENDING")
        at_once = await buy(kite, SYMBOL, factor=0.95, validity="IOC")
        assert (await order_in(kite, at_once, "CANCELLED"))["cancelled_quantity"] == 10
        iceberg = await ask(
            kite.place_order, "iceberg", "NSE", SYMBOL, "BUY", 100, "CNC", "LIMIT",
            price=await above(kite, 1.005), iceberg_legs=2, iceberg_quantity=50,
        )  # fmt: skip
        assert (await order_in(kite, iceberg, "COMPLETE"))["variety"] == "iceberg"
        with pytest.raises(exceptions.InputException):
            await ask(kite.place_order, "co", "NSE", SYMBOL, "BUY", 1, "MIS", "LIMIT", price=900)


async def above(kite: Any, factor: float) -> float:
    """Return so much of the last price, in whole ticks."""
    key = f"NSE:{SYMBOL}"
    return round(round((await ask(kite.ltp, key))[key]["last_price"] * factor / 0.05) * 0.05, 2)


async def test_an_order_above_the_freeze_quantity_is_sliced_when_asked():
    """The first part is the parent of the others; unasked, the whole is refused."""
    tape = SmallTape(every(100, 6000))
    tape.instruments = [msgspec.structs.replace(each, freeze_quantity=100) for each in tape.instruments]
    playback = Playback(tape)
    playback.seek(OPENS + MINUTE)
    front = FrontOptions(accounts=[ACCOUNT], has_rate_limits=False, matching=MatchingSettings(latency_ms=0))
    server = SimulatorServer(playback, speed=1, waits=False, front=front)
    await server.start()
    running = asyncio.ensure_future(server.run())
    try:
        async with official_client(server) as kite:
            terms = ("regular", "NSE", "INFY", "BUY", 250, "MIS", "LIMIT")
            told = await ask(kite.place_autoslice_order, *terms, price=100.0)
            ids = [told["order_id"], *(each["order_id"] for each in told["children"])]
            orders = {each["order_id"]: each for each in await ask(kite.orders)}
            assert [orders[each]["quantity"] for each in ids] == [100, 100, 50]
            assert [orders[each]["parent_order_id"] for each in ids] == [None, ids[0], ids[0]]
            with pytest.raises(exceptions.InputException, match="freeze"):
                await ask(kite.place_order, *terms, price=100.0)
    finally:
        server.request_stop()
        await asyncio.wait_for(running, PATIENCE_SECONDS)


def test_intraday_positions_are_squared_off_before_the_close():
    """The broker's own order closes what is open; what waits is cancelled; delivered shares stay."""
    playback, broker = standing(LAST_HOUR, 29)
    assert order(broker, 1.01).status is OrderStatus.COMPLETE
    assert order(broker, 1.01, product="CNC").status is OrderStatus.COMPLETE
    waiting = order(broker, 0.95)
    assert waiting.status is OrderStatus.OPEN
    while not playback.is_finished:
        step = playback.advance_block(500)
        broker.step(step.events, int(step.marks[-1]))
    assert waiting.status is OrderStatus.CANCELLED
    positions = {key[1].value: each.quantity for key, each in broker.states["AB1234"].ledger.positions.items()}
    assert positions == {"MIS": 0, "CNC": 10}
    (closing,) = [each for each in broker.orders.of_account("AB1234") if each.placed_by == "RMS"]
    assert (closing.order.side.value, closing.order.quantity) == ("SELL", 10)
    assert broker.states["AB1234"].blocked == 0


def test_money_is_held_back_for_what_is_open_and_given_back():
    """A fifth of the value for each waiting intraday order, nothing when all are over; a closing order needs none."""
    _, broker = standing(OPENS, 30)
    state = broker.states["AB1234"]
    first, second = order(broker, 0.9), order(broker, 0.9, quantity=20)
    assert state.blocked == first.blocked + second.blocked
    assert second.blocked == second.order.price * 20 // 5
    broker.modify("AB1234", first.order.order_id, {"quantity": "5"})
    assert first.blocked == first.order.price * 5 // 5
    for each in (first, second):
        broker.cancel("AB1234", each.order.order_id)
    assert state.blocked == 0
    held = order(broker, 1.01)
    assert held.status is OrderStatus.COMPLETE
    assert state.blocked == 0
    closing = order(broker, 1.1, transaction_type="SELL")
    assert (closing.status, closing.blocked) == (OrderStatus.OPEN, 0)


def test_what_an_order_has_filled_needs_no_money_after_a_change():
    """Only what may still fill is held back at the new price."""
    _, broker = standing(OPENS, 30)
    state = broker.states["AB1234"]
    best = broker.exchange.depth(f"NSE:{SYMBOL}").asks[0]
    waiting = order(broker, price=best.price / 10_000, quantity=best.quantity + 100)
    assert waiting.last.filled == best.quantity
    price = waiting.order.price - 500
    broker.modify("AB1234", waiting.order.order_id, {"price": str(price / 10_000)})
    assert waiting.is_open
    assert state.blocked == waiting.blocked == price * 100 // 5


def test_held_shares_are_sold_once():
    """A second sale of what a waiting one already sells is refused; once that is cancelled, it is not."""
    playback, _ = standing(OPENS, 30)
    owner = msgspec.structs.replace(
        ACCOUNT, holdings=(Holding(key=parse_instrument(f"NSE:{SYMBOL}"), quantity=10, average=Decimal(900)),)
    )
    broker = Broker(playback.source, Accounts([owner]), matching=MatchingSettings(latency_ms=0))
    broker.wake(playback.everything(), playback.position)
    sale = {"transaction_type": "SELL", "product": "CNC"}
    first = order(broker, 1.05, **sale)
    assert first.status is OrderStatus.OPEN
    second = order(broker, 1.05, **sale, quantity=1)
    assert (second.status, second.last.reason) == (OrderStatus.REJECTED, "Insufficient stock holding")
    broker.modify("AB1234", first.order.order_id, {"quantity": "9"})
    assert order(broker, 1.05, **sale, quantity=1).status is OrderStatus.OPEN
    broker.cancel("AB1234", first.order.order_id)
    assert order(broker, 1.05, **sale, quantity=9).status is OrderStatus.OPEN


def test_a_position_above_the_freeze_quantity_is_squared_off_in_parts():
    """The exchange would refuse the whole at once, and the position would stay."""
    playback = Playback(SyntheticSession([(LAST_HOUR, LAST_HOUR + 29 * MINUTE)], symbols=3))
    playback.source.instruments = [
        msgspec.structs.replace(each, freeze_quantity=10) for each in playback.source.instruments
    ]
    playback.seek(LAST_HOUR + MINUTE)
    broker = Broker(playback.source, Accounts([ACCOUNT]), matching=MatchingSettings(latency_ms=0))
    broker.wake(playback.everything(), playback.position)
    for _ in range(3):
        assert order(broker, 1.01, quantity=8).status is OrderStatus.COMPLETE
    while not playback.is_finished:
        step = playback.advance_block(500)
        broker.step(step.events, int(step.marks[-1]))
    closing = [each.order.quantity for each in broker.orders.of_account("AB1234") if each.placed_by == "RMS"]
    assert closing == [10, 10, 4]
    assert [each.quantity for each in broker.states["AB1234"].ledger.positions.values()] == [0]


def test_the_same_calls_give_the_same_orders():
    """Ids, exchange ids, trades and times: a function of the calls and the seed."""

    def run() -> list[dict[str, Any]]:
        playback, broker = standing(OPENS, 30)
        for factor in (1.01, 0.99, 1.0):
            order(broker, factor)
            step = playback.advance(playback.position + 5000)
            broker.step(step.events, playback.position)
        records = broker.orders.of_account("AB1234")
        return [order_row(each, step) for each in records for step in each.steps]

    assert run() == run()
    assert len(run()) > 9


async def test_an_account_begins_anew_when_the_session_is_moved_back():
    """Forward, orders and positions stay."""
    async with serving(minutes=30) as server, official_client(server) as kite:
        await order_in(kite, await buy(kite, SYMBOL), "COMPLETE")
        address = kite.root + "/sim/seek"
        await ask(kite.reqsession.post, address, json={"time": "09:30"})
        assert [each["quantity"] for each in (await ask(kite.positions))["net"]] == [10]
        await ask(kite.reqsession.post, address, json={"time": "09:16"})
        await until(kite.positions, lambda told: told == {"net": [], "day": []}, "anew")
        assert await ask(kite.orders) == []
        await order_in(kite, await buy(kite, SYMBOL), "COMPLETE")


def test_two_accounts_have_each_their_own_orders_and_money():
    """What one buys moves nothing of the other's."""
    other = Account(user_id="CD5678", api_key="key2", api_secret="secret2")
    playback = Playback(SyntheticSession([(OPENS, OPENS + 30 * MINUTE)], symbols=3))
    playback.seek(OPENS + MINUTE)
    broker = Broker(playback.source, Accounts([ACCOUNT, other]), matching=MatchingSettings(latency_ms=0))
    broker.wake(playback.everything(), playback.position)
    order(broker, 1.01)
    assert broker.orders.of_account("CD5678") == []
    assert broker.states["CD5678"].ledger.positions == {}
