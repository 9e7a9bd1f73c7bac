"""The order state machine: the table pair by pair, what quantities decide, and every sequence by property."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import Check, Order, OrderState, OrderType, Product, Side, Validity, Verdict
from niftyflow.trading.orders import TRANSITIONS, IllegalChange, apply, event_of, new_order
from niftyflow.trading.requests import VenueFill, VenueUpdate
from support.trading_orders import NOW, PASS, a_request, intended, said

S = OrderState
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "order-states.md"
FINAL = {S.FILLED, S.CANCELLED, S.REJECTED, S.EXPIRED}
BY_QUANTITY = {S.PART_FILLED, S.FILLED}


def a_fill(quantity: int = 4, price: str = "1500.05", number: int = 1) -> VenueFill:
    """Return a trade."""
    return VenueFill(fill_id=f"f{number}", quantity=quantity, price=Decimal(price))


def in_state(state: OrderState) -> Order:
    """Return an order of ten in a state, with the quantities that belong to it."""
    filled = {S.FILLED: 10, S.PART_FILLED: 4}.get(state, 0)
    return msgspec.structs.replace(intended(), state=state, filled=filled, filled_value=Decimal(filled * 1500))


def test_the_table_has_every_state_and_final_ones_lead_nowhere():
    """A state that was forgotten would let anything happen."""
    assert set(TRANSITIONS) == set(OrderState)
    assert {state for state, following in TRANSITIONS.items() if not following} == FINAL
    assert {state for state in OrderState if state.is_final} == FINAL


def test_the_table_on_the_page_is_the_program_s():
    """The reference page has a row for each state, naming exactly what may follow."""
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|([^|]*)\|$", PAGE.read_text(), re.MULTILINE)
    written = {OrderState(state): {OrderState(name) for name in re.findall(r"`([a-z_]+)`", to)} for state, to in rows}
    assert written == {state: set(following) for state, following in TRANSITIONS.items()}


def test_an_intent_that_passed_is_intended():
    """Everything of the request is in the order; it was not sent, and nothing is filled."""
    request = a_request(
        side=Side.SELL, order_type=OrderType.SL, price=Decimal(99), trigger=Decimal(100), product=Product.CNC,
        validity=Validity.IOC, valid_until=NOW + 60_000, signal_id="s", trace_id="t", tag="stop",
    )  # fmt: skip
    order, event = new_order(request, account="paper-1", client_order_id="nf1", verdict=PASS, at=NOW)
    assert (order.state, order.reason, order.sequence, order.filled) == (S.INTENDED, None, 1, 0)
    assert (order.decided_at, order.updated_at, order.instrument) == (NOW, NOW, request.instrument)
    for field in ("strategy", "side", "quantity", "order_type", "product", "validity", "price", "trigger", "cause",
                  "signal_id", "trace_id", "valid_until", "tag"):  # fmt: skip
        assert getattr(order, field) == getattr(request, field), field
    assert event == event_of(order, NOW)


def test_an_intent_that_did_not_pass_is_rejected_with_the_reason():
    """The verdict stays with the order, and its reason is the order's."""
    verdict = Verdict(
        verdict="reject", checks=[Check(name="kill_switch", is_passed=False, value="on", limit="off")]
    )  # fmt: skip
    order, event = new_order(a_request(), account="paper-1", client_order_id="nf1", verdict=verdict, at=NOW)
    assert (order.state, order.reason) == (S.REJECTED, "kill_switch: on, limit off")
    assert (event.state, event.risk, event.sequence) == (S.REJECTED, verdict, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [pair for pair in itertools.permutations(OrderState, 2) if pair[1] not in BY_QUANTITY],
)
def test_a_change_without_a_trade_happens_exactly_where_the_table_allows_it(before: OrderState, after: OrderState):
    """Every pair of states: allowed ones happen and are counted, others are refused naming both."""
    order = in_state(before)
    if before is S.PART_FILLED and after in {S.OPEN, S.ACCEPTED}:
        assert apply(order, said(order, after)) is None  # its trades say that it is part filled
    elif after in TRANSITIONS[before]:
        applied = apply(order, said(order, after, reason="why"))
        assert applied is not None
        assert applied.order == msgspec.structs.replace(
            order, state=after, reason="why", updated_at=NOW + 1, sequence=order.sequence + 1
        )
        assert applied.event == event_of(applied.order, NOW + 1)
        assert applied.fill is None
    else:
        with pytest.raises(IllegalChange, match=f"from {before} to {after}") as refused:
            apply(order, said(order, after))
        assert (refused.value.order, refused.value.state) == (order, after)


