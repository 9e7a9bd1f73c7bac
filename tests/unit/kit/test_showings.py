"""Showing things to screens: whatever becomes of it, the stage goes on."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from niftyflow.kit import showing
from niftyflow.kit.showing import Showing
from niftyflow.model import Refused, Unavailable


async def _away() -> None:
    raise Unavailable("hot store", "gone")


async def _refused() -> None:
    raise Refused("no room")


async def _hangs() -> None:
    await asyncio.sleep(3600)


async def _works() -> None:
    return None


@pytest.mark.parametrize("operation", [_away, _refused, _hangs])
async def test_what_fails_is_said_once_until_it_works_again(monkeypatch, operation):
    """Away, refusing or hanging: no error comes through, and the log is not filled."""
    monkeypatch.setattr(showing, "LONGEST_SECONDS", 0.01)
    shows = Showing("analysis")
    with capture_logs() as said:
        await shows.show(operation)
        await shows.show(operation)
        await shows.show(_works)
        await shows.show(operation)
    assert [line["event"] for line in said] == ["not_shown", "not_shown"]
    assert {line["stage"] for line in said} == {"analysis"}


async def test_a_mistake_of_ours_is_not_swallowed():
    """It is no error of the world."""

    async def wrong() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Showing("analysis").show(wrong)
