"""Analysis over the real log and stores: what it publishes, records and shows, and what it does not take."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import numpy as np
import pytest
from prometheus_client import REGISTRY

from niftyflow.analysis.answers import features_of
from niftyflow.analysis.indicators import VERSION
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.model import CandleBatch, Interval, Prediction, Unavailable, Watermark
from support.analysis_floors import (
    DAY,
    MINUTE,
    OPENED,
    Floor,
    bits,
    by_minute,
    candle_rows,
    cards_of,
    engine_of,
    exact,
    floor,
    mark,
    tape,
    walk,
)

KEYS = ["NSE:ALPHA", "NSE:BETA", "NSE:GAMMA INDEX"]
ALPHA = KEYS[:1]


@pytest.fixture
async def ground(tmp_path) -> AsyncIterator[Floor]:
    """A log and stores, empty."""
    async with floor(tmp_path) as opened:
        yield opened


def marks_of(bodies) -> list[tuple[int, bool]]:
    """Return (ms after the open, healthy) of the watermarks among bodies."""
    return [(body.time - OPENED, body.healthy) for body in bodies if isinstance(body, Watermark)]


async def test_each_minute_brings_its_scorecards_and_then_its_watermark(ground):
    """The numbers are the engine's, the answers the model's; the minute's watermark follows in the same breath."""
    candles = walk(KEYS, 40)
    before = REGISTRY.get_sample_value("analysis_duration_seconds_count") or 0
    await ground.put(*tape(candles))
    await ground.analyze()
    told = await ground.told()
    # The first watermarks lie within the first minute: they close the minute before it, in which nothing was.
    assert marks_of(told) == [(minute * MINUTE, True) for minute in range(41)]
    engine = engine_of(*KEYS)
    for minute, (cards, batch) in enumerate(zip(cards_of(told), by_minute(candles), strict=True)):
        plain = engine.advance(batch)
        for field in (*plain.INDICATORS, *plain.SCORES, "ltp", "makes", "recommendation"):
            assert getattr(cards, field).tobytes() == getattr(plain, field).tobytes(), field
        assert told.index(cards) + 1 == told.index(mark_of(told, minute))
        known = ~np.isnan(cards.rsi)
        assert cards.ai_prediction[known].tolist() == np.clip(cards.rsi[known] / 100, 0, 1).tolist()
        assert np.isnan(cards.ai_prediction[~known]).all()
        sources = [cards.names[index].source for index in cards.name.tolist()]
        assert sources == ["teller-1" if is_known else "" for is_known in known.tolist()]
    assert (REGISTRY.get_sample_value("analysis_duration_seconds_count") or 0) - before == 40


def mark_of(bodies, minute: int) -> Watermark:
    """Return the watermark that ends a minute after the open."""
    return next(body for body in bodies if isinstance(body, Watermark) and body.time == OPENED + (minute + 1) * MINUTE)


async def test_every_answer_is_recorded_and_published(ground):
    """What a scorecard says of the model is what the decision store and the topic hold."""
    await ground.put(*tape(walk(KEYS, 30)))
    await ground.analyze()
    stored = await ground.decisions.predictions(Interval.M1, 0, 1 << 60)
    published = [record for body in await ground.on("predictions") for record in body]
    assert sorted(published, key=order) == sorted(stored, key=order)
    cards = [card for batch in cards_of(await ground.told()) for card in batch.to_records()]
    said = {(card.instrument, card.timestamp): card for card in cards if card.ai_prediction is not None}
    assert len(stored) == len(said) == 3 * 16  # RSI is there from the fifteenth candle on
    for record in stored:
        card = said[record.instrument, record.timestamp]
        assert (card.ai_prediction, card.ai_confidence) == (record.prediction, record.confidence)
        assert (record.model_version, record.outcome) == ("teller-1", "answered")


def order(record: Prediction) -> tuple[object, ...]:
    """Order records by time and instrument."""
    return record.timestamp, record.instrument


async def test_a_minute_is_healthy_when_all_of_it_was_observed(ground):
    """One watermark that says otherwise spoils each minute its span touches, and no other."""
    candles = walk(ALPHA, 6)
    bodies = []
    for minute, batch in enumerate(by_minute(candles)):
        start = OPENED + minute * MINUTE
        bodies += [mark(start + 20_000, healthy=minute != 1), batch]
        bodies += [mark(start + 60_000 + (500 if minute == 3 else 0), healthy=minute != 3)]
    await ground.put(*bodies)
    await ground.analyze()
    healthy = dict(marks_of(await ground.told()))
    assert {at // MINUTE: is_healthy for at, is_healthy in healthy.items()} == {
        0: True, 1: True, 2: False, 3: True, 4: False, 5: False, 6: True,
    }  # fmt: skip


