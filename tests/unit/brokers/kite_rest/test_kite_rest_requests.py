"""What the adapter sends: our orders, changes and questions as Kite's fields."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.brokers.account_book import Conversion, PricedOrder
from niftyflow.brokers.broker_port import OrderBroker
from niftyflow.brokers.capabilities import Standing, Variety
from niftyflow.brokers.errors import InputRefused
from niftyflow.brokers.kite.capabilities import KITE
from niftyflow.brokers.kite.history import DAY_MS, candles_of, spans
from niftyflow.brokers.kite.market_data import portions
from niftyflow.brokers.kite.orders import change_form, number, place_form
from niftyflow.brokers.order_book import GttLeg, GttRequest, OrderChange, Terms
from niftyflow.model import (
    DecodeError,
    Exchange,
    Instrument,
    InstrumentKey,
    Interval,
    Kind,
    OrderType,
    Product,
    Side,
    Validity,
)
from support.kite_rest import KEY, NOON, TOKEN, Answer, account_at, intent, scripted_kite, success

INFY = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY, token="408065")


LEG = GttLeg(side=Side.SELL, quantity=1, product=Product.CNC, price=Decimal(99), trigger=Decimal(100))


async def test_an_order_leaves_with_its_id_its_headers_and_exact_numbers() -> None:
    """One form post, signed, with our client order id in the tag."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("POST", "/orders/regular", success({"order_id": "151220000000000"}))
        port: OrderBroker = broker
        assert (await port.place(intent())).broker_order_id == "151220000000000"
    sent = next(arrived for arrived in kite.arrived if arrived.method == "POST")
    assert sent.headers["X-Kite-Version"] == "3"
    assert sent.headers["Authorization"] == f"token {KEY}:{TOKEN}"
    assert sent.form == {
        "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "quantity": "10", "product": "CNC",
        "order_type": "LIMIT", "validity": "DAY", "tag": "nf0123456789abcdef", "price": "1500.5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "terms", "expected"),
    [
        ({"order_type": OrderType.MARKET, "price": None}, Terms(), {"market_protection": "-1"}),
        ({"order_type": OrderType.MARKET, "price": None}, Terms(market_protection=Decimal("2.5")),
         {"market_protection": "2.5"}),
        ({"order_type": OrderType.SL, "trigger": Decimal(1490)}, Terms(),
         {"price": "1500.5", "trigger_price": "1490"}),
        ({"order_type": OrderType.SL_M, "price": None, "trigger": Decimal("1490.05")}, Terms(),
         {"trigger_price": "1490.05", "market_protection": "-1"}),
        ({"validity": Validity.IOC}, Terms(disclosed_quantity=2),
         {"price": "1500.5", "validity": "IOC", "disclosed_quantity": "2"}),
        ({}, Terms(ttl_minutes=5), {"price": "1500.5", "validity": "TTL", "validity_ttl": "5"}),
        ({}, Terms(variety=Variety.ICEBERG, iceberg_legs=3),
         {"price": "1500.5", "iceberg_legs": "3", "iceberg_quantity": "4"}),
        ({}, Terms(variety=Variety.AUCTION, auction_number="22"), {"price": "1500.5", "auction_number": "22"}),
    ],
)  # fmt: skip
def test_each_kind_of_order_has_its_own_fields(changes: dict, terms: Terms, expected: dict) -> None:
    """Prices only where they count, protection only and always on market orders."""
    form = place_form(intent(**changes), terms)
    common = {"exchange", "tradingsymbol", "transaction_type", "quantity", "product", "order_type", "tag"}
    rest = {name: value for name, value in form.items() if name not in common}
    assert rest == {"validity": "DAY"} | expected


@pytest.mark.parametrize(
    ("changes", "terms", "words"),
    [
        ({"client_order_id": "x" * 21}, Terms(), "20 letters"),
        ({"client_order_id": "with space"}, Terms(), "20 letters"),
        ({"client_order_id": ""}, Terms(), "20 letters"),
        ({"quantity": 0}, Terms(), "at least 1"),
        ({"price": None}, Terms(), "above zero"),
        ({"price": Decimal("NaN")}, Terms(), "above zero"),
        ({"order_type": OrderType.SL}, Terms(), "trigger is None"),
        ({"order_type": OrderType.MARKET}, Terms(market_protection=Decimal(0)), "-1 for the broker's choice"),
        ({"order_type": OrderType.MARKET}, Terms(market_protection=Decimal(101)), "-1 for the broker's choice"),
        ({}, Terms(variety=Variety.ICEBERG, iceberg_legs=1), "at least 2 legs"),
        ({}, Terms(variety=Variety.ICEBERG, iceberg_legs=11), "at least 2 legs"),
        ({}, Terms(variety=Variety.AUCTION), "name the auction"),
    ],
)
def test_a_meaningless_order_is_refused_before_it_leaves(changes: dict, terms: Terms, words: str) -> None:
    """What Kite could only misread is told here, with what to do."""
    with pytest.raises(InputRefused, match=words):
        place_form(intent(**changes), terms)


