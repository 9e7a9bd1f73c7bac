"""The column engine: live equals history to the last bit, and what may not enter leaves no trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from niftyflow.analysis.engine import ColumnEngine, features_of
from niftyflow.analysis.indicators import USES
from niftyflow.kernels.indicators.registry import REGISTRY, history
from niftyflow.model import CandleBatch, InvalidValue
from niftyflow.model.scorecards import DEFINED_AFTER, ScorecardBatch
from support.analysis_floors import DAY, MINUTE, OPENED, bits, by_minute, candle_rows, engine_of, walk
from support.data import shared_data

KEYS = ["NSE:ALPHA", "NSE:BETA", "NSE:GAMMA INDEX"]


def one(price: float, minute: int = 0, key: str = "NSE:ALPHA", **changes: object) -> CandleBatch:
    """Return one candle at one price, with changes."""
    columns = {field: [price] for field in ("open", "high", "low", "close", "vwap")}
    columns |= {field: [value] for field, value in changes.items()}
    return candle_rows([key], [0], [OPENED + minute * MINUTE], **columns)


def row_of(cards: ScorecardBatch, key: str) -> ScorecardBatch:
    """Return a symbol's scorecard alone."""
    return cards.take(is_of(cards, key))


def is_of(batch: CandleBatch | ScorecardBatch, key: str) -> np.ndarray:
    """Return which rows are a symbol's."""
    keys = batch.keys()
    return np.array([each == key for each in keys])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(1, 419), max_size=3, unique=True),
    halted=st.sets(st.tuples(st.integers(0, 419), st.sampled_from(KEYS)), max_size=40),
)
def test_live_equals_history_wherever_it_was_interrupted(seed, cuts, halted):
    """Minute by minute with restarts from exported states, against one fold of each symbol's whole history."""
    candles = walk(KEYS, 420, seed=seed)
    minute = (np.arange(len(candles)) // len(KEYS)).tolist()
    trades = np.array([(at, key) not in halted for at, key in zip(minute, candles.keys(), strict=True)])
    candles = candles.take(trades)
    live, last = engine_of(*KEYS), {}
    for number, batch in enumerate(by_minute(candles)):
        if number in cuts:
            states = {key: live.export(key) for key in reversed(KEYS)}
            live = ColumnEngine()
            for key, state in states.items():
                live.add(key, state)
        cards = live.advance(batch)
        last |= {key: row_of(cards, key) for key in cards.keys()}  # noqa: SIM118 - not a dict
    for key in KEYS:
        own = candles.take(is_of(candles, key))
        past = engine_of(key)
        past.fold(key, own.take(slice(0, -1)))
        assert bits(past.advance(own.take(slice(-1, None)))) == bits(last[key])
        assert past.export(key) == live.export(key)
        past = engine_of(key)
        past.fold(key, own)
        assert past.export(key) == live.export(key)


def test_every_column_is_the_indicator_it_is_named_after():
    """The wiring, against each indicator computed alone over the whole series."""
    candles = walk(["NSE:ALPHA"], 400)
    engine = engine_of("NSE:ALPHA")
    rows = [engine.advance(batch) for batch in by_minute(candles)]
    columns = {name: getattr(candles, name) for name in ("open", "high", "low", "close", "vwap", "volume")}
    columns |= {"price": candles.vwap, "session": (candles.time + 19_800_000) // DAY}
    for use in USES:
        if use.gives:
            out = history(use.indicator, columns, **use.parameters)
            for place, field in enumerate(use.gives):
                got = np.array([getattr(cards, field)[0] for cards in rows], dtype=np.float64)
                wanted = np.nan_to_num(out[:, place]) if field == "supertrend_direction" else out[:, place]
                np.testing.assert_array_equal(got, wanted, err_msg=field)
    usual = history("sma", [candles.volume], period=20)[:, 0]
    ratios = np.array([cards.volume_ratio[0] for cards in rows])
    np.testing.assert_array_equal(ratios, candles.volume / usual)


def test_defined_after_is_what_the_registry_says_and_what_happens():
    """The candles named as needed are those after which the number is there; before it says what it needs."""
    uses = {use.name: REGISTRY[use.indicator].defined_after(use.parameters) for use in USES}
    stated = {**uses, "sma_20": uses.pop("sma"), "volume_ratio": uses["usual_volume"]}
    stated["volatility_score"] = uses["bollinger"] + uses["usual_bandwidth"] - 1
    assert {name: stated[name] for name in stated if name in DEFINED_AFTER} == {
        name: bars for name, bars in DEFINED_AFTER.items() if name in stated
    }
    assert set(DEFINED_AFTER) - set(stated) == {"plus_di", "minus_di", "volume_score"}
    engine, seen = engine_of("NSE:ALPHA"), {}
    for batch in by_minute(walk(["NSE:ALPHA"], 201)):
        card = engine.advance(batch).to_records()[0]
        for field in ScorecardBatch.INDICATORS + ScorecardBatch.SCORES:
            if field not in card.missing:
                seen.setdefault(field, card.bars)
            elif field in DEFINED_AFTER:
                assert card.missing[field] == f"needs {DEFINED_AFTER[field]} candles, has {card.bars}"
    assert {field: seen[field] for field in DEFINED_AFTER if field in seen} == {
        field: bars for field, bars in DEFINED_AFTER.items() if field in seen
    }
    assert seen["bollinger_upper"] == 20
    assert set(seen) == set(ScorecardBatch.INDICATORS + ScorecardBatch.SCORES)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"close": float("nan")}, {"open": float("nan")}, {"high": float("inf")}, {"low": -1.0}, {"low": 0.0},
        {"high": 99.0}, {"low": 101.0}, {"vwap": float("nan")}, {"vwap": 0.0}, {"volume": -1},
        {"revision": 1},
    ],
)  # fmt: skip
def test_a_candle_that_cannot_be_leaves_no_trace(spoilt):
    """It is counted, gives no scorecard, and every later number is what it would have been without it."""
    candles = by_minute(walk(["NSE:ALPHA"], 60))
    clean, dirty = engine_of("NSE:ALPHA"), engine_of("NSE:ALPHA")
    for minute, batch in enumerate(candles):
        assert dirty.advance(one(100.0, minute, **spoilt)) is None
        assert bits(dirty.advance(batch)) == bits(clean.advance(batch))
    assert (dirty.refused, clean.refused) == (60, 0)
    folded = engine_of("NSE:ALPHA")
    folded.fold("NSE:ALPHA", CandleBatch.concat(candles[:2]))
    folded.fold("NSE:ALPHA", one(100.0, 2, **spoilt))
    assert folded.refused == 1
    assert folded.last_end("NSE:ALPHA") == OPENED + 2 * MINUTE


