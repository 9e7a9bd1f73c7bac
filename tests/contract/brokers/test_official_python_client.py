"""The official Python client, unmodified but for its root, against the simulated broker; and Kite's own samples."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kiteconnect import exceptions

from niftyflow.brokers.simulator.accounts import parse_account
from niftyflow.brokers.simulator.tape import MINUTE
from support import kite_trading_client
from support.data import shared_data
from support.simulated_broker import (
    ACCOUNT,
    PATIENCE_SECONDS,
    SECRET,
    ask,
    buy,
    official_client,
    order_in,
    request_token,
    root_of,
    serving,
    until,
)

HDFC, RELIANCE = "HDFCBANK", "RELIANCE"
HOLDER = parse_account(f"user=HO0001,key=key2,secret={SECRET},cash=500000,holding=NSE:{HDFC}*25@900.50")


def sample(name: str) -> Any:
    """Return the data of one of Kite's recorded replies."""
    return json.loads(shared_data(f"kite/mocks/{name}.json").read_text())["data"]


def kinds(value: Any) -> str:
    """Return the JSON kind of a value: whole and broken numbers are one kind in JSON."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def lacking(ours: dict[str, Any], kites: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the fields of Kite's that we lack or have of another kind; a null on either side says nothing."""
    found = {}
    for name, value in kites.items():
        pair = (kinds(ours.get(name, "(none)")) if name in ours else "lacking", kinds(value))
        if pair[0] != pair[1] and "NoneType" not in pair:
            found[name] = pair
        elif isinstance(value, dict) and isinstance(ours.get(name), dict) and name != "meta":
            found |= {f"{name}.{inner}": each for inner, each in lacking(ours[name], value).items()}
    return found


async def raw(kite: Any, path: str) -> Any:
    """Return what a route says, before the client parses its times."""
    headers = {"Authorization": f"token {kite.api_key}:{kite.access_token}"}
    answer = await ask(kite.reqsession.get, kite.root + path, headers=headers)
    return answer.json()["data"]


async def test_it_logs_in_reads_its_profile_and_logs_out():
    """A session begins with a request token and its checksum, and ends when it is told to."""
    async with serving() as server, official_client(server) as kite:
        profile = await ask(kite.profile)
        assert profile["user_id"] == "AB1234"
        assert profile["broker"] == "ZERODHA"
        assert await ask(kite.invalidate_access_token) is True
        with pytest.raises(exceptions.TokenException):
            await ask(kite.profile)


async def test_a_wrong_secret_a_used_token_and_no_login_are_refused_as_kite_refuses():
    """Each with the type that the client turns into its own exception, and 403."""
    async with serving() as server, official_client(server) as kite:
        token = await request_token(server)
        with pytest.raises(exceptions.TokenException) as refused:
            await ask(kite.generate_session, token, "wrong")
        assert refused.value.code == 403
        await ask(kite.generate_session, token, SECRET)
        with pytest.raises(exceptions.TokenException):
            await ask(kite.generate_session, token, SECRET)
        kite.set_access_token("stranger")
        with pytest.raises(exceptions.TokenException):
            await ask(kite.orders)


async def test_a_second_login_ends_the_first_and_a_refresh_token_gives_a_new_session():
    """As Kite does with one app."""
    account = parse_account(f"user=AB1234,key=key1,secret={SECRET},refresh=yes")
    async with serving(accounts=[account]) as server, official_client(server, account) as kite:
        first = kite.access_token
        begun = await ask(kite.generate_session, await request_token(server, account), SECRET)
        assert begun["refresh_token"]
        renewed = await ask(kite.renew_access_token, begun["refresh_token"], SECRET)
        assert renewed["access_token"] == kite.access_token
        assert (await ask(kite.profile))["user_id"] == "AB1234"
        kite.set_access_token(first)
        with pytest.raises(exceptions.TokenException):
            await ask(kite.profile)