def test_a_change_names_only_what_changes() -> None:
    """An order turned into a market order gets its protection; a change of nothing is refused."""
    assert change_form(OrderChange(broker_order_id="1", price=Decimal("100.10"))) == {"price": "100.1"}
    turned = OrderChange(
        broker_order_id="1", parent_id="9", order_type=OrderType.MARKET, quantity=5, trigger=Decimal(7),
        validity=Standing.TTL, ttl_minutes=3, disclosed_quantity=0,
    )  # fmt: skip
    assert change_form(turned) == {
        "quantity": "5", "trigger_price": "7", "order_type": "MARKET", "validity": "TTL", "validity_ttl": "3",
        "disclosed_quantity": "0", "market_protection": "-1", "parent_order_id": "9",
    }  # fmt: skip
    with pytest.raises(InputRefused, match="say what shall change"):
        change_form(OrderChange(broker_order_id="1"))


@given(st.decimals(min_value=0, max_value=10**9, places=4))
def test_numbers_are_sent_exactly_and_without_exponents(value: Decimal) -> None:
    """What is sent reads back as the same number."""
    sent = number(value)
    assert Decimal(sent) == value
    assert "E" not in sent


async def test_a_cover_orders_leg_is_cancelled_by_its_variety_and_parent() -> None:
    """What the book says of an order is what its cancellation names, even of a variety we do not place."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        leg = {
            "order_id": "7", "parent_order_id": "6", "status": "OPEN", "exchange": "NSE", "tradingsymbol": "INFY",
            "transaction_type": "BUY", "quantity": 1, "order_type": "LIMIT", "product": "BO", "variety": "bo",
        }  # fmt: skip
        kite.on("GET", "/orders", success([leg]))
        kite.on("DELETE", "/orders/bo/7", success({"order_id": "7"}))
        (order,) = await broker.orders()
        await broker.cancel(order)
    assert order.unread == {"product": "BO", "variety": "bo"}
    assert kite.arrived[-1].query == {"parent_order_id": ["6"]}


async def test_a_time_that_cannot_be_read_hides_no_order_and_no_trade() -> None:
    """The time is 0, or the next best that was told, and its text is kept; the rest of the book is read."""
    row = {
        "order_id": "7", "status": "OPEN", "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY",
        "quantity": 1, "order_type": "LIMIT", "product": "CNC", "order_timestamp": "2023-11-15 12:10:00",
    }  # fmt: skip
    trade = {
        "trade_id": "1", "order_id": "7", "exchange": "NSE", "tradingsymbol": "INFY", "instrument_token": 1,
        "product": "CNC", "average_price": 1, "quantity": 1, "transaction_type": "BUY",
    }  # fmt: skip
    async with scripted_kite() as kite, account_at(kite) as broker:
        strange = {"order_id": "8", "exchange_timestamp": "yesterday", "exchange_update_timestamp": "noon"}
        kite.on("GET", "/orders", success([row, row | strange, row | strange | {"order_timestamp": "dawn"}]))
        kite.on("GET", "/trades", success([trade | {"fill_timestamp": "teatime"}]))
        ours, odd, odder = await broker.orders()
        (traded,) = await broker.trades()
    assert (ours.accepted_at, ours.updated_at, ours.unread) == (1_700_030_400_000, 1_700_030_400_000, {})
    unread = {"exchange_timestamp": "yesterday", "exchange_update_timestamp": "noon"}
    assert (odd.exchange_at, odd.updated_at, odd.unread) == (0, 1_700_030_400_000, unread)
    assert (odder.accepted_at, odder.updated_at, odder.unread) == (0, 0, unread | {"order_timestamp": "dawn"})
    assert (traded.at, traded.unread) == (0, {"fill_timestamp": "teatime"})


async def test_many_quotes_are_asked_for_in_the_brokers_portions() -> None:
    """501 short names are two questions of full quotes and one of last prices; the unknown ones are missing."""
    keys = [InstrumentKey(f"B:S{number}") for number in range(501)]
    async with scripted_kite() as kite, account_at(kite) as broker:
        quote = {
            "instrument_token": 1, "timestamp": "2023-11-15 12:10:00", "last_trade_time": "2023-11-15 12:09:59",
            "last_price": 99.05, "last_quantity": 3, "average_price": 98.5, "volume": 1000, "buy_quantity": 10,
            "sell_quantity": 20, "ohlc": {"open": 1.0, "high": 2, "low": 0.5, "close": 1}, "net_change": -0.95,
            "oi": 5, "oi_day_high": 6, "oi_day_low": 4, "lower_circuit_limit": 90.1, "upper_circuit_limit": 110.1,
            "depth": {"buy": [{"price": 99, "quantity": 5, "orders": 2}, {"price": 0, "quantity": 0, "orders": 0}],
                      "sell": [{"price": 99.1, "quantity": 6, "orders": 3}]},
        }  # fmt: skip
        kite.on("GET", "/quote", success({"B:S7": quote}))
        kite.on("GET", "/quote/ltp", success({}))
        quotes = await broker.quotes(keys)
        assert await broker.last_prices(keys) == {}
        assert await broker.quotes([]) == {}
    asked = [len(arrived.query["i"]) for arrived in kite.arrived if arrived.path == "/quote"]
    assert asked == [500, 1]
    assert [len(arrived.query["i"]) for arrived in kite.arrived if arrived.path == "/quote/ltp"] == [501]
    assert quotes.keys() == {"B:S7"}
    read = quotes[InstrumentKey("B:S7")]
    assert (read.last_price, read.net_change, read.open_interest) == (Decimal("99.05"), Decimal("-0.95"), 5)
    assert (read.lower_circuit, read.upper_circuit) == (Decimal("90.1"), Decimal("110.1"))
    assert (read.at - read.traded_at, len(read.bids), read.asks[0].orders) == (1000, 1, 3)


@given(st.lists(st.text("ABCDEFGHIJ&-", min_size=1, max_size=40).map(InstrumentKey)), st.integers(1, 9))
def test_portions_of_quotes_fit_and_miss_nothing(keys: list[InstrumentKey], most: int) -> None:
    """Long names make smaller portions: servers on the way refuse lines of more than 8 KiB."""
    parts = list(portions(keys, most, 150))
    assert [key for part in parts for key in part] == keys
    assert all(0 < len(part) <= most for part in parts)
    assert all(len(urlencode({"i": part}, doseq=True)) <= 150 for part in parts)


async def test_margins_charges_and_conversion_are_asked_in_kites_form() -> None:
    """JSON for calculations, a form for the conversion; the answers' parts are kept exactly."""
    charges = {
        "transaction_tax": 1.498, "transaction_tax_type": "stt", "exchange_turnover_charge": 0.051681,
        "sebi_turnover_charge": 0.001498, "brokerage": 0.01, "stamp_duty": 0.22,
        "gst": {"igst": 0.01137222, "cgst": 0, "sgst": 0, "total": 0.01137222}, "total": 1.79255122,
    }  # fmt: skip
    margin = {"type": "equity", "tradingsymbol": "INFY", "exchange": "NSE", "span": 1.5, "exposure": 2, "var": 1498,
              "option_premium": 0, "additional": 0, "bo": 0, "cash": 0, "pnl": {"realised": 0}, "leverage": 1,
              "charges": charges, "total": 1501.5}  # fmt: skip
    priced = PricedOrder(
        order_id="1", instrument=InstrumentKey("NSE:INFY"), side=Side.BUY, variety=Variety.REGULAR,
        product=Product.CNC, order_type=OrderType.LIMIT, quantity=1, average_price=Decimal("1498.05"),
    )  # fmt: skip
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("POST", "/margins/orders", success([margin]))
        kite.on("POST", "/margins/basket", success({"initial": margin, "final": margin, "orders": [margin]}))
        kite.on("POST", "/charges/orders", success([{"charges": charges}]))
        kite.on("PUT", "/portfolio/positions", success(data=True))
        (alone,) = await broker.margins([(intent(), Terms())])
        together = await broker.basket_margin([(intent(), Terms())])
        (cost,) = await broker.charges([priced])
        await broker.convert(Conversion(instrument=InstrumentKey("NSE:INFY"), side=Side.BUY, quantity=1,
                                        is_overnight=True, held_as=Product.MIS, hold_as=Product.CNC))  # fmt: skip
    assert (alone.total, alone.value_at_risk, alone.instrument) == (Decimal("1501.5"), Decimal(1498), "NSE:INFY")
    assert (together.final, together.orders) == (alone, [alone])
    assert alone.charges == cost
    assert (cost.transaction_tax, cost.tax_kind, cost.gst) == (Decimal("1.498"), "stt", Decimal("0.01137222"))
    by_path = {arrived.path: arrived for arrived in kite.arrived}
    (question,) = msgspec.json.decode(by_path["/margins/orders"].body)
    assert (question["price"], question["quantity"], question["variety"]) == (1500.5, 10, "regular")
    assert by_path["/margins/basket"].query == {"consider_positions": ["true"]}
    assert msgspec.json.decode(by_path["/charges/orders"].body)[0]["average_price"] == 1498.05
    assert by_path["/portfolio/positions"].form["position_type"] == "overnight"