def test_a_candle_not_newer_than_the_last_is_ignored_and_counted():
    """The same minute again, an older one, and a second candle of one minute."""
    engine = engine_of("NSE:ALPHA")
    assert engine.advance(one(100.0, 5)) is not None
    state = engine.export("NSE:ALPHA")
    assert engine.advance(one(105.0, 5)) is None
    assert engine.advance(one(105.0, 4)) is None
    engine.fold("NSE:ALPHA", one(105.0, 3))
    assert (engine.ignored, engine.export("NSE:ALPHA")) == (3, state)
    twice = candle_rows(["NSE:ALPHA"], [0, 0], [OPENED + 6 * MINUTE] * 2, **{
        field: [100.0, 200.0] for field in ("open", "high", "low", "close")
    })  # fmt: skip
    assert engine.advance(twice).ltp.tolist() == [100.0]
    assert engine.ignored == 4


def test_a_symbol_without_a_candle_keeps_its_state_and_gets_no_scorecard():
    """A halted symbol: the others go on, and it goes on later as if the minutes had not been."""
    candles = by_minute(walk(KEYS, 80))
    both, alone = engine_of(*KEYS), engine_of("NSE:BETA")
    for minute, batch in enumerate(candles):
        halted = 30 <= minute < 50
        cards = both.advance(batch.take(batch.name != 1) if halted else batch)
        assert cards.keys() == (["NSE:ALPHA", "NSE:GAMMA INDEX"] if halted else KEYS)
        if not halted:
            expected = alone.advance(batch.take(batch.name == 1))
            assert bits(row_of(cards, "NSE:BETA")) == bits(expected)
    assert both.export("NSE:BETA") == alone.export("NSE:BETA")


def test_an_index_has_no_volume_and_says_so():
    """VWAP and volume ratio are null with the reason; the scores go without them."""
    engine = engine_of("NSE:GAMMA INDEX")
    for batch in by_minute(walk(["NSE:GAMMA INDEX"], 250)):
        cards = engine.advance(batch)
    card = cards.to_records()[0]
    assert (card.vwap, card.volume_ratio, card.volume_score, card.volume) == (None, None, None, 0)
    assert card.missing == dict.fromkeys(("vwap", "volume_ratio", "volume_score"), "nothing was traded in volume yet")
    assert "vwap" not in card.parts
    assert card.momentum_score is not None