@pytest.mark.parametrize("before", [state for state in OrderState if state is not S.FILLED])
@pytest.mark.parametrize("quantity", [4, "all"])
def test_a_trade_fills_an_order_that_has_left_and_no_other(before: OrderState, quantity: int | str):
    """Whatever working state the venue names, the quantities decide between part filled and filled."""
    order = in_state(before)
    fill = a_fill(order.remaining if quantity == "all" else 4)
    update = said(order, S.OPEN, fill=fill)
    if before in FINAL | {S.INTENDED}:
        with pytest.raises(IllegalChange):
            apply(order, update)
        return
    applied = apply(order, update)
    assert applied is not None
    assert applied.order.state is (S.FILLED if quantity == "all" else S.PART_FILLED)
    assert applied.order.filled == order.filled + fill.quantity
    assert applied.order.filled_value == order.filled_value + fill.quantity * fill.price
    assert applied.fill == fill


@pytest.mark.parametrize("state", [S.CANCELLED, S.EXPIRED, S.UNKNOWN])
def test_a_trade_told_with_an_end_counts_before_the_end(state: OrderState):
    """Part filled then cancelled in one word stays cancelled; when all of it was traded, it is filled."""
    order = in_state(S.OPEN)
    partly, wholly = apply(order, said(order, state, fill=a_fill(4))), apply(order, said(order, state, fill=a_fill(10)))
    assert partly is not None
    assert (partly.order.state, partly.order.filled) == (state, 4)
    assert wholly is not None
    assert (wholly.order.state, wholly.order.filled) == (S.FILLED, 10)


@pytest.mark.parametrize("state", [S.INTENDED, S.SENT, S.REJECTED])
def test_a_trade_with_a_state_that_can_have_none_is_refused(state: OrderState):
    """A venue that rejects an order and trades it is not believed."""
    order = in_state(S.OPEN)
    with pytest.raises(IllegalChange, match="no trade belongs to that state"):
        apply(order, said(order, state, fill=a_fill()))


@pytest.mark.parametrize("before", [S.PART_FILLED, S.UNKNOWN])
def test_an_order_with_trades_is_never_rejected(before: OrderState):
    """Its trades happened."""
    order = msgspec.structs.replace(in_state(before), filled=4)
    with pytest.raises(IllegalChange, match="4 of it were traded"):
        apply(order, said(order, S.REJECTED))


def test_a_claim_of_filled_without_its_trades_leaves_the_order_open():
    """The trades are what makes it filled; the position must not be guessed."""
    accepted = in_state(S.ACCEPTED)
    applied = apply(accepted, said(accepted, S.FILLED))
    assert applied is not None
    assert applied.order.state is S.OPEN
    for state in (S.OPEN, S.PART_FILLED):
        order = in_state(state)
        assert apply(order, said(order, S.FILLED)) is None
    unknown = msgspec.structs.replace(in_state(S.UNKNOWN), filled=4)
    found = apply(unknown, said(unknown, S.OPEN))
    assert found is not None
    assert found.order.state is S.PART_FILLED


@pytest.mark.parametrize("quantity", [0, -1, 7, 10, 11])
def test_a_trade_larger_than_what_remains_is_refused(quantity: int):
    """So is one of nothing; the message says how much remains."""
    order = in_state(S.PART_FILLED)
    with pytest.raises(IllegalChange, match=rf"a trade of {quantity} where 6 of it remain"):
        apply(order, said(order, S.FILLED, fill=a_fill(quantity)))


@pytest.mark.parametrize("price", ["0", "-1500.05", "1500.00001", "NaN"])
def test_a_trade_at_what_is_no_price_is_refused(price: str):
    """A price is above zero and has at most four decimals."""
    order = in_state(S.OPEN)
    with pytest.raises(IllegalChange, match="a trade at"):
        apply(order, said(order, S.FILLED, fill=a_fill(10, price)))


