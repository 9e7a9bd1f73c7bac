"""The generated session keeps to the statistics its documentation states, and to itself."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

import numpy as np
import polars as pl
import pytest

from niftyflow.brokers.simulator.synthetic import QUIET, SyntheticSession
from niftyflow.brokers.simulator.tape import MINUTE, SECOND
from niftyflow.model import InvalidValue, Kind
from support.simulator import OPENS

DAY = ((OPENS, OPENS + 375 * MINUTE),)


@lru_cache(maxsize=1)
def events_of(seed: int):
    """Return all events of a whole day: 150 MB, so only one is kept."""
    return np.concatenate(list(SyntheticSession(DAY, seed=seed).chunks()))


@cache
def minutes_of(seed: int):
    """Return (closes, volumes) of each minute, by minute and symbol, the last trade carried over silent minutes."""
    events = events_of(seed)
    events = events[events["traded_at"] >= OPENS]
    table = pl.DataFrame(
        {"place": events["instrument"], "minute": (events["traded_at"] - OPENS) // MINUTE, "ltp": events["ltp"],
         "volume": events["day_volume"]}
    )  # fmt: skip
    last = table.group_by("place", "minute").agg(pl.col("ltp").last(), pl.col("volume").max())
    closes, volumes = np.full((375, 51), np.nan), np.full((375, 51), np.nan)
    closes[last["minute"], last["place"]] = last["ltp"]
    volumes[last["minute"], last["place"]] = last["volume"]
    carried = [pl.DataFrame(each).fill_nan(None).fill_null(strategy="forward") for each in (closes, volumes)]
    totals = carried[1].fill_null(0).to_numpy()
    return carried[0].to_numpy(), np.diff(totals, axis=0, prepend=0)


def returns_of(seed: int):
    """Return one-minute log returns of the liquid shares."""
    return np.diff(np.log(minutes_of(seed)[0][:, :49]), axis=0)


def mean_autocorrelation(series) -> float:
    """Return the mean lag-1 autocorrelation of the columns."""
    return float(np.mean([np.corrcoef(each[1:], each[:-1])[0, 1] for each in series.T]))


SEEDS = pytest.mark.parametrize("seed", [1, 7, 42])


@SEEDS
def test_volatility_comes_in_clusters_and_returns_do_not_predict_themselves(seed):
    """Lag-1 autocorrelation of one-minute |returns| 0.12 to 0.40; of the returns themselves -0.15 to 0.05."""
    returns = returns_of(seed)
    assert 0.12 <= mean_autocorrelation(np.abs(returns)) <= 0.40
    assert -0.15 <= mean_autocorrelation(returns) <= 0.05


@SEEDS
def test_shares_move_together_and_more_so_within_a_sector(seed):
    """Mean pairwise correlation of one-minute returns 0.05 to 0.35."""
    correlation = np.corrcoef(returns_of(seed).T)
    sectors = np.array([each.sector for each in SyntheticSession(DAY, seed=seed).members[:49]])
    others = ~np.eye(49, dtype=bool)
    same = (sectors[:, None] == sectors) & others
    assert 0.05 <= correlation[others].mean() <= 0.35
    assert correlation[same].mean() > correlation[others & ~same].mean() + 0.03


@SEEDS
def test_returns_have_fat_tails_and_a_real_size(seed):
    """Median kurtosis of one-minute returns 4 to 15 (normal: 3); mean deviation 5 to 15 basis points."""
    returns = returns_of(seed)
    centred = returns - returns.mean(axis=0)
    kurtosis = (centred**4).mean(axis=0) / returns.var(axis=0) ** 2
    assert 4 <= np.median(kurtosis) <= 15
    assert 5e-4 <= returns.std(axis=0).mean() <= 15e-4


@SEEDS
def test_volume_is_heavy_at_the_open_and_the_close(seed):
    """First half hour 10 to 22 percent of the day, last 12 to 30; a half hour around noon 4 to 7."""
    volumes = minutes_of(seed)[1][:, :49]
    share = volumes.sum(axis=1) / volumes.sum()
    assert 0.10 <= share[:30].sum() <= 0.22
    assert 0.12 <= share[-30:].sum() <= 0.30
    assert 0.04 <= share[150:225].sum() * 30 / 75 <= 0.07


@SEEDS
def test_prices_jump_now_and_then(seed):
    """Ten to 250 one-minute moves a day beyond six of the symbol's own deviations, over 49 shares."""
    returns = returns_of(seed)
    jumps = np.abs(returns - returns.mean(axis=0)) > 6 * returns.std(axis=0)
    assert 10 <= jumps.sum() <= 250


@SEEDS
def test_the_opening_is_more_volatile_than_noon(seed):
    """Mean one-minute |return| of the first half hour is 1.3 to 3.5 times that around noon."""
    size = np.abs(returns_of(seed)).mean(axis=1)
    assert 1.3 <= size[:30].mean() / size[150:225].mean() <= 3.5


