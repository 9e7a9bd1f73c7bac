"""The trading day: phases, auctions, after-market orders, expiry and square-off."""

from __future__ import annotations

from datetime import date

import pytest

from niftyflow.brokers.matching import EventKind, Mode, Refusal, TimeInForce, Variety
from niftyflow.model import Kind, OrderType, Product, UnknownInstrument
from support.matching import DAY, E4, SHARE, Trial, at, e4, share

MONDAY = date(2026, 11, 23)
LARGE = share("NSE:LARGE", has_derivatives=True, previous_close=e4(100))


def modes(trial: Trial, instrument: str, *times: str) -> list[str]:
    """Return the mode at each time of day."""
    found = []
    for time in times:
        trial.go(time)
        found.append(trial.exchange.mode(instrument).value)
    return found


def test_a_share_without_derivatives_trades_until_half_past_three():
    """Phases come from the market's calendar."""
    times = ("08:59", "09:00", "09:05", "09:10", "09:14:59", "09:15", "15:29:59", "15:30", "15:55")
    assert modes(Trial(), SHARE, *times) == [
        "closed", "collecting", "limit_only", "frozen", "frozen", "continuous", "continuous", "closed", "closed",
    ]  # fmt: skip


def test_a_share_with_derivatives_has_a_closing_auction():
    """Since 2026-08-03: continuous to 15:15, then reference price, entry, limit only, matching to 15:35."""
    times = ("15:14:59", "15:15", "15:20", "15:25", "15:30", "15:34:59", "15:35")
    assert modes(Trial(LARGE), "NSE:LARGE", *times) == [
        "continuous", "frozen", "collecting", "limit_only", "frozen", "frozen", "closed",
    ]  # fmt: skip


def test_the_collections_random_close_is_drawn_from_the_seed():
    """Between 09:08 and 09:10, always the same for a seed, others for others."""

    def closes(seed: int) -> int:
        trial = Trial(seed=seed)
        trial.go("09:07:59")
        while trial.exchange.mode(SHARE) is Mode.LIMIT_ONLY or trial.exchange.mode(SHARE) is Mode.COLLECTING:
            trial.go(trial.exchange.next_event_at())
        return trial.now

    drawn = {closes(seed) for seed in range(10)}
    assert closes(3) == closes(3)
    assert len(drawn) > 5
    assert all(at("09:08") < each <= at("09:10") for each in drawn)


def test_the_pre_open_matches_at_one_price_limit_orders_before_market_orders():
    """At 100 most can be traded; the market order gets what limit orders leave and goes on as a limit order at 100."""
    trial = Trial(share(previous_close=e4(99)))
    trial.go("09:01")
    market = trial.place("BUY", 50)
    buyer = trial.place("BUY", 60, 101, account="two")
    low = trial.place("BUY", 10, 98, account="two")
    seller = trial.place("SELL", 80, 100, account="three")
    assert trial.events[-1].status.value == "OPEN"
    trial.go("09:12")
    assert trial.fills(buyer) == [(60, 100)]
    assert trial.fills(seller) == [(60, 100), (20, 100)]
    assert trial.fills(market) == [(20, 100)]
    trial.go("09:15")
    bids = trial.exchange.depth(SHARE).bids
    assert [(level.price, level.quantity) for level in bids] == [(100 * E4, 30), (98 * E4, 10)]
    assert trial.status(low) == "OPEN"


def test_the_auction_trades_with_the_levels_that_the_market_shows():
    """The book of the pre-open is crossed; our order stands behind the quantity shown at its price."""
    trial = Trial()
    trial.go("09:01")
    trial.row(0, [(101, 70)], [(100, 100)])
    order = trial.place("BUY", 50, 101)
    trial.go("09:12")
    assert trial.fills(order) == [(30, 100)]


def test_trades_that_the_replay_tells_after_the_match_fill_at_the_auctions_price():
    """A source without a pre-open book still opens: the market order fills at the price that was printed."""
    trial = Trial()
    trial.go("09:01")
    trial.row(99, [], [])
    order = trial.place("BUY", 10)
    limit = trial.place("BUY", 10, 102, account="two")
    trial.go("09:11")
    trial.row(100.5, [], [], traded=15)
    assert (trial.fills(order), trial.fills(limit)) == ([(10, 100.5)], [(5, 100.5)])


@pytest.mark.parametrize(("time", "terms", "refusal"), [
    ("09:01", {"order_type": OrderType.SL, "trigger": 100}, Refusal.PHASE),
    ("09:01", {"validity": TimeInForce.IOC}, Refusal.PHASE),
    ("09:01", {"disclosed_quantity": 5}, Refusal.PHASE),
    ("09:06", {"order_type": OrderType.MARKET, "market_protection": -1}, Refusal.PHASE),
    ("09:12", {}, Refusal.PHASE),
])  # fmt: skip
def test_what_a_call_auction_does_not_take_is_rejected_by_the_exchange(time, terms, refusal):
    """The order exists and is rejected: the broker could not know."""
    trial = Trial()
    trial.go(time)
    order = trial.place("BUY", 10, 100, **terms)
    assert trial.status(order) == "REJECTED"
    assert trial.exchange.order(order).refusal is refusal
    assert not refusal.is_input