async def test_several_minutes_closed_at_once_come_one_by_one(ground):
    """A watermark that jumps closes each minute in turn, and passes on a minute without candles once."""
    candles = walk(ALPHA, 5)
    await ground.put(candles, mark(OPENED + 9 * MINUTE + 100), mark(OPENED + 9 * MINUTE + 50_000))
    await ground.analyze()
    told = await ground.told()
    assert marks_of(told) == [(minute * MINUTE, True) for minute in (1, 2, 3, 4, 5, 9)]
    assert [cards.time.tolist() for cards in cards_of(told)] == [[OPENED + minute * MINUTE] for minute in range(1, 6)]


async def test_candles_of_the_minute_that_is_open_wait_for_its_end(ground):
    """A candle that comes before its minute is over is told with its minute, also after a restart."""
    first, second = by_minute(walk(ALPHA, 2))
    await ground.put(first, second, mark(OPENED + MINUTE))
    await ground.analyze()
    assert [cards.time.tolist() for cards in cards_of(await ground.told())] == [[OPENED + MINUTE]]
    await ground.put(mark(OPENED + 2 * MINUTE))
    await ground.analyze()
    assert [cards.time.tolist() for cards in cards_of(await ground.told())] == [
        [OPENED + MINUTE], [OPENED + 2 * MINUTE],
    ]  # fmt: skip


async def test_a_revision_after_the_decision_changes_nothing(tmp_path):
    """Corrections before and after their minute is told leave every number as it is, live and after a restart."""
    candles = walk(ALPHA, 60)
    minutes = by_minute(candles)
    corrected = [batch.replace(revision=batch.revision + 1, close=batch.high, vwap=batch.high) for batch in minutes]
    async with floor(tmp_path / "plain") as plain, floor(tmp_path / "corrected") as ground:
        await plain.put(*tape(candles))
        await plain.analyze()
        for number, batch in enumerate(minutes):
            start = OPENED + number * MINUTE
            await ground.put(mark(start + 20_000), mark(start + 40_000), batch)
            await ground.put(corrected[number])
            await ground.put(mark(start + MINUTE))
            if number:
                again = corrected[number - 1]
                await ground.put(again.replace(revision=again.revision + 1))
            if number in {20, 45}:
                await ground.analyze()
        await ground.analyze()
        assert exact(await ground.told()) == exact(await plain.told())
        stored = await ground.market.candles("NSE:ALPHA", Interval.M1, 0, 1 << 60)
        assert stored.revision.tolist() == [2] * 59 + [1]


async def test_a_candle_that_cannot_be_is_buried_and_the_rest_goes_on(ground):
    """It becomes a dead letter with its place and the reason; later numbers are as if it had never come."""
    candles = walk(KEYS, 20)
    bodies, spoilt = [], {3: ("high", np.nan), 7: ("low", -1.0), 9: ("close", np.inf), 11: ("time", None)}
    for number, batch in enumerate(by_minute(candles)):
        if number in spoilt:
            field, value = spoilt[number]
            row = batch.take(slice(1, 2))
            wrong = row.time + 1 if field == "time" else np.array([value])
            bodies.append(row.replace(**{field: wrong}))
            batch = batch.take(np.array([0, 2]))  # noqa: PLW2901 - the good rows
        bodies += [batch, mark(OPENED + (number + 1) * MINUTE)]
    await ground.bus.publish("market_candles", bodies)
    await ground.analyze()
    letters = [letter for _, letter in await ground.bus.read_dead_letters("market_candles")]
    assert [letter.key for letter in letters] == ["NSE:BETA"] * 4
    assert all("the candle cannot be" in letter.error for letter in letters)
    engine = engine_of(*KEYS)
    for number, cards in enumerate(cards_of(await ground.told())):
        batch = by_minute(candles)[number]
        plain = engine.advance(batch.take(batch.name != 1) if number in spoilt else batch)
        assert cards.rsi.tobytes() == plain.rsi.tobytes()
        assert cards.bars.tolist() == plain.bars.tolist()


