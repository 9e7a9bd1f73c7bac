"""Sockets on a real server: what clients of each channel are told, from the first frame to a resume."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from niftyflow.model import (
    CandleBatch,
    FillEvent,
    Interval,
    MarketView,
    Product,
    Sentiment,
    Side,
    Signal,
    TickBatch,
    milliseconds,
    moment,
)
from niftyflow.model.account_views import AccountView, KillSwitch, PortfolioView, PositionView
from support.market_views import cards
from support.records import a_candle, a_tick
from support.socket_servers import ACCOUNT, Served, send, serving, told
from support.waiting import until

RELIANCE, INFY = "NSE:RELIANCE", "NSE:INFY"
T = 1_705_560_000_000


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A running gateway."""
    async with serving(tmp_path) as running:
        yield running


def ticks(**prices: float) -> TickBatch:
    """Return a tick of each symbol at a price."""
    return TickBatch.from_records([a_tick(symbol=symbol, ltp=ltp) for symbol, ltp in prices.items()])


def a_signal(number: int, symbol: str = "RELIANCE") -> Signal:
    """Return a signal that is known by its number."""
    return Signal(
        id=f"{number:016}", strategy="s", symbol=symbol, exchange="NSE", interval=Interval.M1, timestamp=moment(T),
        valid_until=moment(T), action=Side.BUY, strength=1.0, price=100.0, stop=None, target=None, reason=[], saw={},
    )  # fmt: skip


async def test_prices_begin_with_a_snapshot_and_go_on_with_what_changed(served: Served):
    """Only of the symbols asked for, with the change against the day before and null for an empty book."""
    yesterday = a_candle(time=moment(T - 86_400_000), open=2800, high=2900, low=2800, close=2850)
    await served.sources.market.upsert_candles(CandleBatch.from_records([yesterday]))
    await served.sources.bus.publish("raw-ticks", [ticks(RELIANCE=2850, INFY=1500)])
    await until(lambda: served.hub.board.prices.get(INFY) is not None and bool(served.hub.board._closes))
    async with served.connect() as client:
        await send(client, op="subscribe", channel="prices", symbols=["RELIANCE"])
        first = await told(client)
        assert (first["type"], first["channel"], first["epoch"]) == (
            "snapshot",
            "prices",
            served.hub.board.prices.epoch,
        )
        assert first["data"] == {
            RELIANCE: {"ltp": 2850, "bid": 2850.25, "ask": 2850.75, "volume": 4211000, "change_percent": 0, "time": T}
        }
        later = TickBatch.from_records([a_tick(symbol="INFY", ltp=1501), a_tick(ltp=2878.5, bid=0.0, timestamp=T + 5)])
        await served.sources.bus.publish("raw-ticks", [later])
        second = await told(client)
        assert (second["type"], second["seq"]) == ("delta", first["seq"] + 1)
        assert second["data"] == {
            RELIANCE: {
                "ltp": 2878.5,
                "bid": None,
                "ask": 2850.75,
                "volume": 4211000,
                "change_percent": 1,
                "time": T + 5,
            }
        }


async def test_a_price_no_tick_was_seen_of_comes_from_the_hot_store(served: Served):
    """A hub that has just begun tells what is remembered."""
    await served.sources.hot.set_many({f"tick:latest:{INFY}": msgspec.json.encode(a_tick(symbol="INFY", ltp=1500.5))})
    async with served.connect() as client:
        await send(client, op="subscribe", channel="prices", symbols=[INFY, "TCS"])
        data = (await told(client))["data"]
        assert list(data) == [INFY]
        assert data[INFY]["ltp"] == 1500.5


async def test_subscribing_to_more_gives_a_snapshot_of_all_of_it(served: Served):
    """And unsubscribing from some leaves the others."""
    await served.sources.bus.publish("raw-ticks", [ticks(RELIANCE=2850, INFY=1500)])
    await until(lambda: INFY in served.hub.board.prices)
    async with served.connect() as client:
        await send(client, op="subscribe", channel="prices", symbols=[RELIANCE])
        assert list((await told(client))["data"]) == [RELIANCE]
        await send(client, op="subscribe", channel="prices", symbols=[INFY])
        assert set((await told(client))["data"]) == {INFY, RELIANCE}
        await send(client, op="unsubscribe", channel="prices", symbols=[RELIANCE])
        await send(client, op="ping")
        assert (await told(client))["type"] == "pong"
        await served.sources.bus.publish("raw-ticks", [ticks(RELIANCE=2851, INFY=1501)])
        assert list((await told(client))["data"]) == [INFY]
        await send(client, op="unsubscribe", channel="prices")
        await send(client, op="ping")
        assert (await told(client))["type"] == "pong"
        assert not served.hub._listening["prices"]


async def test_all_symbols_and_some_may_be_listened_to_at_once(served: Served):
    """Each is ended by the word it was asked for with."""
    async with served.connect() as client:
        for symbols in ([RELIANCE], ["*"]):
            await send(client, op="subscribe", channel="prices", symbols=symbols)
            assert (await told(client))["type"] == "snapshot"
        (subscription,) = served.hub._listening["prices"]
        assert subscription.symbols is None
        for symbols, left in (([INFY], None), (["*"], {RELIANCE})):
            await send(client, op="unsubscribe", channel="prices", symbols=symbols)
            await send(client, op="ping")
            assert (await told(client))["type"] == "pong"
            assert subscription.symbols == left


