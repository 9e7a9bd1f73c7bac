"""Whether a process has everything it needs: its workers and the dependencies it pings, each with its own state.

Whoever serves health answers with this body, so that every process of the graph is looked at in one way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from niftyflow.kit.health import Health, State
from niftyflow.model import Misconfigured, Retryable

PING_SECONDS: Final = 1.0
ASKED_TOPIC: Final = "market_candles"
"""Whose end is asked for to see that the bus answers."""

Dependencies = Mapping[str, Callable[[], Awaitable[object]]]
"""What a process depends on, by name: each is awaited, and raises `Retryable` or `Misconfigured` when it is away."""


class Pinged(Protocol):
    """A store."""

    async def ping(self) -> object:
        """Return when it answers.

        Raises:
            Retryable: it is away.
        """
        ...


class HasEnds(Protocol):
    """A bus."""

    async def end(self, topic: str) -> object:
        """Return where a topic ends.

        Raises:
            Retryable: the bus is away.
        """
        ...


class Readiness(NamedTuple):
    """What was found: the body that is answered, and the names of what does not run."""

    body: dict[str, Any]
    away: list[str]

    @property
    def message(self) -> str:
        """What is wrong, in one line; empty when nothing is."""
        return f"not ready: {', '.join(self.away)}" if self.away else ""


def dependencies_of(bus: HasEnds, stores: Mapping[str, Pinged]) -> Dependencies:
    """Return a bus and named stores as dependencies."""
    return {name: store.ping for name, store in stores.items()} | {"bus": lambda: bus.end(ASKED_TOPIC)}


async def readiness(health: Health, dependencies: Dependencies) -> Readiness:
    """Return the state of every worker, and of every dependency asked now, each within a second."""
    asked = await asyncio.gather(*(_asked(name, ping) for name, ping in dependencies.items()))
    workers = [{"name": each.worker, "state": each.state.value, "reason": each.reason} for each in health.report()]
    away = [part["name"] for part in (*workers, *asked) if part["state"] != State.RUNNING.value]
    return Readiness({"is_ready": not away, "workers": workers, "dependencies": asked}, away)


async def _asked(name: str, ping: Callable[[], Awaitable[object]]) -> dict[str, str]:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping()
    except (Retryable, Misconfigured, TimeoutError) as error:
        reason = str(error) or f"no answer within {PING_SECONDS:g} s"
        return {"name": name, "state": State.WAITING.value, "reason": reason}
    return {"name": name, "state": State.RUNNING.value, "reason": ""}