async def test_a_halted_symbol_is_left_out_and_goes_on_later(ground):
    """No candle, no scorecard; the others' minutes are told as ever."""
    candles = walk(KEYS, 30)
    minute = (candles.time - OPENED) // MINUTE
    halted = candles.take(~((candles.name == 1) & (minute >= 10) & (minute < 20)))
    await ground.put(*tape(halted))
    await ground.analyze()
    batches = cards_of(await ground.told())
    assert [len(cards) for cards in batches] == [3] * 10 + [2] * 10 + [3] * 10
    assert batches[-1].bars.tolist() == [30, 20, 30]


class Away:
    """The decision store, of which each call fails once before it works."""

    def __init__(self, within) -> None:
        self.within, self.failed = within, set()

    def __getattr__(self, name):
        """Return the call that fails the first time."""
        found = getattr(self.within, name)

        async def call(*arguments, **named):
            if name not in self.failed:
                self.failed.add(name)
                raise Unavailable("decisions", "the test says so")
            return await found(*arguments, **named)

        return call


async def test_a_decision_store_that_is_away_pauses_and_nobody_is_asked_twice(ground):
    """The same scorecards come, once, and the model heard each question once."""
    await ground.put(*tape(walk(ALPHA, 70)))
    away = Away(ground.decisions)
    await ground.analyze(decisions=away)
    assert away.failed == {"states", "predictions", "save_states", "save_predictions"}
    assert len(cards_of(await ground.told())) == 70
    assert [features.time for features in ground.teller.asked] == [
        OPENED + (minute + 1) * MINUTE for minute in range(70)
    ]


async def test_stored_history_counts_from_the_first_live_minute_on(ground):
    """Imported candles of the days before are folded first; the anchor is the first of so many days, and stays."""
    candles = walk(KEYS, 3 * 375 + 20, first=OPENED - 3 * DAY)
    live = candles.time >= OPENED
    await ground.market.upsert_candles(candles.take(~live))
    await ground.put(*tape(candles.take(live)))
    await ground.analyze(settings=AnalysisSettings(history_days=2))
    engine = engine_of(*KEYS)
    for batch in by_minute(candles.take(candles.time >= OPENED - 2 * DAY)):
        plain = engine.advance(batch)
    last = cards_of(await ground.told())[-1]
    assert last.bars.tolist() == [2 * 375 + 20] * 3
    assert last.ema_200.tobytes() == plain.ema_200.tobytes()
    assert last.from_previous.all()
    rows = await ground.decisions.states(Interval.M1)
    assert [(row.instrument, row.anchor, row.version) for row in rows] == [
        (key, OPENED - 2 * DAY, VERSION) for key in KEYS
    ]
    await ground.put(*tape(walk(KEYS, 5, first=OPENED + DAY)))
    await ground.analyze(settings=AnalysisSettings(history_days=0))
    assert cards_of(await ground.told())[-1].bars.tolist() == [2 * 375 + 25] * 3


async def test_states_are_stored_in_time_and_at_the_end_of_a_session(ground):
    """Every thirty minutes of data, and when a minute closes in which nobody had a candle; never ahead of the log."""
    candles = walk(ALPHA, 60)
    await ground.put(*tape(candles.take(slice(0, 50))))
    await ground.analyze(records=3)
    (row,) = await ground.decisions.states(Interval.M1)
    assert (row.anchor, row.time) == (OPENED, OPENED + 30 * MINUTE)
    after = [mark(OPENED + minute * MINUTE) for minute in (61, 62)]
    await ground.put(*tape(candles.take(slice(50, 60))), *after)
    await ground.analyze(records=1)
    (row,) = await ground.decisions.states(Interval.M1)
    assert row.time == OPENED + 60 * MINUTE
    engine = engine_of("NSE:ALPHA")
    engine.fold("NSE:ALPHA", candles)
    assert row.values == engine.export("NSE:ALPHA")


