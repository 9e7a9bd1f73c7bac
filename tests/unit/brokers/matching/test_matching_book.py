"""How orders meet one another and the replayed market in continuous trading."""

from __future__ import annotations

import pytest

from niftyflow.brokers.matching import Quotes, SelfTrade, TimeInForce, Variety
from niftyflow.model import Kind, OrderType, Product
from support.matching import E4, SHARE, Trial, at, share

BIDS = [(99.95, 100), (99.90, 200)]
ASKS = [(100.05, 100), (100.10, 50)]


def opened(**settings) -> Trial:
    """Return an exchange in continuous trading with two levels a side."""
    trial = Trial(**settings)
    trial.go("09:15")
    trial.row(100, BIDS, ASKS)
    return trial


def test_an_aggressive_order_walks_the_levels_and_rests_with_what_is_left():
    """It takes the best price first and each level at its own price."""
    trial = opened()
    order = trial.place("BUY", 180, 100.10)
    assert trial.fills(order) == [(100, 100.05), (50, 100.10)]
    assert trial.status(order) == "OPEN"
    assert trial.exchange.depth(SHARE).bids[0].quantity == 30


def test_beyond_the_levels_shown_each_tick_gives_a_share_of_the_last_one():
    """The impact of a large order: half of the last level at every tick further, so many levels."""
    trial = opened(depth_beyond_percent=50, levels_beyond=2)
    order = trial.place("BUY", 300, 101)
    assert trial.fills(order) == [(100, 100.05), (50, 100.10), (25, 100.15), (25, 100.20)]


def test_what_was_taken_of_a_level_comes_back_only_as_the_replay_adds_to_it():
    """The replay knows nothing of our trades: the same row again gives nothing, a grown level its growth."""
    trial = opened()
    trial.place("BUY", 80, 100.05)
    trial.row(100, BIDS, ASKS)
    again = trial.place("BUY", 100, 100.05, validity=TimeInForce.IOC)
    trial.row(100, BIDS, [(100.05, 130), (100.10, 50)])
    third = trial.place("BUY", 100, 100.05, validity=TimeInForce.IOC)
    assert trial.fills(again) == [(20, 100.05)]
    assert trial.fills(third) == [(30, 100.05)]


def test_an_order_stands_behind_the_quantity_shown_and_advances_by_trades():
    """100 stand in front: 60 and 45 traded at the price leave 5 for us."""
    trial = opened()
    order = trial.place("BUY", 10, 99.95)
    trial.row(99.95, BIDS, ASKS, traded=60)
    assert trial.fills(order) == []
    trial.row(99.95, [(99.95, 40), (99.90, 200)], ASKS, traded=45)
    assert trial.fills(order) == [(5, 99.95)]


def test_a_level_that_shrinks_without_trades_moves_the_order_in_proportion():
    """Of 100 in front half is cancelled: 50 traded then reach us."""
    trial = opened()
    order = trial.place("BUY", 10, 99.95)
    trial.row(100, [(99.95, 50), (99.90, 200)], ASKS)
    trial.row(99.95, [(99.95, 50), (99.90, 200)], ASKS, traded=57)
    assert trial.fills(order) == [(7, 99.95)]


def test_cancelled_quantity_is_taken_evenly_before_and_behind_an_order():
    """100 in front and 100 behind; 100 go, so 50 are left in front. What was traded does not count as cancelled."""
    trial = opened()
    order = trial.place("BUY", 10, 99.95)
    trial.row(100, [(99.95, 200)], ASKS)
    trial.row(100, [(99.95, 100)], ASKS)
    trial.row(99.95, [(99.95, 60)], ASKS, traded=40)
    assert trial.fills(order) == []
    trial.row(99.95, [(99.95, 45)], ASKS, traded=15)
    assert trial.fills(order) == [(5, 99.95)]


def test_quantity_that_joins_later_stands_behind():
    """A level that grows does not push an order back."""
    trial = opened()
    order = trial.place("BUY", 10, 99.95)
    trial.row(100, [(99.95, 900)], ASKS)
    trial.row(99.95, [(99.95, 900)], ASKS, traded=105)
    assert trial.fills(order) == [(5, 99.95)]


