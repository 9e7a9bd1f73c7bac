"""Kite's recorded answers, read by the adapter through a real server, compared field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.brokers.kite.instruments import parse_master
from niftyflow.brokers.kite.reading import time_of
from niftyflow.brokers.kite.session import KiteSession
from niftyflow.kit.clock import to_ist
from niftyflow.model import Exchange, Instrument, InstrumentKey, Interval, Kind, OrderState, OrderType, Product
from support.data import shared_data
from support.kite_rest import NOON, Answer, account_at, scripted_kite

NOT_TAKEN_OF_ORDERS = {
    "status_message_raw": "the message for people stands for it", "modified": "every change has its own state",
    "meta": "free text of the broker's programs", "guid": "documented as of no use",
    "account_id": "an order book is one account's", "terminal_id": "free text of the broker's programs",
    "auction_number": "not asked for again",
}  # fmt: skip


def recorded(name: str) -> bytes:
    """Return a recorded answer, or skip."""
    return shared_data(f"kite/mocks/{name}").read_bytes()


def exact(body: bytes) -> Any:
    """Return the data of an answer with every number as it is written."""
    return _decimals(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["data"])


def _decimals(raw: Any) -> Any:
    text = bytes(raw).strip()
    if text[:1] == b"{":
        return {key: _decimals(value) for key, value in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items()}
    if text[:1] == b"[":
        return [_decimals(value) for value in msgspec.json.decode(text, type=list[msgspec.Raw])]
    if text[:1] in b"-0123456789":
        return msgspec.json.decode(text, type=Decimal)
    return msgspec.json.decode(text)


async def test_every_field_of_every_recorded_order_is_read() -> None:
    """The order book's 13 orders come out as they are written; what is left out is named."""
    body = recorded("orders.json")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/orders", Answer(body=body))
        orders = await broker.orders()
    rows = exact(body)
    assert len(orders) == len(rows) > 8
    for order, row in zip(orders, rows, strict=True):
        words = {"order_type": order.order_type, "product": order.product, "validity": order.validity,
                 "variety": order.variety}  # fmt: skip
        read = {
            "placed_by": order.placed_by, "order_id": order.broker_order_id,
            "exchange_order_id": order.exchange_order_id, "parent_order_id": order.parent_id, "status": order.status,
            "status_message": order.reason, "exchange": order.exchange, "tradingsymbol": order.symbol,
            "instrument_token": Decimal(order.token), "transaction_type": order.side, "quantity": order.quantity,
            "disclosed_quantity": order.disclosed_quantity, "filled_quantity": order.filled,
            "pending_quantity": order.pending, "cancelled_quantity": order.cancelled,
            "price": order.price or Decimal(0), "trigger_price": order.trigger or Decimal(0),
            "average_price": order.average_price or Decimal(0), "market_protection": order.market_protection,
            "validity_ttl": order.ttl_minutes, "tag": order.client_order_id, "tags": list(order.tags),
            "order_timestamp": order.accepted_at, "exchange_timestamp": order.exchange_at,
        } | {name: word or order.unread[name] for name, word in words.items()}  # fmt: skip
        updated = row.pop("exchange_update_timestamp")
        assert order.updated_at == time_of(updated or row["exchange_timestamp"] or row["order_timestamp"])
        for name, value in row.items():
            if name not in NOT_TAKEN_OF_ORDERS:
                told = time_of(value) if name.endswith("timestamp") else value
                assert read[name] == (told or type(read[name])()), (order.broker_order_id, name)


async def test_recorded_orders_have_our_states_and_words() -> None:
    """A cancelled, a filled and a refused order, an MTF one that we do not trade, and an iceberg's leg with its TTL."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/orders", Answer(body=recorded("orders.json")))
        orders = {order.broker_order_id: order for order in await broker.orders()}
    assert orders["100000000000000"].state is OrderState.CANCELLED
    assert orders["300000000000000"].state is OrderState.FILLED
    refused = orders["220524001859672"]
    assert refused.state is OrderState.REJECTED
    assert refused.reason.startswith("Insufficient funds. Required margin is 95417.84")
    funded = orders["250117800776785"]
    assert (funded.product, funded.unread) == (None, {"product": "MTF"})
    leg = next(order for order in orders.values() if order.variety is Variety.ICEBERG)
    assert (leg.validity, leg.ttl_minutes, leg.client_order_id) == (Standing.TTL, 2, "icebergord")
    assert orders["500000000000000"].order_type is OrderType.MARKET
    assert f"{to_ist(orders['100000000000000'].accepted_at):%F %T}" == "2021-05-31 09:18:57"


async def test_the_recorded_trade_is_read() -> None:
    """A trade's price, quantity and the time of its fill, which is the only whole time it has."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/orders/200000000000000/trades", Answer(body=recorded("order_trades.json")))
        (trade,) = await broker.trades("200000000000000")
    assert (trade.trade_id, trade.broker_order_id) == ("10000000", "200000000000000")
    assert (trade.exchange_order_id, trade.instrument) == ("300000000000000", "MCX:GOLDPETAL21JUNFUT")
    assert (trade.token, trade.product, trade.side) == ("58424839", Product.NRML, "BUY")
    assert (trade.price, trade.quantity) == (Decimal(4852), 1)
    assert f"{to_ist(trade.at):%F %T}" == "2021-05-31 16:00:36"


