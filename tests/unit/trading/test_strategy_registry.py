"""The strategies there are: made by kind, from parameters that are described, checked and refused by name."""

from __future__ import annotations

import pytest

from niftyflow.model import InvalidValue, Misconfigured
from niftyflow.trading.strategies import STRATEGIES, make
from niftyflow.trading.strategies.ema_cross import EmaCross, EmaCrossParameters
from niftyflow.trading.strategies.signal_follower import SignalFollowerParameters
from support.strategy_bench import Bench
from support.strategy_days import SHARE, bars


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_is_found_by_its_kind_and_made_from_nothing(kind: str) -> None:
    """Defaults are whole."""
    strategy = make(kind, {})
    assert strategy.kind == kind
    assert type(strategy) is STRATEGIES[kind]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_parameter_is_described(kind: str) -> None:
    """The reference page is made of these."""
    fields = STRATEGIES[kind].Parameters.model_fields
    assert fields
    assert [name for name, field in fields.items() if not field.description] == []


@pytest.mark.parametrize("kind", STRATEGIES)
def test_defaults_are_out_before_the_close(kind: str) -> None:
    """Unless told otherwise nothing is held overnight."""
    parameters = STRATEGIES[kind].Parameters().model_dump()
    assert (parameters["product"], parameters["exit_minutes_before_close"]) == ("MIS", 20)


def test_an_unknown_kind_names_those_there_are() -> None:
    """The reader can choose."""
    with pytest.raises(InvalidValue, match=r"'ema'.*ema-cross, opening-range-breakout, signal-follower"):
        make("ema", {})


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"fsat": 3}, "strategy ema-cross: unknown setting fsat"),
        ({"fast": 0}, "setting fast is 0"),
        ({"fast": 21, "slow": 9}, "setting slow is 9: .*set it above fast"),
        ({"trade_from": "15:10"}, "trade_until .*set it after trade_from"),
        ({"product": "CNC"}, "setting allow_short .*set it to false"),
        ({"exit_minutes_before_close": None}, "exit_minutes_before_close is None.* overnight"),
        ({"value_rupees": -1}, "setting value_rupees is -1"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(parameters: dict[str, object], said: str) -> None:
    """One line says what and what to do."""
    with pytest.raises(Misconfigured, match=said):
        make("ema-cross", parameters)


def test_parameters_may_come_as_text() -> None:
    """The command line has nothing else."""
    given = {"fast": "5", "slow": "13", "trade_from": "09:30", "allow_short": "false", "product": "NRML"}
    parameters = EmaCrossParameters.model_validate(given)
    assert (parameters.fast, parameters.trade_from.minute, parameters.allow_short) == (5, 30, False)


def test_parameters_of_another_strategy_are_refused() -> None:
    """A mistake of the program, found where it is made."""
    with pytest.raises(TypeError, match="EmaCrossParameters"):
        EmaCross(SignalFollowerParameters())


@pytest.mark.parametrize("kind", STRATEGIES)
def test_memory_of_another_kind_is_refused(kind: str) -> None:
    """It says so instead of starting with half of it."""
    run = {other: Bench(other, {}, [SHARE]).run(bars([100.0] * 3)).strategy.save() for other in STRATEGIES}
    others = [memory for other, memory in run.items() if other != kind and memory.keys() != {"trades"}]
    for memory in [*others, {}, {"trades": {SHARE.key: {"wanted": "up"}}}]:
        with pytest.raises(InvalidValue, match="no memory of"):
            make(kind, {}).load(memory)


def test_memory_of_other_periods_is_refused() -> None:
    """An average of 9 is no average of 8."""
    memory = Bench("ema-cross", {}, [SHARE]).run(bars([100.0] * 3)).strategy.save()
    with pytest.raises(InvalidValue, match="no memory of ema over 8 bars"):
        make("ema-cross", {"fast": 8}).load(memory)