def test_a_trade_through_the_price_fills_at_the_orders_own_price():
    """Who sold at 99.90 would have met our 99.95 first."""
    trial = opened()
    order = trial.place("BUY", 10, 99.95)
    trial.row(99.90, [(99.90, 10)], ASKS, traded=8)
    assert trial.fills(order) == [(8, 99.95)]


def test_the_volume_of_a_row_is_used_once():
    """Two orders of 10 share 15 traded: by price, then by time."""
    trial = Trial()
    trial.go("09:15")
    trial.row(100, [], [(100.05, 100)])
    late = trial.place("BUY", 10, 99.90, account="two")
    early = trial.place("BUY", 10, 99.95)
    trial.row(99.80, [], [(100.05, 100)], traded=15)
    assert (trial.fills(early), trial.fills(late)) == ([(10, 99.95)], [(5, 99.90)])


def test_the_markets_new_ask_fills_a_resting_order_with_its_quantity():
    """The seller came to us, with 30."""
    trial = opened()
    order = trial.place("BUY", 50, 99.95)
    trial.row(99.95, [], [(99.90, 30), (100, 100)])
    assert trial.fills(order) == [(30, 99.95)]
    assert trial.status(order) == "OPEN"


def test_own_orders_trade_with_one_another_by_price_and_time():
    """The better price first, then the earlier order; both sides share the trade's id."""
    trial = Trial()
    trial.go("09:15")
    first = trial.place("SELL", 10, 100, account="two")
    second = trial.place("SELL", 10, 100, account="three")
    better = trial.place("SELL", 10, 99.95, account="two")
    buyer = trial.place("BUY", 25, 100)
    assert trial.fills(buyer) == [(10, 99.95), (10, 100), (5, 100)]
    assert [trial.fills(order) for order in (better, first, second)] == [[(10, 99.95)], [(10, 100)], [(5, 100)]]
    ours, theirs = trial.exchange.trades("one"), trial.exchange.trades("three")
    assert ours[-1].trade_id == theirs[0].trade_id
    assert (ours[-1].is_aggressor, theirs[0].is_aggressor) == (True, False)
    assert ours[-1].counter_order_id == second


def test_an_aggressor_meets_the_market_in_front_before_our_order():
    """At one price the queue holds both: 100 of the market, then ours."""
    trial = opened()
    maker = trial.place("BUY", 40, 99.95, account="two")
    taker = trial.place("SELL", 120, 99.95)
    assert trial.fills(taker) == [(100, 99.95), (20, 99.95)]
    assert trial.fills(maker) == [(20, 99.95)]


@pytest.mark.parametrize("latency", [1, 50])
def test_an_order_meets_nothing_before_its_latency(latency: int):
    """A row just before its arrival passes it by, the book at its arrival counts."""
    trial = opened(latency_ms=latency)
    order = trial.place("BUY", 10, 100.05)
    assert trial.status(order) == "PUT ORDER REQ RECEIVED"
    trial.go(trial.now + latency - 1)
    trial.row(100, BIDS, [(100.05, 7)])
    assert trial.fills(order) == []
    trial.go(trial.now + 1)
    assert trial.fills(order) == [(7, 100.05)]


def test_a_row_at_the_moment_of_arrival_comes_after_it():
    """What is due at a moment goes before what arrives from the market at it."""
    trial = opened(latency_ms=50)
    order = trial.place("BUY", 10, 100.05)
    trial.now += 50
    trial.row(100, BIDS, [(100.10, 100)])
    assert trial.fills(order) == [(10, 100.05)]


def test_jitter_is_drawn_from_the_seed_alone():
    """The same seed gives the same arrivals, another one others; never before the latency, never beyond the jitter."""

    def arrivals(seed: int) -> list[int]:
        trial = Trial(seed=seed, latency_ms=10, latency_jitter_ms=40)
        trial.go("09:15")
        names = [trial.place("BUY", 1, 99) for _ in range(20)]
        trial.go(trial.now + 100)
        return [trial.exchange.order(name).exchange_at - at("09:15") for name in names]

    assert arrivals(1) == arrivals(1) != arrivals(2)
    assert all(10 <= each <= 50 for each in arrivals(1))
    assert len(set(arrivals(1))) > 5


