"""The last indicators and scorecards where screens look: the hot store, all of which may vanish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from niftyflow.kit.showing import Showing
from niftyflow.model import ScorecardBatch
from niftyflow.storage.ports import HotStore

INDICATOR_SECONDS: Final = 90.0
RESULTS: Final = "analysis:results"
RESULTS_KEPT: Final = 1000
_SHOWN: Final = (
    "time", "ltp", "change_percent", "volume_ratio", *ScorecardBatch.INDICATORS, "supertrend_direction",
    *ScorecardBatch.SCORES,
)  # fmt: skip


class Display:
    """Writes to the hot store what the last minutes brought."""

    def __init__(self, hot: HotStore) -> None:
        self._hot = hot
        self._showing = Showing("analysis")

    async def show(self, minutes: Sequence[ScorecardBatch]) -> None:
        """Show each symbol's last indicators (JSON, unknown numbers null) and the newest scorecards."""
        await self._showing.show(lambda: self._put(minutes))

    async def _put(self, minutes: Sequence[ScorecardBatch]) -> None:
        await self._hot.set_many(_last_indicators(minutes), INDICATOR_SECONDS)
        await self._hot.add_all_to_stream(RESULTS, [{"scorecard": card} for card in _newest(minutes)], RESULTS_KEPT)


def indicators_key(key: str) -> str:
    """Return the name under which a symbol's last one-minute indicators are kept."""
    return f"indicators:{key}:1m"


def _last_indicators(minutes: Sequence[ScorecardBatch]) -> dict[str, bytes]:
    """Encode the last minute alone: what is older would be past its life before anyone reads it."""
    cards = minutes[-1]
    columns = [getattr(cards, field).tolist() for field in _SHOWN]
    rows: Any = zip(cards.keys(), *columns, strict=True)
    return {indicators_key(key): msgspec.json.encode(dict(zip(_SHOWN, row, strict=True))) for key, *row in rows}


def _newest(minutes: Sequence[ScorecardBatch]) -> list[bytes]:
    """Encode no more scorecards than the stream keeps."""
    newest: list[ScorecardBatch] = []
    room = RESULTS_KEPT
    for cards in reversed(minutes):
        if room <= 0:
            break
        newest.append(cards.take(slice(max(0, len(cards) - room), None)))
        room -= len(cards)
    return [msgspec.json.encode(card) for cards in reversed(newest) for card in cards.to_records()]
