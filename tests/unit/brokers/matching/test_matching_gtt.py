"""Good-till-triggered rules: what fires, once, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from niftyflow.brokers.matching import GttBook, GttOrder, GttStatus
from support.matching import SHARE, Trial, e4

YEAR = 365 * 86_400_000


def gtt(*triggers: float, **terms: Any) -> GttOrder:
    """Return a GTT at 100 rupees whose first leg sells 1 and whose second sells 2."""
    trial = Trial()
    orders = tuple(
        msgspec.structs.replace(trial.order("SELL", leg + 1, trigger), order_id="")
        for leg, trigger in enumerate(triggers)
    )
    known: dict[str, Any] = {
        "gtt_id": "1", "account": "one", "instrument": SHARE, "triggers": tuple(e4(each) for each in triggers),
        "orders": orders, "last_price": e4(100), "created_at": 1, "expires_at": YEAR,
    }  # fmt: skip
    return GttOrder(**(known | terms))


@pytest.mark.parametrize(("trigger", "not_yet", "reached"), [(95, 95.05, 95), (105, 104.95, 105), (95, 95.05, 90)])
def test_a_single_trigger_fires_once_from_its_side(trigger: float, not_yet: float, reached: float):
    """The last price at its making says from which side it is reached."""
    book = GttBook()
    assert book.place(gtt(trigger)) == ""
    assert book.market(SHARE, e4(not_yet), 2) == []
    (fired,) = book.market(SHARE, e4(reached), 3)
    assert fired.order.quantity == 1
    assert (fired.gtt.status, fired.gtt.fired_leg, fired.gtt.updated_at) == (GttStatus.TRIGGERED, 0, 3)
    assert book.market(SHARE, e4(reached), 4) == []


@pytest.mark.parametrize(("price", "leg"), [(94, 0), (106, 1)])
def test_of_two_legs_the_first_that_is_reached_fires_and_the_other_is_dropped(price: float, leg: int):
    """One cancels the other."""
    book = GttBook()
    book.place(gtt(95, 105))
    assert book.market(SHARE, 0, 1) == []
    (fired,) = book.market(SHARE, e4(price), 2)
    assert fired.order.quantity == leg + 1
    assert book.market(SHARE, e4(94), 3) == book.market(SHARE, e4(106), 4) == []


@pytest.mark.parametrize(("made", "words"), [
    (gtt(100.2), "0.25%"),
    (gtt(105, 95), "below and the second above"),
    (gtt(101, 105), "below and the second above"),
    (gtt(95, last_price=0), "above zero"),
    (gtt(95, orders=()), "one order"),
    (gtt(95, instrument="NSE:OTHER"), "its instrument"),
])  # fmt: skip
def test_what_a_gtt_cannot_be_is_refused_in_words(made: GttOrder, words: str):
    """Nothing of it is kept."""
    book = GttBook()
    assert words in book.place(made).replace("in its instrument", "its instrument")
    assert book.all("one") == []


def test_a_gtt_is_changed_cancelled_and_expires():
    """Only an active one; its account's alone."""
    book = GttBook()
    assert book.place(gtt(95)) == ""
    assert "already" in book.place(gtt(95))
    assert book.modify(gtt(90), 5) == ""
    assert book.market(SHARE, e4(92), 6) == []
    assert "does not exist" in book.modify(gtt(90, account="two"), 6)
    assert "cannot be changed" in book.modify(gtt(90, instrument="NSE:OTHER"), 6)
    assert book.get("1").created_at == 1
    assert book.cancel("1", 7) == ""
    assert "cancelled" in book.cancel("1", 8)
    assert "cancelled" in book.modify(gtt(90), 8)
    assert "does not exist" in book.cancel("2", 8)
    book.place(gtt(95, gtt_id="3"))
    book.place(gtt(95, gtt_id="4"))
    assert book.market(SHARE, e4(90), YEAR) == []
    assert {book.get(each).status for each in ("3", "4")} == {GttStatus.EXPIRED}
    book.place(gtt(95, gtt_id="5"))
    assert [each.gtt_id for each in book.advance(YEAR)] == ["5"]