def test_ioc_takes_what_is_there_and_ends():
    """The rest is cancelled at once."""
    trial = opened()
    order = trial.place("BUY", 130, 100.05, validity=TimeInForce.IOC)
    view = trial.exchange.order(order)
    assert (view.status.value, view.filled, view.cancelled, view.pending) == ("CANCELLED", 100, 30, 0)


def test_ttl_ends_after_its_minutes():
    """One millisecond before it still stands."""
    trial = opened()
    order = trial.place("BUY", 10, 99, validity=TimeInForce.TTL, minutes=2)
    trial.go("09:16:59.999")
    assert trial.status(order) == "OPEN"
    trial.go("09:17")
    assert trial.kinds(order)[-1] == "expired"


def test_a_market_order_is_a_limit_order_at_its_protection():
    """2 % of 100 by the slabs for 100 to 500 is 1 %: 101 is the limit, where the rest stands."""
    trial = opened(depth_beyond_percent=0)
    trial.row(100, BIDS, [(100.05, 10), (101, 10), (101.05, 10)])
    order = trial.place("BUY", 50)
    assert trial.fills(order) == [(10, 100.05), (10, 101)]
    assert trial.exchange.depth(SHARE).bids[0].price == 101 * E4
    given = trial.place("SELL", 150, account="two", market_protection=5)
    assert trial.fills(given) == [(30, 101), (100, 99.95)]
    assert trial.exchange.depth(SHARE).asks[0].price == round(99.95 * E4)


def test_options_have_wider_automatic_protection():
    """An option at 50 is protected by 3 %."""
    option = share("NFO:OPT", kind=Kind.OPTION, underlying="NIFTY")
    trial = Trial(option)
    trial.go("09:15")
    trial.row(50, [], [], instrument="NFO:OPT")
    trial.row(50, [(49, 1)], [(52, 1)], instrument="NFO:OPT")
    trial.place("BUY", 5, instrument="NFO:OPT")
    assert trial.exchange.depth("NFO:OPT").bids[0].price == round(51.5 * E4)


def test_an_unprotected_market_order_takes_what_there_is_and_ends():
    """Where the setting allows it, nothing of it rests."""
    trial = opened(is_protection_required=False)
    order = trial.place("BUY", 200, market_protection=0)
    assert trial.exchange.order(order).filled == 150
    assert trial.status(order) == "CANCELLED"


@pytest.mark.parametrize(("side", "trigger", "limit", "before", "reached"), [
    ("BUY", 101, 102, 100.95, 101), ("SELL", 99, 98, 99.05, 99),
])  # fmt: skip
def test_a_stop_order_enters_when_the_last_price_reaches_its_trigger(side, trigger, limit, before, reached):
    """The book alone does not trigger it, nor a price short of it."""
    trial = opened()
    order = trial.place(side, 10, limit, order_type=OrderType.SL, trigger=trigger)
    trial.row(before, [(98.5, 10)], [(101.5, 10)])
    assert trial.status(order) == "TRIGGER PENDING"
    trial.row(reached, [(98.5, 10)], [(101.5, 10)])
    assert trial.kinds(order) == ["received", "opened", "triggered", "traded"]
    assert trial.fills(order) == [(10, 101.5 if side == "BUY" else 98.5)]


def test_sl_m_is_protected_from_the_last_price_that_triggered_it():
    """A sell triggered at 99 stops at 2 % below."""
    trial = opened()
    order = trial.place("SELL", 30, order_type=OrderType.SL_M, trigger=99, market_protection=-1)
    trial.row(99, [(98, 10), (97.05, 10), (97, 10)], [(101, 10)])
    assert trial.fills(order) == [(10, 98), (10, 97.05)]


def test_stop_orders_fire_nearest_trigger_first():
    """Both are reached by one row; the nearer one takes the only quantity."""
    trial = opened()
    far = trial.place("BUY", 10, 105, order_type=OrderType.SL, trigger=102)
    near = trial.place("BUY", 10, 105, order_type=OrderType.SL, trigger=101)
    trial.row(103, [], [(103, 10)])
    assert (trial.fills(near), trial.fills(far)) == ([(10, 103)], [])