def test_the_session_is_kept_by_the_candles_own_days():
    """Change against the close before; while that is not known, against the open; highs and lows of the day alone."""
    engine, day = engine_of("NSE:ALPHA"), DAY // MINUTE
    steps = [
        (0, {"open": 100.0, "high": 102.0, "low": 99.0, "close": 101.0}, (1.0, False, 102.0, 99.0, 0)),
        (1, {"open": 101.0, "high": 103.0, "low": 100.0, "close": 102.0}, (2.0, False, 103.0, 99.0, 1)),
        (2, {"open": 102.0, "high": 102.5, "low": 98.0, "close": 99.0}, (-1.0, False, 103.0, 98.0, -1)),
        (3, {"open": 99.0, "high": 104.0, "low": 97.0, "close": 98.0}, (-2.0, False, 104.0, 97.0, -1)),
        (4, {"open": 98.0, "high": 105.0, "low": 96.0, "close": 104.0}, (4.0, False, 105.0, 96.0, 1)),
        (5, {"open": 104.0, "high": 106.0, "low": 95.0, "close": 104.0}, (4.0, False, 106.0, 95.0, 0)),
        (6, {"open": 104.0, "high": 104.5, "low": 99.0, "close": 100.0}, (0.0, False, 106.0, 95.0, 0)),
        (day, {"open": 90.0, "high": 92.0, "low": 89.0, "close": 91.0}, (-9.0, True, 92.0, 89.0, 0)),
        (day + 1, {"open": 91.0, "high": 93.0, "low": 90.0, "close": 92.0}, (-8.0, True, 93.0, 89.0, 1)),
    ]
    for minute, prices, (change, from_previous, high, low, makes) in steps:
        card = engine.advance(one(100.0, minute, **prices)).to_records()[0]
        assert card.change_percent == pytest.approx(change)
        assert (card.change_from == "previous_close", card.day_high, card.day_low) == (from_previous, high, low)
        assert card.makes == makes
    assert card.bars == len(steps)


def test_slots_grow_while_others_keep_their_numbers():
    """Two hundred symbols added in the middle change nothing for those that were there."""
    candles = by_minute(walk(["NSE:ALPHA"], 40))
    grown, alone = engine_of("NSE:ALPHA"), engine_of("NSE:ALPHA")
    for minute, batch in enumerate(candles):
        if minute % 10 == 5:
            for number in range(minute, minute + 50):
                grown.add(f"NSE:S{number:03}-{minute}")
        assert bits(grown.advance(batch)) == bits(alone.advance(batch))
    assert len(grown.keys) == 201


def test_a_state_of_another_form_is_refused():
    """A cut state, a symbol held already, and candles of a symbol nobody added."""
    engine = engine_of("NSE:ALPHA")
    with pytest.raises(InvalidValue, match="holds this symbol already"):
        engine.add("NSE:ALPHA")
    with pytest.raises(InvalidValue, match="a state of this form has"):
        engine.add("NSE:BETA", engine.export("NSE:ALPHA")[:-8])
    with pytest.raises(InvalidValue, match="a state of this form has"):
        engine.add("NSE:BETA", engine.export("NSE:ALPHA")[:-1])
    with pytest.raises(InvalidValue, match="NSE:BETA"):
        engine.advance(one(100.0, key="NSE:BETA"))


def test_features_are_the_scorecards_own_numbers():
    """What a model is asked has the candle's end as its time, and volume as a float."""
    engine = engine_of(*KEYS)
    for batch in by_minute(walk(KEYS, 210)):
        cards = engine.advance(batch)
    features = features_of(cards)
    assert (features.time, features.instruments) == (OPENED + 210 * MINUTE, KEYS)
    assert features.close.tolist() == cards.ltp.tolist()
    assert features.ema_200.tolist() == cards.ema_200.tolist()
    assert features.volume.dtype == np.float64


@pytest.mark.data
def test_real_sessions_live_equal_their_history():
    """Twenty shares over eighteen sessions of 2016: every state and last scorecard, to the last bit."""
    import polars as pl  # noqa: PLC0415 - only where there is data

    bars = pl.read_parquet(shared_data("bars_1m_equity_2016/bars.parquet"))
    keys = bars["symbol"].unique().sort().to_list()[:20]
    bars = bars.filter(pl.col("symbol").is_in(keys)).sort("ts", "symbol")
    place = {key: number for number, key in enumerate(keys)}
    columns = {name: bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    columns["vwap"] = (columns["high"] + columns["low"] + columns["close"]) / 3
    candles = candle_rows(
        [f"NSE:{key}" for key in keys], [place[key] for key in bars["symbol"]], bars["ts"].dt.epoch("ms").to_numpy(),
        **columns,
    )  # fmt: skip
    names = [f"NSE:{key}" for key in keys]
    live = engine_of(*names)
    for batch in by_minute(candles):
        cards = live.advance(batch)
    for number, key in enumerate(names):
        own = candles.take(candles.name == number)
        past = engine_of(key)
        past.fold(key, own.take(slice(0, -1)))
        assert bits(past.advance(own.take(slice(-1, None)))) == bits(row_of(cards, key))
        assert past.export(key) == live.export(key)
    assert not np.isnan(cards.composite_score).any()
    assert live.refused == live.ignored == 0