async def test_positions_are_read_net_and_of_the_day() -> None:
    """A short future carried in, and a product that we do not trade."""
    position = {
        "tradingsymbol": "LEADMINI17DECFUT", "exchange": "MCX", "instrument_token": 53496327, "product": "NRML",
        "quantity": -1, "overnight_quantity": -1, "multiplier": 1000, "average_price": 161.05, "close_price": 0,
        "last_price": 161.5, "value": -161050, "pnl": -450, "m2m": -450.25, "unrealised": -450, "realised": 0,
        "buy_quantity": 2, "buy_price": 160.05, "buy_value": 320.1, "sell_quantity": 3, "sell_price": 161.05,
        "sell_value": 483.15, "day_buy_quantity": 0, "day_sell_quantity": 0,
    }  # fmt: skip
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/portfolio/positions", success({"net": [position], "day": [position | {"product": "CO"}]}))
        positions = await broker.positions()
    (net,), (day,) = positions.net, positions.day
    assert (net.instrument, net.product, net.net_quantity) == ("MCX:LEADMINI17DECFUT", Product.NRML, -1)
    assert (net.overnight_quantity, net.multiplier) == (-1, Decimal(1000))
    assert (net.average_price, net.close_price, net.last_price) == (Decimal("161.05"), Decimal(0), Decimal("161.5"))
    assert (net.value, net.pnl, net.m2m) == (Decimal(-161050), Decimal(-450), Decimal("-450.25"))
    assert (net.unrealised, net.realised) == (Decimal(-450), Decimal(0))
    assert (net.buy_quantity, net.buy_price, net.buy_value) == (2, Decimal("160.05"), Decimal("320.1"))
    assert (net.sell_quantity, net.sell_price, net.sell_value) == (3, Decimal("161.05"), Decimal("483.15"))
    assert (day.product, day.unread) == (None, {"product": "CO"})