async def test_an_account_is_told_as_rest_tells_it(served: Served):
    """The portfolio, and each position with the full key as its symbol; money as text."""
    switch = KillSwitch(
        account=ACCOUNT, is_on=False, is_closing=False, reason="", exits_due=0, working_orders=0, open_positions=1, at=T
    )
    money = Decimal("1.5000")
    portfolio = PortfolioView(
        account=ACCOUNT, capital=money, profit=money, profit_today=money, realised=money, unrealised=money,
        charges=money, gross_exposure=None, orders_today=1, working_orders=0, open_positions=1, kill_switch=switch,
        at=T,
    )  # fmt: skip
    position = PositionView(
        account=ACCOUNT, strategy="s", instrument=INFY, product=Product.MIS, net_quantity=1, average_price=money,
        last_price=None, realised=money, realised_fifo=money, unrealised=None, charges=money, net=money, updated_at=T,
    )  # fmt: skip

    async def account() -> AccountView:
        return AccountView(portfolio=portfolio, positions=[position])

    served.caller.answers("account", account)
    async with served.connect(f"/ws/positions/{ACCOUNT}") as client:
        await send(client, op="subscribe", channel="account")
        data = (await told(client))["data"]
        assert data["portfolio"]["capital"] == "1.5000"
        assert data["portfolio"]["kill_switch"]["is_on"] is False
        assert [(each["symbol"], each["last_price"], each["net"]) for each in data["positions"]] == [
            (INFY, None, "1.5000")
        ]


async def test_a_client_that_comes_back_is_told_what_it_missed(served: Served):
    """Prices that changed meanwhile, and every signal, once."""
    async with served.connect() as client:
        await send(client, op="subscribe", channel="signals")
        begun = await told(client)
        await served.sources.bus.publish("signals", [(a_signal(1), a_signal(2))])
        last = await told(client)
        assert [(signal["id"][-1], signal["symbol"]) for signal in last["data"]] == [("1", RELIANCE), ("2", RELIANCE)]
        assert begun["data"] == []
    await served.sources.bus.publish("signals", [(a_signal(3), a_signal(4, "INFY"))])
    await until(lambda: served.hub.board.signals.position == (4,))
    async with served.connect() as client:
        await send(client, op="resume", channel="signals", after=last["seq"], epoch=last["epoch"])
        missed = await told(client)
        assert (missed["type"], missed["seq"]) == ("delta", 4)
        assert [signal["id"][-1] for signal in missed["data"]] == ["3", "4"]
        await served.sources.bus.publish("signals", [(a_signal(5),)])
        assert [signal["id"][-1] for signal in (await told(client))["data"]] == ["5"]


async def test_a_client_that_was_away_too_long_is_told_of_the_gap(served: Served):
    """More signals than the ring holds were told meanwhile."""
    async with served.connect() as client:
        await send(client, op="subscribe", channel="signals")
        begun = await told(client)
    for first in range(0, 1_500, 500):
        await served.sources.bus.publish("signals", [tuple(a_signal(first + each) for each in range(500))])
    await until(lambda: served.hub.board.signals.position == (1_500,))
    async with served.connect() as client:
        await send(client, op="resume", channel="signals", after=begun["seq"], epoch=begun["epoch"])
        gap, snapshot = await told(client), await told(client)
        assert (gap["type"], gap["data"]) == ("gap", {"after": 0, "reason": "too_old"})
        assert (snapshot["type"], len(snapshot["data"])) == ("snapshot", 100)
        assert snapshot["data"][-1]["id"] == f"{1_499:016}"


async def test_a_server_that_was_restarted_says_so(tmp_path: Path):
    """The epoch is another: a gap, then what stands."""
    async with serving(tmp_path) as served:
        await served.sources.bus.publish("raw-ticks", [ticks(RELIANCE=2850)])
        await until(lambda: RELIANCE in served.hub.board.prices)
        async with served.connect() as client:
            await send(client, op="subscribe", channel="prices")
            last = await told(client)
    async with serving(tmp_path) as served, served.connect() as client:
        await served.sources.hot.set_many({f"tick:latest:{RELIANCE}": msgspec.json.encode(a_tick(ltp=2860.0))})
        await send(client, op="resume", channel="prices", symbols=[RELIANCE], after=last["seq"], epoch=last["epoch"])
        gap, snapshot = await told(client), await told(client)
        assert (gap["type"], gap["data"]["reason"]) == ("gap", "restarted")
        assert snapshot["type"] == "snapshot"
        assert snapshot["epoch"] == gap["epoch"] != last["epoch"]
        assert snapshot["data"][RELIANCE]["ltp"] == 2860.0


