"""The cases that every adapter must pass, for Kite: on our simulator, and on Zerodha's published recordings."""

from __future__ import annotations

import pytest

from niftyflow.brokers.conformance.testkit import CASES, Case, Needs, Outcome, run_case
from niftyflow.brokers.kite.conformance import KIT
from support.data import shared_data

NOT_SIMULATED = {"variety-co", "variety-auction"}
NOT_RECORDED = {"wrong-token", "positions", "order-history", "unknown-order", "quotes", "margins", "charges"}
QUESTIONS = [case for case in CASES if case.needs is Needs.READS]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_kite_conforms_on_the_simulator(case: Case):
    """Every case passes, but for the two that nobody simulates."""
    assert KIT.simulator is not None
    result = await run_case(case, KIT.simulator())
    assert (result.outcome, result.reason) == (
        (Outcome.NOT_RUN, result.reason) if case.name in NOT_SIMULATED else (Outcome.PASSED, "")
    )


@pytest.mark.parametrize("case", QUESTIONS, ids=str)
async def test_kite_conforms_on_recordings(case: Case):
    """Every question that was recorded is answered as the port says; what was not is named."""
    assert KIT.recorded is not None
    result = await run_case(case, KIT.recorded(shared_data("kite/mocks").parent))
    assert (result.outcome, result.reason) == (
        (Outcome.NOT_RUN, result.reason) if case.name in NOT_RECORDED else (Outcome.PASSED, "")
    )


def test_every_case_has_a_name_of_its_own_and_says_what_it_shows():
    """A card is read by both."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.shows.endswith(".") for case in CASES)