async def test_it_reads_instruments_quotes_and_candles_of_the_session():
    """The token of the instruments file is that of the quotes, and candles hold only what has happened."""
    async with serving(started=12 * MINUTE) as server, official_client(server) as kite:
        listed = {each["tradingsymbol"]: each for each in await ask(kite.instruments, "NSE")}
        key, token = f"NSE:{HDFC}", listed[HDFC]["instrument_token"]
        quote = (await ask(kite.quote, key, "NSE:NOBODY"))[key]
        assert quote["instrument_token"] == token
        assert isinstance(quote["last_trade_time"], datetime)
        assert quote["depth"]["buy"][0]["price"] < quote["depth"]["sell"][0]["price"]
        assert len(quote["depth"]["buy"]) == len(quote["depth"]["sell"]) == 5
        assert quote["lower_circuit_limit"] < quote["last_price"] < quote["upper_circuit_limit"]
        assert (await ask(kite.ohlc, key))[key]["ohlc"]["open"] == quote["ohlc"]["open"]
        day = ("2026-01-05 09:15:00", "2026-01-05 15:30:00")
        minutes = await ask(kite.historical_data, token, *day, "minute")
        fives = await ask(kite.historical_data, token, *day, "5minute")
        assert 11 <= len(minutes) <= 15
        assert minutes[0]["date"].isoformat() == "2026-01-05T09:15:00+05:30"
        first = minutes[:5]
        assert fives[0]["volume"] == sum(each["volume"] for each in first)
        assert fives[0]["high"] == max(each["high"] for each in first)
        assert fives[0]["close"] == first[-1]["close"]
        with pytest.raises(exceptions.InputException, match="60 days"):
            await ask(kite.historical_data, token, "2025-01-01", "2026-01-05", "minute")


async def test_an_order_is_placed_fills_and_becomes_a_trade_and_a_position():
    """Money is held back for it, and its history goes through Kite's states."""
    async with serving() as server, official_client(server) as kite:
        order_id = await buy(kite, HDFC, tag="first")
        order = await order_in(kite, order_id, "COMPLETE")
        assert (order["filled_quantity"], order["pending_quantity"], order["tag"]) == (10, 0, "first")
        history = [each["status"] for each in await ask(kite.order_history, order_id)]
        assert history[0] == "PUT ORDER REQ RECEIVED"
        assert history[-1] == "COMPLETE"
        assert "OPEN" in history
        trades = await ask(kite.order_trades, order_id)
        assert sum(each["quantity"] for each in trades) == 10
        assert await ask(kite.trades) == trades
        (position,) = (await ask(kite.positions))["net"]
        assert (position["tradingsymbol"], position["product"], position["quantity"]) == (HDFC, "MIS", 10)
        assert position["average_price"] == pytest.approx(order["average_price"], abs=1e-4)
        equity = await ask(kite.margins, "equity")
        assert equity["utilised"]["span"] == pytest.approx(position["buy_value"] / 5, abs=0.01)
        assert equity["net"] < 1_000_000
        assert await ask(kite.convert_position, "NSE", HDFC, "BUY", "day", 4, "MIS", "CNC") is True
        held = {each["product"]: each["quantity"] for each in (await ask(kite.positions))["net"]}
        assert held == {"MIS": 6, "CNC": 4}


async def test_an_order_far_away_is_changed_and_cancelled():
    """What it held back is free again."""
    async with serving() as server, official_client(server) as kite:
        order_id = await buy(kite, HDFC, factor=0.9)
        order = await order_in(kite, order_id, "OPEN")
        assert (await ask(kite.margins))["equity"]["net"] < 1_000_000
        price = round(order["price"] + 1, 2)
        assert await ask(kite.modify_order, "regular", order_id, quantity=12, price=price) == order_id

        def is_changed(orders: list[dict[str, Any]]) -> bool:
            return orders[0]["quantity"] == 12 and orders[0]["status"] == "OPEN"

        (changed,) = await until(kite.orders, is_changed, "changed")
        assert (changed["price"], changed["modified"]) == (price, True)
        assert await ask(kite.cancel_order, "regular", order_id) == order_id
        gone = await order_in(kite, order_id, "CANCELLED")
        assert (gone["cancelled_quantity"], gone["filled_quantity"]) == (12, 0)
        assert (await ask(kite.margins))["equity"]["net"] == 1_000_000
        with pytest.raises(exceptions.OrderException):
            await ask(kite.cancel_order, "regular", order_id)


