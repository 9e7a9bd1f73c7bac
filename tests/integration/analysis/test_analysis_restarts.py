"""Killed anywhere, any number of times, over any batching: the same scorecards to the last bit, each told once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from niftyflow.model import Interval
from support.analysis_floors import (
    MINUTE,
    OPENED,
    Deaths,
    Floor,
    Teller,
    cards_of,
    exact,
    floor,
    mark,
    tape,
    walk,
)

KEYS = ["NSE:ALPHA", "NSE:BETA", "NSE:GAMMA INDEX"]
MINUTES = 130


def day(seed: int) -> list[object]:
    """Return a log with uneven watermarks, unhealthy ones, and a symbol that comes late."""
    candles = walk(KEYS, MINUTES, seed=seed)
    late = (candles.name == 1) & (candles.time < OPENED + 40 * MINUTE)
    marks = random.Random(seed)
    bodies = tape(candles.take(~late), (20_500, 40_900, 60_000 + marks.choice((0, 300))))
    return [mark(body.time, healthy=marks.random() > 0.05) if hasattr(body, "healthy") else body for body in bodies] + [
        mark(OPENED + (MINUTES + 3) * MINUTE)
    ]


async def told_whole(folder: Path, seed: int) -> list[object]:
    """Return what one run without trouble tells."""
    async with floor(folder) as ground:
        await ground.put(*day(seed))
        await ground.analyze()
        return exact(await ground.told())


@pytest.mark.parametrize("seed", range(6))
async def test_killed_at_random_it_tells_the_same(tmp_path, seed):
    """Before and after each kind of write; the model, which would say something else later, is heard once a minute."""
    whole = await told_whole(tmp_path / "whole", seed)
    chance = random.Random(seed)
    async with floor(tmp_path / "killed") as ground:
        bodies = day(seed)
        for cut in [*sorted(chance.sample(range(1, len(bodies)), 4)), len(bodies)]:
            put = (await ground.bus.end("market_candles"))[0]
            await ground.put(*bodies[count_until(bodies, put) : cut])
            deaths = Deaths(at=chance.randint(1, 25))
            await ground.analyze(deaths=deaths, records=chance.choice((1, 7, 100, 50_000)))
        await ground.analyze()
        assert exact(await ground.told()) == whole
        assert await is_consistent(ground)


def count_until(bodies: list[object], offset: int) -> int:
    """Return how many bodies fill the log up to an offset."""
    at = 0
    for number, body in enumerate(bodies):
        if at >= offset:
            return number
        at += 1 if hasattr(body, "healthy") else len(body)
    return len(bodies)


async def is_consistent(ground: Floor) -> bool:
    """Say whether scorecards, recorded answers and published ones agree."""
    cards = [card for batch in cards_of(await ground.told()) for card in batch.to_records()]
    said = {(card.instrument, card.timestamp): card.ai_prediction for card in cards if card.ai_prediction is not None}
    stored = await ground.decisions.predictions(Interval.M1, 0, 1 << 60)
    published = {
        (record.instrument, record.timestamp): record.prediction
        for body in await ground.on("predictions")
        for record in body
    }
    return said == published == {(record.instrument, record.timestamp): record.prediction for record in stored}


@pytest.mark.parametrize("step", ["after save_predictions", "before publish", "after publish"])
async def test_an_answer_that_was_recorded_is_not_asked_for_again(tmp_path, step):
    """Killed between the record and the scorecard: the scorecard says what was recorded, whatever a model says now."""
    async with floor(tmp_path) as ground:
        await ground.put(*day(1))
        trial = Deaths()
        async with floor(tmp_path / "trial") as other:
            await other.put(*day(1))
            await other.analyze(deaths=trial)
        await ground.analyze(deaths=Deaths(at=trial.seen.index(step) + 1))
        stored = await ground.decisions.predictions(Interval.M1, 0, 1 << 60)
        assert len(stored) > 300
        asked = [features.time for features in ground.teller.asked]
        assert len(asked) == MINUTES
        ground.teller = Teller("teller-2", drift=0.25)
        await ground.analyze()
        assert await ground.decisions.predictions(Interval.M1, 0, 1 << 60) == stored
        cards = [card for batch in cards_of(await ground.told()) for card in batch.to_records()]
        assert {card.ai_model_version for card in cards} == {"", "teller-1"}
        # Minutes of which nobody could say anything are asked again: they have no record, nor could they have.
        unanswered = [features.time for features in ground.teller.asked]
        assert all(time < OPENED + 15 * MINUTE for time in unanswered)
        assert await is_consistent(ground)