async def test_triggers_are_handed_in_as_json_inside_a_form() -> None:
    """Two legs make an OCO; a number stays a number."""
    legs = tuple(
        GttLeg(side=Side.SELL, quantity=1, product=Product.CNC, price=Decimal(price), trigger=Decimal(price))
        for price in ("90.05", "110")
    )
    request = GttRequest(instrument=InstrumentKey("NSE:INFY"), last_price=Decimal("100.1"), legs=legs)
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("POST", "/gtt/triggers", success({"trigger_id": 123}))
        assert await broker.place_gtt(request) == "123"
        with pytest.raises(InputRefused, match="0 legs"):
            await broker.place_gtt(msgspec.structs.replace(request, legs=()))
        with pytest.raises(InputRefused, match="give all three"):
            await broker.place_gtt(msgspec.structs.replace(request, legs=(msgspec.structs.replace(LEG, quantity=0),)))
    (form,) = (arrived.form for arrived in kite.arrived if arrived.method == "POST")
    assert form["type"] == "two-leg"
    assert msgspec.json.decode(form["condition"])["trigger_values"] == [90.05, 110]
    assert [order["order_type"] for order in msgspec.json.decode(form["orders"])] == ["LIMIT", "LIMIT"]


@given(st.integers(0, 10**12), st.integers(0, 5000 * DAY_MS), st.sampled_from(sorted(set(KITE.history_days.values()))))
def test_parts_of_a_history_are_within_the_limit_and_miss_nothing(since: int, length: int, days: int) -> None:
    """The parts join without a hole, in order, none longer than the broker gives."""
    parts = list(spans(since, since + length, days))
    reached = since
    for first, last in parts:
        assert first == reached
        assert last - first < days * DAY_MS
        reached = last + 1000
    assert reached == since + length if parts else length == 0