def test_nothing_moves_between_the_match_and_the_open():
    """From the match to 09:15 orders can be neither cancelled nor changed."""
    trial = Trial()
    trial.go("09:01")
    order = trial.place("BUY", 10, 100)
    trial.go("09:12")
    assert [event.refusal for event in trial.cancel(order)] == [Refusal.PHASE]
    assert [event.refusal for event in trial.modify(order, price=99)] == [Refusal.PHASE]
    trial.go("09:15")
    assert trial.cancel(order)[-1].kind is EventKind.CANCELLED


def test_the_closing_auction_carries_limit_orders_near_the_reference_price():
    """The average of the last 15 minutes is 100: 103 is inside 3 %, 104 is not, stop orders are not carried."""
    trial = Trial(LARGE)
    trial.go("15:01")
    trial.row(100, [], [], instrument="NSE:LARGE")
    trial.row(99, [], [], traded=100, instrument="NSE:LARGE")
    trial.row(101, [], [], traded=100, instrument="NSE:LARGE")
    inside = trial.place("SELL", 10, 103, instrument="NSE:LARGE")
    outside = trial.place("SELL", 10, 104, instrument="NSE:LARGE")
    stop = trial.place("SELL", 10, 97, instrument="NSE:LARGE", order_type=OrderType.SL, trigger=98)
    trial.go("15:20")
    assert [trial.status(one) for one in (inside, outside, stop)] == ["OPEN", "CANCELLED", "CANCELLED"]
    assert trial.kinds(outside)[-1] == trial.kinds(stop)[-1] == "expired"
    beyond = trial.place("SELL", 10, 103.05, instrument="NSE:LARGE")
    assert trial.exchange.order(beyond).refusal is Refusal.BAND


def test_the_closing_auction_fills_market_orders_first_and_ends_the_rest():
    """80 are sold at the market: the market buyer gets his 50, the limit buyer 30 of 60 and is ended at the close."""
    trial = Trial(LARGE)
    trial.go("15:14")
    trial.row(100, [], [], instrument="NSE:LARGE")
    trial.go("15:21")
    limit = trial.place("BUY", 60, 101, instrument="NSE:LARGE", account="two")
    market = trial.place("BUY", 50, instrument="NSE:LARGE")
    seller = trial.place("SELL", 80, instrument="NSE:LARGE", account="three")
    trial.go("15:31")
    assert (trial.fills(market), trial.fills(limit)) == ([(50, 100)], [(30, 100)])
    assert trial.status(seller) == "COMPLETE"
    trial.go("15:35")
    view = trial.exchange.order(limit)
    assert (view.status.value, view.filled, view.cancelled) == ("CANCELLED", 30, 30)


def test_day_orders_expire_at_the_close_and_stop_orders_with_them():
    """At 15:29:59.999 they stand."""
    trial = Trial()
    trial.go("10:00")
    trial.row(100, [], [])
    orders = [trial.place("BUY", 10, 90), trial.place("SELL", 10, 90, order_type=OrderType.SL, trigger=91)]
    trial.go("15:29:59.999")
    assert [trial.status(order) for order in orders] == ["OPEN", "TRIGGER PENDING"]
    ended = trial.go("15:30")
    assert [(event.order_id, event.kind, event.at) for event in ended] == [
        (order, EventKind.EXPIRED, at("15:30")) for order in orders
    ]


def test_an_order_under_way_at_the_close_is_rejected():
    """It was sent in time and arrived too late."""
    trial = Trial(latency_ms=50)
    trial.go("15:29:59.990")
    order = trial.place("BUY", 10, 100)
    trial.go("15:31")
    assert (trial.status(order), trial.exchange.order(order).refusal) == ("REJECTED", Refusal.PHASE)


def test_an_after_market_order_waits_for_the_next_pre_open_and_a_stop_order_for_the_open():
    """Over a weekend: Friday evening to Monday."""
    trial = Trial()
    trial.go("15:45")
    order = trial.place("BUY", 10, 100, variety=Variety.AMO)
    stop = trial.place("SELL", 10, 94, variety=Variety.AMO, order_type=OrderType.SL, trigger=95)
    trial.go(at("08:59:59", MONDAY))
    assert {trial.status(order), trial.status(stop)} == {"AMO REQ RECEIVED"}
    trial.go(at("09:00", MONDAY))
    assert (trial.status(order), trial.status(stop)) == ("OPEN", "AMO REQ RECEIVED")
    trial.go(at("09:15", MONDAY))
    assert trial.status(stop) == "TRIGGER PENDING"
    assert trial.exchange.order(order).exchange_at == at("09:00", MONDAY)