@pytest.mark.parametrize("state", [state for state in OrderState if state is not S.PART_FILLED])
def test_an_update_that_says_nothing_new_changes_nothing(state: OrderState):
    """Told twice is told once, also after the end; a new reason alone is no news."""
    order = msgspec.structs.replace(in_state(state), broker_order_id="b1", is_triggered=True)
    assert apply(order, said(order, state, broker_order_id="b1", is_triggered=True)) is None
    assert apply(order, said(order, state, reason="another")) is None


def test_a_trigger_and_a_broker_order_id_are_news_and_stay():
    """They change the order without changing its state, and later updates that leave them out do not take them back."""
    order = in_state(S.OPEN)
    named = apply(order, said(order, S.OPEN, broker_order_id="b1"))
    assert named is not None
    triggered = apply(named.order, said(order, S.OPEN, is_triggered=True))
    assert triggered is not None
    assert (triggered.order.broker_order_id, triggered.order.is_triggered) == ("b1", True)
    assert triggered.order.sequence == order.sequence + 2
    done = apply(triggered.order, said(order, S.CANCELLED))
    assert done is not None
    assert (done.order.broker_order_id, done.order.is_triggered) == ("b1", True)


def test_a_final_order_takes_no_news_at_all():
    """Not even a broker order id that was missing."""
    order = in_state(S.CANCELLED)
    with pytest.raises(IllegalChange, match="it is final"):
        apply(order, said(order, S.CANCELLED, broker_order_id="b1"))


def test_an_update_about_another_order_is_refused():
    """By our id or by the broker's."""
    order = msgspec.structs.replace(in_state(S.OPEN), broker_order_id="b1")
    with pytest.raises(IllegalChange, match="about order nf2"):
        apply(order, VenueUpdate(client_order_id="nf2", state=S.CANCELLED, at=NOW))
    with pytest.raises(IllegalChange, match="is b1, not b2"):
        apply(order, said(order, S.CANCELLED, broker_order_id="b2"))


def test_the_value_of_many_trades_is_exact():
    """The sum in rupees has no more rounding than its four decimals need: none."""
    order = msgspec.structs.replace(in_state(S.OPEN), quantity=10**9)
    for number in range(1000):
        applied = apply(order, said(order, S.OPEN, fill=a_fill(999_983, "99999.9999", number)))
        assert applied is not None
        order = applied.order
    assert order.filled_value == 1000 * 999_983 * Decimal("99999.9999")
    assert order.sequence == 1001


UPDATES = st.builds(
    VenueUpdate,
    client_order_id=st.just("nf1"),
    state=st.sampled_from([S.OPEN, S.PART_FILLED, S.UNKNOWN]) | st.sampled_from(OrderState),
    at=st.integers(NOW, NOW + 1000),
    broker_order_id=st.sampled_from(["", "", "b1"]),
    reason=st.none() | st.text(max_size=5),
    is_triggered=st.booleans(),
    fill=st.none()
    | st.builds(
        VenueFill,
        fill_id=st.just("f"),
        quantity=st.integers(1, 4) | st.integers(-1, 12),
        price=st.integers(0, 10_000_000).map(lambda e4: Decimal(e4).scaleb(-4)),
    ),
)


@given(st.lists(UPDATES, min_size=4, max_size=25), st.integers(1, 8), st.sampled_from([S.INTENDED, S.OPEN, S.OPEN]))
def test_no_sequence_of_updates_leaves_the_table(updates: list[VenueUpdate], quantity: int, start: OrderState):
    """States follow the table, quantities never exceed the order, values add up, and final is final."""
    order, value = msgspec.structs.replace(intended(quantity=quantity), state=start), Decimal(0)
    for update in updates:
        try:
            applied = apply(order, update)
        except IllegalChange:
            continue
        if applied is None:
            continue
        after = applied.order
        assert not order.state.is_final
        assert after.state is order.state or after.state in TRANSITIONS[order.state]
        assert after.sequence == order.sequence + 1 == applied.event.sequence
        value += applied.fill.quantity * applied.fill.price if applied.fill else 0
        assert after.filled_value == value
        assert order.filled <= after.filled <= after.quantity == quantity
        assert (after.state is S.FILLED) == (after.filled == quantity)
        assert after.filled == 0 or after.state not in {S.INTENDED, S.SENT, S.ACCEPTED, S.OPEN, S.REJECTED}
        assert after.filled > 0 or after.state is not S.PART_FILLED
        order = after