def test_about_one_update_a_second_comes_from_each_active_symbol_at_uneven_times():
    """0.8 to 1.4 a second on average, with pauses and with two in a second."""
    events = events_of(1)
    infy = events[events["instrument"] == 3]
    assert 0.8 <= len(infy) / (375 * 60) <= 1.4
    seconds = infy["timestamp"] // SECOND
    assert (np.diff(seconds) >= 3).sum() > 100
    assert (np.diff(seconds) == 0).sum() > 100


def test_the_index_ticks_each_second_and_follows_its_members():
    """No volume, and its minute moves are those of the weighted members."""
    session = SyntheticSession(DAY, seed=1)
    assert session.instruments[50].kind is Kind.INDEX
    index = events_of(1)[events_of(1)["instrument"] == 50]
    assert len(index) == 375 * 60 + 1
    assert not index["day_volume"].any()
    closes = minutes_of(1)[0]
    weights = np.array([each.weight for each in session.members])
    basket = np.diff(np.log(closes[:, :49]), axis=0) @ weights[:49]
    assert np.corrcoef(basket, np.diff(np.log(closes[:, 50])))[0, 1] > 0.97


def test_the_last_symbol_is_illiquid():
    """More than a third of its minutes are silent, and none of the others' are."""
    events = events_of(1)
    trades = events[events["traded_at"] >= OPENS]
    minute = (trades["traded_at"] - OPENS) // MINUTE
    quiet = np.unique(minute[trades["instrument"] == 49])
    assert 375 / 3 < 375 - len(quiet) < 375
    assert all(len(np.unique(minute[trades["instrument"] == place])) == 375 for place in range(49))
    assert QUIET < 0.01


def test_quotes_without_a_trade_repeat_the_last_trade():
    """Same price, day volume and trade time, while the book moves: a fold must not count them."""
    infy = events_of(1)[events_of(1)["instrument"] == 3]
    repeats = (np.diff(infy["day_volume"]) == 0) & (np.diff(infy["traded_at"]) == 0)
    assert 0.02 < repeats.mean() < 0.4
    assert (np.diff(infy["ltp"])[repeats] == 0).all()
    assert (np.diff(infy["bid"])[repeats] != 0).any()


def test_every_value_is_one_the_exchange_could_send():
    """Whole ticks of five paise, bid below ask, day volume and arrival never back, the snapshot before the open."""
    events = events_of(1)
    shares = events[events["instrument"] < 50]
    for field in ("ltp", "bid", "ask"):
        paise = shares[field] * 100
        assert np.abs(paise - np.rint(paise)).max() < 1e-6
        assert (np.rint(paise) % 5 == 0).all()
        assert (shares[field] > 0).all()
    assert (shares["bid"] < shares["ask"]).all()
    assert (np.diff(events["arrival"]) >= 0).all()
    assert (events["timestamp"] <= events["arrival"]).all()
    for place in range(50):
        assert (np.diff(shares["day_volume"][shares["instrument"] == place]) >= 0).all()
    first = events[:51]
    assert (first["arrival"] < OPENS).all()
    assert not first["day_volume"].any()


def digest(**options) -> str:
    """Return the hash of a short session."""
    parts = options.pop("parts", ((OPENS, OPENS + 5 * MINUTE),))
    session = SyntheticSession(parts, **options)
    return hashlib.sha256(b"".join(chunk.tobytes() for chunk in session.chunks())).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_day_gives_others():
    """Determinism is what makes a demo a test."""
    assert digest(seed=3) == digest(seed=3)
    next_day = ((OPENS + 1440 * MINUTE, OPENS + 1445 * MINUTE),)
    assert len({digest(seed=3), digest(seed=4), digest(seed=3, parts=next_day), digest(seed=3, symbols=49)}) == 4


@pytest.mark.parametrize("symbols", [1, 2, 60, 1500])
def test_any_number_of_symbols_is_played(symbols):
    """Made-up shares follow the members; every share has its own token, and the index comes on top."""
    session = SyntheticSession(((OPENS, OPENS + 2 * MINUTE),), symbols=symbols)
    events = np.concatenate(list(session.chunks()))
    assert len({each.token for each in session.instruments}) == symbols + 1
    assert set(events["instrument"].tolist()) == set(range(symbols + 1))


def test_a_split_session_trades_in_its_parts_only():
    """Such as the Saturdays with a switch to the disaster site."""
    parts = ((OPENS, OPENS + 3 * MINUTE), (OPENS + 60 * MINUTE, OPENS + 62 * MINUTE))
    session = SyntheticSession(parts, symbols=5)
    events = np.concatenate(list(session.chunks()))
    traded = events["traded_at"][events["traded_at"] >= OPENS]
    inside = [(traded >= since) & (traded < until) for since, until in parts]
    assert (inside[0] | inside[1]).all()
    assert inside[0].any()
    assert inside[1].any()
    assert session.sessions[0].end == OPENS + 63 * MINUTE


@pytest.mark.parametrize(("options", "field"), [({"symbols": 0}, "symbols"), ({"seed": -1}, "seed")])
def test_an_impossible_session_is_refused(options, field):
    """With the field in the message."""
    with pytest.raises(InvalidValue, match=field):
        SyntheticSession(DAY, **options)
    with pytest.raises(InvalidValue, match="parts"):
        SyntheticSession(((OPENS, OPENS),))
