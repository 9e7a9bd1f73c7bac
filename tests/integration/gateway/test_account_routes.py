"""Positions, portfolio, strategies and the kill switch by REST in a process that trades."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from niftyflow.model import InvalidValue
from niftyflow.model.account_views import totals_of
from niftyflow.runtime.decisions import find_positions, kill_switch
from support.trading_gateways import PRICES, TradingGateway, played_session, trading

__all__ = ["played_session", "trading"]

E4 = Decimal("0.0001")


async def test_positions_are_what_the_command_says(trading: TradingGateway):
    """At the end of a minute the last price is the last candle's close, so both value alike, to the last paisa."""
    expected = await find_positions(trading.on.book, trading.on.market, "paper-1")
    told = await trading.get("positions")
    assert len(told) == len(expected) > 5
    for row, view in zip(told, expected, strict=True):
        same = msgspec.to_builtins(view)
        assert row.pop("symbol") == same.pop("instrument")
        del same["account"]
        if not view.net_quantity:
            assert row["last_price"] is None
        assert row == same


async def test_the_portfolio_is_the_sum_of_the_positions(trading: TradingGateway):
    """And of the book's orders."""
    totals = totals_of(await find_positions(trading.on.book, trading.on.market, "paper-1"))
    told = await trading.get("portfolio")
    for name in ("realised", "unrealised", "charges"):
        assert Decimal(told[name]) == getattr(totals, name)
    assert Decimal(told["profit"]) == totals.net
    assert told["open_positions"] == totals.positions - totals.flat
    working = await trading.get("orders", state="working")
    assert told["working_orders"] == len(working)
    assert told["capital"] == "1000000.0000"
    assert told["profit_today"] == told["profit"]
    assert Decimal(told["gross_exposure"]) > 0
    assert told["at"] == trading.now
    assert msgspec.to_builtins(await kill_switch(trading.on.book, "paper-1")) == told["kill_switch"]


async def test_a_position_is_valued_at_the_last_tick(trading: TradingGateway):
    """Not at the last candle."""
    held = next(each for each in await trading.get("positions") if each["net_quantity"])
    symbol = held["symbol"].removeprefix("NSE:")
    await trading.minute(PRICES)
    await trading.tick(PRICES | {symbol: PRICES[symbol] + 1})
    now = next(each for each in await trading.get("positions") if (each["strategy"], each["symbol"]) == (
        held["strategy"], held["symbol"]))  # fmt: skip
    assert Decimal(now["last_price"]) == Decimal(str(PRICES[symbol] + 1)).quantize(E4)
    assert Decimal(now["unrealised"]) == now["net_quantity"] * (
        Decimal(now["last_price"]) - Decimal(held["last_price"])
    ) + Decimal(held["unrealised"])


async def test_positions_are_squared_off(trading: TradingGateway):
    """Those of a strategy first, then all that are left; the answer says how many are meant."""
    told = await trading.post("positions/square-off", {"strategy": "ema-cross"})
    assert told["command"]["body"] == {"positions": 3}
    await trading.minute(PRICES)
    still = [each for each in await trading.get("positions") if each["net_quantity"]]
    assert still
    assert "ema-cross" not in {each["strategy"] for each in still}
    one = still[0]["symbol"]
    await trading.post("positions/square-off", {"symbol": one})
    await trading.minute(PRICES)
    left = [each for each in await trading.get("positions") if each["net_quantity"]]
    assert one not in {each["symbol"] for each in left if each["strategy"] != "ema-cross"}
    assert (await trading.post("positions/square-off", {"strategy": "nobody"}))["command"]["body"] == {"positions": 0}


async def test_the_kill_switch_is_pulled_and_released(trading: TradingGateway):
    """Working orders are cancelled; nothing passes while it is on, and orders pass again when it is off."""
    order = {"symbol": "INFY", "side": "BUY", "quantity": 1, "order_type": "LIMIT", "price": "950"}
    assert (await trading.get("kill-switch"))["is_on"] is False
    told = await trading.put("kill-switch", {"is_on": True, "reason": "a drill"})
    assert told["command"]["is_done"] is True
    assert told["kill_switch"] == await trading.get("kill-switch")
    assert (told["kill_switch"]["is_on"], told["kill_switch"]["reason"]) == (True, "a drill")
    assert told["kill_switch"]["working_orders"] == 0
    error = await trading.post("orders", order, 409)
    assert [check["name"] for check in error["details"]["checks"]] == ["kill_switch"]
    assert (await trading.put("kill-switch", {"is_on": False}))["kill_switch"]["is_on"] is False
    await trading.post("orders", order, 201)


