"""The newest scorecard of each instrument, in memory: what a question about now is answered from.

It is fed whatever analysis tells, here or in another process, and computes nothing.
"""

from __future__ import annotations

import numpy as np

from niftyflow.bus.port import Batch
from niftyflow.model import Interval, Scorecard, ScorecardBatch


class LatestScorecards:
    """One scorecard an instrument, of one-minute candles; a record is made of it when it is first asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[ScorecardBatch, int]] = {}
        self._times: dict[str, int] = {}
        self._records: dict[str, Scorecard] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def take_batch(self, batch: Batch) -> None:
        """Take in a batch of the topic; watermarks say nothing here."""
        if isinstance(batch.body, ScorecardBatch):
            self.take(batch.body)

    def take(self, cards: ScorecardBatch) -> None:
        """Take in scorecards; one that is older than what is held is passed by."""
        if cards.interval is not Interval.M1:
            return
        for row, (key, time) in enumerate(zip(cards.keys(), cards.time.tolist(), strict=True)):
            if time >= self._times.get(key, 0):
                self._rows[key], self._times[key] = (cards, row), time
                self._records.pop(key, None)

    def card(self, key: str) -> Scorecard | None:
        """Return the newest scorecard of an instrument, the same object until a newer one comes; None without one."""
        if key not in self._records and key in self._rows:
            cards, row = self._rows[key]
            self._records[key] = cards.take(np.array([row], np.int64)).to_records()[0]
        return self._records.get(key)

    def cards(self) -> list[Scorecard]:
        """Return the newest scorecard of every instrument, by key."""
        found = (self.card(key) for key in sorted(self._rows))
        return [card for card in found if card is not None]