async def test_what_kite_refuses_is_refused_and_what_it_rejects_is_an_order():
    """An impossible parameter is an InputException and leaves no order; too little money is a rejected order."""
    async with serving() as server, official_client(server) as kite:
        for named in (
            {"symbol": "NOBODY", "price": 1500.0},
            {"symbol": HDFC, "order_type": "MARKET", "price": None},
            {"symbol": HDFC, "price": 900.03},
            {"symbol": HDFC, "product": "NRML", "price": 900.0},
            {"symbol": HDFC, "tag": "x" * 21, "price": 900.0},
        ):
            symbol = named.pop("symbol")
            terms = {"quantity": 1, "product": "MIS", "order_type": "LIMIT", **named}
            with pytest.raises(exceptions.InputException) as refused:
                await ask(kite.place_order, "regular", "NSE", symbol, "BUY", **terms)
            assert refused.value.code == 400
        assert await ask(kite.orders) == []
        order = await order_in(kite, await buy(kite, HDFC, quantity=100_000), "REJECTED")
        assert order["status_message"].startswith("Insufficient funds. Required margin is")
        sale = await ask(kite.place_order, "regular", "NSE", HDFC, "SELL", 1, "CNC", "LIMIT", price=order["price"])
        assert (await order_in(kite, sale, "REJECTED"))["status_message"] == "Insufficient stock holding"


async def test_holdings_are_sold_and_shown():
    """A delivery sale uses them up, and needs no money."""
    async with serving(accounts=[HOLDER]) as server, official_client(server, HOLDER) as kite:
        (held,) = await ask(kite.holdings)
        assert (held["tradingsymbol"], held["quantity"], held["average_price"]) == (HDFC, 25, 900.5)
        bid = round(round(held["last_price"] * 0.99 / 0.05) * 0.05, 2)
        order_id = await ask(kite.place_order, "regular", "NSE", HDFC, "SELL", 5, "CNC", "LIMIT", price=bid)
        await order_in(kite, order_id, "COMPLETE")
        (held,) = await ask(kite.holdings)
        assert (held["quantity"], held["used_quantity"], held["opening_quantity"]) == (20, 5, 25)


async def test_a_gtt_is_kept_changed_fires_and_gives_its_order():
    """Above the price it was made at, it waits for the price to rise; in a session it may be deleted instead."""
    async with serving(speed=60) as server, official_client(server) as kite:
        last = (await ask(kite.ltp, f"NSE:{HDFC}"))[f"NSE:{HDFC}"]["last_price"]
        leg = {"transaction_type": "BUY", "quantity": 1, "order_type": "LIMIT", "product": "CNC", "price": last}
        # stated far from the market on purpose: the trigger is then already passed, and the next price fires it
        stated = round(last * 0.9, 2)
        made = await ask(kite.place_gtt, kite.GTT_TYPE_SINGLE, HDFC, "NSE", [round(last * 0.95, 2)], stated, [leg])
        fired = await until(
            lambda: kite.get_gtt(made["trigger_id"]), lambda each: each["status"] == "triggered", "fired"
        )
        result = fired["orders"][0]["result"]
        assert result["order_result"]["status"] == "success"
        assert result["order_result"]["order_id"] in [each["order_id"] for each in await ask(kite.orders)]
        other = await ask(kite.place_gtt, kite.GTT_TYPE_SINGLE, HDFC, "NSE", [round(last * 1.3, 2)], last, [leg])
        number = other["trigger_id"]
        changed = [round(last * 1.4, 1)]
        await ask(kite.modify_gtt, number, kite.GTT_TYPE_SINGLE, HDFC, "NSE", changed, last, [leg])
        assert (await ask(kite.get_gtt, number))["condition"]["trigger_values"] == changed
        assert await ask(kite.delete_gtt, number) == {"trigger_id": number}
        assert [each["status"] for each in await ask(kite.get_gtts)] == ["triggered", "deleted"]
        with pytest.raises(exceptions.InputException, match=r"0\.25"):
            await ask(kite.place_gtt, kite.GTT_TYPE_SINGLE, HDFC, "NSE", [last], last, [leg])


