"""Generated sessions one after another: each day goes on from the last prices of the day before.

A day is a function of the seed, the day and the closes before it, so a day that was cut off is played again to the
byte by whoever kept those closes. Nothing in it ever happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import numpy as np

from niftyflow.brokers.simulator.synthetic import SyntheticSession, session_of
from niftyflow.brokers.simulator.tape import Events, Session
from niftyflow.model import Instrument, InvalidValue

Parts = Sequence[tuple[int, int]]


class SyntheticDays:
    """A tape of generated sessions, made as it is played. `begins` is told each day and the closes before it.

    It is told before anything of the day is handed over, so that what it keeps is never behind what was played.
    """

    def __init__(
        self, days: Sequence[tuple[date, Parts]], *, seed: int = 1, closes: Sequence[float] | None = None,
        begins: Callable[[date, list[float]], None] | None = None,
    ) -> None:  # fmt: skip
        """Describe sessions on `days`, each with its parts of continuous trading in ms UTC.

        `closes` are the last prices before the first day, in the order of `instruments`; without, usual ones.

        Raises:
            InvalidValue: there is no day, a part has no minute, or the closes are not those of the instruments.
        """
        if not days:
            raise InvalidValue("days", 0, "a tape has at least one session")
        self.name = f"synthetic-{seed}"
        self._days = days
        self._seed = seed
        self._begins = begins or (lambda _day, _closes: None)
        first = SyntheticSession(days[0][1], seed=seed, closes=closes)
        self._closes = closes
        self.instruments: Sequence[Instrument] = first.instruments
        self.sessions: Sequence[Session] = [session_of(parts) for _, parts in days]

    def chunks(self) -> Iterator[Events]:
        """Yield the chunks of each day in turn."""
        closes = self._closes
        for day, parts in self._days:
            if closes is not None:
                self._begins(day, list(closes))
            session = SyntheticSession(parts, seed=self._seed, closes=closes)
            last = np.zeros(len(session.instruments))
            for chunk in session.chunks():
                last[chunk["instrument"]] = chunk["ltp"]
                yield chunk
            closes = last.tolist()