async def test_a_long_history_is_asked_for_in_parts_and_joined() -> None:
    """130 days of minutes are three questions; times are India's."""
    since, until = NOON - 130 * DAY_MS, NOON
    row = ["2023-11-15T09:15:00+0530", 100, 101, 99, 100.5, 10, 7]
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/instruments/historical/408065/minute", success({"candles": [row]}))
        batch = await broker.history(INFY, Interval.M1, since, until)
    asked = [arrived.query for arrived in kite.arrived if "historical" in arrived.path]
    assert [(query["from"][0][:10], query["to"][0][:10]) for query in asked] == [
        ("2023-07-08", "2023-09-06"), ("2023-09-06", "2023-11-05"), ("2023-11-05", "2023-11-15"),
    ]  # fmt: skip
    assert asked[0]["from"] == ["2023-07-08 12:10:00"]
    assert asked[0]["oi"] == ["1"]
    (candle,) = batch.to_records()
    assert (candle.open_interest, candle.volume, candle.interval) == (7, 10, Interval.M1)
    assert candle.vwap == pytest.approx((101 + 99 + 100.5) / 3)


@pytest.mark.parametrize(
    "rows",
    [
        [["2023-11-15T09:15:00+0530", 100, 99, 101, 100, 1]],
        [["2023-11-15T09:15:00+0530", 0, 0, 0, 0, 1]],
        [["2023-11-15T09:15:00+0530", 1, 1, 1, 1, -1]],
        [["2023-11-15T09:15:00+0530", 1, 1, 1]],
        [["yesterday", 1, 1, 1, 1, 1]],
        [[None, 1, 1, 1, 1, 1]],
        [["2023-11-15T09:16:00+0530", 1, 1, 1, 1, 1], ["2023-11-15T09:15:00+0530", 1, 1, 1, 1, 1]],
        [["2023-11-15T09:15:00+0530", 1, 1, 1, 1, 1], ["2023-11-15T09:15:00+0530", 2, 2, 2, 2, 1]],
        [["2023-11-15T09:15:00+0530", 1, 1e999, 1, 1, 1]],
    ],
)
def test_impossible_candles_are_not_taken(rows: list) -> None:
    """Wrong shapes, prices, quantities, times and orders are damage, not data."""
    with pytest.raises(DecodeError):
        candles_of(INFY, Interval.M1, rows, 0, NOON * 2)


async def test_an_instrument_without_a_token_has_no_history() -> None:
    """The master gives tokens; without one there is nothing to ask for."""
    async with scripted_kite() as kite, account_at(kite) as broker:
        with pytest.raises(InputRefused, match="no Kite token"):
            await broker.history(msgspec.structs.replace(INFY, token=""), Interval.M1, 0, NOON)


async def test_the_whole_master_is_read_with_its_contracts() -> None:
    """A future and an option have their expiry, lot and strike; what is no text is damage."""
    master = (
        "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
        "instrument_type,segment,exchange\n"
        "408065,1594,INFY,INFOSYS,1500.5,,0,0.05,1,EQ,NSE,NSE\n"
        "9000450,35158,INFY23NOV1500CE,INFY,20.5,2023-11-30,1500,0.05,400,CE,NFO-OPT,NFO\n"
    )
    async with scripted_kite() as kite, account_at(kite) as broker:
        kite.on("GET", "/instruments", Answer(body=master.encode(), content_type="text/csv"))
        share, option = await broker.instruments()
        kite.on("GET", "/instruments", Answer(body=master.replace(",1500.5,", ",dear,").encode()))
        with pytest.raises(DecodeError, match="last_price"):
            await broker.instruments()
        kite.on("GET", "/instruments", Answer(body=b"\xff", content_type="text/csv"))
        with pytest.raises(DecodeError, match="no text"):
            await broker.instruments()
    assert share.instrument.has_derivatives
    assert (share.last_price, share.exchange_token) == (Decimal("1500.5"), "1594")
    assert (str(option.expiry), option.strike, option.lot_size) == ("2023-11-30", Decimal(1500), 400)


def test_kites_abilities_are_data() -> None:
    """The limits that the governor and the history are built on, as documented."""
    limits = {(limit.kind, limit.seconds): limit.count for limit in KITE.rate_limits}
    assert limits == {
        ("orders", 1.0): 10, ("orders", 60.0): 400, ("orders", 86_400.0): 5000, ("quotes", 1.0): 1,
        ("history", 1.0): 3, ("other", 1.0): 10,
    }  # fmt: skip
    assert KITE.history_days.keys() == set(Interval)
    assert (KITE.tag_characters, KITE.needs_market_protection) == (20, True)