async def test_candles_are_told_as_they_close_and_as_they_form(served: Served):
    """A forming candle is told when it changes, and not once it is closed."""
    time = moment(T)
    fields = {"time": time, "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5, "trades": 2}
    key = f"candle:current:{RELIANCE}"
    await served.sources.hot.set_hashes({key: {name: msgspec.json.encode(value) for name, value in fields.items()}})
    async with served.connect() as client:
        await send(client, op="subscribe", channel="candles", symbols=[RELIANCE])
        forming = {"symbol": RELIANCE, "time": T, "open": 10, "high": 12, "low": 9, "close": 11, "volume": 5}
        assert (await told(client))["data"] == {"closed": [], "open": [forming]}
        await served.sources.hot.set_hashes({key: {"close": b"11.5"}})
        assert (await told(client))["data"] == {"closed": [], "open": [forming | {"close": 11.5}]}
        candle = a_candle(time=time, incomplete=True, revision=0)
        other = a_candle(time=time, symbol="INFY")
        await served.sources.bus.publish("market_candles", [CandleBatch.from_records([other, candle])])
        closed = await told(client)
        assert closed["data"]["open"] == []
        assert closed["data"]["closed"] == [
            {"symbol": RELIANCE, "time": milliseconds(time), "open": 2845, "high": 2851, "low": 2844, "close": 2850.5,
             "volume": 150000, "revision": 0, "incomplete": True}
        ]  # fmt: skip
        await served.sources.hot.set_hashes({key: {"close": b"11.7"}})
        await served.hub._look_at_forming([RELIANCE])
        assert served.hub.board.candles.forming.get(RELIANCE)["close"] == 11.5


async def test_scorecards_are_told_in_short_and_never_go_back(served: Served):
    """What is not known is null; an older minute read again changes nothing."""
    batch = cards({RELIANCE: {"composite_score": 3.5, "rsi": float("nan"), "change_percent": 1.5, "time": T}})
    older = cards({RELIANCE: {"composite_score": 1.0, "time": T - 60_000}})
    async with served.connect() as client:
        await send(client, op="subscribe", channel="scorecards", symbols=["*"])
        assert (await told(client))["data"] == {}
        await served.sources.bus.publish("analysis_updates", [batch, older])
        card = (await told(client))["data"][RELIANCE]
        assert (card["composite_score"], card["rsi"], card["change_percent"], card["time"]) == (3.5, None, 1.5, T)
        assert card["recommendation"] == "HOLD"


async def test_the_view_of_the_market_is_told_as_it_is(served: Served):
    """One value, without symbols."""
    view = MarketView(
        timestamp=moment(T), universe="all", advances=1, declines=0, unchanged=0, above_ema50_percent=None,
        above_ema200_percent=None, new_highs=0, new_lows=0, gainers=[], losers=[], volume_shockers=[], breadth=5.0,
        sentiment=Sentiment.BULLISH, sentiment_score=1.0, cache_hits=1, cache_misses=0,
    )  # fmt: skip
    async with served.connect() as client:
        await send(client, op="subscribe", channel="market-view")
        assert (await told(client))["data"] is None
        await served.sources.bus.publish("market_view", [(view,)])
        assert (await told(client))["data"] == msgspec.to_builtins(view)


async def test_an_account_hears_of_its_own_orders_alone(served: Served):
    """Fills and orders carry their type; another account's are not told."""
    fill = FillEvent(
        account=ACCOUNT, fill_id="1", client_order_id="nf1", strategy="s", symbol="INFY", exchange="NSE", side=Side.BUY,
        product=Product.MIS, quantity=1, price=Decimal("1500.5000"), charges={"stt": Decimal("0.3750")}, at=T,
    )  # fmt: skip
    async with served.connect(f"/ws/orders/{ACCOUNT}") as client:
        await send(client, op="subscribe", channel="orders")
        assert (await told(client))["data"] == []
        await served.sources.bus.publish("order_events", [(msgspec.structs.replace(fill, account="other"), fill)])
        (event,) = (await told(client))["data"]
        assert (event["type"], event["account"], event["price"]) == ("fill", ACCOUNT, "1500.5000")


async def test_the_clock_is_asked_while_somebody_listens(served: Served):
    """The first answer is in the first frame, and each is told once."""
    async with served.connect() as client:
        await send(client, op="subscribe", channel="clock")
        first, second = await told(client), await told(client)
        assert first["type"] == "snapshot"
        assert second["data"]["time"] > first["data"]["time"]
        assert second["data"]["is_demo"] is False
    await until(lambda: not served.hub._wanted["clock"].is_set())


async def test_what_nobody_answers_is_null_until_somebody_does(served: Served):
    """The page sees that the system is not known, and then that it is."""
    async with served.connect() as client:
        await send(client, op="subscribe", channel="system")
        assert (await told(client))["data"] is None
        asked = 0

        async def system() -> dict[str, int]:
            nonlocal asked
            asked += 1
            return {"asked": min(asked, 2)}

        served.caller.answers("system", system)
        assert (await told(client))["data"] == {"asked": 1}
        assert (await told(client))["data"] == {"asked": 2}
        await until(lambda: asked > 3)
        await send(client, op="ping")
        assert (await told(client))["type"] == "pong"  # an equal value is no news
