"""Waiting for the world: an operation that fails for a reason outside us is tried again until it works.

Errors of a record are not waited for; they pass through at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from niftyflow.kit.health import Worker
from niftyflow.model import Retryable

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 15.0


async def until_it_works(operation: Callable[[], Awaitable[T]], worker: Worker) -> T:
    """Await `operation` again and again, with backoff and jitter, while it raises `Retryable`.

    The worker's health says that it waits, and for what. Cancel to give up.
    """
    try:
        return await operation()
    except Retryable as error:
        worker.waits(str(error))
    attempts = stamina.retry_context(
        on=Retryable,
        attempts=None,
        timeout=None,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_max=LONGEST_WAIT_SECONDS,
        wait_jitter=0.5,
    )
    async for attempt in attempts:
        with attempt:
            try:
                result = await operation()
            except Retryable as error:
                worker.waits(str(error))
                raise
            worker.runs()
            return result
    raise AssertionError  # pragma: no cover - without a bound the loop only ends by returning
