"""Engines to test the predict call with, all real ones: correct, slow, failing, lying; and questions to ask them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from niftyflow.model import Answers, Features, Interval
from support.stores import SecondsClock

NOON = 1_453_876_200_000
"""2016-01-27 12:00 IST, ms UTC."""
COLUMNS = ("rsi", "macd", "ema_50", "ema_200", "close", "volume")


def question(rows: int = 1, time: int = NOON, **columns: Any) -> Features:
    """Return features of NSE:S0, NSE:S1 …; columns not named are not known."""
    values = {field: np.full(rows, np.nan) for field in COLUMNS}
    values |= {field: np.broadcast_to(np.asarray(column, np.float64), (rows,)) for field, column in columns.items()}
    return Features(Interval.M1, time, [f"NSE:S{row}" for row in range(rows)], **values)


class Oracle:
    """A model that is always sure: it says one number, or whatever a test makes it say."""

    def __init__(self, prediction: Any = 0.9, confidence: Any = 0.8) -> None:
        self.version = "v2-oracle"
        self.said = (prediction, confidence)
        self.asked = 0

    async def predict(self, features: Features) -> Answers:
        """Answer every row alike, unless told to say something else."""
        self.asked += 1
        await asyncio.sleep(0)
        columns = [np.full(len(features.instruments), each) if isinstance(each, float) else each for each in self.said]
        return Answers(columns[0], columns[1], self.version)


class Troubled:
    """A model with a trouble, which a test may take away and give back."""

    def __init__(self, trouble: Callable[[], Any]) -> None:
        self.version = "v2-troubled"
        self.trouble: Callable[[], Any] | None = trouble
        self.asked = 0

    async def predict(self, features: Features) -> Answers:
        """Answer as an oracle, once the trouble is over."""
        self.asked += 1
        if self.trouble is not None:
            waiting = self.trouble()
            if waiting is not None:
                await waiting
        return await Oracle().predict(features)


def raises(error: BaseException) -> Callable[[], None]:
    """Return a trouble: the error."""

    def trouble() -> None:
        raise error

    return trouble


def never() -> asyncio.Future[None]:
    """Wait for what does not come."""
    return asyncio.get_running_loop().create_future()


def holds_the_loop(clock: SecondsClock, seconds: float) -> Callable[[], None]:
    """Return a trouble that blocks: time passes, and nobody else had a turn."""

    def trouble() -> None:
        clock.now += seconds

    return trouble