@pytest.mark.parametrize("name", ["order_response.json", "order_modify.json", "order_cancel.json"])
async def test_recorded_answers_to_orders_give_the_order_id(name: str) -> None:
    """Placing, changing and cancelling all answer with the broker's id."""
    from support.kite_rest import intent  # noqa: PLC0415 - only here

    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("POST", "/orders/regular", Answer(body=recorded(name)))
        placed = await broker.place(intent())
    assert placed.broker_order_id == "151220000000000"


async def test_every_field_of_the_recorded_holdings_is_read() -> None:
    """Both holdings come out as written, float noise and five decimals included."""
    body = recorded("holdings.json")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/portfolio/holdings", Answer(body=body))
        holdings = await broker.holdings()
    left_out = {"price", "authorised_date", "authorisation", "mtf"}
    for holding, row in zip(holdings, exact(body), strict=True):
        read = {
            "tradingsymbol": holding.symbol, "exchange": holding.exchange, "instrument_token": Decimal(holding.token),
            "isin": holding.isin, "product": holding.product, "quantity": holding.quantity,
            "used_quantity": holding.used, "t1_quantity": holding.unsettled, "realised_quantity": holding.realised,
            "authorised_quantity": holding.authorised, "opening_quantity": holding.opening,
            "short_quantity": holding.short, "collateral_quantity": holding.pledged,
            "collateral_type": holding.collateral_type, "discrepancy": holding.is_discrepant,
            "average_price": holding.average_price, "last_price": holding.last_price,
            "close_price": holding.close_price, "pnl": holding.pnl, "day_change": holding.day_change,
            "day_change_percentage": holding.day_change_percent,
        }  # fmt: skip
        assert read == {name: value for name, value in row.items() if name not in left_out}
        assert (holding.funded_quantity, holding.funded_value) == (row["mtf"]["quantity"], row["mtf"]["value"])


async def test_every_field_of_the_recorded_funds_is_read() -> None:
    """Both segments, with every part of what is available and used."""
    body = recorded("margins.json")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/user/margins", Answer(body=body))
        funds = await broker.funds()
    read = {
        each.segment: {
            "enabled": each.is_enabled, "net": each.net, "available": each.available, "utilised": each.utilised,
        }
        for each in funds
    }  # fmt: skip
    assert read == exact(body)
    assert read["equity"]["net"] == Decimal("99725.05000000002")


async def test_the_recorded_segment_is_read() -> None:
    """One segment has the same fields, a payout of -0 among them."""
    body = recorded("margin_commodity.json")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/user/margins", Answer(body=b'{"status":"success","data":{"commodity":' + _data(body) + b"}}"))
        (funds,) = await broker.funds()
    row = exact(body)
    assert (funds.segment, funds.is_enabled, funds.net) == ("commodity", row["enabled"], row["net"])
    assert (funds.available, funds.utilised) == (row["available"], row["utilised"])


async def test_every_field_of_the_recorded_profile_is_read() -> None:
    """Who it is and where it may trade."""
    body = recorded("profile.json")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/user/profile", Answer(body=body))
        profile = await broker.profile()
    row = exact(body)
    for name in ("user_id", "user_name", "user_type", "email", "broker"):
        assert getattr(profile, name) == row[name]
    assert (profile.short_name, profile.demat_consent) == (row["user_shortname"], row["meta"]["demat_consent"])
    assert list(profile.exchanges) == row["exchanges"]
    assert (list(profile.products), list(profile.order_types)) == (row["products"], row["order_types"])


async def test_the_recorded_login_and_logout_are_read() -> None:
    """The one-time token becomes the day's token, which the logout sends back."""
    async with scripted_kite() as kite, account_at(kite, session=KiteSession) as broker:
        kite.on("POST", "/session/token", Answer(body=recorded("generate_session.json")))
        kite.on("DELETE", "/session/token", Answer(body=recorded("session_logout.json")))
        session = await broker.exchange("once")
        assert session.access_token == SecretStr("XXXXXX")
        assert (session.user_id, session.user_name) == ("XX0000", "Kite Connect")
        assert f"{to_ist(session.logged_in_at):%F %T}" == "2021-01-01 16:15:14"
        assert f"{to_ist(session.dies_at):%F %T}" == "2023-11-16 06:00:00"
        await broker.invalidate()
        assert await broker.session_of_today() is None
    assert kite.arrived[-1].query["access_token"] == ["XXXXXX"]


