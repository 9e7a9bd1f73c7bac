"""Cards: what they count, where they are kept, and when live trading is no longer experimental."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from niftyflow.brokers.capabilities import RateLimit
from niftyflow.brokers.conformance.cards import (
    LIVE_MUSTS,
    Card,
    GroundName,
    Outcome,
    Result,
    card_file,
    is_experimental,
    read_card,
    write_card,
)
from niftyflow.brokers.conformance.case import Failed
from niftyflow.brokers.conformance.cases import CASES
from niftyflow.brokers.conformance.failure_cases import expect_within
from niftyflow.brokers.conformance.grounds import READING
from niftyflow.brokers.conformance.kits import NOTHING, kit_beside
from niftyflow.brokers.conformance.market_cases import is_on_grid
from niftyflow.brokers.conformance.order_cases import expect_one_way
from niftyflow.brokers.conformance.stage import ArrivedCall, CandleQuestion
from niftyflow.brokers.kite.order_replies import OrderReply, order_of
from niftyflow.model import Exchange, Instrument, Interval, Kind, Misconfigured, OrderState

ADAPTER = "somewhere.adapter:ADAPTER"
MONDAY_OPEN = 1_767_584_700_000
"""5 January 2026, 09:15 in India."""


def card(outcomes: dict[str, Outcome], **changes: object) -> Card:
    """Return a live card with these outcomes, and everything that must have passed passed."""
    results = dict.fromkeys(LIVE_MUSTS, Outcome.PASSED) | outcomes
    return msgspec.structs.replace(
        Card(
            broker="some", ground=GroundName.LIVE, adapter=ADAPTER, version="1", at=1,
            results=tuple(Result(case=name, shows="It.", outcome=outcome) for name, outcome in results.items()),
        ),
        **changes,
    )  # fmt: skip


def test_a_live_card_that_passed_ends_the_experiment():
    """What was not run or is not offered there does not count against it."""
    passed = card({"limit-order": Outcome.NOT_RUN, "gtt-list": Outcome.NOT_OFFERED})
    assert not is_experimental(passed, adapter=ADAPTER)


@pytest.mark.parametrize(
    "wanting",
    [None, card({"quotes": Outcome.FAILED}), card({"funds": Outcome.NOT_RUN}), card({}, ground=GroundName.SIMULATOR),
     card({}, adapter="elsewhere:ADAPTER"), card({}, results=())],
    ids=["no card", "one failed", "one that must be was not run", "simulated", "of another adapter", "empty"],
)  # fmt: skip
def test_anything_less_leaves_it_an_experiment(wanting: Card | None):
    """A card counts for its adapter, live, whole."""
    assert is_experimental(wanting, adapter=ADAPTER)


def test_what_must_have_passed_are_cases_that_there_are():
    """A case that is renamed does not leave live trading experimental for ever."""
    assert set(LIVE_MUSTS) <= {case.name for case in CASES}


def test_a_card_is_kept_and_read_again(tmp_path: Path):
    """For its owner alone, and as it was written."""
    file = write_card(tmp_path / "cards", card({}))
    assert file == card_file(tmp_path / "cards", "some", GroundName.LIVE)
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_card(tmp_path / "cards", "some", GroundName.LIVE) == card({})
    assert read_card(tmp_path / "cards", "some", GroundName.RECORDED) is None


def test_a_card_on_which_nothing_ran_does_not_replace_one(tmp_path: Path):
    """A day on which nobody was logged in takes nothing back."""
    write_card(tmp_path, card({}))
    idle = card(dict.fromkeys(LIVE_MUSTS, Outcome.NOT_RUN))
    assert write_card(tmp_path, idle) is None
    assert read_card(tmp_path, "some", GroundName.LIVE) == card({})


def test_a_damaged_card_is_told(tmp_path: Path):
    """With the command that makes another."""
    card_file(tmp_path, "some", GroundName.LIVE).write_bytes(b"{")
    with pytest.raises(Misconfigured, match="run niftyflow broker verify some"):
        read_card(tmp_path, "some", GroundName.LIVE)


def test_a_window_with_one_call_too_many_is_found():
    """Wherever the window begins; calls of other kinds do not count."""
    limit = RateLimit("orders", 2, 1.0)
    even = [ArrivedCall("orders", at) for at in (0, 100, 1000, 1100, 2000)]
    expect_within(limit, [*even, *(ArrivedCall("other", 1000) for _ in range(9))])
    with pytest.raises(Failed, match="3 calls of kind orders arrived within 999 ms; 2 are allowed in 1 s"):
        expect_within(limit, [ArrivedCall("orders", at) for at in (0, 101, 999)])


def statements(*told: tuple[str, int]) -> list[object]:
    """Return statements of one order: Kite's status, and what is filled."""
    base = {"order_id": "1", "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "quantity": 10,
            "order_type": "LIMIT", "product": "CNC", "price": 100}  # fmt: skip
    return [
        order_of(msgspec.convert(base | {"status": status, "filled_quantity": filled}, OrderReply))
        for status, filled in told
    ]


def test_updates_that_go_back_are_found():
    """What is filled stays filled, and what has ended stays as it ended."""
    expect_one_way(statements(("OPEN", 0), ("OPEN", 4), ("COMPLETE", 10), ("COMPLETE", 10)))
    with pytest.raises(Failed, match="order 1 had filled 4, then 3"):
        expect_one_way(statements(("OPEN", 4), ("OPEN", 3)))
    with pytest.raises(Failed, match=f"order 1 was {OrderState.CANCELLED}, and then {OrderState.OPEN}"):
        expect_one_way(statements(("CANCELLED", 0), ("OPEN", 0)))


def test_a_candle_belongs_on_the_grid_of_its_session():
    """Half hours count from 09:15."""
    share = Instrument(exchange=Exchange.NSE, symbol="INFY", kind=Kind.EQUITY)
    question = CandleQuestion(share, Interval.M30, MONDAY_OPEN, MONDAY_OPEN + 3_600_000)
    assert is_on_grid(question, MONDAY_OPEN + 1_800_000)
    assert not is_on_grid(question, MONDAY_OPEN + 900_000)


def test_a_kit_lies_beside_its_adapter():
    """Found without an entry point of its own; a package without one has no grounds."""
    kit = kit_beside("niftyflow.brokers.kite.adapter")
    assert kit.recorded is not None
    assert kit.simulator is not None
    assert kit_beside("niftyflow.market.calendar") == NOTHING
    with pytest.raises(Misconfigured, match="conformance holds no KIT"):
        kit_beside("niftyflow.brokers.adapter")


def test_what_reads_is_of_the_port_and_changes_nothing():
    """A new method of the port is refused on a live account until somebody has thought about it."""
    from niftyflow.brokers.broker_port import OrderBroker  # noqa: PLC0415 - only here

    port = {name for name in vars(OrderBroker) if not name.startswith("_")}
    changing = {"open", "close", "place", "modify", "cancel", "convert", "place_gtt", "modify_gtt", "cancel_gtt",
                "exchange", "invalidate"}  # fmt: skip
    assert port == READING | changing