async def test_margins_baskets_and_charges_are_told_before_an_order():
    """An intraday share needs a fifth of its value; charges are those of the platform's tables."""
    async with serving() as server, official_client(server) as kite:
        order = {
            "exchange": "NSE", "tradingsymbol": HDFC, "transaction_type": "BUY", "variety": "regular",
            "product": "MIS", "order_type": "LIMIT", "quantity": 10, "price": 1000, "trigger_price": 0,
        }  # fmt: skip
        (margin,) = await ask(kite.order_margins, [order])
        assert (margin["total"], margin["leverage"], margin["tradingsymbol"]) == (2000, 5, HDFC)
        basket = await ask(kite.basket_order_margins, [order, order])
        assert basket["final"]["total"] == 4000
        delivery = {**order, "order_id": "1", "product": "CNC", "average_price": 1000}
        (note,) = await ask(kite.get_virtual_contract_note, [delivery])
        assert note["charges"]["transaction_tax"] == 10
        assert note["charges"]["total"] > 10


async def test_fields_are_those_of_kites_recorded_replies():
    """Every field of a recorded reply is there, and is of the same kind in JSON."""
    async with serving(accounts=[HOLDER]) as server, official_client(server, HOLDER) as kite:
        order_id = await buy(kite, RELIANCE)
        await order_in(kite, order_id, "COMPLETE")
        last = (await ask(kite.ltp, f"NSE:{HDFC}"))[f"NSE:{HDFC}"]["last_price"]
        leg = {"transaction_type": "BUY", "quantity": 1, "order_type": "LIMIT", "product": "CNC", "price": last}
        made = await ask(kite.place_gtt, kite.GTT_TYPE_OCO, HDFC, "NSE", [last * 0.9, last * 1.1], last, [leg, leg])
        assert lacking(await raw(kite, "/user/profile"), sample("profile")) == {}
        assert lacking(await raw(kite, "/user/margins"), sample("margins")) == {}
        assert lacking((await raw(kite, "/portfolio/holdings"))[0], sample("holdings")[0]) == {}
        assert lacking((await raw(kite, "/orders"))[0], sample("orders")[0]) == {}
        assert lacking((await raw(kite, f"/orders/{order_id}/trades"))[0], sample("order_trades")[0]) == {}
        assert lacking(await raw(kite, f"/gtt/triggers/{made['trigger_id']}"), sample("gtt_get_order")) == {}
        quoted = (await raw(kite, f"/quote/ohlc?i=NSE:{HDFC}"))[f"NSE:{HDFC}"]
        assert lacking(quoted, sample("ohlc")["NSE:INFY"]) == {}
        assert lacking((await raw(kite, f"/quote/ltp?i=NSE:{HDFC}"))[f"NSE:{HDFC}"], sample("ltp")["NSE:INFY"]) == {}
        begun = await ask(kite.generate_session, await request_token(server, HOLDER), SECRET)
        begun["login_time"] = str(begun["login_time"])
        assert lacking(begun, sample("generate_session")) == {}


async def test_the_ticker_hears_every_tick_of_a_whole_day_and_the_updates_of_its_order():
    """KiteTicker, in a process of its own, from the first tick to the last; its order is told open and complete."""
    async with serving(minutes=375, started=0, speed=2000, waits=True) as server, official_client(server) as kite:
        place = next(
            place for place, each in enumerate(server.playback.source.instruments) if each.symbol == HDFC
        )  # fmt: skip
        played = [chunk[chunk["instrument"] == place] for chunk in server.playback.source.chunks()]
        expected = sum(len(each) for each in played)
        token = server.playback.source.instruments[place].token
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(kite_trading_client.__file__)), root_of(server), server.url, ACCOUNT.api_key,
            kite.access_token, str(expected), HDFC, token, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 2 * PATIENCE_SECONDS)
        *lines, count = output.decode().splitlines()
        assert int(count) == expected
        told = [json.loads(line) for line in lines]
        (placed,) = [each["placed"] for each in told if "placed" in each]
        updates = [each["update"] for each in told if "update" in each]
        assert {each["order_id"] for each in updates} == {placed}
        assert updates[-1]["status"] == "COMPLETE"
        assert updates[-1]["filled_quantity"] == 5
        assert updates[0]["tag"] == "me"
        assert Decimal(str(updates[-1]["average_price"])) > 0
