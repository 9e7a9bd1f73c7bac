"""A day decided again in a workspace that has been running for longer than its `history_days`."""

from __future__ import annotations

import numpy as np

from niftyflow.analysis.settings import AnalysisSettings
from niftyflow.model import Interval
from niftyflow.runtime.recorded import Recorded, keep_anchors
from support.analysis_floors import OPENED, SESSION_MINUTES, bits, cards_of, floor, tape, walk

KEYS = ["NSE:ALPHA", "NSE:BETA"]
SHORT = AnalysisSettings(history_days=1)
LAST_DAY = OPENED + 3 * 86_400_000


async def test_a_days_indicators_begin_where_they_began_then(tmp_path):
    """Not at the first candle of the last days: that would be another beginning, and other bits."""
    days = walk(KEYS, 3 * SESSION_MINUTES + 40)
    past, day = days.take(days.time < LAST_DAY), days.take(days.time >= LAST_DAY)
    async with floor(tmp_path / "then") as then:
        await then.put(*tape(past))
        await then.analyze(settings=SHORT)
        await then.put(*tape(day))
        await then.analyze(settings=SHORT)
        decided = [cards for cards in cards_of(await then.told()) if cards.time[0] > LAST_DAY]
        states = await then.decisions.states(Interval.M1)
    async with floor(tmp_path / "again") as again:
        await again.market.upsert_candles(past)
        recorded = Recorded([], [], states)
        await keep_anchors(recorded, again.decisions)
        await again.put(*tape(day))
        await again.analyze(settings=SHORT)
        kept = await again.decisions.states(Interval.M1)
        await keep_anchors(recorded, again.decisions)
        assert await again.decisions.states(Interval.M1) == kept
        told = cards_of(await again.told())
    assert [bits(cards) for cards in told] == [bits(cards) for cards in decided]
    assert {state.anchor for state in kept} == {OPENED}
    assert np.isfinite(told[0].ema_200).all()