def test_an_after_market_order_in_a_future_waits_for_the_open_and_can_be_changed_and_cancelled():
    """Derivatives have no pre-open."""
    future = share("NFO:FUT", kind=Kind.FUTURE, underlying="NIFTY", expiry=date(2026, 11, 24))
    trial = Trial(future)
    trial.go("18:00")
    order = trial.place("BUY", 10, 100, variety=Variety.AMO, instrument="NFO:FUT")
    gone = trial.place("BUY", 10, 100, variety=Variety.AMO, instrument="NFO:FUT")
    trial.modify(order, price=99)
    trial.cancel(gone)
    trial.go(at("09:14:59", MONDAY))
    assert (trial.status(order), trial.status(gone)) == ("AMO REQ RECEIVED", "CANCELLED")
    trial.go(at("09:15", MONDAY))
    assert trial.status(order) == "OPEN"
    assert trial.exchange.order(order).order.price == e4(99)


def test_intraday_orders_are_cancelled_and_positions_named_before_the_close():
    """At 15:20: the MIS order goes, the MIS position is told with its sign, what is carried stays."""
    trial = Trial()
    trial.go("10:00")
    for quantity, side, product in ((30, "BUY", Product.MIS), (10, "SELL", Product.MIS), (5, "BUY", Product.CNC)):
        other = "SELL" if side == "BUY" else "BUY"
        trial.place(other, quantity, 100, account="two", product=Product.NRML)
        trial.place(side, quantity, 100, product=product)
    waits = trial.place("BUY", 10, 90, product=Product.MIS)
    carried = trial.place("BUY", 10, 90, product=Product.CNC)
    assert trial.go("15:19:59.999") == []
    events = trial.go("15:20")
    assert [(event.kind, event.order_id, event.quantity) for event in events] == [
        (EventKind.CANCELLED, waits, 10), (EventKind.SQUARE_OFF, "", 20),
    ]  # fmt: skip
    assert (events[1].account, events[1].instrument) == ("one", SHARE)
    assert trial.status(carried) == "OPEN"


def test_square_off_comes_before_an_earlier_close():
    """A share with derivatives stops at 15:15, so its positions are named at 15:05."""
    trial = Trial(LARGE)
    trial.go("10:00")
    trial.place("SELL", 5, 100, account="two", instrument="NSE:LARGE")
    trial.place("BUY", 5, 100, product=Product.MIS, instrument="NSE:LARGE")
    (event,) = trial.go("15:06")
    assert (event.kind, event.at) == (EventKind.SQUARE_OFF, at("15:05"))


def test_holidays_have_no_steps_and_long_absences_are_passed_over():
    """Saturday is closed; months later the day's phases hold again."""
    trial = Trial()
    trial.go(at("10:00", date(2026, 11, 21)))
    assert trial.exchange.mode(SHARE) is Mode.CLOSED
    trial.go(at("10:00", date(2026, 12, 28)))
    assert trial.exchange.mode(SHARE) is Mode.CONTINUOUS


def test_round_the_clock_hours_never_close_and_end_orders_at_midnight():
    """For demonstrations: a Saturday night trades."""
    trial = Trial(hours="always")
    saturday = date(2026, 11, 21)
    trial.go(at("23:00", saturday))
    order = trial.place("BUY", 10, 100)
    assert trial.refused("BUY", 1, 100, variety=Variety.AMO).refusal is Refusal.MARKET_OPEN
    (event,) = trial.go(at("23:59:59", saturday) + 1000)
    assert (event.kind, event.order_id) == (EventKind.EXPIRED, order)
    assert trial.status(trial.place("BUY", 10, 100)) == "OPEN"


def test_an_expired_contract_is_closed():
    """The day after its expiry it does not trade; on the day it does."""
    option = share("NFO:OPT", kind=Kind.OPTION, underlying="NIFTY", expiry=DAY)
    trial = Trial(option, share())
    trial.go("10:00")
    assert trial.exchange.mode("NFO:OPT") is Mode.CONTINUOUS
    trial.go(at("10:00", MONDAY))
    assert trial.exchange.mode("NFO:OPT") is Mode.CLOSED
    assert "expired" in trial.refused("BUY", 1, 100, instrument="NFO:OPT").reason


def test_new_bands_hold_from_when_they_are_listed():
    """A day's circuit limits replace those of yesterday; an instrument that is not listed stays unknown."""
    trial = Trial()
    trial.go("10:00")
    trial.place("BUY", 1, 120)
    trial.exchange.relist(share(upper_band=e4(110)))
    assert trial.refused("BUY", 1, 120).refusal is Refusal.BAND
    with pytest.raises(UnknownInstrument):
        trial.exchange.relist(share("NSE:NOBODY"))


def test_time_never_steps_back():
    """A call with an earlier time counts as the latest one seen."""
    trial = Trial()
    trial.go("10:00")
    trial.exchange.place(trial.order("BUY", 1, 99), at("09:59"))
    assert trial.exchange.order("o1").placed_at == at("10:00")