async def test_the_kill_switch_closes_positions_first_when_asked(trading: TradingGateway):
    """It is on as soon as all are flat."""
    told = await trading.put("kill-switch", {"is_on": True, "square_off": True})
    assert (told["kill_switch"]["is_on"], told["kill_switch"]["is_closing"]) == (False, True)
    assert told["kill_switch"]["exits_due"] == told["kill_switch"]["open_positions"] > 0
    await trading.minute(PRICES)
    now = await trading.get("kill-switch")
    assert (now["is_on"], now["is_closing"], now["open_positions"]) == (True, False, 0)


async def test_a_strategy_is_stopped_and_started_anew(trading: TradingGateway):
    """With other parameters; its profit and orders are told with it."""
    before = {each["name"]: each for each in await trading.get("strategies")}
    assert before["ema-cross"]["status"] == "running"
    mine = [each for each in await trading.get("positions") if each["strategy"] == "ema-cross"]
    assert Decimal(before["ema-cross"]["profit"]) == sum(Decimal(each["net"]) for each in mine)
    assert before["ema-cross"]["open_positions"] == sum(each["net_quantity"] != 0 for each in mine)
    orders = await trading.get("orders", strategy="ema-cross", limit=1000)
    assert before["ema-cross"]["orders"] == len(orders) > 0
    await trading.post("strategies/ema-cross/stop", {"square_off": True})
    stopped = {each["name"]: each for each in await trading.get("strategies")}["ema-cross"]
    assert (stopped["status"], stopped["reason"]) == ("stopped", "by key:owner")
    assert (await trading.post("strategies/ema-cross/stop", {}, 409))["code"] == "refused"
    wanted = {"name": "fast", "kind": "ema-cross", "instruments": ["infy", "NSE:TCS"], "on_error": "hold",
              "parameters": {"fast": 3, "slow": 5}}  # fmt: skip
    started = await trading.post("strategies", wanted, 201)
    assert started["command"]["body"]["instruments"] == 2
    fast = {each["name"]: each for each in await trading.get("strategies")}["fast"]
    assert (fast["status"], fast["instruments"]) == ("running", ["NSE:INFY", "NSE:TCS"])
    assert (fast["parameters"], fast["profit"], fast["orders"]) == ({"fast": 3, "slow": 5}, "0.0000", 0)
    again = await trading.post("strategies", wanted, 409)
    assert "runs already" in again["message"]
    wrong = await trading.post("strategies", wanted | {"name": "other", "parameters": {"fast": 30}}, 409)
    assert "set it above fast" in wrong["message"]
    response = await trading.client.post("/api/v1/strategies/fast/stop")
    assert response.status_code == 200, "the body may be left out"


async def test_the_kinds_of_strategies_come_with_their_parameters(trading: TradingGateway):
    """As a JSON schema that a page can draw a form from."""
    kinds = {each["kind"]: each for each in await trading.get("strategies/kinds")}
    assert set(kinds) == {"ema-cross", "opening-range-breakout", "signal-follower"}
    assert kinds["ema-cross"]["title"].startswith("Follows the crossing")
    fast = kinds["ema-cross"]["parameters"]["properties"]["fast"]
    assert (fast["default"], fast["minimum"], fast["type"]) == (9, 1, "integer")


@dataclass
class SteadyMarket:
    """A demo's market that stands still; it can be played at 1 to 100 times real time."""

    speed: float = 10.0
    is_paused: bool = False

    def change(self, *, speed: float | None = None, is_paused: bool | None = None) -> None:
        """Go on at another speed, or stop and go."""
        if speed is not None:
            if speed > 100:
                raise InvalidValue("speed", speed, "from 1 to 100")
            self.speed = speed
        if is_paused is not None:
            self.is_paused = is_paused


async def test_a_demo_is_hastened_and_paused(trading: TradingGateway):
    """Each alone; a speed that cannot be played is refused and changes nothing."""
    trading.sources.playing = SteadyMarket()
    assert await trading.get("demo") == {"speed": 10.0, "is_paused": False}
    assert await trading.put("demo", {"speed": 60}) == {"speed": 60.0, "is_paused": False}
    assert await trading.put("demo", {"is_paused": True}) == {"speed": 60.0, "is_paused": True}
    assert (await trading.put("demo", {"speed": 5000}, 422))["code"] == "invalid_value"
    assert await trading.put("demo", {}) == {"speed": 60.0, "is_paused": True}


async def test_without_anybody_who_trades_what_is_stored_is_told(trading: TradingGateway):
    """Strategies and orders; what only the trader knows is unavailable, and comes back with it."""
    trading.process.desk, desk = None, trading.process.desk
    for path in ("positions", "portfolio", "kill-switch"):
        assert (await trading.get(path, 503))["code"] == "unavailable"
    assert {each["profit"] for each in await trading.get("strategies")} == {None}
    assert await trading.get("orders")
    trading.process.desk = desk
    assert await trading.get("portfolio")
