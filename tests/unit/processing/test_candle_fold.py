"""The fold keeps the candle rules, whatever the order, the batching and the restarts."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from niftyflow.model import Candle, CandleBatch, Name, NameTable, TickBatch, Watermark
from niftyflow.processing.fold import CandleFold, Told, base_span, day_start_of
from support.candle_rules import MINUTE, Made, Trade, candles_of

DAY = day_start_of(1_471_300_000_000)
OPEN = DAY + 555 * MINUTE
SESSION_MINUTES = 40
BASE_FIELDS = ("close", "day_volume", "traded_at", "through_offset")
SESSION = [OPEN + index * MINUTE for index in range(SESSION_MINUTES)]


class OneSession:
    """Every instrument trades the same forty minutes from 09:15 on every day."""

    def class_of(self, key: str, day_start: int) -> int:  # noqa: ARG002 - the port's signature
        return 0

    def masks(self, day_start: int) -> np.ndarray:  # noqa: ARG002 - the port's signature
        masks = np.zeros((1, 1440), np.uint8)
        masks[0, 555 : 555 + SESSION_MINUTES] = 1
        return masks


@dataclass
class Store:
    """Candles as told, kept by identity; what a restart goes on from."""

    revisions: dict[tuple[str, int, int], Candle] = field(default_factory=dict)
    bases: list[Candle] = field(default_factory=list)
    batches: list[CandleBatch] = field(default_factory=list)
    late: list[tuple[str, int]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    first: dict[tuple[str, int], tuple[int, float, float]] = field(default_factory=dict)

    def add(self, told: Told) -> None:
        self.late += told.late
        if told.gap is not None:
            self.gaps.append((told.gap.since, told.gap.until))
        if told.candles is not None:
            for candle in told.candles.to_records():
                identity = (candle.symbol, round(candle.time.timestamp() * 1000), candle.revision)
                known = self.revisions.setdefault(identity, candle)
                # a restart knows a symbol first seen late from its start, and tells its flat minutes sooner
                assert msgspec.structs.replace(known, through={}) == msgspec.structs.replace(candle, through={})
        if told.bases is not None:
            self.batches.append(told.bases)

    def latest(self, symbol: str) -> dict[int, Candle]:
        found: dict[int, Candle] = {}
        for (name, time, revision), candle in self.revisions.items():
            if name == symbol and revision >= (found[time].revision if time in found else 0):
                found[time] = candle
        return found

    def restore(self, since: int, until: int) -> CandleBatch | None:
        newest: dict[str, tuple[float, ...]] = {}
        for (symbol, time, revision), candle in self.revisions.items():
            if revision == 0 and since <= time < until and time >= newest.get(symbol, (0,))[0]:
                newest[symbol] = (time, candle.close, candle.day_volume, candle.traded_at, candle.through["0"])
        for batch in self.batches:
            for row, key in enumerate(batch.keys()):
                time = int(batch.time[row])
                symbol = key.partition(":")[2]
                if since <= time < until and time >= newest.get(symbol, (0,))[0]:
                    newest[symbol] = (
                        time,
                        *(getattr(batch, of)[row].item() for of in BASE_FIELDS),
                    )
        if not newest:
            return None
        names = NameTable(Name(f"NSE:{symbol}") for symbol in newest)
        time, close, volume, traded_at, through = (list(column) for column in zip(*newest.values(), strict=True))
        zeros = np.zeros(len(newest))
        columns = dict.fromkeys(CandleBatch.COLUMNS, zeros)
        columns |= {"name": range(len(newest)), "time": time, "close": close}
        columns |= {"day_volume": volume, "traded_at": traded_at, "through_offset": through}
        return CandleBatch(names, next(iter(self.revisions.values())).interval if self.revisions else "1m", **columns)


def batch_of(trades: list[Trade]) -> TickBatch:
    """Return trades as the batch the fold takes."""
    names = NameTable()
    zeros = [0] * len(trades)
    return TickBatch(
        names,
        name=[names.intern(Name(f"NSE:{trade.symbol}", "1", "kite")) for trade in trades],
        ltp=[trade.ltp for trade in trades],
        volume=zeros,
        day_volume=[trade.day_volume for trade in trades],
        bid=zeros,
        ask=zeros,
        open_interest=zeros,
        timestamp=[trade.traded_at for trade in trades],
        traded_at=[trade.traded_at for trade in trades],
        received=[trade.traded_at for trade in trades],
        sequence=[trade.sequence for trade in trades],
    )


def mark(time: int, *, healthy: bool = True) -> Watermark:
    """Return a watermark of the only partition."""
    return Watermark(time=time, partition=0, source="test", healthy=healthy)


def run(log: list[Trade | Watermark], store: Store, start: int = 0, cuts: frozenset[int] = frozenset()) -> CandleFold:
    """Feed a log from an offset, splitting tick batches at `cuts`."""
    fold = CandleFold(0, OneSession())
    waiting: list[Trade] = []
    for offset in range(start, len(log)):
        record = log[offset]
        if isinstance(record, Trade):
            waiting.append(record)
            if offset not in cuts:
                continue
        if waiting:
            fold.take(batch_of(waiting), offset - (isinstance(record, Watermark)) - len(waiting) + 1)
            waiting = []
        if isinstance(record, Watermark):
            if not fold.started:
                fold.stored = store.restore(*base_span(record.time))
            store.add(fold.advance(record, offset))
    return fold


@st.composite
def logs(draw: st.DrawFn) -> list[Trade | Watermark]:
    """A feed of three symbols: repeats, step-backs, trades late inside the horizon, silent spells, a mark a second."""
    log: list[Trade | Watermark] = [mark(OPEN - 30_000)]
    volumes = dict.fromkeys("ABC", 0)
    now = OPEN - 20_000
    for sequence in range(draw(st.integers(5, 60))):
        now += draw(st.sampled_from([0, 0, 1000, 1000, 3000, 20_000, 70_000]))
        symbol = draw(st.sampled_from("ABC"))
        late = draw(st.sampled_from([0, 0, 0, 1000, 40_000, 150_000]))
        volumes[symbol] += draw(st.sampled_from([0, 1, 5]))
        seen = max(0, volumes[symbol] - draw(st.sampled_from([0, 0, 0, 2])))
        price = draw(st.integers(100, 110)) * 0.05
        log.append(Trade(symbol, max(OPEN - 30_000, now - late) // 1000 * 1000, sequence, price, seen))
        if draw(st.booleans()):
            log.append(mark(max(now - 1000, log[0].time)))
    log.append(mark(now + 400_000))
    return log


def made(candle: Candle) -> Made:
    """Return what the rules say of a candle."""
    return Made(
        candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trades, incomplete=candle.incomplete
    )


@given(logs(), st.frozensets(st.integers(0, 120)))
def test_the_last_revisions_are_the_candles_of_the_rules(log, cuts):
    """After the last watermark every stored candle is the one a slow fold over all trades makes."""
    store = Store()
    run(log, store, cuts=cuts)
    for symbol in "ABC":
        ticks = [record for record in log if isinstance(record, Trade) and record.symbol == symbol]
        expected = candles_of(ticks, SESSION, log[-1].time)
        assert {time: made(candle) for time, candle in store.latest(symbol).items()} == expected


@given(logs(), st.frozensets(st.integers(0, 120)), st.frozensets(st.integers(0, 120)))
def test_batching_changes_nothing(log, one, other):
    """The same log cut into other batches tells the same revisions."""
    first, second = Store(), Store()
    run(log, first, cuts=one)
    run(log, second, cuts=other)
    assert first.revisions == second.revisions


@given(logs(), st.data())
def test_a_restart_tells_the_very_same_records(log, data):
    """Killed after any record and started from the held offset, it tells what an undisturbed run tells."""
    whole = Store()
    run(log, whole)
    killed_after = data.draw(st.integers(1, len(log)))
    store = Store()
    fold = run(log[:killed_after], store)
    run(log, store, start=fold.hold())
    assert store.revisions.keys() == whole.revisions.keys()
    for identity, candle in whole.revisions.items():
        assert made(store.revisions[identity]) == made(candle)
        assert store.revisions[identity].vwap == candle.vwap


def test_a_symbol_known_to_be_untraded_has_a_known_start_after_a_restart():
    """A quote whose last trade is of an earlier day says the volume is 0, and a restart remembers it."""
    quote = Trade("A", DAY - 3_600_000, 0, 5.0, 900)
    log = [mark(OPEN - 60_000), quote, *(mark(OPEN + n * MINUTE) for n in range(12))]
    store = Store()
    fold = run(log, store)
    assert fold.hold() > 1
    log += [Trade("A", OPEN + 12 * MINUTE, 1, 5.0, 7), mark(OPEN + 13 * MINUTE)]
    run(log, store, start=fold.hold())
    (candle,) = store.latest("A").values()
    assert (candle.volume, candle.incomplete) == (7, False)


def test_a_symbol_first_seen_in_mid_session_is_incomplete():
    """Nobody knows what was traded before the first tick: the candle says so, its volume counts from there."""
    log = [mark(OPEN), Trade("A", OPEN + 1000, 0, 5.0, 100), Trade("A", OPEN + 2000, 1, 5.5, 130), mark(OPEN + MINUTE)]
    store = Store()
    run(log, store)
    (candle,) = store.latest("A").values()
    assert made(candle) == Made(5.0, 5.5, 5.0, 5.5, 30, 2, incomplete=True)


def test_minutes_in_which_the_feed_was_away_are_no_flat_candles():
    """A gap leaves holes and incomplete edges, and is told once."""
    log = [
        mark(OPEN - 1000),
        Trade("A", OPEN - 1000, 0, 5.0, 10),
        mark(OPEN + 10_000),
        mark(OPEN + 3 * MINUTE + 30_000, healthy=False),
        Trade("A", OPEN + 3 * MINUTE + 40_000, 1, 6.0, 90),
        mark(OPEN + 6 * MINUTE),
    ]
    store = Store()
    run(log, store)
    candles = store.latest("A")
    assert sorted((time - OPEN) // MINUTE for time in candles) == [3, 4, 5]
    assert candles[OPEN + 3 * MINUTE].incomplete
    assert candles[OPEN + 3 * MINUTE].volume == 80
    assert not candles[OPEN + 4 * MINUTE].incomplete
    assert store.gaps == [(OPEN + 10_000, OPEN + 3 * MINUTE + 30_000)]


def test_a_trade_beyond_the_horizon_asks_for_repair_once():
    """More than five minutes late: the minute is queued, its candle stays."""
    log = [mark(OPEN - 1000), Trade("A", OPEN - 1000, 0, 5.0, 10)]
    log += [mark(OPEN + n * MINUTE) for n in range(1, 9)]
    log += [Trade("A", OPEN + 30_000, 1, 9.0, 12), Trade("A", OPEN + 31_000, 2, 9.0, 13), mark(OPEN + 9 * MINUTE)]
    store = Store()
    run(log, store)
    assert store.late == [("NSE:A", OPEN)]
    assert store.latest("A")[OPEN].high == 5.0


def test_a_quote_of_a_silent_symbol_is_no_late_trade():
    """Every quote repeats the last trade; however old that is, nothing is to be repaired."""
    log = [mark(OPEN - 1000), Trade("A", OPEN - 1000, 0, 5.0, 10)]
    log += [mark(OPEN + n * MINUTE) for n in range(1, 9)]
    log += [Trade("A", OPEN - 1000, 1, 5.0, 10), mark(OPEN + 9 * MINUTE)]
    store = Store()
    run(log, store)
    assert store.late == []


def test_a_held_watermark_lengthens_the_ring():
    """Trades far ahead of the watermark wait in memory and become their candles when it moves."""
    log = [mark(OPEN - 1000), Trade("A", OPEN - 1000, 0, 5.0, 10)]
    log += [Trade("A", OPEN + n * MINUTE, n, 5.0 + n, 10 + n) for n in range(1, 35)]
    log += [mark(OPEN + 36 * MINUTE)]
    store = Store()
    run(log, store)
    assert [candle.close for _, candle in sorted(store.latest("A").items())][:35] == [5.0 + n for n in range(35)]


def test_a_new_day_begins_with_nothing_known():
    """Yesterday's volume is not today's start; two days fold as one after the other."""
    next_open = OPEN + 86_400_000
    log = [mark(OPEN - 1000), Trade("A", OPEN - 1000, 0, 5.0, 10), mark(OPEN + 40 * MINUTE)]
    log += [mark(next_open - 1000), Trade("A", next_open + 500, 1, 7.0, 3), mark(next_open + MINUTE)]
    store = Store()
    run(log, store)
    candles = store.latest("A")
    assert len(candles) == SESSION_MINUTES + 1
    assert made(candles[next_open]) == Made(7.0, 7.0, 7.0, 7.0, 0, 1, incomplete=True)


def test_a_trade_after_the_watermarks_day_is_not_taken():
    """A tick dated tomorrow is handed back for the dead letters."""
    fold = run([mark(OPEN)], Store())
    rejected = fold.take(batch_of([Trade("A", OPEN, 0, 5.0, 1), Trade("A", OPEN + 86_400_000, 1, 5.0, 1)]), 1)
    assert rejected.tolist() == [1]