def test_a_disclosed_quantity_replenishes_at_the_back_of_the_queue():
    """After its first part it stands behind the order that came later."""
    trial = Trial()
    trial.go("09:15")
    hidden = trial.place("SELL", 30, 100, account="two", disclosed_quantity=10)
    other = trial.place("SELL", 10, 100, account="three")
    assert trial.exchange.depth(SHARE).asks[0].quantity == 20
    buyer = trial.place("BUY", 25, 100)
    assert [trade.counter_order_id for trade in trial.exchange.trades("one")] == [hidden, other, hidden]
    assert trial.fills(buyer) == [(10, 100), (10, 100), (5, 100)]


def test_an_icebergs_legs_are_whole_lots_and_the_last_one_is_what_remains():
    """100 in three legs of lot 10 shows 40, 40 and 20."""
    trial = Trial(share(lot_size=10))
    trial.go("09:15")
    trial.place("SELL", 100, 100, account="two", variety=Variety.ICEBERG, legs=3)
    shown = []
    for _ in range(3):
        shown.append(trial.exchange.depth(SHARE).asks[0].quantity)
        trial.place("BUY", shown[-1], 100)
    assert shown == [40, 40, 20]
    assert trial.exchange.depth(SHARE).asks == ()


@pytest.mark.parametrize(("rule", "maker", "taker", "filled"), [
    (SelfTrade.CANCEL_INCOMING, "OPEN", "CANCELLED", 0),
    (SelfTrade.CANCEL_RESTING, "CANCELLED", "OPEN", 0),
    (SelfTrade.ALLOW, "COMPLETE", "COMPLETE", 10),
])  # fmt: skip
def test_an_account_that_meets_itself(rule: SelfTrade, maker: str, taker: str, filled: int):
    """The setting says which of the two goes, or that they trade."""
    trial = Trial(self_trade=rule)
    trial.go("09:15")
    resting = trial.place("SELL", 10, 100)
    incoming = trial.place("BUY", 10, 100)
    assert (trial.status(resting), trial.status(incoming)) == (maker, taker)
    assert trial.exchange.order(incoming).filled == filled


def test_a_source_without_quantities_shows_a_synthetic_depth_anew_at_every_row():
    """500,000 rupees at 100.05 are 4,997 shares; whole lots, at least one."""
    trial = Trial(share(lot_size=10), synthetic_depth_rupees=500_000)
    trial.go("09:15")
    row = Quotes.of_rupees([SHARE], [100], [0], [99.95], [100.05])
    trial.exchange.market(row, trial.now)
    order = trial.place("BUY", 6000, 100.05)
    assert trial.fills(order) == [(4990, 100.05)]
    events = trial.exchange.market(row, trial.now)
    assert [event.trade.quantity for event in events] == [1010]


def test_a_source_without_a_book_trades_a_tick_around_its_last_price():
    """Only the last price is told."""
    trial = Trial()
    trial.go("09:15")
    trial.exchange.market(Quotes.of_rupees([SHARE], [100], [0], [0], [0]), trial.now)
    buy, sell = trial.place("BUY", 1), trial.place("SELL", 1, account="two")
    assert (trial.fills(buy), trial.fills(sell)) == ([(1, 100.05)], [(1, 99.95)])


def test_levels_out_of_order_are_put_in_order():
    """A source's mistake gives no better price than there is."""
    trial = Trial()
    trial.go("09:15")
    trial.row(100, [], [(100.10, 10), (100.05, 10), (100.10, 5)])
    order = trial.place("BUY", 25, 101)
    assert trial.fills(order) == [(10, 100.05), (15, 100.10)]


def test_average_price_and_trades_add_up():
    """The average is the exact value over the quantity, rounded half up."""
    trial = opened()
    order = trial.place("BUY", 150, 100.10, product=Product.CNC)
    view = trial.exchange.order(order)
    value = sum(trade.quantity * trade.price for trade in trial.exchange.trades("one"))
    assert view.filled_value == value == 100 * 1_000_500 + 50 * 1_001_000
    assert view.average_price == 1_000_667
    assert view.exchange_order_id == "1100000000000001"
