"""Runs cases on a ground, one after the other, and writes down what came of each.

It supervises: whatever an adapter does, a case ends with a result, and the next one is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from niftyflow.brokers.conformance.cards import GroundName, Outcome, Result
from niftyflow.brokers.conformance.case import Case, CaseEnded
from niftyflow.brokers.conformance.stage import Ground
from niftyflow.brokers.errors import PermissionRefused
from niftyflow.model import NiftyflowError

CASE_SECONDS: Final = 180.0
"""Longest time of one case, the making of its stage included."""


async def run_case(case: Case, ground: Ground, *, seconds: float = CASE_SECONDS) -> Result:
    """Return what came of a case; only a cancellation of the caller's gets through."""
    lacking = ground.lacks(case)
    if lacking:
        return _result(case, Outcome.NOT_RUN, lacking)
    running = asyncio.create_task(_run(case, ground), name=f"case {case.name}")
    try:
        await asyncio.wait({running}, timeout=seconds)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    if running.cancelled():
        return _result(case, Outcome.FAILED, f"it did not end within {seconds:g} s")
    error = running.exception()
    if error is None:
        return running.result()
    if isinstance(error, CaseEnded):
        return _result(case, error.outcome, str(error))
    return _result(case, Outcome.FAILED, _told(error))


async def run_cases(
    cases: Sequence[Case], ground: Ground, hear: Callable[[Result], None] = lambda _: None
) -> tuple[Result, ...]:
    """Run cases one after the other; `hear` is told each result as it comes."""
    results = []
    for case in cases:
        result = await run_case(case, ground)
        hear(result)
        results.append(result)
    return tuple(results)


async def _run(case: Case, ground: Ground) -> Result:
    async with ground.stage(case) as stage:
        try:
            note = await case.check(stage)
        except PermissionRefused as error:
            if ground.name is GroundName.LIVE:  # it says something of the account, and nothing of the adapter
                return _result(case, Outcome.NOT_RUN, f"the account may not: {error}")
            raise
        except NiftyflowError as error:
            excuse = "" if isinstance(error, CaseEnded) and error.outcome is not Outcome.FAILED else stage.excuse()
            if excuse:
                return _result(case, Outcome.NOT_RUN, excuse)
            raise
        return _result(case, Outcome.PASSED, note or "")


def _result(case: Case, outcome: Outcome, reason: str) -> Result:
    return Result(case=case.name, shows=case.shows, outcome=outcome, reason=reason)


def _told(error: BaseException) -> str:
    """Return an error as a reason: an error of the port where none was due, or one that is none of ours."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, NiftyflowError):
        return f"{type(error).__name__}: {error}"
    return f"the adapter let {type(error).__name__} through, which is no error of the port: {error}"
