"""Orders by REST in a process that trades: placed, changed, cancelled, filled, refused, and told why."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from niftyflow.gateway import giving
from support.gateways import Gateway, RecordedCommands
from support.trading_gateways import PRICES, TradingGateway, played_session, trading
from support.waiting import until

__all__ = ["played_session", "trading"]

FAR = {"symbol": "INFY", "side": "BUY", "quantity": 3, "order_type": "LIMIT", "price": "950.00"}
"""An order that waits."""
KEY = "press-of-a-button-1"


async def test_an_order_is_placed_and_stands_in_the_book(trading: TradingGateway):
    """By command of the key; the bare symbol is of the NSE, money is text with four decimals."""
    told = await trading.post("orders", FAR, 201)
    order = told["order"]
    assert told["command"]["is_done"] is True
    assert told["command"]["body"]["client_order_id"] == order["client_order_id"]
    assert (order["symbol"], order["strategy"], order["price"], order["state"]) == (
        "NSE:INFY", "manual", "950.0000", "open",
    )  # fmt: skip
    assert order["risk"]["verdict"] == "pass"
    assert order["risk"]["checks"]
    found = await trading.order(order["client_order_id"])
    assert found["order"] == order
    assert [event["state"] for event in found["events"]] == ["intended", "sent", "open"]
    assert found["fills"] == []
    command = await trading.on.book.result(told["command"]["id"])
    assert command is not None
    assert (await trading.get(f"commands/{command.id}"))["is_done"] is True
    taken = [each for each in await trading.on.book.inputs("paper-1") if each.kind == "command"]
    assert '"by":"key:owner"' in taken[-1].body


async def test_an_order_fills_and_becomes_a_trade_and_a_position(trading: TradingGateway):
    """With what it cost; the trade is the newest."""
    told = await trading.post("orders", {"symbol": "NSE:SBIN", "side": "SELL", "quantity": 2}, 201)
    key = told["order"]["client_order_id"]
    await trading.minute(PRICES)
    found = await trading.order(key)
    assert found["order"]["state"] == "filled"
    assert Decimal(found["order"]["average_price"]) == Decimal(found["fills"][0]["price"])
    trade = (await trading.get("trades", limit=1, symbol="SBIN"))[0]
    assert (trade["client_order_id"], trade["quantity"]) == (key, 2)
    assert Decimal(trade["total_charges"]) == sum(map(Decimal, trade["charges"].values())) > 0
    held = [each for each in await trading.get("positions") if each["strategy"] == "manual"]
    assert [(each["symbol"], each["net_quantity"]) for each in held] == [("NSE:SBIN", -2)]
    assert held[0]["updated_at"] == trade["at"]
    assert len(await trading.get("trades", limit=1000)) > 10


async def test_an_order_is_changed_and_cancelled(trading: TradingGateway):
    """What is left out stays; an order that has ended can be neither."""
    key = (await trading.post("orders", FAR, 201))["order"]["client_order_id"]
    changed = await trading.put(f"orders/{key}", {"quantity": 2, "price": 951.5})
    assert (changed["order"]["quantity"], changed["order"]["price"]) == (2, "951.5000")
    changed = await trading.put(f"orders/{key}", {"price": "949"})
    assert (changed["order"]["quantity"], changed["order"]["price"]) == (2, "949.0000")
    cancelled = await trading.ask("DELETE", f"orders/{key}")
    assert cancelled["order"]["state"] == "cancelled"
    error = await trading.ask("DELETE", f"orders/{key}", 409)
    assert error["code"] == "refused"
    assert f"no order {key} is working" in error["message"]
    assert (await trading.put(f"orders/{key}", {"quantity": 1}, 409))["code"] == "refused"


async def test_a_repeated_press_is_one_order(trading: TradingGateway):
    """The same key is the same command, at once or later; another kind of command by it is refused."""
    first = await trading.ask("POST", "orders", 201, json=FAR, headers={"Idempotency-Key": KEY})
    again = await trading.ask("POST", "orders", 201, json=FAR | {"quantity": 9}, headers={"Idempotency-Key": KEY})
    assert again == first
    assert first["command"]["id"] == KEY
    manual = await trading.get("orders", strategy="manual")
    assert [order["client_order_id"] for order in manual] == [first["order"]["client_order_id"]]
    error = await trading.ask(
        "PUT", "kill-switch", 409, json={"is_on": True}, headers={"Idempotency-Key": KEY}
    )  # fmt: skip
    assert "draw another id" in error["message"]


async def test_the_risk_gate_refuses_with_its_checks(trading: TradingGateway):
    """409 with what failed, measured against which limit; the order stands rejected in the book."""
    error = await trading.post("orders", FAR | {"quantity": 100}, 409)
    assert error["code"] == "refused"
    failed = {check["name"]: check for check in error["details"]["checks"]}
    assert "exposure" in failed
    assert failed["exposure"]["limit"] == "150000"
    assert not any(check["is_passed"] for check in failed.values())
    found = await trading.order(error["details"]["client_order_id"])
    assert found["order"]["state"] == "rejected"
    unknown = await trading.post("orders", FAR | {"symbol": "NOBODY"}, 409)
    assert "instrument" in {check["name"] for check in unknown["details"]["checks"]}


async def test_without_an_answer_in_time_the_command_is_named(trading: TradingGateway, monkeypatch: pytest.MonkeyPatch):
    """202 and its id; it is done nevertheless, and then told."""
    monkeypatch.setattr(giving, "WAIT_SECONDS", 0.1)
    desk = trading.process.desk
    assert desk is not None
    async with desk._turn:
        told = await trading.post("orders", FAR, 202)
        assert told["order"] is None
        key = told["command"]["id"]
        assert told["command"] == {"id": key, "is_done": None, "reason": "", "body": {}}
        assert (await trading.get(f"commands/{key}", 404))["code"] == "not_found"
    await until(lambda: _is_taken(trading, key))
    done = await trading.get(f"commands/{key}")
    assert done["is_done"] is True
    assert (await trading.order(done["body"]["client_order_id"]))["order"]["quantity"] == 3


async def _is_taken(trading: TradingGateway, key: str) -> bool:
    return await trading.sources.commands.result(key) is not None


async def test_orders_are_found_by_state_strategy_and_symbol(trading: TradingGateway):
    """Newest first; as the book has them."""
    book = await trading.on.book.orders("paper-1")
    every = await trading.get("orders", limit=1000)
    assert [order["client_order_id"] for order in every] == [order.client_order_id for order in reversed(book)]
    assert [order["client_order_id"] for order in await trading.get("orders", limit=5)] == [
        order["client_order_id"] for order in every[:5]
    ]
    working = await trading.get("orders", state="working")
    assert {order["client_order_id"] for order in working} == {
        order.client_order_id for order in book if not order.state.is_final
    }
    assert working
    some = await trading.get("orders", state="filled,rejected", strategy="ema-cross", symbol="infy", limit=1000)
    assert some == [
        order for order in every
        if order["state"] in {"filled", "rejected"}
        and (order["strategy"], order["symbol"]) == ("ema-cross", "NSE:INFY")
    ]  # fmt: skip
    refused = next(order for order in every if order["state"] == "rejected")
    assert refused["risk"]["checks"]
    assert not any(check["is_passed"] for check in refused["risk"]["checks"])
    assert (await trading.get("orders", 422, state="lost"))["code"] == "invalid_value"


async def test_an_order_is_explained_to_its_trades(trading: TradingGateway):
    """The chain of `niftyflow why`; one of a signal reaches the trades of its candle."""
    filled = await trading.get("orders", state="filled", limit=1000)
    order = next(each for each in filled if each["signal_id"])
    found = await trading.get(f"orders/{order['client_order_id']}/why")
    assert found["links"][0]["order"]["client_order_id"] == order["client_order_id"]
    assert found["signal"]["id"] == order["signal_id"]
    assert found["ground"]["made_of"]["agrees"] is True


NOT_THERE = [
    ("GET", "orders/nf0000000000000000", None), ("PUT", "orders/nf0000000000000000", {"quantity": 1}),
    ("DELETE", "orders/nf0000000000000000", None), ("GET", "orders/nf0000000000000000/why", None),
    ("GET", "commands/nobody", None), ("POST", "strategies/nobody/stop", {}), ("GET", "demo", None),
    ("PUT", "demo", {"speed": 2}),
]  # fmt: skip


async def test_what_is_not_there_is_404(trading: TradingGateway):
    """In the envelope, whatever was to be done with it."""
    for method, path, body in NOT_THERE:
        assert (await trading.ask(method, path, 404, json=body))["code"] == "not_found", (method, path)


async def test_a_beginning_of_an_id_is_no_id(trading: TradingGateway):
    """Nobody cancels an order by half of its name."""
    key = (await trading.post("orders", FAR, 201))["order"]["client_order_id"]
    assert (await trading.ask("DELETE", f"orders/{key[:10]}", 404))["code"] == "not_found"
    assert (await trading.order(key))["order"]["state"] == "open"


WRONG_ORDERS: list[dict[str, Any]] = [
    {"quantity": 0}, {"quantity": -1}, {"quantity": 2.5}, {"quantity": "3"}, {"quantity": True},
    {"quantity": 10**30}, {"side": "HOLD"}, {"side": None}, {"order_type": "STOP"}, {"price": None},
    {"price": "a lot"}, {"price": -1}, {"price": "0.00001"}, {"price": "NaN"}, {"price": 1e300}, {"price": True},
    {"trigger": "940"}, {"order_type": "MARKET"}, {"order_type": "SL-M"}, {"product": "NRML"}, {"validity": "GTC"},
    {"symbol": ""}, {"symbol": "IN\x00FY"}, {"symbol": "NYSE:IBM"}, {"symbol": "X" * 65}, {"nonsense": 1},
]  # fmt: skip
STRATEGY = {"name": "a", "kind": "ema-cross"}
WRONG_BODIES: list[tuple[str, str, Any]] = [
    ("PUT", "orders/nf0000000000000000", {}), ("PUT", "orders/nf0000000000000000", {"side": "BUY"}),
    ("PUT", "kill-switch", {}), ("PUT", "kill-switch", {"is_on": "yes"}),
    ("PUT", "kill-switch", {"is_on": True, "reason": "x" * 300}),
    ("PUT", "kill-switch", {"is_on": True, "on": True}), ("POST", "strategies", {"name": "A B", "kind": "ema-cross"}),
    ("POST", "strategies", {"name": "a"}), ("POST", "strategies", STRATEGY | {"parameters": [1]}),
    ("POST", "strategies", STRATEGY | {"instruments": ["NYSE:IBM"]}),
    ("POST", "strategies", STRATEGY | {"parameters": {"fast": 10**40}}),
    ("POST", "strategies", STRATEGY | {"parameters": {"fast": "\ud800"}}),
    ("POST", "positions/square-off", {"symbol": 7}), ("PUT", "demo", {"speed": 0}), ("POST", "orders", [1]),
]  # fmt: skip


async def test_a_wrong_order_is_422_and_asks_nobody(served: Gateway):
    """Types, ranges, what does not go together, fields nobody knows."""
    for wrong in WRONG_ORDERS:
        response = await served.client.post("/api/v1/orders", json=FAR | wrong)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_value"), wrong
    assert isinstance(served.sources.commands, RecordedCommands)
    assert served.sources.commands.given == []


async def test_a_wrong_body_is_422_and_asks_nobody(served: Gateway):
    """Whatever it was to change."""
    for method, path, body in WRONG_BODIES:
        headers = {"Content-Type": "application/json"}
        response = await served.client.request(method, f"/api/v1/{path}", content=json.dumps(body), headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_value"), (path, body)
    assert isinstance(served.sources.commands, RecordedCommands)
    assert served.sources.commands.given == []


async def test_an_idempotency_key_is_checked(served: Gateway):
    """It becomes an id: short ones and odd characters are refused."""
    for key in ("short", "with a blank", "x" * 65):
        response = await served.client.post("/api/v1/orders", json=FAR, headers={"Idempotency-Key": key})
        assert response.status_code == 422, key
