"""A scorecard of any past moment: what was told then, to the last bit, and never a later candle."""

from __future__ import annotations

import msgspec
import pytest

from niftyflow.analysis.on_demand import analyze, newest
from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.model import Interval, InvalidValue, Refused, ScorecardBatch, UnknownInstrument
from support.analysis_floors import DAY, MINUTE, OPENED, Deaths, by_minute, cards_of, exact, floor, tape, walk

KEYS = ["NSE:ALPHA", "NSE:BETA", "NSE:GAMMA INDEX"]


async def test_it_equals_what_was_published_for_every_minute(tmp_path):
    """Recommendation and its hysteresis included; stored states, corrections and restarts make no difference."""
    candles = walk(KEYS, 375 + 200, first=OPENED - DAY, seed=5)
    live = candles.time >= OPENED
    async with floor(tmp_path) as ground:
        await ground.market.upsert_candles(candles.take(~live))
        await ground.put(*tape(candles.take(live)))
        await ground.analyze(deaths=Deaths(at=5), records=100)
        await ground.analyze()
        for batch in by_minute(candles.take(slice(-90, -30))):
            await ground.market.upsert_candles(batch.replace(revision=batch.revision + 1, close=batch.low))
        told = [card for batch in cards_of(await ground.told()) for card in batch.to_records()]
        assert len({card.recommendation for card in told}) > 3
        checked = [card for card in told if card.timestamp.minute % 9 == 0 or card is told[-1]]
        assert len(checked) > 60
        for card in checked:
            at = int(card.timestamp.timestamp() * 1000)
            found = await analyze(ground.market, ground.decisions, card.instrument, at + 59_999)
            assert bits_of(found) == bits_of(card)
        newest = await analyze(ground.market, ground.decisions, "gamma index")
        assert bits_of(newest) == bits_of(told[-1])


def bits_of(card) -> list[object]:
    """Return a scorecard's every bit."""
    return exact([ScorecardBatch.from_records([card])])


async def test_later_candles_are_never_seen(tmp_path):
    """The same answer whether or not the rest of the day is stored."""
    candles = walk(["NSE:ALPHA"], 120)
    at = OPENED + 60 * MINUTE
    async with floor(tmp_path / "whole") as whole, floor(tmp_path / "half") as half:
        await whole.market.upsert_candles(candles)
        await half.market.upsert_candles(candles.take(slice(0, 60)))
        first = await analyze(whole.market, whole.decisions, "ALPHA", at)
        assert bits_of(first) == bits_of(await analyze(half.market, half.decisions, "ALPHA"))
        assert (first.bars, first.ai_prediction, first.ai_model_version) == (60, None, "")


async def test_a_recorded_answer_stands_beside_the_scores(tmp_path):
    """Only the answer of that very minute."""
    async with floor(tmp_path) as ground:
        await ground.put(*tape(walk(["NSE:ALPHA"], 40)))
        await ground.analyze()
        last = (await ground.decisions.predictions(Interval.M1, 0, 1 << 60))[-1]
        card = await analyze(ground.market, ground.decisions, "ALPHA")
        assert (card.ai_prediction, card.ai_confidence) == (last.prediction, last.confidence)
        assert card.ai_model_version == "teller-1"
        await ground.market.upsert_candles(walk(["NSE:ALPHA"], 41).take(slice(40, 41)))
        card = await analyze(ground.market, ground.decisions, "ALPHA")
        assert (card.bars, card.ai_prediction) == (41, None)


async def test_too_few_candles_are_nulls_with_reasons(tmp_path):
    """Five candles: what they allow, and of everything else how many it needs."""
    async with floor(tmp_path) as ground:
        await ground.market.upsert_candles(walk(["NSE:ALPHA"], 5))
        card = await analyze(ground.market, ground.decisions, "ALPHA")
    assert (card.bars, card.rsi, card.composite_score, card.recommendation) == (5, None, None, "HOLD")
    assert card.missing["rsi"] == "needs 15 candles, has 5"
    assert card.missing["volatility_score"] == "needs 119 candles, has 5"
    assert card.missing["composite_score"] == "too few of its parts are known"
    assert card.vwap is not None


