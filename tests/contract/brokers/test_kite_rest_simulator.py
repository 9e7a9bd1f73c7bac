"""Our adapter against the simulated broker: it logs in by the page, reads everything, trades, and hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec
import pytest

from niftyflow.brokers.account_book import Conversion, PricedOrder
from niftyflow.brokers.capabilities import Variety
from niftyflow.brokers.errors import InputRefused, OrderRejected, SessionDead
from niftyflow.brokers.kite.broker import KiteBroker, log_in
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.brokers.kite.settings import KiteRestSettings
from niftyflow.brokers.order_book import BrokerOrder, GttLeg, GttRequest, OrderChange, Terms
from niftyflow.brokers.sealed import SealedSessions
from niftyflow.brokers.simulator.server import SimulatorServer
from niftyflow.kit.addresses import listening
from niftyflow.kit.clock import VirtualClock
from niftyflow.model import InstrumentKey, Interval, Order, OrderState, OrderType, Product, Side
from support.kite_rest import OpenGate, intent
from support.simulated_broker import ACCOUNT, PATIENCE_SECONDS, request_token, root_of, serving
from support.simulator import OPENS

HDFC = InstrumentKey("NSE:HDFCBANK")


def settings_at(server: SimulatorServer, **changes: object) -> KiteRestSettings:
    """Return settings of the simulator's account."""
    root = root_of(server)
    fields: dict[str, object] = {
        "root": root, "login_page": f"{root}/connect/login", "api_key": ACCOUNT.api_key,
        "api_secret": ACCOUNT.api_secret, "socket_root": server.url, "poll_seconds": 0.5,
        "question_timeout_seconds": PATIENCE_SECONDS, "order_timeout_seconds": PATIENCE_SECONDS,
    }  # fmt: skip
    return KiteRestSettings.model_validate(fields | changes)


@asynccontextmanager
async def account(server: SimulatorServer) -> AsyncIterator[KiteBroker]:
    """Open the adapter, logged in."""
    settings, clock = settings_at(server), VirtualClock(OPENS)
    async with KiteBroker(settings, clock, OpenGate(), KiteSession(settings, clock)) as broker:
        await broker.exchange(await request_token(server))
        yield broker


