"""The breaker's states, step by step, on a clock that the test moves."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from niftyflow.kit.breaker import Breaker, Circuit
from support.stores import SecondsClock


@pytest.fixture
def clock() -> SecondsClock:
    """A clock that stands."""
    return SecondsClock()


@pytest.fixture
def breaker(clock) -> Breaker:
    """A breaker as the settings make it."""
    return Breaker("oracle", failures=5, open_seconds=60.0, seconds=clock)


def fail(breaker: Breaker, times: int) -> None:
    """Let so many calls in, each of which fails."""
    for _ in range(times):
        term = breaker.admit()
        assert term is not None
        breaker.failed(term)


def test_five_failures_in_a_row_open_it(breaker):
    """The fourth lets the next one in, the fifth does not."""
    fail(breaker, 4)
    assert breaker.state is Circuit.CLOSED
    fail(breaker, 1)
    assert breaker.state is Circuit.OPEN
    assert breaker.admit() is None


def test_an_answer_in_between_begins_the_count_anew(breaker):
    """Only failures in a row count."""
    fail(breaker, 4)
    breaker.succeeded(breaker.admit())
    fail(breaker, 4)
    assert breaker.state is Circuit.CLOSED


def test_after_sixty_seconds_one_trial_is_let_in(breaker, clock):
    """Nobody before the time, one after it, and no second one while the first is under way."""
    fail(breaker, 5)
    clock.now += 59.9
    assert breaker.admit() is None
    clock.now += 0.1
    assert breaker.admit() is not None
    assert breaker.state is Circuit.HALF_OPEN
    assert breaker.admit() is None


def test_the_trial_decides(breaker, clock):
    """An answer closes the circuit; a failure opens it for another sixty seconds, at once."""
    fail(breaker, 5)
    clock.now += 60
    fail(breaker, 1)
    assert breaker.state is Circuit.OPEN
    clock.now += 59
    assert breaker.admit() is None
    clock.now += 1
    breaker.succeeded(breaker.admit())
    assert breaker.state is Circuit.CLOSED
    fail(breaker, 4)
    assert breaker.state is Circuit.CLOSED


def test_a_trial_given_up_lets_the_next_one_try(breaker, clock):
    """Being cancelled says nothing of the service."""
    fail(breaker, 5)
    clock.now += 60
    breaker.abandoned(breaker.admit())
    assert breaker.state is Circuit.HALF_OPEN
    assert breaker.admit() is not None


def test_a_call_from_before_it_opened_changes_nothing(breaker, clock):
    """Its answer does not close the circuit, its failure does not keep it open, its end frees no trial."""
    old = [breaker.admit() for _ in range(4)]
    fail(breaker, 5)
    breaker.succeeded(old[0])
    assert breaker.state is Circuit.OPEN
    clock.now += 60
    trial = breaker.admit()
    breaker.failed(old[1])
    breaker.succeeded(old[3])
    breaker.abandoned(old[2])
    assert breaker.state is Circuit.HALF_OPEN
    assert breaker.admit() is None
    breaker.succeeded(trial)
    assert breaker.state is Circuit.CLOSED


def test_its_state_can_be_seen(breaker):
    """One gauge of the three is 1."""

    def shown() -> list[str]:
        labels = [{"service": "oracle", "state": str(state)} for state in Circuit]
        return [each["state"] for each in labels if REGISTRY.get_sample_value("circuit_breaker_state", each) == 1]

    assert shown() == ["closed"]
    fail(breaker, 5)
    assert shown() == ["open"]