async def test_no_candle_is_said_clearly(tmp_path):
    """An instrument nobody has seen, a moment before the first candle, only corrections, and no instrument at all."""
    async with floor(tmp_path) as ground:
        with pytest.raises(UnknownInstrument, match="NSE:NOBODY has no stored candle"):
            await analyze(ground.market, ground.decisions, "NOBODY")
        candles = walk(["NSE:ALPHA"], 5)
        await ground.market.upsert_candles(candles)
        with pytest.raises(Refused, match="its first one ends at 2016-08-16 03:46"):
            await analyze(ground.market, ground.decisions, "ALPHA", OPENED + MINUTE - 1)
        late = walk(["NSE:BETA"], 2)
        await ground.market.upsert_candles(late.replace(revision=late.revision + 1))
        with pytest.raises(Refused, match="as first told"):
            await analyze(ground.market, ground.decisions, "BETA")
        with pytest.raises(InvalidValue):
            await analyze(ground.market, ground.decisions, "XXX:ALPHA")


async def test_a_moment_before_the_live_anchor_has_an_anchor_of_its_own(tmp_path):
    """What was stored before live analysis began is counted from so many days before that moment."""
    candles = walk(["NSE:ALPHA"], 4 * 375, first=OPENED - 3 * DAY)
    one_day = AnalysisSettings(history_days=1)
    async with floor(tmp_path) as ground:
        live = candles.time >= OPENED
        await ground.market.upsert_candles(candles.take(~live))
        await ground.put(*tape(candles.take(live)))
        await ground.analyze(settings=one_day)
        before = await analyze(ground.market, ground.decisions, "ALPHA", OPENED - DAY - 1, settings=one_day)
        after = await analyze(ground.market, ground.decisions, "ALPHA", OPENED + DAY, settings=one_day)
    assert (before.bars, after.bars) == (2 * 375, 2 * 375)


async def test_a_minute_that_only_a_correction_brought_is_no_minute(tmp_path):
    """The newest stored candle began as a correction: the scorecard is that of the candle before, state or no state."""
    candles = walk(["NSE:ALPHA"], 40)
    async with floor(tmp_path) as ground:
        await ground.put(*tape(candles.take(slice(0, 39))))
        await ground.analyze()
        (row,) = await ground.decisions.states(Interval.M1)
        last = candles.take(slice(39, 40))
        await ground.market.upsert_candles(last.replace(revision=last.revision + 1))
        card = await analyze(ground.market, ground.decisions, "ALPHA")
        assert (card.bars, int(card.timestamp.timestamp() * 1000)) == (39, OPENED + 39 * MINUTE)
        told = [card for batch in cards_of(await ground.told()) for card in batch.to_records()]
        assert bits_of(card) == bits_of(told[-1])
        assert msgspec.structs.asdict(row)["anchor"] == OPENED


async def test_the_newest_of_all_are_what_each_is_alone(tmp_path):
    """Recorded answers included; an instrument whose last candle is too old is left out."""
    async with floor(tmp_path) as ground:
        await ground.put(*tape(walk(KEYS, 60)))
        await ground.analyze()
        await ground.market.upsert_candles(walk(["NSE:DELTA"], 3))
        found = await newest(ground.market, ground.decisions, OPENED + 10 * MINUTE)
        cards = [card for batch in found for card in batch.to_records()]
        assert [card.instrument for card in cards] == sorted(KEYS)
        for card in cards:
            assert bits_of(card) == bits_of(await analyze(ground.market, ground.decisions, card.instrument))
            assert card.ai_prediction is not None
        every = await newest(ground.market, ground.decisions, 0)
        assert sorted(each.keys()[0] for each in every) == sorted([*KEYS, "NSE:DELTA"])
        assert await newest(ground.market, ground.decisions, 1 << 60) == []