async def test_the_recorded_triggers_are_read() -> None:
    """Two legs, the second of which was sent and refused."""
    row = recorded("gtt_get_order.json")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/gtt/triggers", Answer(body=b'{"status":"success","data":[' + _data(row) + b"]}"))
        (gtt,) = await broker.gtts()
        kite.on("DELETE", "/gtt/triggers/123", Answer(body=recorded("gtt_place_order.json")))
        assert await broker.cancel_gtt("123") == "123"
    assert (gtt.gtt_id, gtt.instrument, gtt.token) == ("123", "NSE:RAIN", "3926273")
    assert (gtt.status, gtt.last_price) == ("triggered", Decimal("102.6"))
    assert [leg.trigger for leg in gtt.legs] == [Decimal("102.0"), Decimal("103.7")]
    assert [(leg.side, leg.quantity, leg.product, leg.price) for leg in gtt.legs] == [
        ("SELL", 1, Product.CNC, Decimal(1))
    ] * 2
    assert [leg.outcome for leg in gtt.legs] == ["", "failed"]
    assert "lower circuit limit of 70.65" in gtt.legs[1].reason
    times = (gtt.created_at, gtt.updated_at, gtt.expires_at)
    assert [f"{to_ist(at):%F %T}" for at in times] == [
        "2019-09-09 15:13:22", "2019-09-09 15:15:08", "2020-01-01 12:00:00",
    ]  # fmt: skip


def _data(body: bytes) -> bytes:
    return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["data"])


async def test_recorded_prices_are_read() -> None:
    """Last price and the day's four."""
    infy = InstrumentKey("NSE:INFY")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/quote/ltp", Answer(body=recorded("ltp.json")))
        kite.on("GET", "/quote/ohlc", Answer(body=recorded("ohlc.json")))
        assert await broker.last_prices([infy]) == {infy: Decimal("1074.35")}
        ohlc = (await broker.ohlc([infy]))[infy]
    assert (ohlc.token, ohlc.last_price) == ("408065", Decimal(1075))
    assert [str(price) for price in (ohlc.open, ohlc.high, ohlc.low, ohlc.close)] == [
        "1085.8", "1085.9", "1070.9", "1075.8",
    ]  # fmt: skip


async def test_recorded_candles_are_read() -> None:
    """Six minutes come out as official candles, each number as written."""
    body = recorded("historical_minute.json")
    share = Instrument(exchange=Exchange.NSE, symbol="NIFTYBEES", kind=Kind.EQUITY, token="408065")
    first = time_of("2017-12-15T09:15:00+0530")
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/instruments/historical/408065/minute", Answer(body=body))
        batch = await broker.history(share, Interval.M1, first, first + 6 * 60_000)
    rows = msgspec.json.decode(body)["data"]["candles"]
    for candle, row in zip(batch.to_records(), rows, strict=True):
        assert candle.check().instrument == "NSE:NIFTYBEES"
        assert [candle.open, candle.high, candle.low, candle.close, candle.volume] == row[1:]
        assert (int(candle.time.timestamp() * 1000), candle.provenance) == (time_of(row[0]), "official")


def test_every_row_of_the_recorded_master_is_read() -> None:
    """Tokens, lots and ticks of the file, and the law by which Kite makes its tokens."""
    text = recorded("instruments_nse.csv").decode()
    rows = parse_master(text, to_ist(NOON).date())
    lines = text.strip().splitlines()[1:]
    assert len(rows) == len(lines) > 50
    for row, line in zip(rows, lines, strict=True):
        token, exchange_token, symbol, _, last, _, _, tick, lot, _, segment, exchange = line.split(",")
        assert (row.token, row.exchange_token, row.segment) == (token, exchange_token, segment)
        assert (row.instrument.symbol, row.instrument.exchange.value) == (symbol, exchange)
        assert (row.tick_size, row.lot_size, row.last_price) == (Decimal(tick), int(lot), Decimal(last))
        assert int(row.token) // 256 == int(row.exchange_token)
        assert row.freeze is None


async def test_every_recording_is_read_by_some_test() -> None:
    """A new recording does not lie unread; mutual funds are not traded here."""
    read = {
        "generate_session.json", "gtt_get_order.json", "gtt_place_order.json", "historical_minute.json",
        "holdings.json", "instruments_nse.csv", "ltp.json", "margin_commodity.json", "margins.json", "ohlc.json",
        "order_cancel.json",
        "order_modify.json", "order_response.json", "order_trades.json", "orders.json", "profile.json",
        "session_logout.json",
    }  # fmt: skip
    elsewhere = {
        "holdings_auth.json": "consent of the depository is given on its own page",
        "mf_holdings.json": "mutual funds are not traded here",
    }
    there = {file.name for file in shared_data("kite/mocks").iterdir()}
    assert there == read | elsewhere.keys()