@pytest.mark.parametrize("spoil", ["ahead", "version"])
async def test_a_state_that_may_not_be_used_is_made_again_from_the_anchor(tmp_path, spoil):
    """One newer than what was published, or of another form, with wrong numbers in it: they are never seen."""
    candles = walk(ALPHA, 80)
    async with floor(tmp_path / "plain") as plain, floor(tmp_path / "spoilt") as ground:
        await plain.put(*tape(candles))
        await plain.analyze()
        await ground.put(*tape(candles.take(slice(0, 40))))
        await ground.analyze()
        (row,) = await ground.decisions.states(Interval.M1)
        changes = {"ahead": {"time": OPENED + 41 * MINUTE}, "version": {"version": "0-another"}}[spoil]
        wrong = np.ones(len(row.values) // 8).tobytes()
        await ground.decisions.save_states([msgspec.structs.replace(row, values=wrong, **changes)])
        await ground.put(*tape(candles.take(slice(40, None))))
        await ground.analyze()
        assert exact(await ground.told()) == exact(await plain.told())


async def test_a_new_symbol_is_restored_when_it_comes(ground):
    """A symbol whose first live candle comes in the middle of a day, with stored candles of its own."""
    first, second = walk(ALPHA, 60), walk(["NSE:BETA"], 60, seed=2)
    old = walk(["NSE:BETA"], 100, seed=3, first=OPENED - DAY)
    await ground.market.upsert_candles(old)
    minutes = []
    for number, (one, other) in enumerate(zip(by_minute(first), by_minute(second), strict=True)):
        minutes.append(one)
        if number >= 30:
            minutes.append(other)
        minutes.append(mark(OPENED + (number + 1) * MINUTE))
    await ground.put(*minutes)
    await ground.analyze(records=7)
    engine = engine_of("NSE:BETA")
    engine.fold("NSE:BETA", old)
    engine.fold("NSE:BETA", second.take(slice(30, 59)))
    plain = engine.advance(second.take(slice(59, 60)))
    last = cards_of(await ground.told())[-1]
    assert last.keys() == ["NSE:ALPHA", "NSE:BETA"]
    assert last.take(slice(1, 2)).ema_100.tobytes() == plain.ema_100.tobytes()
    assert last.bars.tolist() == [60, 130]


class TwoPartitions:
    """The log, as if a second partition held BETA."""

    def __init__(self, bus) -> None:
        self.within = bus

    def __getattr__(self, name):
        """Return the log's own."""
        return getattr(self.within, name)

    def partition_of(self, topic, key) -> int:  # noqa: ARG002 - the port's
        """Give BETA to partition 1."""
        return int(key == "NSE:BETA")


async def test_states_and_answers_of_other_partitions_are_left_alone(ground):
    """A stage of partition 0 takes neither the state nor the answer of a symbol of partition 1 for its own."""
    candles = walk(["NSE:ALPHA", "NSE:BETA"], 40)
    await ground.put(*tape(candles))
    await ground.analyze()
    end = OPENED + 41 * MINUTE
    told = cards_of(await ground.told())[-1]
    cards = told.replace(time=told.time + MINUTE)
    beta = (await ground.decisions.predictions(Interval.M1, 0, 1 << 60))[-1]
    later = msgspec.structs.replace(beta, timestamp=cards.to_records()[0].timestamp, prediction=0.125)
    await ground.decisions.save_predictions([later])
    asked = len(ground.teller.asked)
    await ground.put(*tape(walk(["NSE:ALPHA"], 1, first=end - MINUTE)))
    await ground.analyze(bus=TwoPartitions(ground.bus))
    assert len(ground.teller.asked) == asked + 1
    assert features_of(cards_of(await ground.told())[-1]).instruments == ["NSE:ALPHA"]
    assert cards_of(await ground.told())[-1].ai_prediction[0] != 0.125


async def test_candles_of_other_intervals_and_empty_batches_are_passed_over(ground):
    """Five-minute candles on the topic are not ours."""
    minute = walk(ALPHA, 1)
    five = CandleBatch(minute.names, Interval.M5, **minute.columns())
    none = candle_rows(ALPHA, [], [], **{field: [] for field in ("open", "high", "low", "close")})
    await ground.bus.publish("market_candles", [five, none, mark(OPENED + 5 * MINUTE)])
    await ground.analyze()
    assert cards_of(await ground.told()) == []
    assert marks_of(await ground.told()) == [(5 * MINUTE, True)]


async def test_the_same_candle_twice_is_told_once(ground):
    """A batch that was published again, as Kafka may: the first word stands."""
    candles = walk(ALPHA, 3)
    bodies = []
    for number, batch in enumerate(by_minute(candles)):
        bodies += [batch, batch, mark(OPENED + (number + 1) * MINUTE), batch]
    await ground.bus.publish("market_candles", bodies)
    await ground.analyze()
    engine = engine_of("NSE:ALPHA")
    plain = [engine.advance(batch) for batch in by_minute(candles)]
    assert [bits(cards)["ema_9"] for cards in cards_of(await ground.told())] == [bits(c)["ema_9"] for c in plain]
    assert [cards.bars.tolist() for cards in cards_of(await ground.told())] == [[1], [2], [3]]
