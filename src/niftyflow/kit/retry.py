"""Waiting for the world: an operation that fails for a reason outside us is tried again until it works.

Errors of a record are not waited for; they pass through at once. What somebody waits for is tried a few times only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import stamina

from niftyflow.kit.health import Worker
from niftyflow.model import Retryable

T = TypeVar("T")

stamina.instrumentation.set_on_retry_hooks([])  # the worker's health says what is waited for, once

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 15.0
LONGEST_SHORT_WAIT = 0.4


async def until_it_works(
    operation: Callable[[], Awaitable[T]], worker: Worker, stopping: asyncio.Event | None = None
) -> T:
    """Await `operation` again and again, with backoff and jitter, while it raises `Retryable`.

    The worker's health says that it waits, and for what. Set `stopping`, or cancel, to give up.

    Raises:
        Retryable: `stopping` was set and the world is still away.
    """
    try:
        return await operation()
    except Retryable as error:
        worker.waits(str(error))
        away = error
    trying, giving_up = asyncio.create_task(_again(operation, worker)), asyncio.create_task(_set(stopping))
    try:
        await asyncio.wait({trying, giving_up}, return_when=asyncio.FIRST_COMPLETED)
        if trying.done():
            return trying.result()
        raise away
    finally:
        trying.cancel()
        giving_up.cancel()
        await asyncio.gather(trying, giving_up, return_exceptions=True)


def a_few_times(on: type[Exception], attempts: int) -> AsyncIterator[stamina.Attempt]:
    """Return attempts for an `async for`, the work in a `with` of each: another one while it raises `on`.

    The waits between them, of some 50 to 400 ms, are short enough for somebody who waits for an answer.
    """
    return aiter(
        stamina.retry_context(
            on=on, attempts=attempts, timeout=None, wait_initial=0.05, wait_max=LONGEST_SHORT_WAIT, wait_jitter=0.05
        )
    )


async def _again(operation: Callable[[], Awaitable[T]], worker: Worker) -> T:
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


async def _set(stopping: asyncio.Event | None) -> None:
    await (asyncio.Event() if stopping is None else stopping).wait()