async def heard(broker: KiteBroker, is_it: Callable[[BrokerOrder], bool]) -> BrokerOrder:
    """Wait until the updates tell of an order like this."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for order in await broker.order_updates.read():
                if is_it(order):
                    return order


def order_of(symbol: str, **changes: object) -> Order:
    """Return an intent for the day."""
    return intent(symbol=symbol, product=Product.MIS, **changes)


async def near(broker: KiteBroker, factor: str) -> Decimal:
    """Return a price so far from the last one, on the tick."""
    last = (await broker.last_prices([HDFC]))[HDFC]
    return (last * Decimal(factor) / Decimal("0.05")).quantize(Decimal(1)) * Decimal("0.05")


async def test_the_login_page_leads_back_to_us(tmp_path: Path) -> None:
    """The simulator's page redirects as Kite's does, our state with it; the session is sealed."""
    with listening("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    person = msgspec.structs.replace(ACCOUNT, redirect_url=f"http://127.0.0.1:{port}/niftyflow")
    visits: list[asyncio.Task[None]] = []

    async def visit(url: str) -> None:
        async with aiohttp.ClientSession() as browser, browser.get(url) as page:
            assert page.status == 200
            assert "state" in parse_qs(urlsplit(str(page.url)).query)

    async with serving(accounts=(person,)) as server:
        settings, clock = settings_at(server, callback_port=port), VirtualClock(OPENS)
        sealed = SealedSessions(tmp_path, "kite", "sim")
        session = await log_in(
            settings, clock, OpenGate(), sealed, lambda url: visits.append(asyncio.create_task(visit(url)))
        )
        await asyncio.gather(*visits)
        assert session.user_id == ACCOUNT.user_id
        async with KiteBroker(settings, clock, OpenGate(), KiteSession(settings, clock, sealed)) as broker:
            assert (await broker.profile()).user_id == ACCOUNT.user_id
            await broker.invalidate()
            with pytest.raises(SessionDead):
                await broker.profile()


async def test_everything_can_be_read() -> None:
    """Account, master, prices and history, all in our records."""
    async with serving() as server, account(server) as broker:
        assert (await broker.profile()).broker == "ZERODHA"
        funds = {each.segment: each for each in await broker.funds()}
        assert funds["equity"].net == Decimal(1_000_000)
        assert (await broker.positions()).net == []
        assert await broker.holdings() == []
        assert await broker.orders() == []
        assert await broker.trades() == []
        assert await broker.gtts() == []
        master = {str(row.instrument.key): row for row in await broker.instruments()}
        share = master[HDFC].instrument
        quote = (await broker.quotes([HDFC, InstrumentKey("NSE:NOBODY")]))[HDFC]
        ohlc = (await broker.ohlc([HDFC]))[HDFC]
        assert quote.token == ohlc.token == share.token
        assert quote.lower_circuit < quote.last_price < quote.upper_circuit
        assert quote.bids[0].price < quote.asks[0].price
        batch = await broker.history(share, Interval.M1, OPENS, OPENS + 60_000)
        (candle,) = batch.to_records()
        assert candle.check().instrument == HDFC


async def test_an_order_lives_and_dies_and_is_heard_of() -> None:
    """Placed far away, changed, cancelled; each step comes with our id, and the book tells the same."""
    async with serving() as server, account(server) as broker:
        order = order_of("HDFCBANK", price=await near(broker, "0.95"))
        placed = await broker.place(order)
        first = await heard(broker, lambda each: each.state is OrderState.OPEN)
        assert (first.broker_order_id, first.client_order_id) == (placed.broker_order_id, order.client_order_id)
        assert (first.quantity, first.price, first.product) == (10, order.price, Product.MIS)
        price = await near(broker, "0.96")
        await broker.modify(OrderChange(broker_order_id=placed.broker_order_id, price=price, quantity=7))
        changed = await heard(broker, lambda each: each.price == price)
        assert changed.quantity == 7
        await broker.cancel(changed)
        ended = await heard(broker, lambda each: each.state is OrderState.CANCELLED)
        assert (ended.filled, ended.client_order_id) == (0, order.client_order_id)
        history = await broker.order_history(placed.broker_order_id)
        assert history[-1].state is OrderState.CANCELLED
        with pytest.raises((OrderRejected, InputRefused)):
            await broker.cancel(ended)


async def test_a_filled_order_is_a_trade_and_a_position() -> None:
    """A market order with the broker's protection fills; its charges and the conversion of its position follow."""
    async with serving() as server, account(server) as broker:
        order = order_of("HDFCBANK", order_type=OrderType.MARKET, price=None)
        (margin,) = await broker.margins([(order, Terms())])
        assert margin.total > 0
        assert (await broker.basket_margin([(order, Terms())])).final.total > 0
        placed = await broker.place(order)
        filled = await heard(broker, lambda each: each.state is OrderState.FILLED)
        assert (filled.broker_order_id, filled.filled) == (placed.broker_order_id, 10)
        trades = await broker.trades(placed.broker_order_id)
        assert sum(trade.quantity for trade in trades) == 10
        assert trades[0].instrument == HDFC
        (position,) = (await broker.positions()).net
        assert (position.instrument, position.net_quantity, position.product) == (HDFC, 10, Product.MIS)
        assert filled.average_price is not None
        priced = PricedOrder(
            order_id=placed.broker_order_id, instrument=HDFC, side=Side.BUY, variety=Variety.REGULAR,
            product=Product.MIS, order_type=OrderType.MARKET, quantity=10, average_price=filled.average_price,
        )  # fmt: skip
        (charges,) = await broker.charges([priced])
        assert charges.total > 0
        await broker.convert(
            Conversion(
                instrument=HDFC, side=Side.BUY, quantity=10, is_overnight=False, held_as=Product.MIS,
                hold_as=Product.CNC,
            )
        )  # fmt: skip
        held = {each.product: each.net_quantity for each in (await broker.positions()).net}
        assert held[Product.CNC] == 10


async def test_triggers_are_kept_changed_and_taken_back() -> None:
    """A GTT of one leg, far from the market."""
    async with serving() as server, account(server) as broker:
        last = (await broker.last_prices([HDFC]))[HDFC]
        low = await near(broker, "0.9")
        leg = GttLeg(side=Side.BUY, quantity=1, product=Product.CNC, price=low, trigger=low)
        request = GttRequest(instrument=HDFC, last_price=last, legs=(leg,))
        gtt_id = await broker.place_gtt(request)
        lower = msgspec.structs.replace(leg, trigger=await near(broker, "0.85"))
        assert await broker.modify_gtt(gtt_id, msgspec.structs.replace(request, legs=(lower,))) == gtt_id
        (kept,) = await broker.gtts()
        assert (kept.gtt_id, kept.instrument, kept.legs[0].trigger) == (gtt_id, HDFC, lower.trigger)
        assert await broker.cancel_gtt(gtt_id) == gtt_id


async def test_what_the_broker_refuses_is_told_in_its_words_and_ours() -> None:
    """No money, off the tick, and a symbol nobody knows."""
    async with serving() as server, account(server) as broker:
        dear = order_of("HDFCBANK", quantity=10_000_000, order_type=OrderType.MARKET, price=None)
        off_tick = order_of("HDFCBANK", price=await near(broker, "0.95") + Decimal("0.01"))
        unknown = order_of("NOBODY")
        for order in (off_tick, unknown):
            with pytest.raises((OrderRejected, InputRefused)) as refused:
                await broker.place(order)
            assert refused.value.words
            assert refused.value.advice
        await broker.place(dear)
        rejected = await heard(broker, lambda each: each.state is OrderState.REJECTED)
        refusal = broker.refusal(rejected)
        assert (refusal.words, refusal.meaning) == (rejected.reason, "the money is not there")
